"""Publishing that knows whether the broker has the message: confirmed, returned, or unknown."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import aio_pika
import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq.exceptions import PublishError
from yarl import URL

from contracts.envelope import CONTENT_TYPE
from handlers.admission import REPLY_DIRECT
from outbox.record import OutboxRecord
from topology import names

log = structlog.get_logger()
HEARTBEAT_S: Final = 10


class Delivered(StrEnum):
    """What became of a message that the broker has taken care of."""

    DELIVERED = "delivered"
    UNHEARD = "unheard"
    """Nobody has a queue for it; it stays in the events of the backbone."""


class PublishFailedError(Exception):
    """The broker did not confirm; whether it has the message is unknown: publish again."""


class PublishBlockedError(PublishFailedError):
    """The broker did not answer at all: one message may have blocked or broken the channel."""


def connection_lost(account: str, error: BaseException | None) -> None:
    """Say that a connection ended other than by our own wish."""
    if error is not None and not isinstance(error, asyncio.CancelledError):
        log.warning("broker.lost", account=account, error=type(error).__name__)


def connection_back(account: str) -> None:
    """Say that a lost connection is there again."""
    log.info("broker.back", account=account)


class Publisher:
    """One connection and one channel with confirms; many publishes may wait at the same time."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connects by `start`."""
        self._url = url
        self._timeout_s = timeout_s
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._exchanges: dict[str, Any] = {}
        self._closing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and open the channel; it is opened again by itself after a disconnect.

        Raises what the driver raises for a broker that is absent or refuses the login.
        """
        url = URL(self._url).update_query(heartbeat=HEARTBEAT_S)
        connection = aio_pika.RobustConnection(url, fail_fast=True, reconnect_interval=1)
        self._connection = connection
        try:
            await connection.connect()
            await self._open()
        except BaseException:
            # Whoever tries again makes another one, and one that never was connected complains.
            await connection.close()
            raise
        connection.close_callbacks.add(
            lambda _connection, error: connection_lost(names.RELAY_ACCOUNT, error)
        )
        connection.reconnect_callbacks.add(lambda _connection: connection_back(names.RELAY_ACCOUNT))

    async def renew(self) -> None:
        """Leave a channel that may be blocked to itself, and go on with another."""
        blocked = self._channel
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._open()
        except (TimeoutError, AMQPError, ConnectionError, RuntimeError) as error:
            raise PublishFailedError(f"no new channel: {type(error).__name__}") from error
        if blocked is not None:
            self._closing = asyncio.create_task(_close(blocked))

    async def _open(self) -> None:
        if self._connection is None:
            raise RuntimeError("expected a started publisher; call start first")
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._channel = channel
        for name in (names.EVENTS, names.DOMAIN):
            self._exchanges[name] = await channel.get_exchange(name, ensure=False)
        self._exchanges[names.DEFAULT_EXCHANGE] = channel.default_exchange

    async def stop(self) -> None:
        """Close the connection; what is not confirmed stays in the outbox."""
        if self._connection is not None:
            await self._connection.close()

    async def publish(self, record: OutboxRecord) -> Delivered:
        """Publish and wait for the confirm; a reply whose queue is gone goes to the events.

        Whether anybody still waits for a direct reply, the broker does not say.
        Raises PublishFailedError if it did not confirm, PublishBlockedError if it said nothing.
        """
        try:
            await self._publish(record.exchange, record.key, record)
        except PublishError:
            if record.fallback is None:
                return Delivered.UNHEARD
            try:
                await self._publish(names.EVENTS, record.fallback, record)
            except PublishError:
                return Delivered.UNHEARD
        return Delivered.DELIVERED

    async def _publish(self, exchange: str, key: str, record: OutboxRecord) -> None:
        message = aio_pika.Message(
            record.body,
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            # Returned messages are matched by this id: one of its own for each transmission.
            message_id=uuid4().hex,
            type=record.type,
        )
        # The broker delivers to direct reply-to, and yet calls it unroutable.
        mandatory = not key.startswith(REPLY_DIRECT)
        task = asyncio.current_task()
        cancelling = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchanges[exchange].publish(message, key, mandatory=mandatory)
        except PublishError:
            raise
        except DeliveryError as error:
            raise PublishFailedError("the broker refused it") from error
        except TimeoutError as error:
            raise PublishBlockedError(f"no confirm within {self._timeout_s} s") from error
        except (AMQPError, ConnectionError, RuntimeError) as error:
            raise PublishBlockedError(f"{type(error).__name__}: {error}") from error
        except asyncio.CancelledError:
            if task is not None and task.cancelling() > cancelling:
                raise
            # The driver cancels what waits on a connection that broke; that is no wish of ours.
            raise PublishBlockedError("the connection broke while waiting for a confirm") from None


async def _close(channel: AbstractRobustChannel) -> None:
    """Close a channel that may not answer; whatever comes of it is of no use any more."""
    with suppress(
        TimeoutError, AMQPError, ConnectionError, RuntimeError, asyncio.InvalidStateError
    ):
        async with asyncio.timeout(HEARTBEAT_S):
            await channel.close()
