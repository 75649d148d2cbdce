"""A look at MongoDB from outside the workers: what it is, and whether it can do what is needed."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from contracts.users import ENDED_STATUSES
from handlers.entry import OUT
from handlers.leaving import LEAVING
from outbox.record import past_lane
from workers.store import driver
from workers.store.codec import decode
from workers.store.driver import Client, Driver
from workers.store.faults import away
from workers.store.protocol import Unavailable

DEFAULT_PORT: Final = 27017
TIMEOUT_MS: Final = 5000
SELECT_MS: Final = 2000
EMPTY: Final = bson.encode({"_id": 0})
LASTING: Final[Mapping[str, Any]] = {"$expr": {"$gt": ["$until", "$$NOW"]}}
"""Matches what has not run out, by the database's clock."""
ANYBODY: Final = ReadPreference.PRIMARY_PREFERRED
PROBE: Final = "probe"
"""A collection that never comes into being: the transaction that would make it is aborted."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the server says of itself."""

    version: str
    set_name: str | None
    primary: bool
    ahead_s: float
    """How far its clock is ahead of this machine's, half of the way there and back allowed for."""


class Inspection:
    """An open client of its own; use it as an async context manager. Raises Unavailable."""

    def __init__(self, url: str, database: str, through: Driver) -> None:
        """Connect at the first question."""
        self._client: Client = driver.connect(url, through, SELECT_MS, TIMEOUT_MS)
        self._database = self._client[database]

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await driver.close(self._client)

    async def hello(self) -> Hello:
        """Who is there."""
        with _in_words():
            admin = self._client.admin
            # Of whoever is there: that there is no primary is one of the answers.
            about = _plain(await admin.command("buildInfo", read_preference=ANYBODY))
            asked, started = datetime.now(UTC), time.monotonic()
            said = _plain(await admin.command("hello", read_preference=ANYBODY))
            took_s = time.monotonic() - started
        local = said["localTime"].replace(tzinfo=UTC)
        ahead_s = (local - asked).total_seconds() - took_s / 2
        primary = bool(said.get("isWritablePrimary"))
        return Hello(about["version"], said.get("setName"), primary, ahead_s)

    async def try_transaction(self) -> None:
        """Write in a transaction and abort it, so that nothing stays."""
        with _in_words():
            async with await driver.start_session(self._client) as session:
                await driver.start_transaction(session)
                await self._database[PROBE].insert_one(RawBSONDocument(EMPTY), session=session)
                await session.abort_transaction()

    async def row(self, collection: str, key: str) -> Mapping[str, Any] | None:
        """One document as it is stored."""
        with _in_words():
            found = await self._database[collection].find_one({"_id": key})
        return None if found is None else decode(bytes(found.raw))

    async def oldest_record(self) -> tuple[int, datetime | None]:
        """How many records wait in the outbox, and since when the oldest does.

        The first of each lane is its oldest, and is found by its id: as many looks as there are
        lanes, however long the outbox is.
        """
        oldest: list[datetime] = []
        with _in_words():
            outbox = self._database["outbox"]
            count = await outbox.estimated_document_count()
            behind = ""
            while first := await outbox.find_one(
                {"_id": {"$gt": behind}}, {"at": 1}, sort=[("_id", 1)]
            ):
                row = _plain(first)
                oldest += [row["at"]] if "at" in row else []
                behind = past_lane(row["_id"])
        return count, min(oldest, default=None)

    async def dead_letters(self) -> tuple[int, datetime | None]:
        """How many dead letters wait for an operator, and since when the oldest does.

        Also those that failed again, which nobody may have waited for.
        """
        waiting = {"terms": {"$in": ["state:open", "state:failed-again"]}}
        with _in_words():
            letters = self._database["dead_letters"]
            count = await letters.count_documents(waiting)
            # Ids begin with the moment at which they died.
            oldest = await letters.find_one(waiting, {"first_at": 1}, sort=[("_id", 1)])
        return count, None if oldest is None else _plain(oldest)["first_at"]

    async def losses(self) -> list[Mapping[str, Any]]:
        """What each user's own queues have lost, the latest first."""
        with _in_words():
            rows = await self._database["losses"].find({}, sort=[("at", -1)]).to_list(None)
        return [_plain(row) for row in rows]

    async def parked(self) -> int:
        """How many commands wait, in all lanes."""
        with _in_words():
            return int(await self._database["parked"].estimated_document_count())

    async def lanes(self) -> list[Mapping[str, Any]]:
        """Each lane with its owner while the lease lasts, its epoch and its batch."""
        with _in_words():
            mine = await self._database["lanes"].find(LASTING, {"_id": 1}).to_list(None)
            rows = await self._database["lanes"].find({}, sort=[("_id", 1)]).to_list(None)
        live = {_plain(row)["_id"] for row in mine}
        return [
            {**{n: row.get(n) for n in ("_id", "epoch", "batch")},
             "owner": row.get("owner") if row["_id"] in live else None}
            for row in map(_plain, rows)
        ]  # fmt: skip

    async def present(self, host: str | None = None) -> list[str]:
        """Which processes, of a host or of all, have lately said that they are there."""
        of_host = {} if host is None else {"_id": {"$regex": f"^{re.escape(host)}:"}}
        mine = {**of_host, **LASTING}
        with _in_words():
            rows = await self._database["present"].find(mine, {"_id": 1}).to_list(None)
        return sorted(_plain(row)["_id"] for row in rows)

    async def registered(self) -> Mapping[str, Mapping[str, bool]]:
        """The users who take part, with their accounts and whether each is to be let in.

        And aliases, who read what waits in their queues, and those who have retired themselves and
        still read the answer.
        """
        with _in_words():
            taking_part = {"status": {"$nin": sorted(ENDED_STATUSES)}}
            asked = {"$or": [taking_part, {"merged_into": {"$exists": True}}]}
            shown = {"status": 1, "merged_into": 1}
            users = await self._database["users"].find(asked, shown).to_list(None)
            known = {
                row["_id"]: "merged_into" in row or row["status"] not in OUT
                for row in map(_plain, users)
            }
            rows = await self._database["accounts"].find({}, {"user": 1, "state": 1}).to_list(None)
        found: dict[str, dict[str, bool]] = {user: {} for user in known}
        for row in map(_plain, rows):
            if row["state"] == "active" and row["user"] in known:
                found[row["user"]][row["_id"]] = known[row["user"]]
            elif row["state"] == LEAVING:
                found.setdefault(row["user"], {})[row["_id"]] = True
        return found


def members(url: str) -> list[tuple[str, int]]:
    """Host and port of each member that an address names, as the driver reads it."""
    try:
        found = parse_uri(url)["nodelist"]
    except (PyMongoError, ValueError) as error:
        raise Unavailable(
            f"expected an address like mongodb://host:27017/?replicaSet=rs0, got one of which the "
            f"driver says {type(error).__name__}: {error}. Correct FLEXSPINE_MONGO_URL."
        ) from error
    return [(host, int(port or DEFAULT_PORT)) for host, port in found]


def _plain(document: Any) -> dict[str, Any]:
    return decode(bytes(document.raw)) if hasattr(document, "raw") else dict(document)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (PyMongoError, BSONError, TimeoutError) as error:
        raise Unavailable(away(error)) from error
