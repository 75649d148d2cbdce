"""The relay: every record until it is confirmed, those of one entity in their order."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.letters import Letter
from outbox.publisher import Delivered, PublishBlockedError, PublishFailedError
from outbox.quarantine import Quarantine
from outbox.record import PARTITIONS, OutboxRecord, OutboxUnavailable
from outbox.relay import Relay
from tests.memory.broker import until
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit
from workers.vault import Undecipherable

ALL = tuple(range(PARTITIONS))


@dataclass
class Wire:
    """What the broker was given, in order, and what it does not confirm or has no queue for."""

    sent: list[str] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    """Body -> how often it is not confirmed."""
    unheard: Collection[str] = ()

    async def publish(self, record: OutboxRecord) -> Delivered:
        """Take a message; others get their turn meanwhile."""
        await asyncio.sleep(0)
        name = record.body.decode()
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            raise PublishFailedError(name)
        self.sent.append(name)
        return Delivered.UNHEARD if name in self.unheard else Delivered.DELIVERED


@dataclass
class Post:
    """An outbox with a relay: what is committed in lanes, and what leaves."""

    store: MemoryStore
    wire: Wire
    relay: Relay
    mine: list[int]
    pauses: list[str]

    async def commit(self, lane: str, *bodies: str) -> None:
        """Commit one batch of letters; `a1` is the first letter about entity `a`."""
        lease = await self.store.acquire(lane, "tests", 1e9)
        assert lease is not None
        place = f"{lane}/{lease.batch + 1:012d}"
        rows = [
            _row(OutboxRecord.of(_letter(body), f"{place}/{n:05d}/000"))
            for n, body in enumerate(bodies)
        ]
        inserts = {"outbox": rows}
        await self.store.commit(Commit(lane, lease.epoch, lease.batch + 1, inserts=inserts))

    async def left(self) -> list[str]:
        """What still waits, in order."""
        return [row["body"].decode() for row in await self.store.pending(ALL, 1_000)]

    def is_empty(self) -> bool:
        return not self.store._documents.get("outbox")

    def of(self, entity: str) -> list[str]:
        """What was sent about one entity, in order."""
        return [name for name in self.wire.sent if name.startswith(entity)]


def _letter(body: str) -> Letter:
    return Letter("domain", body[0], "trial.kept.v1", body.encode())


def _row(record: OutboxRecord) -> bytes:
    return encode_row(record.row(as_it_is))


def as_it_is(body: bytes, _place: bytes) -> bytes:
    return bytes(body)


@pytest.fixture
def post() -> Post:
    return made(batch_max=100)


def made(batch_max: int) -> Post:
    store, wire, mine = MemoryStore(), Wire(), list(ALL)
    pauses: list[str] = []

    async def renew() -> None:
        pauses.append("renewed")

    def backoff() -> float:
        pauses.append("backoff")
        return 0.0

    relay = Relay(
        store=store,
        publish=wire.publish,
        unseal=as_it_is,
        partitions=lambda: dict.fromkeys(mine, 1),
        batch_max=batch_max,
        poll_s=60,
        backoff=backoff,
        recovered=lambda: pauses.append("recovered"),
        renew=renew,
    )
    return Post(store, wire, relay, mine, pauses)


def entities(names: Iterable[str]) -> list[str]:
    return [name[0] for name in names]


async def test_all_is_sent_and_nothing_is_left(post: Post) -> None:
    await post.commit("lane", "a1", "b1", "a2")
    assert await post.relay.drain() == 3
    assert sorted(post.wire.sent) == ["a1", "a2", "b1"]
    assert (await post.left(), post.relay.unheard, await post.relay.drain()) == ([], 0, 0)


@pytest.mark.parametrize("batch_max", [1, 2, 3, 100])
async def test_entity_keeps_its_order_however_small_the_pages_are(batch_max: int) -> None:
    post = made(batch_max)
    await post.commit("lane", "a1", "b1", "a2", "a3", "b2", "c1")
    await post.commit("lane", "c2", "a4")
    assert await post.relay.drain() == 8
    assert post.of("a") == ["a1", "a2", "a3", "a4"]
    assert (post.of("b"), post.of("c")) == (["b1", "b2"], ["c1", "c2"])


@pytest.mark.parametrize("batch_max", [1, 2, 100])
async def test_failure_holds_back_the_rest_of_its_entity_and_nobody_else(batch_max: int) -> None:
    post = made(batch_max)
    post.wire.failing = {"a2": 3}
    await post.commit("lane", "a1", "a2", "b1", "a3", "b2")
    assert await post.relay.drain() == 5
    assert post.of("a") == ["a1", "a2", "a3"]
    assert post.of("b") == ["b1", "b2"]
    assert post.wire.sent[:3] in (["a1", "b1", "b2"], ["b1", "a1", "b2"])
    assert (await post.left(), post.pauses.count("backoff")) == ([], 3)


@pytest.mark.parametrize("end", ["stop", "finish"])
async def test_pause_after_a_failure_is_ended_by_an_end_and_by_no_commit(
    post: Post, end: str
) -> None:
    """Otherwise what the broker refuses is published again with each commit."""
    tried: list[str] = []
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        tried.append(record.body.decode())
        return await send(record)

    post.relay.publish, post.relay.backoff = publish, lambda: 60.0
    post.wire.failing = {"a1": 1}
    await post.commit("lane", "a1")
    running = asyncio.create_task(post.relay.run())
    await until(lambda: bool(tried))
    for number in range(5):
        post.relay.wake()
        post.relay.offer(number, [])
        await asyncio.sleep(0)
    assert tried == ["a1"]
    getattr(post.relay, end)()
    await asyncio.wait_for(running, 5)
    assert await post.left() == (["a1"] if end == "stop" else [])


async def test_unconfirmed_record_stays_when_the_relay_ends(post: Post) -> None:
    post.wire.failing = {"a1": 1}
    await post.commit("lane", "a1", "a2", "b1")
    waiting = asyncio.create_task(post.relay.drain())
    await until(lambda: bool(post.wire.sent))
    post.relay.stop()
    await waiting
    assert await post.left() == ["a1", "a2"]


async def test_what_was_sent_and_not_forgotten_is_sent_again_in_order(post: Post) -> None:
    class Forgetless:
        """Loses its connection when it should forget."""

        pending = post.store.pending

        async def forget(self, _ids: Collection[str]) -> None:
            raise OutboxUnavailable("outage")

    other = made(100)
    other.relay.store = Forgetless()
    await post.commit("lane", "a1", "a2")
    with pytest.raises(OutboxUnavailable):
        await other.relay.drain()
    await post.commit("lane", "a3")
    await post.relay.drain()
    assert (other.wire.sent, post.wire.sent) == (["a1", "a2"], ["a1", "a2", "a3"])


async def test_message_that_nobody_hears_is_counted_and_done(post: Post) -> None:
    post.wire.unheard = ["a1"]
    await post.commit("lane", "a1", "a2")
    assert await post.relay.drain() == 2
    assert (post.relay.unheard, await post.left()) == (1, [])


async def test_only_ones_own_partitions_are_sent(post: Post) -> None:
    await post.commit("lane", *(f"{letter}1" for letter in "abcdefgh"))
    partitions = {letter: OutboxRecord.of(_letter(letter), "x").partition for letter in "abcdefgh"}
    post.mine[:] = [partitions["a"], partitions["b"]]
    await post.relay.drain()
    expected = {letter for letter, number in partitions.items() if number in post.mine}
    assert set(entities(post.wire.sent)) == expected
    post.mine.clear()
    assert await post.relay.drain() == 0


async def test_busy_lane_starves_no_other() -> None:
    """Lanes take turns, however fast one of them is filled."""
    post = made(batch_max=2)
    await post.commit("lane-1", "a1", "a2")
    await post.commit("lane-2", "b1")
    refill = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        """Give the first lane two more for each two that leave, up to a hundred."""
        outcome = await refill(record)
        if record.body == b"a2" and len(post.wire.sent) < 100:
            await post.commit("lane-1", "a1", "a2")
        return outcome

    post.relay.publish = publish
    await post.relay.drain()
    assert post.wire.sent.index("b1") < 8


async def test_partition_that_is_taken_over_in_the_middle_of_a_scan_is_sent_from_its_start() -> (
    None
):
    """Its former relay died; what it left before our place in the scan comes first."""
    post = made(batch_max=2)
    await post.commit("lane", "b1", "a1", "a2", "a3", "b2")
    partition = {name: OutboxRecord.of(_letter(name), "x").partition for name in "ab"}
    assert partition["a"] != partition["b"]
    post.mine[:] = [partition["a"]]
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        post.mine[:] = partition.values()
        return await send(record)

    post.relay.publish = publish
    await post.relay.drain()
    assert post.of("b") == ["b1", "b2"]


async def test_commit_wakes_a_relay_that_waits(post: Post) -> None:
    running = asyncio.create_task(post.relay.run())
    await post.commit("lane", "a1")
    post.relay.wake()
    await until(post.is_empty)
    await post.commit("lane", "a2")
    post.relay.wake()
    await until(post.is_empty)
    post.relay.stop()
    await asyncio.wait_for(running, 5)
    assert post.wire.sent == ["a1", "a2"]


async def test_outage_of_the_store_is_a_pause(post: Post) -> None:
    class Failing:
        """Fails once, then is the store."""

        failures = 1

        async def pending(self, *given: Any) -> Any:
            if self.failures:
                self.failures -= 1
                raise OutboxUnavailable("outage")
            return await post.store.pending(*given)

        async def forget(self, ids: Collection[str]) -> None:
            await post.store.forget(ids)

    await post.commit("lane", "a1")
    post.relay.store = Failing()
    running = asyncio.create_task(post.relay.run())
    await until(post.is_empty)
    post.relay.stop()
    await asyncio.wait_for(running, 5)
    assert (post.wire.sent, post.pauses[0]) == (["a1"], "backoff")


async def test_queue_that_does_not_answer_is_found_and_left_alone() -> None:
    """With the culprit on its way nothing is confirmed, as on a channel that it blocks."""
    post, now = made(batch_max=100), [0.0]
    post.relay._quarantine = Quarantine(clock=lambda: now[0])
    await post.commit("lane", "a1", "b1", "c1", "a2")
    on_its_way: set[str] = set()
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        on_its_way.add(record.entity)
        await asyncio.sleep(0)
        try:
            if "b" in on_its_way and now[0] == 0.0:
                raise PublishBlockedError("no confirm")
            return await send(record)
        finally:
            on_its_way.discard(record.entity)

    post.relay.publish = publish
    assert await post.relay.drain() == 3
    assert (post.of("a"), post.of("c"), post.of("b")) == (["a1", "a2"], ["c1"], [])
    assert await post.left() == ["b1"]
    assert "renewed" in post.pauses
    assert await post.relay.drain() == 0

    now[0] = 1_000.0
    assert await post.relay.drain() == 1
    assert post.of("b") == ["b1"]


async def test_record_that_cannot_be_sent_harms_no_other(post: Post) -> None:
    """It stays, and so do the later ones of its entity; it is not tried at every scan."""
    await post.commit("lane", "a1", "b1", "a2", "c1")
    send, tried = post.wire.publish, []

    async def publish(record: OutboxRecord) -> Delivered:
        tried.append(record.body)
        if record.body == b"a1":
            raise ValueError("a routing key of 300 characters")
        return await send(record)

    post.relay.publish = publish
    assert await post.relay.drain() == 2
    assert await post.left() == ["a1", "a2"]
    assert await post.relay.drain() == 0
    assert tried.count(b"a1") == 1


async def test_body_that_does_not_open_harms_no_other(post: Post) -> None:
    """Neither is what was confirmed beside it sent again."""

    def unseal(body: bytes, _place: bytes) -> bytes:
        if body == b"a1":
            raise Undecipherable("an outbox body")
        return body

    post.relay.unseal = unseal
    await post.commit("lane", "a1", "b1", "a2", "c1")
    assert await post.relay.drain() == 2
    assert (sorted(post.wire.sent), await post.left()) == (["b1", "c1"], ["a1", "a2"])
    assert await post.relay.drain() == 0


async def test_confirmed_is_forgotten_also_where_no_new_channel_can_be_opened(post: Post) -> None:
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        if record.body == b"a1":
            raise PublishBlockedError("no confirm")
        return await send(record)

    async def renew() -> None:
        post.relay.stop()
        raise PublishFailedError("no new channel")

    post.relay.publish, post.relay.renew = publish, renew
    await post.commit("lane", "a1", "b1")
    assert await post.relay.drain() == 1
    assert await post.left() == ["a1"]


@pytest.mark.parametrize("batch_max", [1, 2, 100])
async def test_outage_of_the_broker_is_nobodys_fault(batch_max: int) -> None:
    """Nobody is left alone after it, and the order is kept."""
    post, attempts = made(batch_max), 0
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        nonlocal attempts
        attempts += 1
        if attempts <= 12:
            raise PublishBlockedError("no connection")
        return await send(record)

    async def renew() -> None:
        if attempts < 12:
            raise PublishFailedError("no new channel")

    post.relay.publish, post.relay.renew = publish, renew
    post.relay._quarantine = Quarantine(clock=lambda: 0.0)
    await post.commit("lane", "a1", "b1", "a2", "c1", "b2")
    assert await post.relay.drain() >= 3
    assert len(post.relay._quarantine._until) <= 1
    assert post.of("a") in (["a1", "a2"], [])
    assert post.of("b") in (["b1", "b2"], [])


async def test_who_is_left_alone_is_whose_record_it_was(post: Post) -> None:
    """An entity's domain event goes through; the letter to its owner, behind it, does not."""
    rows = [
        OutboxRecord.of(_letter("a1"), "lane/000000000001/00000/000"),
        OutboxRecord.of(
            Letter("reply", "a", "asset.updated.v1", b"a2", recipient="USR-1"),
            "lane/000000000001/00000/001",
        ),
    ]
    lease = await post.store.acquire("lane", "tests", 1e9)
    assert lease is not None
    await post.store.commit(
        Commit("lane", lease.epoch, 1, inserts={"outbox": [_row(record) for record in rows]})
    )
    send = post.wire.publish

    async def publish(record: OutboxRecord) -> Delivered:
        if record.body == b"a2":
            raise PublishBlockedError("no confirm")
        return await send(record)

    post.relay.publish, post.relay._careful, post.relay._failing = publish, True, True
    post.relay._quarantine = Quarantine(clock=lambda: 0.0)
    assert await post.relay.drain() == 1
    assert list(post.relay._quarantine._until) == ["USR-1"]


async def test_rows_of_who_is_left_alone_slow_no_other() -> None:
    post = made(batch_max=2)
    post.relay._quarantine = Quarantine(clock=lambda: 0.0)
    post.relay._quarantine.strike("a")
    await post.commit("lane", "a1", "a2", "a3", "a4", "b1")
    assert await post.relay.drain() == 1
    assert (post.wire.sent, await post.relay.drain()) == (["b1"], 0)
    assert "backoff" not in post.pauses


async def test_relay_that_finishes_sends_what_is_there_first(post: Post) -> None:
    await post.commit("lane", "a1", "a2")
    post.relay.finish()
    await asyncio.wait_for(post.relay.run(), 5)
    assert (post.wire.sent, await post.left()) == (["a1", "a2"], [])


async def test_relay_that_sleeps_is_woken_to_finish(post: Post) -> None:
    running = asyncio.create_task(post.relay.run())
    await asyncio.sleep(0)
    await post.commit("lane", "a1")
    post.relay.finish()
    await asyncio.wait_for(running, 5)
    assert await post.left() == []
