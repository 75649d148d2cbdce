"""What the broker itself gives up on is collected, encrypted, and its sender is told."""

import asyncio
import json
from typing import Any, Final

import aio_pika
import bson
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from tests.spine import Platform, Spine, asset, eventually
from topology import names
from topology.plan import DELIVERY_LIMIT

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
MAILBOX: Final = names.mailbox("assets")


@pytest.fixture
async def sender(spine: Spine) -> Platform:
    async with spine.running():
        return await spine.platform()


async def worker(spine: Spine) -> AbstractConnection:
    """A connection as the workers have it, to be the worker that goes wrong."""
    password = spine.vault.password(names.WORKER_ACCOUNT)
    return await aio_pika.connect(spine.addresses.amqp_as(names.WORKER_ACCOUNT, password))


async def take(channel: AbstractChannel) -> AbstractIncomingMessage:
    """Take one message as a worker does: a queue with a single active consumer knows no get."""
    await channel.set_qos(prefetch_count=1)
    queue = await channel.get_queue(MAILBOX, ensure=False)
    taken: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(taken.put)
    async with asyncio.timeout(5):
        return await taken.get()


async def crash(connection: AbstractConnection) -> None:
    """Take a message and vanish with it."""
    channel = await connection.channel()
    await take(channel)
    await channel.close()


async def reject(connection: AbstractConnection) -> None:
    """Take a message and say that it is not to be delivered again."""
    channel = await connection.channel()
    await (await take(channel)).reject(requeue=False)
    await channel.close()


async def collected(spine: Spine, account: str) -> list[dict[str, Any]]:
    return await spine.raw("dead_letters", account=account)


async def test_a_message_that_kills_workers_dies_is_kept_and_tried_once_more(
    spine: Spine, sender: Platform
) -> None:
    command = await sender.send(REGISTER, asset("a serial to be hidden"))
    async with await worker(spine) as connection:
        for _ in range(DELIVERY_LIMIT + 1):
            await crash(connection)
        await eventually(lambda: _has(spine, names.dead_queue("assets")))
    assert await spine.waiting(MAILBOX) == 0

    async with spine.running():
        told = await sender.answer(command)
        # The workers were not killed by it: it is replayed by itself and decided.
        outcome = await sender.until(lambda: sender.answers(command)[1:])
        (kept,) = await collected(spine, sender.user)
        after = await sender.ask(REGISTER, asset())
    (letter,) = await spine.opened("dead_contents", _id=kept["_id"])

    assert (told.type, told.queue) == (
        "asset.register.held.v1",
        names.events_queue(sender.user),
    )
    assert told.data["code"] == "message.held"
    assert "again and again" in told.data["message"]
    assert (kept["type"], kept["state"], kept["times"]) == (REGISTER, "resolved", 1)
    assert b"to be hidden" not in bson.encode(kept)
    assert (kept["reason"], kept["queue"]) == ("delivery-limit", MAILBOX)
    assert json.loads(letter["body"].value)["id"] == command
    assert after.type == "asset.register.accepted.v1"
    assert [one.type for one in outcome] == ["asset.register.accepted.v1"]
    assert await spine.count("inbox", **{"_id.id": command}) == 1


async def test_the_same_message_dead_again_is_counted(spine: Spine, sender: Platform) -> None:
    body = json.dumps(sender.envelope(REGISTER, asset())).encode()
    for _ in range(2):
        await sender.publish(body, REGISTER, message_id="the same")
    async with await worker(spine) as connection:
        await reject(connection)
        await reject(connection)

    async with spine.running():
        command = json.loads(body)["id"]
        await sender.until(lambda: len(sender.answers(command)) == 2)
        (kept,) = await collected(spine, sender.user)

    assert kept["times"] == 2
    assert await spine.waiting(names.dead_queue("assets")) == 0


async def test_rubbish_that_died_is_kept_too(spine: Spine, sender: Platform) -> None:
    await sender.publish(b"\x00 rubbish", REGISTER, message_id="rubbish")
    await sender.publish(b"\xff", REGISTER, message_id="nobody", user_id=None)
    async with await worker(spine) as connection:
        await reject(connection)
        await reject(connection)

    async with spine.running():
        told = await sender.answer("rubbish")
        await eventually(lambda: spine.count("dead_letters", account=None))

    assert told.type == "asset.register.held.v1"
    assert [r for r in sender.received if r is not told] == []


async def _has(spine: Spine, queue: str) -> bool:
    return await spine.waiting(queue) > 0
