"""Reads that go together: fewer for the store, the same for everyone who asks."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import bson
import pytest

from tests.memory.broker import until
from workers.pooling import RUNNING_MAX, Pooled
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Key, Unavailable

OWNER = "tests"


class Counted(MemoryStore):
    """A store that takes a moment, counts its reads, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[Mapping[str, Collection[Key]]] = []
        self.unstorable: str | None = None
        self.is_out = False

    async def load(self, keys: Mapping[str, Collection[Key]]) -> Any:
        self.reads.append(keys)
        await asyncio.sleep(0)
        if self.is_out:
            raise Unavailable("no primary")
        if any(self.unstorable in asked for asked in keys.values()):
            raise ValueError("no such key can be asked for")
        return await super().load(keys)


async def holding(*names: str) -> Counted:
    """A store with a few documents."""
    store = Counted()
    await store.install()
    lease = await store.acquire("lane", OWNER, 60)
    assert lease is not None
    rows = [bson.encode({"_id": name, "revision": 1, "name": name}) for name in names]
    await store.commit(Commit(lease.lane, lease.epoch, 1, inserts={"assets": rows}))
    return store


async def test_reads_that_come_at_the_same_time_are_few() -> None:
    store = await holding(*(f"a{n}" for n in range(50)))
    pooled = Pooled(store)
    found = await asyncio.gather(
        *(pooled.load({"assets": {f"a{n}", f"a{n + 1}"}}) for n in range(50))
    )
    for n, rows in enumerate(found):
        expected = {f"a{n}", f"a{n + 1}"} - {"a50"}
        assert {key: row["name"] for key, row in rows["assets"].items()} == {
            one: one for one in expected
        }
    assert len(store.reads) <= RUNNING_MAX + 1


async def test_a_read_that_comes_alone_waits_for_nobody() -> None:
    store = await holding("a")
    pooled = Pooled(store)
    for _ in range(3):
        assert set((await pooled.load({"assets": {"a"}, "users": {"u"}}))["assets"]) == {"a"}
    assert store.reads == [{"assets": {"a"}, "users": {"u"}}] * 3


async def test_each_gets_only_what_it_has_asked_for() -> None:
    pooled = Pooled(await holding("a", "b"))
    first, second, nothing = await asyncio.gather(
        pooled.load({"assets": {"a"}}),
        pooled.load({"assets": {"b"}}),
        pooled.load({"users": {"a"}}),
    )
    assert (set(first["assets"]), set(second["assets"]), nothing) == ({"a"}, {"b"}, {"users": {}})


async def test_a_key_that_cannot_be_asked_for_fails_its_asker_alone() -> None:
    store = await holding("a", "b")
    store.unstorable = "bad"
    pooled = Pooled(store)
    asked = (pooled.load({"assets": {one}}) for one in ("a", "bad", "b", "bad", "a"))
    found = await asyncio.gather(*asked, return_exceptions=True)
    kinds = [type(one).__name__ for one in found]
    assert kinds == ["dict", "ValueError", "dict", "ValueError", "dict"]


async def test_an_outage_is_told_to_everyone_and_not_tried_for_each() -> None:
    store = await holding("a")
    pooled = Pooled(store)
    store.is_out = True
    asked = (pooled.load({"assets": {"a"}}) for _ in range(20))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)
    assert len(store.reads) <= RUNNING_MAX + 1
    store.is_out = False
    assert set((await pooled.load({"assets": {"a"}}))["assets"]) == {"a"}


async def test_who_has_stopped_waiting_stops_nobody_else() -> None:
    pooled = Pooled(await holding("a", "b"))
    leaving = asyncio.create_task(pooled.load({"assets": {"a"}}))
    staying = asyncio.create_task(pooled.load({"assets": {"b"}}))
    await asyncio.sleep(0)
    leaving.cancel()
    assert set((await staying)["assets"]) == {"b"}
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_whoever_waits_for_a_read_that_is_given_up_is_told_so() -> None:
    store = await holding("a")
    pooled = Pooled(store)
    waiting = asyncio.create_task(pooled.load({"assets": {"a"}}))
    await until(lambda: bool(store.reads))
    for task in pooled._running:
        task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="given up"):
            await waiting
    assert (await pooled.load({"assets": {"a"}}))["assets"]["a"]["name"] == "a"
