"""Promise 6 at the broker: what an account may do, and what it may not, tried one by one."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Final

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from tests.broker.attempts import (
    ATTEMPTS,
    Attempt,
    bind_domain_events,
    declare_unnamed_queue,
    publish,
    read_others_replies,
)
from tests.spine import DIRECT_REPLY, Platform, Spine, asset, eventually, is_refused, user
from topology import names

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"


@pytest.fixture(scope="module")
async def one(working: Spine) -> Platform:
    return await working.platform()


@pytest.fixture(scope="module")
async def two(working: Spine) -> Platform:
    return await working.platform(listen=False)


@pytest.fixture
async def channel(one: Platform) -> AsyncIterator[AbstractChannel]:
    """A channel that a refusal may close."""
    opened = await one.connection.channel()
    yield opened
    await opened.close()


async def test_who_registers_at_the_front_desk_gets_an_account(working: Spine) -> None:
    desk, key = await working.front_desk(), secrets.token_urlsafe(24)
    reply = await desk.ask("user.register.v1", user(key, roles=["fsp", "so"]))
    issued = reply.data["id"]
    await eventually(lambda: working.has_account(issued))

    account = await working.inspector.call("GET", f"users/{issued}")
    permissions = await working.inspector.call("GET", f"permissions/{{vhost}}/{issued}")
    party = await working.connect(issued, key)
    answer = await party.ask(REGISTER, asset())

    assert reply.queue == DIRECT_REPLY
    assert (reply.data["roles"], reply.data["roles_requested"]) == (["fsp"], ["so"])
    assert account["tags"] == []
    assert permissions["configure"] == "^$"
    assert answer.type == "asset.register.accepted.v1"
    assert await is_refused(working.addresses.amqp_as(issued, "another key"))


async def test_without_a_key_there_is_no_account(working: Spine) -> None:
    desk = await working.front_desk()
    reply = await desk.ask("user.register.v1", user())
    # The next one's account says that the reconciler has passed the first.
    await working.platform()

    assert reply.type == "user.register.accepted.v1"
    assert not await working.has_account(reply.data["id"])


async def test_both_queues_are_its_own_to_read(working: Spine) -> None:
    party = await working.platform()
    reply = await party.ask(REGISTER, asset())
    body = json.dumps(party.envelope(REGISTER, asset(), id="by-event")).encode()
    await party.publish(body, REGISTER, reply_to=None)
    event = await party.answer("by-event")

    assert reply.queue == names.replies_queue(party.user)
    assert event.queue == names.events_queue(party.user)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
async def test_the_broker_refuses(
    attempt: Attempt, channel: AbstractChannel, one: Platform, two: Platform
) -> None:
    with pytest.raises(ChannelAccessRefused):
        await attempt(channel, one.user, two.user)


async def test_the_broker_refuses_anothers_user_id(channel: AbstractChannel, two: Platform) -> None:
    with pytest.raises(ChannelPreconditionFailed):
        await publish(channel, names.COMMANDS, REGISTER, two.user)


async def test_its_own_keys_may_be_bound(working: Spine) -> None:
    party = await working.platform()
    channel = await party.connection.channel()
    queue = await channel.get_queue(names.events_queue(party.user), ensure=False)

    await queue.bind(names.EVENTS, f"{party.user}.asset.#")
    await queue.unbind(names.EVENTS, f"{party.user}.#")

    bindings = await working.inspector.call("GET", f"queues/{{vhost}}/{queue.name}/bindings")
    keys = [b["routing_key"] for b in bindings if b["source"] == names.EVENTS]
    assert keys == [f"{party.user}.asset.#"]


async def test_own_events_bound_into_the_commands_are_nobodys_command(working: Spine) -> None:
    """No permission forbids this binding; what comes through it is unrouted and ends there."""
    party = await working.platform()
    channel = await party.connection.channel()
    exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
    await exchange.bind(names.EVENTS, f"{party.user}.#")
    (before,) = await working.raw("lanes", _id=names.UNROUTED_QUEUE)

    body = json.dumps(party.envelope(REGISTER, asset(), id="an-event")).encode()
    await party.publish(body, REGISTER, reply_to=None)
    await party.answer("an-event")
    await eventually(lambda: _unrouted_since(working, before["batch"]))
    # Had the copy been answered, that answer would have come before this one.
    await party.publish(body, REGISTER, reply_to=None)
    await party.until(lambda: len(party.answers("an-event")) == 2)

    assert [r.type for r in party.received] == ["asset.register.accepted.v1"] * 2
    assert await working.count("assets", registrant=party.user) == 1
    await exchange.unbind(names.EVENTS, f"{party.user}.#")


async def _unrouted_since(spine: Spine, batch: int) -> bool:
    (lane,) = await spine.raw("lanes", _id=names.UNROUTED_QUEUE)
    return bool(lane["batch"] > batch) and await spine.count("outbox") == 0


@pytest.mark.parametrize("key", [REGISTER, "user.get.v1", "asset.register.check.v1", "user.x.v1"])
async def test_the_front_desk_sends_registrations_only(working: Spine, key: str) -> None:
    desk = await working.front_desk()
    check = await desk.ask("user.register.check.v1", user())

    assert check.type == "user.register.check.accepted.v1"
    with pytest.raises(ChannelAccessRefused):
        await desk.send(key, {})


@pytest.mark.parametrize(
    "attempt", [declare_unnamed_queue, read_others_replies, bind_domain_events]
)
async def test_the_front_desk_has_no_queue(attempt: Attempt, working: Spine, two: Platform) -> None:
    desk = await working.front_desk()
    with pytest.raises(ChannelAccessRefused):
        await attempt(desk.channel, names.FRONT_DESK, two.user)


async def test_the_front_desk_gives_random_ids(working: Spine) -> None:
    desk = await working.front_desk()
    reply = await desk.ask("user.register.v1", user(), id="mine")

    assert (reply.type, reply.data["code"]) == ("user.register.rejected.v1", "message.id-format")


async def test_internal_accounts_stay_within_their_work(working: Spine, two: Platform) -> None:
    """The relay reads nothing, the workers publish nothing."""
    relay = working.addresses.amqp_as(
        names.RELAY_ACCOUNT, working.vault.password(names.RELAY_ACCOUNT)
    )
    worker = working.addresses.amqp_as(
        names.WORKER_ACCOUNT, working.vault.password(names.WORKER_ACCOUNT)
    )
    async with await aio_pika.connect(relay) as connection:
        with pytest.raises(ChannelAccessRefused):
            await publish(await connection.channel(), names.COMMANDS, REGISTER, None)
        with pytest.raises(ChannelAccessRefused):
            await read_others_replies(await connection.channel(), "", two.user)
    async with await aio_pika.connect(worker) as connection:
        with pytest.raises(ChannelAccessRefused):
            await publish(await connection.channel(), names.COMMANDS, REGISTER, None)
