"""Whole collections as they are stored, read at one moment and written back: for backups."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Self

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure, PyMongoError

from workers.store import driver
from workers.store.driver import Client, Driver
from workers.store.faults import away
from workers.store.inspection import members
from workers.store.protocol import Refused, Unavailable

SELECT_MS: Final = 5000
TIMEOUT_MS: Final = 120_000
"""For one page; a backup as a whole takes as long as it takes."""
PAGE: Final = 1000
PASSING: Final = frozenset({"present"})
"""Collections of which a copy would be wrong at once."""
SNAPSHOT_TOO_OLD: Final = 239
Keys = Sequence[tuple[str, Any]]
Session = AsyncClientSession


class Dump:
    """An open client of its own; use it as an async context manager. Raises Unavailable."""

    def __init__(self, url: str, database: str, through: Driver) -> None:
        """Connect at the first question."""
        self._client: Client = driver.connect(url, through, SELECT_MS, TIMEOUT_MS)
        self._database = self._client[database]
        self.name = database
        self._url = url

    def dropping(self) -> str:
        """What drops the database where this program is; the servers' own shell may not be."""
        servers = ",".join(f"{host}:{port}" for host, port in members(self._url))
        drop = f"MongoClient('mongodb://{servers}/').drop_database('{self.name}')"
        return (
            f'`python -c "from pymongo import MongoClient; {drop}"`, with the login and options of '
            "your address"
        )

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await driver.close(self._client)

    async def collections(self) -> list[str]:
        """Names of all collections that a copy holds."""
        with _in_words():
            names = await self._database.list_collection_names()
        return sorted(set(names) - PASSING)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[AsyncClientSession]:
        """A session in which everything is read as it was at the first read."""
        with _in_words():
            session = await driver.start_session(self._client, snapshot=True)
        try:
            yield session
        finally:
            await session.end_session()

    async def rows(
        self, collection: str, session: AsyncClientSession | None = None
    ) -> AsyncIterator[bytes]:
        """Documents as they are stored, in the order of their ids."""
        found = self._database[collection].find({}, sort=[("_id", 1)], session=session)
        with _in_words():
            async for document in found.batch_size(PAGE):
                yield bytes(document.raw)

    async def indexes(self, collection: str) -> list[list[list[Any]]]:
        """The fields of each index in their order, sorted."""
        with _in_words():
            found: Any = self._database[collection].list_indexes()
            cursor = await found if not hasattr(found, "to_list") else found
            rows = await cursor.to_list(None)
        # The driver reads what it lists itself.
        return sorted([[name, kind] for name, kind in row["key"].items()] for row in rows)

    async def fill(self, collection: str, rows: Sequence[bytes]) -> None:
        """Write documents as they are; raises Refused where one of them is there already."""
        with _in_words():
            await self._database[collection].insert_many([RawBSONDocument(row) for row in rows])

    async def is_empty(self) -> bool:
        """Whether there is no document in any collection."""
        for name in await self.collections():
            with _in_words():
                if await self._database[name].find_one({}, {"_id": 1}) is not None:
                    return False
        return True


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code == SNAPSHOT_TOO_OLD:
            raise Unavailable(
                "expected to read all of one moment, found that the server has forgotten it. "
                "Set its parameter minSnapshotHistoryWindowInSeconds to more seconds than the "
                "backup takes, and begin again."
            ) from error
        raise Refused(f"expected MongoDB to do it, got code {error.code}") from error
    except (PyMongoError, BSONError, TimeoutError) as error:
        raise Unavailable(away(error)) from error
