"""The lane: the broker's order, batches within limits, and an ack only after the commit."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from handlers.admission import Delivery
from tests.memory.broker import FakeChannel, FakeMessage, settled, until
from workers.lane import Lane, LaneLimits, delivery_of

FOREVER_S = 600.0
AT_ONCE = LaneLimits(size_max=1, bytes_max=1_000, linger_s=FOREVER_S)
BY_FLUSH = LaneLimits(size_max=100, bytes_max=1_000, linger_s=FOREVER_S)
BY_FIVE = LaneLimits(size_max=5, bytes_max=1_000, linger_s=0.001)
BY_THREE = LaneLimits(size_max=3, bytes_max=1_000, linger_s=FOREVER_S)


@dataclass
class Bench:
    """A lane that runs, and what it decided; a gate holds its commits back while it is closed."""

    lane: Lane
    batches: list[list[bytes]]
    gate: asyncio.Event
    channel: FakeChannel = field(default_factory=FakeChannel)

    def deliver(self, *tags: int, channel: FakeChannel | None = None, size: int = 0) -> None:
        """Submit deliveries in the order of arrival."""
        for tag in tags:
            body = str(tag).encode().ljust(size, b".")
            message = FakeMessage(channel or self.channel, tag, body)
            self.lane.submit(cast("AbstractIncomingMessage", message))


@asynccontextmanager
async def running(limits: LaneLimits) -> AsyncIterator[Bench]:
    batches: list[list[bytes]] = []
    gate = asyncio.Event()
    gate.set()

    async def commit(batch: Sequence[Delivery]) -> None:
        batches.append([delivery.body for delivery in batch])
        await gate.wait()

    bench = Bench(Lane(commit, limits), batches, gate)
    task = asyncio.create_task(bench.lane.run())
    try:
        yield bench
    finally:
        bench.lane.stop()
        bench.gate.set()
        await asyncio.wait_for(task, 5)


async def test_overtaken_deliveries_are_put_in_order() -> None:
    async with running(BY_THREE) as bench:
        bench.deliver(3, 1, 2)
        await until(lambda: bool(bench.channel.acked))
        assert bench.batches == [[b"1", b"2", b"3"]]
        assert bench.channel.acked == [(3, True)]


async def test_nothing_behind_a_gap_is_admitted() -> None:
    async with running(BY_FLUSH) as bench:
        bench.deliver(1, 2, 4, 5)
        bench.lane.flush()
        await until(lambda: bool(bench.channel.acked))
        assert bench.batches == [[b"1", b"2"]]
        bench.deliver(3)
        bench.lane.flush()
        await until(lambda: len(bench.channel.acked) > 1)
        assert bench.batches[1:] == [[b"3", b"4", b"5"]]
        assert bench.channel.acked == [(2, True), (5, True)]


async def test_first_delivery_that_is_not_there_yet_holds_all_back() -> None:
    async with running(AT_ONCE) as bench:
        bench.deliver(2, 3)
        await settled()
        assert bench.batches == []


async def test_new_channel_counts_anew_and_forgets_the_old_one() -> None:
    async with running(BY_FLUSH) as bench:
        old, new = bench.channel, FakeChannel()
        bench.deliver(1, 2, 4)
        old.is_closed = True
        bench.deliver(1, channel=new)
        bench.deliver(3, channel=old)
        bench.lane.flush()
        await until(lambda: bool(new.acked))
        assert (bench.batches, new.acked, old.acked) == ([[b"1"]], [(1, True)], [])


async def test_channel_that_goes_while_a_batch_is_decided_is_not_acked() -> None:
    async with running(AT_ONCE) as bench:
        bench.gate.clear()
        bench.deliver(1)
        await until(lambda: bool(bench.batches))
        bench.channel.is_closed = True
        bench.gate.set()
        new = FakeChannel()
        bench.deliver(1, channel=new)
        await until(lambda: bool(new.acked))
        assert bench.batches == [[b"1"], [b"1"]]


async def test_batch_closes_when_it_is_full() -> None:
    async with running(BY_THREE) as bench:
        bench.deliver(*range(1, 9))
        await until(lambda: len(bench.channel.acked) == 2)
        await settled()
        assert [len(batch) for batch in bench.batches] == [3, 3]
        bench.lane.flush()
        await until(lambda: len(bench.channel.acked) == 3)
        assert bench.batches[-1] == [b"7", b"8"]


async def test_batch_is_cut_at_its_bytes_and_one_delivery_always_fits() -> None:
    limits = LaneLimits(size_max=100, bytes_max=100, linger_s=0)
    async with running(limits) as bench:
        bench.gate.clear()
        bench.deliver(1, size=10)
        await until(lambda: bool(bench.batches))
        bench.deliver(2, 3, size=50)
        bench.deliver(4, size=51)
        bench.deliver(5, size=500)
        bench.deliver(6, size=1)
        bench.gate.set()
        await until(lambda: len(bench.channel.acked) == 5)
        assert [[b.rstrip(b".") for b in batch] for batch in bench.batches] == [
            [b"1"],
            [b"2", b"3"],
            [b"4"],
            [b"5"],
            [b"6"],
        ]


async def test_lone_delivery_does_not_wait_for_others_for_ever() -> None:
    async with running(LaneLimits(size_max=100, bytes_max=1_000, linger_s=0.005)) as bench:
        bench.deliver(1)
        await until(lambda: bool(bench.channel.acked))
        assert bench.batches == [[b"1"]]


async def test_nothing_is_acked_before_its_batch_is_committed() -> None:
    async with running(AT_ONCE) as bench:
        bench.gate.clear()
        bench.deliver(1)
        await until(lambda: bool(bench.batches))
        await settled()
        assert bench.channel.acked == []
        bench.gate.set()
        await until(lambda: bool(bench.channel.acked))


async def test_deliveries_that_come_while_a_batch_is_decided_are_the_next_batch() -> None:
    async with running(BY_THREE) as bench:
        bench.gate.clear()
        bench.deliver(1, 2, 3)
        await until(lambda: bool(bench.batches))
        bench.deliver(6, 5, 4)
        bench.gate.set()
        await until(lambda: len(bench.channel.acked) == 2)
        assert bench.batches[1] == [b"4", b"5", b"6"]


async def test_stop_ends_after_the_batch_and_leaves_the_rest_to_the_broker() -> None:
    async with running(BY_THREE) as bench:
        bench.gate.clear()
        bench.deliver(1, 2, 3, 4)
        await until(lambda: bool(bench.batches))
        bench.lane.stop()
        bench.deliver(5)
        bench.gate.set()
        await until(lambda: bool(bench.channel.acked))
    assert bench.batches == [[b"1", b"2", b"3"]]
    assert bench.channel.acked == [(3, True)]


async def test_stop_before_anything_came_ends_at_once() -> None:
    async with running(AT_ONCE) as bench:
        bench.lane.stop()
    assert bench.batches == []


async def test_failure_of_the_commit_ends_the_lane_without_an_ack() -> None:
    async def fail(_batch: Sequence[Delivery]) -> None:
        raise ConnectionError("fenced")

    lane, channel = Lane(fail, AT_ONCE), FakeChannel()
    lane.submit(cast("AbstractIncomingMessage", FakeMessage(channel, 1, b"1")))
    with pytest.raises(ConnectionError):
        await lane.run()
    assert channel.acked == []


async def test_delivery_is_the_message_as_a_plain_value() -> None:
    given: dict[str, Any] = {
        "message_id": "m",
        "reply_to": "r",
        "headers": {"x": 1},
        "content_encoding": "utf-8",
    }
    message = FakeMessage(FakeChannel(), 1, b"body", "asset.get.v1", "user", **given)
    assert delivery_of(cast("AbstractIncomingMessage", message)) == Delivery(
        b"body", "asset.get.v1", "user", **given
    )


# Bulk loads, and those who wait.


def bulk(bench: Bench, channel: FakeChannel, *tags: int) -> None:
    for tag in tags:
        message = FakeMessage(channel, tag, f"bulk {tag}".encode())
        bench.lane.submit_bulk(cast("AbstractIncomingMessage", message))


async def test_bulk_loads_get_what_ordinary_senders_leave() -> None:
    other = FakeChannel()
    async with running(BY_FIVE) as bench:
        bench.gate.clear()
        bulk(bench, other, *range(1, 21))
        await until(lambda: bool(bench.batches))
        bench.deliver(1, 2)
        bench.gate.set()
        await until(lambda: sum(map(len, bench.batches)) == 22)
    assert [len(batch) for batch in bench.batches] == [5, 5, 5, 5, 2]
    assert bench.batches[1] == [b"1", b"2", b"bulk 6", b"bulk 7", b"bulk 8"]


async def test_a_full_ordinary_queue_leaves_bulk_loads_their_share() -> None:
    """Neither starves: one part in five is the bulk load's."""
    other = FakeChannel()
    async with running(BY_FIVE) as bench:
        bench.gate.clear()
        bench.deliver(*range(1, 6))
        await until(lambda: bool(bench.batches))
        bench.deliver(*range(6, 14))
        bulk(bench, other, *range(1, 21))
        bench.gate.set()
        await until(lambda: sum(map(len, bench.batches)) == 33)
    assert bench.batches[1] == [b"6", b"7", b"8", b"9", b"bulk 1"]
    assert bench.batches[2] == [b"10", b"11", b"12", b"13", b"bulk 2"]


async def test_each_queue_is_acked_on_its_own_channel() -> None:
    other = FakeChannel()
    async with running(BY_FIVE) as bench:
        bench.gate.clear()
        bulk(bench, other, 1, 2, 3)
        bench.deliver(1, 2)
        bench.gate.set()
        await until(lambda: bool(other.acked) and bool(bench.channel.acked))
    assert other.acked == [(3, True)]
    assert bench.channel.acked == [(2, True)]


async def test_who_waits_is_brought_in_without_a_delivery() -> None:
    due: list[float | None] = [0.0, None]
    batches: list[int] = []

    async def commit(batch: Sequence[Delivery]) -> None:
        batches.append(len(batch))

    lane = Lane(commit, AT_ONCE, lambda: due.pop(0) if len(due) > 1 else due[0])
    task = asyncio.create_task(lane.run())
    await until(lambda: bool(batches))
    await settled()
    assert batches == [0]
    lane.stop()
    await asyncio.wait_for(task, 5)


async def test_what_is_behind_a_gap_of_a_closed_channel_is_not_held() -> None:
    """What would fill the gap never comes: the watchdog would end a process that waits for it."""
    async with running(BY_FLUSH) as bench:
        bench.deliver(2)
        assert bench.lane.is_holding
        bench.channel.is_closed = True
        bench.deliver(1)
        assert not bench.lane.is_holding
