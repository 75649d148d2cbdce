"""What an account may try at the broker itself, which refuses every one: one list for all tests."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel

from topology import names

Attempt = Callable[[AbstractChannel, str, str], Awaitable[Any]]
"""What an account tries on a fresh channel, with its own name and another's."""


async def publish(channel: AbstractChannel, exchange: str, key: str, account: str | None) -> None:
    """Publish a body of no meaning, and wait for what the broker says."""
    target = (
        await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    )
    await target.publish(aio_pika.Message(b"{}", user_id=account), key, mandatory=True)


async def ignore(_message: object) -> None:
    return None


async def declare_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_queue(f"{own}.more", durable=True)


async def declare_others_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_queue(names.events_queue(other), durable=True)


async def declare_unnamed_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_queue(exclusive=True)


async def declare_exchange(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_exchange(f"{own}.exchange")


async def declare_the_commands(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.declare_exchange(names.COMMANDS, "topic", durable=True)


async def delete_own_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.queue_delete(names.events_queue(own))


async def read_others_events(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.events_queue(other), ensure=False)).consume(ignore)


async def read_others_replies(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.replies_queue(other), ensure=False)).get(fail=False)


async def read_the_mailbox(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.mailbox("assets"), ensure=False)).consume(ignore)


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
    await publish(channel, names.EVENTS, f"{other}.asset.updated.v1", own)


async def publish_event_to_itself(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.EVENTS, f"{own}.asset.updated.v1", own)


async def publish_domain_event(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.DOMAIN, "user.registered.v1", own)


async def publish_to_a_dead_letter_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.DEAD, names.dead_queue("assets"), own)


async def publish_to_anothers_queue(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.DEFAULT_EXCHANGE, names.replies_queue(other), own)


async def publish_to_the_mailbox(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.DEFAULT_EXCHANGE, names.mailbox("assets"), own)


async def publish_a_key_that_is_no_type(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.COMMANDS, f"{other}.events", own)


async def bind_two_hashes(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind(names.EVENTS, f"{own}.#.#")


async def bind_the_trace(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(own), ensure=False)
    await queue.bind("amq.rabbitmq.trace", "#")


async def bind_others_queue(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(other), ensure=False)
    await queue.bind(names.EVENTS, f"{own}.#")


async def unbind_others_queue(channel: AbstractChannel, own: str, other: str) -> None:
    queue = await channel.get_queue(names.events_queue(other), ensure=False)
    await queue.unbind(names.EVENTS, f"{other}.#")


async def own_exchange_into_commands(channel: AbstractChannel, own: str, other: str) -> None:
    made = await channel.declare_exchange(f"{own}.way", aio_pika.ExchangeType.FANOUT)
    commands = await channel.get_exchange(names.COMMANDS, ensure=False)
    await commands.bind(made)


async def alternate_exchange_to_commands(channel: AbstractChannel, own: str, other: str) -> None:
    arguments: dict[str, Any] = {"alternate-exchange": names.COMMANDS}
    await channel.declare_exchange(f"{own}.way", arguments=arguments)


async def dead_letters_to_commands(channel: AbstractChannel, own: str, other: str) -> None:
    arguments: dict[str, Any] = {"x-dead-letter-exchange": names.COMMANDS, "x-message-ttl": 1}
    await channel.declare_queue(f"{own}.way", arguments=arguments)


async def dead_letters_of_its_own_queue(channel: AbstractChannel, own: str, other: str) -> None:
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-dead-letter-exchange": names.COMMANDS}
    await channel.declare_queue(names.events_queue(own), durable=True, arguments=arguments)


async def delete_the_commands(channel: AbstractChannel, own: str, other: str) -> None:
    await channel.exchange_delete(names.COMMANDS)


async def purge_others_events(channel: AbstractChannel, own: str, other: str) -> None:
    await (await channel.get_queue(names.events_queue(other), ensure=False)).purge()


async def read_the_operators_domain(channel: AbstractChannel, own: str, other: str) -> None:
    name = names.domain_queue(names.OPERATOR)
    await (await channel.get_queue(name, ensure=False)).get(fail=False)


async def publish_to_the_bulk_lane(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.BULK, "asset.register.v1", own)


async def publish_to_the_unrouted(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.UNROUTED, "asset.register.v1", own)


async def publish_a_key_of_250_characters(channel: AbstractChannel, own: str, other: str) -> None:
    await publish(channel, names.COMMANDS, f"{'a.' * 123}v1", own)


ATTEMPTS: Final[Sequence[Attempt]] = (
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
    bind_two_hashes,
    bind_the_trace,
    bind_others_queue,
    unbind_others_queue,
    own_exchange_into_commands,
    alternate_exchange_to_commands,
    dead_letters_to_commands,
    dead_letters_of_its_own_queue,
    delete_the_commands,
    purge_others_events,
    read_the_operators_domain,
    publish_to_the_bulk_lane,
    publish_to_the_unrouted,
    publish_a_key_of_250_characters,
    declare_others_queue,
    declare_the_commands,
)
"""Each ends with the broker's ACCESS_REFUSED, and with its channel."""
