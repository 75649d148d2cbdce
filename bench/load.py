"""The load: commands that nobody has sent before, and how they come into a queue."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractExchange

from bench.sites import site
from contracts.assets import RegisterAsset
from contracts.envelope import user_urn
from topology import names

TYPE: Final = RegisterAsset.message_type
WINDOW: Final = 500
"""Messages that wait for the broker's confirm at the same time."""

Publish = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Party:
    """A registered user and the broker account by which it sends."""

    user: str
    account: str
    """With which it publishes: the user's ordinary one, or the one for bulk loads."""
    exchange: str
    url: str

    @property
    def replies(self) -> str:
        """The user's own queue, which the commands name in `reply_to`."""
        return names.replies_queue(self.user)


def command(user: str, command_id: str | None = None, serial: str | None = None) -> bytes:
    """A registration of a battery; without a serial it is one that nobody else has."""
    serial = serial or uuid4().hex
    latitude, longitude = site(serial)
    data: dict[str, Any] = {
        "asset_type": "BAT",
        "identity": {"make": "Acme", "serial": serial},
        "connection": {"mpan_export": "2000000000015"},
        "location": {
            "postcode": "AB10 1AB",
            "point": {"latitude": latitude, "longitude": longitude},
        },
        "capability": {"power_kw": 3.6},
    }
    return json.dumps(envelope(user, TYPE, data, command_id)).encode()


def envelope(
    user: str, kind: str, data: Mapping[str, Any], command_id: str | None = None
) -> dict[str, Any]:
    """What travels around the data of any command."""
    return {
        "specversion": "1.0",
        "id": command_id or str(uuid4()),
        "source": user_urn(user),
        "type": kind,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": data,
    }


async def publish(parties: Sequence[Party], count: int) -> None:
    """Send `count` commands, in turn by each party, and wait for the confirms.

    How the load travels is decided by the parties alone.
    """
    async with AsyncExitStack() as stack:
        senders = [await _sender(party, stack) for party in parties]
        jobs = [(senders[n % len(parties)], parties[n % len(parties)].user) for n in range(count)]
        await _windowed(jobs)


async def fill(url: str, queue: str, users: Sequence[str], count: int) -> None:
    """Put the same commands into a rival's queue, past the spine's exchange and accounts."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = channel.default_exchange

        async def send(body: bytes) -> None:
            # FastStream decodes by this type, and a rival knows no other.
            await exchange.publish(_message(body, content_type="application/json"), queue)

        await _windowed([(send, users[n % len(users)]) for n in range(count)])


async def _sender(party: Party, stack: AsyncExitStack) -> Publish:
    connection = await stack.enter_async_context(await aio_pika.connect(party.url))
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange(party.exchange, ensure=False)
    return sender(party, exchange)


def sender(party: Party, exchange: AbstractExchange, kind: str = TYPE) -> Publish:
    """Publish as a platform does: its own account's name, its own queue for the reply."""

    async def send(body: bytes) -> None:
        message = _message(body, user_id=party.account, reply_to=party.replies)
        await exchange.publish(message, routing_key=kind)

    return send


def _message(body: bytes, **properties: Any) -> aio_pika.Message:
    return aio_pika.Message(
        body,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=uuid4().hex,
        **{"content_type": "application/cloudevents+json", **properties},
    )


async def _windowed(jobs: Sequence[tuple[Publish, str]]) -> None:
    window = asyncio.Semaphore(WINDOW)

    async def one(send: Publish, user: str) -> None:
        async with window:
            await send(command(user))

    async with asyncio.TaskGroup() as tasks:
        for send, user in jobs:
            tasks.create_task(one(send, user))
