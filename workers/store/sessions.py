"""One session per lane: what an owner left open is ended by its next use, or by a successor.

The server keeps an open transaction for a minute after its client is gone, and with it the
lane's row: nobody could commit or take the lane over until then.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pymongo
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure, PyMongoError

from workers.store import driver
from workers.store.driver import Client
from workers.store.faults import UNKNOWN_COMMIT

COMMIT_ATTEMPTS: Final = 3
ABORT_S: Final = 1.0


class Sessions:
    """The sessions of this process's lanes; a new transaction ends the session's former one."""

    def __init__(self, client: Client) -> None:
        """Open none yet."""
        self._client = client
        self._opened: dict[str, AsyncClientSession] = {}
        self._busy: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def of(self, lane: str) -> AsyncIterator[AsyncClientSession]:
        """Lend the lane's session to one at a time, because a session does one thing at a time."""
        async with self._busy.setdefault(lane, asyncio.Lock()):
            yield await self._session(lane)

    async def id_of(self, lane: str) -> Mapping[str, Any]:
        """Give the id under which the server knows the lane's session."""
        async with self.of(lane) as session:
            return session.session_id

    async def end(self, session_id: Mapping[str, Any]) -> None:
        """End a session wherever it was opened; the server aborts its transaction."""
        # Refused where the former owner had another account; then the server's own limit ends it.
        with suppress(OperationFailure):
            await self._client.admin.command("killSessions", [dict(session_id)])

    async def close(self) -> None:
        """End all of them."""
        for session in self._opened.values():
            await session.end_session()

    async def _session(self, lane: str) -> AsyncClientSession:
        if lane not in self._opened:
            self._opened[lane] = await driver.start_session(self._client)
        return self._opened[lane]


async def finish(session: AsyncClientSession) -> None:
    """Commit; where it is not known whether it happened, ask again."""
    for attempt in range(1, COMMIT_ATTEMPTS + 1):
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            unknown = error.has_error_label(UNKNOWN_COMMIT) and not error.timeout
            if not unknown or attempt == COMMIT_ATTEMPTS:
                raise
        else:
            return


async def abort(session: AsyncClientSession) -> None:
    """Abort what is still open."""
    # Its own deadline, because the commit's may be over. Where it does not arrive, the next
    # use of the lane's session aborts, see above.
    if session.in_transaction:
        with suppress(PyMongoError), pymongo.timeout(ABORT_S):
            await session.abort_transaction()
