"""Leases of the outbox's partitions: shared by the processes that are present."""

import pytest

from workers.leases import Leases
from workers.store.memory import MemoryStore

LANES = [f"relay.{n:02d}" for n in range(5)]


class Process:
    """One process's leases, and how many processes it believes to be present."""

    def __init__(self, store: MemoryStore, name: str, present: int = 1) -> None:
        self.present = present
        self.leases = Leases(store, LANES, name, 60, lambda: self.present)

    async def holds(self) -> list[int]:
        await self.leases.refresh()
        return list(self.leases.held())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_one_process_holds_everything(store: MemoryStore) -> None:
    assert await Process(store, "one").holds() == [0, 1, 2, 3, 4]


async def test_a_second_process_gets_its_part(store: MemoryStore) -> None:
    first, second = Process(store, "one"), Process(store, "two", present=2)
    await first.holds()
    assert await second.holds() == []
    first.present = 2
    assert await first.holds() == [0, 1, 2]
    assert await second.holds() == [3, 4]
    assert await first.holds() == [0, 1, 2]


async def test_who_is_left_takes_all(store: MemoryStore) -> None:
    first, second = Process(store, "one", present=2), Process(store, "two", present=2)
    await first.holds()
    await second.holds()
    await first.leases.release()
    second.present = 1
    assert await second.holds() == [0, 1, 2, 3, 4]


async def test_a_lease_that_another_took_is_held_no_longer(store: MemoryStore) -> None:
    first = Process(store, "one")
    await first.holds()
    store._lanes[LANES[1]].until = 0.0
    assert await store.acquire(LANES[1], "two", 60) is not None
    assert await first.holds() == [0, 2, 3, 4]
