"""The store in the process's own memory: for tests, testers and the checking service."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.spans import Around, Tally
from workers.store.codec import SIZE_MAX, decode, key_of
from workers.store.globe import DISTANCE, behind, distance_m, placed
from workers.store.indexes import INDEXES, Index
from workers.store.lists import counted_all_of
from workers.store.protocol import (
    Commit,
    Conflict,
    Fenced,
    Key,
    Lease,
    Refused,
    duplicate,
    fence_missed,
    missed,
)

# What one commit writes, laid over what is stored until all of it has passed; None = deleted.
Staged = dict[str, dict[Key, bytes | None]]


@dataclass(slots=True)
class _Lane:
    owner: str | None
    until: float
    epoch: int
    batch: int


class MemoryStore:
    """Documents as bytes by collection and key; no await inside, so each call is atomic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; leases run by `clock`, in seconds."""
        self._clock = clock
        self._documents: dict[str, dict[Key, bytes]] = {}
        self._lanes: dict[str, _Lane] = {}
        self._present: dict[str, float] = {}

    async def install(self, indexes: Mapping[str, Sequence[Index]] = INDEXES) -> None:
        """Prepare nothing: collections appear with their first document."""

    async def close(self) -> None:
        """Close nothing: the documents live as long as this object."""

    async def load(
        self, keys: Mapping[str, Collection[Key]]
    ) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        """Find documents by collection and key; absent ones are left out."""
        return {name: self._found(name, wanted) for name, wanted in keys.items()}

    async def valued(self, collection: str, ids: Collection[str], field: str) -> Mapping[str, Any]:
        """One field of each document, None where it has none; absent documents are left out."""
        stored = self._documents.get(collection, {})
        return {name: decode(stored[name]).get(field) for name in ids if name in stored}

    async def listed(self, collection: str, prefix: str) -> Sequence[str]:
        """List ids that begin with `prefix`, in their order."""
        stored = self._documents.get(collection, {})
        return sorted(key for key in stored if isinstance(key, str) and key.startswith(prefix))

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose `field` holds one of the values, by value and then by id."""
        rows, spelt = self._documents.get(collection, {}).values(), [v.encode() for v in values]
        # Its text is in a row that holds it: most rows need not be read.
        stored = (decode(row) for row in rows if any(text in row for text in spelt))
        found = [d for d in stored if d.get(field) in values and str(d["_id"]) > after]
        return sorted(found, key=lambda d: (str(d[field]), str(d["_id"])))[:limit]

    async def holding_all(
        self, collection: str, field: str, values: Sequence[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose list `field` holds every one of the values, by id."""
        stored, wanted = map(decode, self._documents.get(collection, {}).values()), set(values)
        behind = [d for d in stored if str(d["_id"]) > after]
        found = [d for d in behind if not wanted or wanted <= set(d.get(field) or ())]
        rows = sorted(found, key=lambda d: str(d["_id"]))[:limit]
        return [{n: v for n, v in d.items() if not wanted or n != field} for d in rows]

    async def around(self, collection: str, around: Around) -> Sequence[Mapping[str, Any]]:
        """Find documents by the distance of their point, and by id."""
        stored = map(decode, self._documents.get(collection, {}).values())
        mine = [d for d in stored if around.field in d and around.value in d.get(around.held, ())]
        rows = [{**d, DISTANCE: distance_m(around, d[around.field])} for d in mine]
        near = [r for r in rows if r[DISTANCE] <= around.radius_m and behind(around, r)]
        found = sorted(near, key=placed)[: around.limit]
        return [{name: v for name, v in row.items() if name != around.held} for row in found]

    async def tallied(self, collection: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
        """Count the documents whose list holds some values, by fields."""
        return counted_all_of(tally, map(decode, self._documents.get(collection, {}).values()))

    async def commit(self, commit: Commit) -> None:
        """Do all of it or nothing; raise Conflict, Fenced or Refused."""
        lane = self._fence(commit)
        staged: Staged = {}
        for name in commit.collections():
            staged[name] = {}
            self._stage(commit, name, staged[name])
        for name, changes in staged.items():
            self._apply(name, changes)
        lane.batch = commit.batch

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        """Take the lane under a new epoch; `None` while another owner's lease is live."""
        now = self._clock()
        held = self._lanes.setdefault(lane, _Lane(None, now, 0, 0))
        if held.owner != owner and held.until > now:
            return None
        held.owner, held.until, held.epoch = owner, now + ttl_s, held.epoch + 1
        return Lease(lane, owner, held.epoch, held.batch)

    async def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Prolong the lease; false when the lane has a new epoch or was released."""
        held = self._held(lease)
        if held is None:
            return False
        held.until = self._clock() + ttl_s
        return True

    async def release(self, lease: Lease) -> None:
        """Give the lane up at once; the fence keeps its epoch and batch."""
        held = self._held(lease)
        if held is not None:
            held.owner, held.until = None, self._clock()

    async def begin(self, lane: str, epoch: int, batch: int) -> None:
        """Make a lane that nobody has, behind what another store has counted for it."""
        if lane in self._lanes:
            raise Conflict(duplicate("lanes"))
        self._lanes[lane] = _Lane(None, self._clock(), epoch, batch)

    async def attend(self, owner: str, ttl_s: float) -> int:
        """Be present for so long, and say how many owners are."""
        now = self._clock()
        self._present[owner] = now + ttl_s
        self._present = {name: until for name, until in self._present.items() if until > now}
        return len(self._present)

    async def leave(self, owner: str) -> None:
        """Be present no longer."""
        self._present.pop(owner, None)

    async def ping(self) -> None:
        """Answer."""

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """List outbox records of the partitions behind `after`, in order of `_id`."""
        wanted = set(partitions)
        records = map(decode, self._documents.get("outbox", {}).values())
        mine = [r for r in records if r["partition"] in wanted and str(r["_id"]) > after]
        return sorted(mine, key=lambda record: str(record["_id"]))[:limit]

    async def forget(self, ids: Collection[str]) -> None:
        """Delete outbox records that were sent; those already gone are no error."""
        outbox = self._documents.get("outbox", {})
        for name in ids:
            outbox.pop(name, None)

    def _found(self, name: str, wanted: Collection[Key]) -> dict[Key, Mapping[str, Any]]:
        stored = self._documents.get(name, {})
        return {key: decode(stored[key]) for key in wanted if key in stored}

    def _held(self, lease: Lease) -> _Lane | None:
        held = self._lanes.get(lease.lane)
        if held is None or (held.owner, held.epoch) != (lease.owner, lease.epoch):
            return None
        return held

    def _fence(self, commit: Commit) -> _Lane:
        lane = self._lanes.get(commit.lane)
        if lane is None or (lane.epoch, lane.batch) != (commit.epoch, commit.batch - 1):
            raise Fenced(fence_missed(commit))
        return lane

    def _stage(self, commit: Commit, name: str, staged: dict[Key, bytes | None]) -> None:
        for document in commit.inserts.get(name, ()):
            key = _key_inside(document)
            if self._stored(name, key, staged) is not None:
                raise Conflict(duplicate(name))
            staged[key] = document
        for replace in commit.replaces.get(name, ()):
            self._expect(name, replace.id, replace.revision, staged)
            if _key_inside(replace.document) != replace.id:
                message = f"Expected the new {name} document to keep `_id` {replace.id!r}."
                raise Refused(message)
            staged[replace.id] = replace.document
        for guard in commit.guards.get(name, ()):
            self._expect(name, guard.id, guard.revision, staged)
        for drop in commit.drops.get(name, ()):
            self._expect(name, drop.id, drop.revision, staged)
            staged[drop.id] = None

    def _stored(self, name: str, key: Key, staged: dict[Key, bytes | None]) -> bytes | None:
        return staged[key] if key in staged else self._documents.get(name, {}).get(key)

    def _expect(
        self, name: str, key: Key, revision: int | None, staged: dict[Key, bytes | None]
    ) -> None:
        document = self._stored(name, key, staged)
        if document is None or (
            revision is not None and decode(document).get("revision") != revision
        ):
            raise Conflict(missed(name))

    def _apply(self, name: str, changes: dict[Key, bytes | None]) -> None:
        stored = self._documents.setdefault(name, {})
        for key, document in changes.items():
            if document is None:
                stored.pop(key, None)
            else:
                stored[key] = document


def _key_inside(document: bytes) -> Key:
    if len(document) > SIZE_MAX:
        message = f"Expected a document of at most {SIZE_MAX} bytes, got {len(document)}."
        raise Refused(message)
    return key_of(decode(document)["_id"])
