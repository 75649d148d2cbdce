"""How processes share mailboxes: each its part, and all of them where one is gone."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from tests.memory.broker import settled
from workers.leases import Leases
from workers.shares import Shares
from workers.store.memory import MemoryStore
from workers.store.protocol import Lease

T = TypeVar("T")
NAMES = ["mailbox.a.0", "mailbox.b.0", "mailbox.c.0", "dead.a", "dead.b", "unrouted"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Box:
    """A mailbox that gives way when it is told to."""

    def __init__(self, name: str, shares: Shares) -> None:
        self.name = name
        self._shares = shares
        self.owned = False

    def give_way(self) -> None:
        self.owned = False
        self._shares.left(self)

    async def take(self) -> None:
        self.owned = self.owned or await self._shares.take(self) is not None


class Process:
    """One process with a stand-in for each mailbox."""

    def __init__(self, name: str, store: MemoryStore, names: Sequence[str] = tuple(NAMES)) -> None:
        self.shares = Shares(store, name, 10, 10, names)
        self.store = store
        self.boxes = [Box(name, self.shares) for name in names]

    async def turn(self) -> list[str]:
        """Count, then take what is free."""
        before = {box.name for box in self.boxes if box.owned}
        await self.shares.count()
        for box in self.boxes:
            if box.name in before and not box.owned:
                lane = self.store._lanes[box.name]
                lane.owner, lane.until = None, 0.0
            else:
                await box.take()
        return [box.name for box in self.boxes if box.owned]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


async def test_one_process_owns_everything(store: MemoryStore) -> None:
    assert await Process("one", store).turn() == NAMES


async def test_a_second_process_gets_its_part_of_each_kind(store: MemoryStore) -> None:
    first, second = Process("one", store), Process("two", store)
    await first.turn()
    assert await second.turn() == []
    assert await first.turn() == ["mailbox.a.0", "mailbox.b.0", "dead.a", "unrouted"]
    assert await second.turn() == ["mailbox.c.0", "dead.b"]
    assert await first.turn() == ["mailbox.a.0", "mailbox.b.0", "dead.a", "unrouted"]


async def test_each_process_gets_its_part_of_a_registers_shards(store: MemoryStore) -> None:
    """Else one might own all shards of a register, and the other all of the rest."""
    shards = [f"mailbox.a.{number}" for number in range(4)]
    names = [*shards, "mailbox.b.0", "mailbox.c.0"]
    first, second = (Process(name, store, names) for name in ("one", "two"))
    for _ in range(3):
        owned = [await process.turn() for process in (first, second)]
    assert owned == [[*shards[:2], "mailbox.b.0"], [*shards[2:], "mailbox.c.0"]]


async def test_who_is_gone_leaves_everything_to_the_other(store: MemoryStore, clock: Clock) -> None:
    first, second = Process("one", store), Process("two", store)
    for process in (first, second, first, second):
        await process.turn()
    clock.now += 10
    assert await second.turn() == NAMES


async def test_who_leaves_in_order_is_not_waited_for(store: MemoryStore) -> None:
    first, second = Process("one", store), Process("two", store)
    for process in (first, second, first, second):
        await process.turn()
    await first.shares.leave()
    await second.shares.count()
    assert second.shares.present == 1


async def test_lease_of_another_is_not_counted_as_ones_own(store: MemoryStore) -> None:
    await store.acquire("unrouted", "another", 10)
    process = Process("one", store)
    assert "unrouted" not in await process.turn()
    assert "unrouted" not in process.shares._owned


async def test_who_cannot_reach_the_broker_leaves_everything_to_others(
    store: MemoryStore, clock: Clock
) -> None:
    """Its leases would last for ever: the database is all that they need."""
    first, second = Process("one", store), Process("two", store)
    reaches = [True]
    first.shares.reaches, first.shares.clock = lambda: reaches[0], clock
    for process in (first, second, first, second):
        await process.turn()
    reaches[0] = False
    await first.shares.count()
    assert any(box.owned for box in first.boxes)
    clock.now += 11
    assert await first.turn() == []
    assert await second.turn() == NAMES
    reaches[0] = True
    await first.shares.count()
    assert first.shares.present == 2


class Threaded(MemoryStore):
    """A store whose driver does what it was asked though whoever asked is cancelled."""

    arrives: asyncio.Event

    async def attend(self, owner: str, ttl_s: float) -> int:
        return await self._arriving(super().attend(owner, ttl_s))

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        return await self._arriving(super().acquire(lane, owner, ttl_s))

    async def _arriving(self, work: Coroutine[Any, Any, T]) -> T:
        async def arriving() -> T:
            await self.arrives.wait()
            return await work

        return await asyncio.shield(asyncio.ensure_future(arriving()))


@pytest.fixture
def threaded(clock: Clock) -> Threaded:
    store = Threaded(clock)
    store.arrives = asyncio.Event()
    return store


async def ended(running: asyncio.Task[None], left: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """End a task while its question is on its way, and then leave."""
    await settled()
    running.cancel()
    await asyncio.wait([running])
    leaving = asyncio.create_task(left)
    await settled()
    return leaving


async def test_a_count_that_is_on_its_way_at_the_end_does_not_come_behind_it(
    threaded: Threaded,
) -> None:
    """Else the others would leave a part to who is gone, until that has run out."""
    shares = Process("one", threaded).shares
    leaving = await ended(asyncio.create_task(shares.run()), shares.leave())
    threaded.arrives.set()
    await leaving
    await settled()
    assert await MemoryStore.attend(threaded, "two", 10) == 1


async def test_a_lease_that_is_on_its_way_at_the_end_is_released(threaded: Threaded) -> None:
    leases = Leases(threaded, ["relay.00"], "one", 60)
    leaving = await ended(asyncio.create_task(leases.run()), leases.release())
    threaded.arrives.set()
    await leaving
    await settled()
    assert await MemoryStore.acquire(threaded, "relay.00", "two", 60) is not None
