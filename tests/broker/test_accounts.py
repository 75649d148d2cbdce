"""Promise 6 at the broker: what an account may do, and what it may not, tried one by one."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelPreconditionFailed,
)

from tests.spine import DIRECT_REPLY, Platform, Spine, asset, eventually, is_refused, user
from topology import names

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
Attempt = Callable[[AbstractChannel, str, str], Awaitable[Any]]
"""What an account tries on a fresh channel, with its own name and another's."""


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


async def declare_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_queue(f"{own}.more", durable=True)


async def declare_unnamed_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_queue(exclusive=True)


async def declare_exchange(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_exchange(f"{own}.exchange")


async def delete_own_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.queue_delete(names.events_queue(own))


async def read_others_events(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.events_queue(other), ensure=False)).consume(_ignore)


async def read_others_replies(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.replies_queue(other), ensure=False)).get(fail=False)


async def read_the_mailbox(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.mailbox("assets"), ensure=False)).consume(_ignore)


async def read_dead_letters(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.dead_queue("assets"), ensure=False)).get(fail=False)


async def purge_the_mailbox(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.mailbox("assets"), ensure=False)).purge()


async def bind_others_keys(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.EVENTS, f"{other}.#")


async def bind_every_key(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.EVENTS, "#")


async def bind_any_first_word(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.EVENTS, "*.asset.#")


async def bind_domain_events(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.DOMAIN, "#")


async def bind_commands(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.COMMANDS, "#")


async def bind_others_events_into_commands(channel: AbstractChannel, own: str, other: str) -> None:
    exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
    await exchange.bind(names.EVENTS, f"{other}.#")


async def bind_domain_events_into_commands(channel: AbstractChannel, own: str, other: str) -> None:
    exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
    await exchange.bind(names.DOMAIN, "#")


async def publish_event_to_other(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.EVENTS, f"{other}.asset.updated.v1", own)


async def publish_event_to_itself(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.EVENTS, f"{own}.asset.updated.v1", own)


async def publish_domain_event(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.DOMAIN, "user.registered.v1", own)


async def publish_to_a_dead_letter_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.DEAD, names.dead_queue("assets"), own)


async def publish_to_anothers_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.DEFAULT_EXCHANGE, names.replies_queue(other), own)


async def publish_to_the_mailbox(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.DEFAULT_EXCHANGE, names.mailbox("assets"), own)


async def publish_a_key_that_is_no_type(channel: AbstractChannel, own: str, other: str) -> None:
    await _publish(channel, names.COMMANDS, f"{other}.events", own)


@pytest.mark.parametrize(
    "attempt",
    [
        declare_queue,
        declare_unnamed_queue,
        declare_exchange,
        delete_own_queue,
        read_others_events,
        read_others_replies,
        read_the_mailbox,
        read_dead_letters,
        purge_the_mailbox,
        bind_others_keys,
        bind_every_key,
        bind_any_first_word,
        bind_domain_events,
        bind_commands,
        bind_others_events_into_commands,
        bind_domain_events_into_commands,
        publish_event_to_other,
        publish_event_to_itself,
        publish_domain_event,
        publish_to_a_dead_letter_queue,
        publish_to_anothers_queue,
        publish_to_the_mailbox,
        publish_a_key_that_is_no_type,
    ],
)
async def test_the_broker_refuses(
    attempt: Attempt, channel: AbstractChannel, one: Platform, two: Platform
) -> None:
    with pytest.raises(ChannelAccessRefused):
        await attempt(channel, one.user, two.user)


async def test_the_broker_refuses_anothers_user_id(channel: AbstractChannel, two: Platform) -> None:
    with pytest.raises(ChannelPreconditionFailed):
        await _publish(channel, names.COMMANDS, REGISTER, two.user)


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
            await _publish(await connection.channel(), names.COMMANDS, REGISTER, None)
        with pytest.raises(ChannelAccessRefused):
            await read_others_replies(await connection.channel(), "", two.user)
    async with await aio_pika.connect(worker) as connection:
        with pytest.raises(ChannelAccessRefused):
            await _publish(await connection.channel(), names.COMMANDS, REGISTER, None)


async def _publish(channel: AbstractChannel, exchange: str, key: str, account: str | None) -> None:
    target = (
        await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    )
    await target.publish(aio_pika.Message(b"{}", user_id=account), key, mandatory=True)


async def _ignore(_message: object) -> None:
    return None
