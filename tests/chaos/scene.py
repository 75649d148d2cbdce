"""The storm's own backbone: users with their accounts, writers, subscribers, worker processes."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Final

from tests.chaos.faults import World
from tests.chaos.fleet import Fleet
from tests.chaos.load import Record, Writer
from tests.chaos.observed import Reply, Sent
from tests.chaos.party import Sender, Subscriber
from tests.servers import TestServers
from tests.spine import Spine, eventually, user
from topology import names

REGISTER_USER: Final = "user.register.v1"
SETTINGS: Final = {
    "quota_per_minute": 1_000_000,
    "queries_per_minute": 1_000_000,
    "lease_s": 3,
    "backoff_max_s": 1,
    "database_timeout_s": 3,
    "publish_timeout_s": 3,
}
"""Short times, so that a fault is noticed and overcome within seconds; a quota nobody reaches."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard; everything else follows from the seed."""

    commands: int
    kinds: Sequence[str]
    seed: int
    users: int = 6
    writers: int = 8
    workers: int = 3
    """One more than there are mailboxes: a process that has its share takes no more."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that takes part."""

    record: Record
    world: World
    senders: Sequence[Sender]
    writers: Sequence[Writer]


@asynccontextmanager
async def opened(spine: Spine, servers: TestServers, plan: Plan) -> AsyncIterator[Scene]:
    """Start workers, register users, connect them, and let each writer register its asset."""
    running = servers.embedded()
    record, random = Record(), Random(plan.seed)  # noqa: S311 - no secret
    async with AsyncExitStack() as stack:
        fleet = Fleet(spine, plan.workers, **SETTINGS)
        stack.push_async_callback(fleet.stop)
        await asyncio.gather(*(fleet.start(slot) for slot in range(fleet.size)))
        accounts = [await _registered(spine, record) for _ in range(plan.users)]
        senders = []
        listening = [_operator(spine, record)]
        for name, key in accounts:
            url = spine.addresses.amqp_as(name, key)
            sender = Sender(url, name)
            stack.push_async_callback(sender.close)
            senders.append(sender)
            queues = [names.events_queue(name), names.replies_queue(name)]
            listening.append(Subscriber(url, queues, record.hear_reply(name)))
        tasks = [asyncio.create_task(subscriber.run()) for subscriber in listening]
        stack.push_async_callback(_cancelled, tasks)
        made = [
            Writer(sender, record, Random(f"{plan.seed}/{place}/{number}"))  # noqa: S311 - no secret
            for place, sender in enumerate(senders)
            for number in range(plan.writers)
        ]
        await asyncio.gather(*(writer.begin() for writer in made))
        world = World(spine, running, fleet, [name for name, _ in accounts], random)
        yield Scene(record, world, senders, made)


def _operator(spine: Spine, record: Record) -> Subscriber:
    """Who hears of every domain event; its queue would drop the oldest if nobody took them."""
    url = spine.addresses.amqp_as(names.OPERATOR, spine.vault.password(names.OPERATOR))
    return Subscriber(url, [names.domain_queue(names.OPERATOR)], record.hear_event)


async def _registered(spine: Spine, record: Record) -> tuple[str, str]:
    """A new user's name and key; its registration is a command like any other."""
    desk, key = await spine.front_desk(), secrets.token_urlsafe(24)
    envelope = desk.envelope(REGISTER_USER, user(key))
    body = json.dumps(envelope).encode()
    digest = sha256(body).digest()
    sent = Sent(desk.user, str(envelope["id"]), REGISTER_USER, "behalf", digest)
    record.begin(sent, body)
    await desk.publish(body, REGISTER_USER)
    sent.confirmed = True
    answer = await desk.answer(sent.id)
    record.take(Reply.read(desk.user, answer.body))
    await desk.close()
    issued = str(answer.data["id"])
    await eventually(lambda: spine.has_account(issued))
    return issued, key


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
