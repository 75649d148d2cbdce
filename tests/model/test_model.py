"""The model of the broker does what a quorum queue does, as far as the promises rest on it."""

import asyncio
from dataclasses import dataclass, field

import pytest
from aiormq.exceptions import ChannelInvalidStateError

from handlers.admission import Delivery
from tests.model import clock
from tests.model.broker import DELIVERIES_MAX, Channel, Consumer, Incoming, Queue


async def at_once() -> None:
    """Nobody stands still here."""


@dataclass
class Listener:
    """A consumer on a channel of its own, and what it heard."""

    prefetch: int = 3
    heard: list[Incoming] = field(default_factory=list)
    channel: Channel = field(default_factory=lambda: Channel(at_once))

    def on(self, queue: Queue) -> Consumer:
        consumer = Consumer(self.channel, self.prefetch, self.heard.append)
        queue.consume(consumer)
        return consumer

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.heard]


def filled(count: int) -> Queue:
    queue = Queue("mailbox.tests.0")
    for number in range(count):
        queue.publish(Delivery(str(number).encode(), "mark.add.v1", "USR-A"))
    return queue


async def test_a_consumer_gets_as_many_as_it_may_hold_and_more_for_what_it_acks() -> None:
    queue, one = filled(5), Listener()
    one.on(queue)
    assert one.bodies == [b"0", b"1", b"2"]
    await one.channel.basic_ack(2, multiple=True)
    assert one.bodies == [b"0", b"1", b"2", b"3", b"4"]
    await one.channel.basic_ack(4)
    assert sorted(one.channel.unacked) == [3, 5]


async def test_what_a_channel_held_comes_again_in_order_and_counted() -> None:
    queue, one, two = filled(4), Listener(), Listener(prefetch=9)
    one.on(queue)
    two.on(queue)
    await one.channel.basic_ack(1)
    one.channel.close()
    assert two.bodies == [b"1", b"2", b"3"]
    assert [(m.delivery_tag, m.redelivered) for m in two.heard] == [
        (1, True),
        (2, True),
        (3, True),
    ]
    with pytest.raises(ChannelInvalidStateError):
        await one.channel.basic_ack(2)


async def test_only_the_first_consumer_is_served_while_it_is_there() -> None:
    queue, one, two = filled(3), Listener(prefetch=1), Listener()
    one.on(queue)
    two.on(queue)
    assert (one.bodies, two.bodies) == ([b"0"], [])


async def test_a_cancelled_consumer_keeps_what_it_holds_while_the_next_gets_the_rest() -> None:
    queue, one, two = filled(5), Listener(), Listener()
    first = one.on(queue)
    two.on(queue)
    queue.cancel(first)
    assert (one.bodies, two.bodies) == ([b"0", b"1", b"2"], [b"3", b"4"])
    assert not queue.is_empty
    await two.channel.basic_ack(2, multiple=True)
    one.channel.close()
    assert two.bodies[2:] == [b"0", b"1", b"2"]


async def test_a_tag_that_was_acked_before_ends_the_channel() -> None:
    queue, one = filled(1), Listener()
    one.on(queue)
    await one.channel.basic_ack(1)
    assert queue.is_empty
    with pytest.raises(ChannelInvalidStateError):
        await one.channel.basic_ack(1)
    assert one.channel.is_closed


def test_what_comes_back_too_often_is_given_up() -> None:
    queue = filled(1)
    for _ in range(DELIVERIES_MAX + 1):
        assert queue.dead == []
        one = Listener()
        one.on(queue)
        one.channel.close()
    assert [delivery.body for delivery in queue.dead] == [b"0"]


def test_timers_that_fire_a_little_early_do_not_stop_the_time() -> None:
    """The loop runs what is due within a nanosecond; of two who wait on, one is always ready."""

    async def wait(moment: float, steps: int) -> int:
        loop, turns = asyncio.get_running_loop(), 0
        for _ in range(steps):
            await asyncio.sleep(0)
        while loop.time() < moment and turns < 1_000:
            turns += 1
            await asyncio.sleep(moment - loop.time())
        return turns

    async def main() -> list[int]:
        return await asyncio.gather(*(wait(5e-10, steps) for steps in range(3)))

    assert max(clock.run(main())) < 10
