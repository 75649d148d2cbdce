"""One database and what each process sees of it: the store in memory, with faults."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from handlers.spans import Around, Tally
from outbox.record import OutboxRecord
from workers.engine import CONFLICTS_MAX
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Conflict, Key, Lease, Unavailable

LOSSES: Final = 2 * CONFLICTS_MAX
"""As a batch, and then the first of it alone."""


class Point(StrEnum):
    """A moment between two steps, at which something may go wrong."""

    AFTER_LOAD = "after_load"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit_before_ack"
    BEFORE_PUBLISH = "before_publish"
    AFTER_PUBLISH = "after_publish_before_mark"
    BEFORE_MARK = "before_mark"
    AFTER_MARK = "after_mark"


class Act(StrEnum):
    """What goes wrong."""

    CRASH = "crash"
    """The process is gone with all that it knew; another one starts."""
    OUTAGE = "outage"
    """An error: the step before was done, or the step behind it never will be."""
    FREEZE = "freeze"
    """The process stands still until its leases have run out; its connection stays."""
    STEAL = "steal"
    """It stands still and the broker gives it up too, so that another owner does its work."""
    STOP = "stop"
    """The process is asked to stop; another one starts when it has."""
    LOSE = "lose"
    """The next commits of the lane lose against others; elsewhere the same as an outage."""
    DROP = "channel_closed"
    """Its connection to the broker is lost and comes again."""
    REFUSED = "refused"
    """The broker refuses the publish; elsewhere the same as an outage."""
    LATE = "late"
    """No confirm, and the message arrives after others; elsewhere the same as an outage."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong when a point is passed for the nth time, by whomever."""

    point: Point
    nth: int
    act: Act


@dataclass(slots=True)
class Schedule:
    """The faults that are still to come."""

    faults: list[Fault]
    _passed: dict[Point, int] = field(default_factory=dict)

    def take(self, point: Point) -> Act | None:
        """Pass a point."""
        nth = self._passed[point] = self._passed.get(point, 0) + 1
        for fault in self.faults:
            if (fault.point, fault.nth) == (point, nth):
                self.faults.remove(fault)
                return fault.act
        return None


class Host(Protocol):
    """The process that a store belongs to."""

    async def gate(self) -> None:
        """Wait while the process stands still; raise Unavailable where it is gone."""
        ...

    async def at(self, point: Point) -> Act | None:
        """Pass a point; say what there is to do about it besides what was done."""
        ...

    def deliver(self, record: OutboxRecord) -> None:
        """Have the broker take a message."""
        ...


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that happened, and at which epoch its lane was then."""

    commit: Commit
    epoch: int


class ModelStore(MemoryStore):
    """What one process sees of the database that all share."""

    losses = 0
    """How many of the next commits lose."""

    def __init__(self, shared: MemoryStore, host: Host, commits: list[Committed]) -> None:
        """The documents and lanes are those of `shared`."""
        super().__init__()
        self.__dict__.update(shared.__dict__)
        self.shared = shared
        self.host = host
        self.commits = commits

    async def load(
        self, keys: Mapping[str, Collection[Key]]
    ) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        await self.host.gate()
        found = await super().load(keys)
        await self._pass(Point.AFTER_LOAD)
        return found

    async def commit(self, commit: Commit) -> None:
        await self.host.gate()
        await self._pass(Point.BEFORE_COMMIT)
        if self.losses:
            self.losses -= 1
            raise Conflict("another commit was first")
        await self._commit(commit)
        await self._pass(Point.AFTER_COMMIT)

    async def _commit(self, commit: Commit) -> None:
        await super().commit(commit)
        self.commits.append(Committed(commit, self._lanes[commit.lane].epoch))

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        await self.host.gate()
        return await super().acquire(lane, owner, ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> bool:
        await self.host.gate()
        return await super().renew(lease, ttl_s)

    async def release(self, lease: Lease) -> None:
        await self.host.gate()
        await super().release(lease)

    async def listed(self, collection: str, prefix: str) -> Sequence[str]:
        await self.host.gate()
        return await super().listed(collection, prefix)

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        await self.host.gate()
        return await super().holding(collection, field, values, limit, after)

    async def holding_all(
        self, collection: str, field: str, values: Sequence[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        await self.host.gate()
        return await super().holding_all(collection, field, values, limit, after)

    async def around(self, collection: str, around: Around) -> Sequence[Mapping[str, Any]]:
        await self.host.gate()
        return await super().around(collection, around)

    async def tallied(self, collection: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
        await self.host.gate()
        return await super().tallied(collection, tally)

    async def attend(self, owner: str, ttl_s: float) -> int:
        await self.host.gate()
        return await self.shared.attend(owner, ttl_s)

    async def leave(self, owner: str) -> None:
        await self.host.gate()
        await self.shared.leave(owner)

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        await self.host.gate()
        return await super().pending(partitions, limit, after)

    async def forget(self, ids: Collection[str]) -> None:
        await self.host.gate()
        await self._pass(Point.BEFORE_MARK)
        await super().forget(ids)
        await self._pass(Point.AFTER_MARK)

    async def _pass(self, point: Point) -> None:
        act = await self.host.at(point)
        if act is Act.LOSE and point is Point.BEFORE_COMMIT:
            self.losses = LOSSES
        elif act is not None:
            raise Unavailable(f"an outage {point}")
