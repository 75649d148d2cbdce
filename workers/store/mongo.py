"""The store in MongoDB: documents by key, one transaction per commit, leases, the outbox."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import pymongo
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from handlers.spans import Around, Tally
from workers.store import driver, globe, keyed
from workers.store.changes import change
from workers.store.codec import decode, encode_row
from workers.store.driver import Driver
from workers.store.faults import translated
from workers.store.indexes import INDEXES, PAGES, Index, model_of
from workers.store.leases import RELEASE, RUN_OUT, free_for, holder, renewal, takeover
from workers.store.lists import count_all_of, find_all_of
from workers.store.protocol import Commit, Fenced, Key, Lease, Refused, Unavailable, fence_missed
from workers.store.sessions import ABORT_S, Sessions, abort, finish

INSTALL_S: Final = 120.0

# The driver keeps its own deadline; this much later the store gives up on the driver.
GRACE_S: Final = 2.0

# Behind every character that an id is made of.
LAST_CHARACTER: Final = "\U0010ffff"

_NAMESPACE_EXISTS: Final = 48
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Until when a lane is held that nobody has."""


class MongoStore:
    """Documents in a replica set, through Motor or PyMongo's async client."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        through: Driver = Driver.PYMONGO,
        select_s: float = 2.0,
        timeout_s: float = 5.0,
    ) -> None:
        """Prepare a client; nothing is sent before the first call."""
        self.database = database
        self._client = driver.connect(url, through, round(select_s * 1000), round(timeout_s * 1000))
        self._database = self._client[database]
        self._lanes = self._database["lanes"]
        self._present = self._database["present"]
        self._outbox = self._database["outbox"]
        self._sessions = Sessions(self._client)
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[None]] = set()

    async def install(self, indexes: Mapping[str, Sequence[Index]] = INDEXES) -> None:
        """Check the server and make collections and indexes, which no transaction may do."""
        with _in_words(), pymongo.timeout(INSTALL_S):
            hello = await self._client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                message = (
                    "Expected a replica set, because transactions need one; got a single server: "
                    "start mongod with --replSet and initiate it, also if it is alone."
                )
                raise Refused(message)
            for name, wanted in indexes.items():
                await self._create(name)
                if wanted:
                    await self._database[name].create_indexes([*map(model_of, wanted)])

    async def close(self) -> None:
        """Let commits that are still under way end, then close the client."""
        if self._running:
            await asyncio.wait(self._running)
        with suppress(PyMongoError), pymongo.timeout(ABORT_S):
            await self._sessions.close()
        await driver.close(self._client)

    async def load(
        self, keys: Mapping[str, Collection[Key]]
    ) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        """Find documents by collection and key, all collections at once, no session."""
        found: dict[str, dict[Key, Mapping[str, Any]]] = {name: {} for name in keys}
        with _in_words():
            for first, pipeline in keyed.queries(keys):
                # All in one answer; by default it is cut after 101 documents.
                cursor = await driver.aggregate(self._database[first], pipeline, keyed.KEYS_MAX)
                for document in await cursor.to_list(None):
                    key, row = keyed.read(bytes(document.raw))
                    found[row.pop(keyed.COLLECTION, first)][key] = row
        return found

    async def valued(self, collection: str, ids: Collection[str], field: str) -> Mapping[str, Any]:
        """One field of each document, None where it has none; absent documents are left out."""
        with _in_words():
            found = self._database[collection].find({"_id": {"$in": list(ids)}}, {field: 1})
            rows = [decode(bytes(row.raw)) for row in await found.to_list(None)]
        return {row["_id"]: row.get(field) for row in rows}

    async def listed(self, collection: str, prefix: str) -> Sequence[str]:
        """List ids that begin with `prefix`, in their order."""
        within = {"_id": {"$gte": prefix, "$lt": prefix + LAST_CHARACTER}}
        with _in_words():
            found = self._database[collection].find(within, {"_id": 1}, sort=[("_id", 1)])
            return [str(row["_id"]) for row in await found.to_list(None)]

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose indexed `field` holds one of the values, by value and then by id."""
        asked: dict[str, Any] = {field: {"$in": list(values)}}
        if after:
            asked["_id"] = {"$gt": after}
        with _in_words():
            found = self._database[collection].find(asked, sort=[(field, 1), ("_id", 1)])
            documents = await found.limit(limit).to_list(None)
        return [keyed.read(bytes(document.raw))[1] for document in documents]

    async def holding_all(
        self, collection: str, field: str, values: Sequence[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose indexed list `field` holds every one of the values, by id."""
        asked, without, hint = find_all_of(field, values, after)
        with _in_words():
            found = self._database[collection].find(asked, without, sort=[("_id", 1)], hint=hint)
            documents = await found.limit(limit).to_list(None)
        return [keyed.read(bytes(document.raw))[1] for document in documents]

    async def around(self, collection: str, around: Around) -> Sequence[Mapping[str, Any]]:
        """Find documents by the distance of their indexed point, and by id."""

        async def ask(pipeline: Sequence[Mapping[str, Any]]) -> Sequence[globe.Row]:
            cursor = await driver.aggregate(self._database[collection], pipeline)
            return [keyed.read(bytes(row.raw))[1] for row in await cursor.to_list(None)]

        with _in_words():
            return await globe.page_around(around, ask)

    async def tallied(self, collection: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
        """Count the documents whose indexed list holds some values, by fields."""
        with _in_words():
            cursor = await driver.aggregate(self._database[collection], count_all_of(tally))
            rows = [decode(bytes(row.raw)) for row in await cursor.to_list(None)]
        return [{**row, "_id": tally.id_of(row)} for row in rows]

    async def commit(self, commit: Commit) -> None:
        """Do all of it or nothing; raise Conflict, Fenced, Unavailable or Refused.

        A caller that is cancelled leaves the transaction to its end, because a session cut off
        in the middle would keep its locks; the fence tells the next commit what became of it.
        """
        work = asyncio.create_task(self._transact(commit))
        self._running.add(work)
        work.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_s + GRACE_S):
                await asyncio.shield(work)
        except TimeoutError as error:
            raise translated(error) or error from error

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        """Take the lane under a new epoch; `None` while another owner's lease is live."""
        with _in_words():
            former = await self._lanes.find_one(free_for(lane, owner))
            if former is not None and "session" in former:
                await self._sessions.end(former["session"])
            mine = await self._sessions.id_of(lane)
            try:
                held = await self._lanes.find_one_and_update(
                    {"_id": lane},
                    takeover(owner, ttl_s, mine),
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:
                # Two owners met at a new lane; the other one has it.
                return None
        if held is None or held["owner"] != owner:
            return None
        return Lease(lane, owner, held["epoch"], held["batch"])

    async def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Prolong the lease; false when the lane has a new epoch or was released."""
        mine = holder(lease.lane, lease.owner, lease.epoch)
        with _in_words():
            result = await self._lanes.update_one(mine, renewal(ttl_s))
        return result.matched_count == 1

    async def release(self, lease: Lease) -> None:
        """Give the lane up at once; the fence keeps its epoch and batch."""
        with _in_words():
            await self._lanes.update_one(holder(lease.lane, lease.owner, lease.epoch), RELEASE)

    async def begin(self, lane: str, epoch: int, batch: int) -> None:
        """Make a lane that nobody has, behind what another store has counted for it."""
        row = {"_id": lane, "owner": None, "until": LONG_AGO, "epoch": epoch, "batch": batch}
        with _in_words():
            await self._lanes.insert_one(RawBSONDocument(encode_row(row)))

    async def attend(self, owner: str, ttl_s: float) -> int:
        """Be present for so long, by the database's clock, and say how many owners are."""
        with _in_words():
            await self._present.update_one({"_id": owner}, renewal(ttl_s), upsert=True)
            await self._present.delete_many(RUN_OUT)
            # Oneself at least, however long it took from the first of these to the last.
            return max(1, await self._present.count_documents({}))

    async def leave(self, owner: str) -> None:
        """Be present no longer."""
        with _in_words():
            await self._present.delete_one({"_id": owner})

    async def ping(self) -> None:
        """Return if the database answers; raise Unavailable if not."""
        with _in_words():
            await self._client.admin.command("ping")

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """List outbox records of the partitions behind `after`, in order of `_id`."""
        mine = {"partition": {"$in": list(partitions)}, "_id": {"$gt": after}}
        with _in_words():
            records = await self._outbox.find(mine, sort=[("_id", 1)], limit=limit).to_list(None)
        return [decode(bytes(record.raw)) for record in records]

    async def forget(self, ids: Collection[str]) -> None:
        """Delete outbox records that were sent; those already gone are no error.

        By majority too, because `pending` reads so: it would still list what one member forgot.
        """
        if not ids:
            return
        with _in_words():
            await self._outbox.delete_many({"_id": {"$in": list(ids)}})

    async def _create(self, name: str) -> None:
        # A server that takes no such option, or has another engine, has pages of its own.
        for options in (PAGES, {}):
            try:
                await self._database.command({"create": name, **options})
            except OperationFailure as error:
                if error.code == _NAMESPACE_EXISTS:
                    return
                if not options:
                    raise
            else:
                return

    async def _transact(self, commit: Commit) -> None:
        with _in_words():
            async with self._sessions.of(commit.lane) as session:
                try:
                    with pymongo.timeout(self._timeout_s):
                        await driver.start_transaction(session)
                        await self._write(commit, session)
                        await finish(session)
                except BaseException:
                    await abort(session)
                    raise

    async def _write(self, commit: Commit, session: AsyncClientSession) -> None:
        # The fence first, so that a former owner learns it before it locks anything else.
        expected = {"_id": commit.lane, "epoch": commit.epoch, "batch": commit.batch - 1}
        moved = {"$set": {"batch": commit.batch}}
        result = await self._lanes.update_one(expected, moved, session=session)
        if result.matched_count == 0:
            raise Fenced(fence_missed(commit))
        for name in commit.collections():
            await change(self._database[name], commit, session)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            # Looked at here, because the caller may have given up before.
            work.exception()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (PyMongoError, BSONError, TimeoutError) as error:
        raise translated(error) or Unavailable(str(error)) from error
