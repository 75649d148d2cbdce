"""What FastStream is told: a delivery reaches the lane, and nothing is left to its defaults.

The in-process broker has no acks and no redelivery; those are tested on a real one.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage
from faststream import AckPolicy
from faststream.rabbit import RabbitBroker, TestRabbitBroker

import workers
from handlers.admission import Delivery
from handlers.case import Outcome
from tests.builders import command
from tests.decider import reply
from tests.memory.broker import FakeChannel, FakeMessage, until
from tests.memory.workshop import open_workshop
from topology import catalog, names
from workers.lane import Lane, LaneLimits, delivery_of
from workers.mailbox import subscribe

ENTRIES = catalog.build()
QUEUES = sorted(
    {entry.queue for entry in ENTRIES.values()}
    | {names.dead_queue(register) for register in catalog.registers(ENTRIES)}
    | {names.UNROUTED_QUEUE, names.ACCOUNTS_QUEUE}
)
PREFETCH = 400


def made() -> RabbitBroker:
    """A broker as the workers make theirs."""
    return RabbitBroker("amqp://nobody@localhost:1/", logger=None, apply_types=False)


async def publish(broker: RabbitBroker, queue: str, given: Delivery) -> None:
    """Hand a delivery over as the broker would, to the queue instead of the exchange."""
    await broker.publish(
        given.body,
        queue,
        user_id=given.account,
        message_id=given.message_id,
        reply_to=given.reply_to,
        headers=dict(given.headers or {}),
        content_type="application/cloudevents+json",
    )


@pytest.mark.parametrize("queue", QUEUES)
def test_subscriber_leaves_nothing_to_defaults(queue: str) -> None:
    broker = made()
    subscribe(broker, queue, PREFETCH, lambda _message: None)
    (subscriber,) = cast("Any", broker).subscribers
    assert subscriber.queue.name == queue
    assert subscriber.queue.declare is False
    assert subscriber.ack_policy is AckPolicy.MANUAL
    assert subscriber._no_reply is True
    assert subscriber.channel.prefetch_count == PREFETCH
    assert not subscriber.exchange.name


def test_nobody_subscribes_past_it() -> None:
    """One function says everything; a subscriber made elsewhere would answer by itself."""
    (root,) = workers.__path__
    found = [
        path.relative_to(root).as_posix()
        for path in Path(root).rglob("*.py")
        if re.search(r"\.subscriber\(|\.publisher\(|broker\.publish\(", path.read_text())
    ]
    assert found == ["mailbox.py"]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff\xfe", b'{"a": 1}', b"[]"])
async def test_body_reaches_the_worker_as_it_came(body: bytes) -> None:
    """The decoder changes nothing, whatever the content type says."""
    broker, taken = made(), list[bytes]()
    subscribe(broker, "mailbox.tests.0", PREFETCH, lambda message: taken.append(message.body))
    async with TestRabbitBroker(broker):
        await broker.publish(body, "mailbox.tests.0", content_type="application/json")
    assert taken == [body]


async def test_message_reaches_the_worker_with_all_that_identifies_it() -> None:
    broker, taken = made(), list[Delivery]()
    subscribe(broker, "mailbox.tests.0", PREFETCH, lambda m: taken.append(delivery_of(m)))
    sent = Delivery(b"body", "mailbox.tests.0", "user", "m", "user.replies", {"trace": "x"}, None)
    async with TestRabbitBroker(broker):
        await publish(broker, "mailbox.tests.0", sent)
    assert taken == [sent]


async def test_answers_are_ours_to_send_even_where_a_reply_is_asked_for() -> None:
    """FastStream would publish what a subscriber returns to `reply_to`, unconfirmed."""
    broker, heard = made(), list[bytes]()
    subscribe(broker, "mailbox.tests.0", PREFETCH, lambda _message: None)
    subscribe(broker, "user.replies", PREFETCH, lambda message: heard.append(message.body))
    async with TestRabbitBroker(broker):
        await broker.publish(b"question", "mailbox.tests.0", reply_to="user.replies")
    assert heard == []


async def test_worker_that_takes_its_time_is_waited_for() -> None:
    broker, done = made(), list[str]()

    async def answer(message: AbstractIncomingMessage) -> None:
        await asyncio.sleep(0)
        done.append(message.body.decode())

    subscribe(broker, "query.tests", PREFETCH, answer)
    async with TestRabbitBroker(broker):
        await broker.publish(b"question", "query.tests")
        assert done == ["question"]


async def test_published_command_is_decided_by_the_engine_behind_the_lane() -> None:
    """From a subscriber's callback to a committed document, in one process and without a server."""
    workshop = await open_workshop()
    outcomes: list[Outcome] = []

    async def decide(batch: Any) -> None:
        outcomes.extend(await workshop.engine.run(batch))

    lane = Lane(decide, LaneLimits(size_max=2, bytes_max=100_000, linger_s=60))
    channel, tags = FakeChannel(), iter(range(1, 10))

    def take(message: AbstractIncomingMessage) -> None:
        """Number the deliveries, which the in-process broker does not."""
        plain = delivery_of(message)
        numbered = FakeMessage(
            channel, next(tags), plain.body, json.loads(plain.body)["type"], plain.account
        )
        lane.submit(cast("AbstractIncomingMessage", numbered))

    broker = made()
    subscribe(broker, "mailbox.tests.0", PREFETCH, take)
    running = asyncio.create_task(lane.run())
    async with TestRabbitBroker(broker):
        for number in ("1", "2"):
            given = command("trial.keep.v1", {"id": number}, sender="operator", id=number)
            await publish(broker, "mailbox.tests.0", given)
        await until(lambda: bool(channel.acked))
    lane.stop()
    await asyncio.wait_for(running, 5)
    assert [reply(outcome) for outcome in outcomes] == [
        ("trial.keep.accepted.v1", {"id": number}) for number in ("1", "2")
    ]
    assert channel.acked == [(2, True)]
    assert set(await workshop.opened("trials")) == {"1", "2"}
