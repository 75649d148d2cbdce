"""Publishing that knows whether the broker has the message: confirmed, returned, or unknown."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq.exceptions import PublishError
from yarl import URL

from contracts.envelope import CONTENT_TYPE
from handlers.admission import REPLY_DIRECT
from outbox.record import OutboxRecord
from outbox.stalled import part, stalled
from outbox.wire import Wire
from topology import names

log = structlog.get_logger()
HEARTBEAT_S: Final = 10
CONNECT_S: Final = 10.0
"""How long one attempt to connect may take: a broker may take a connection and say nothing.

Only the driver can end one: it goes on by itself where who waits for it is cancelled, for ever.
"""


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
        self._wire: Wire | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect and open the channel; it is opened again by itself after a disconnect.

        Raises what the driver raises for a broker that is absent or refuses the login.
        """
        url = URL(self._url).update_query(heartbeat=HEARTBEAT_S)
        connection = aio_pika.RobustConnection(url, fail_fast=True, reconnect_interval=1)
        self._connection = connection
        try:
            await connection.connect(timeout=CONNECT_S)
            await self._open()
        except BaseException:
            # Whoever tries again makes another one, and one that never was connected complains.
            await connection.close()
            raise
        connection.close_callbacks.add(
            lambda _connection, error: connection_lost(names.RELAY_ACCOUNT, error)
        )
        connection.reconnect_callbacks.add(lambda _connection: connection_back(names.RELAY_ACCOUNT))

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._connection is not None and self._connection.connected.is_set()

    async def renew(self) -> None:
        """Leave a channel that may be blocked to itself, and go on with another."""
        blocked = self._channel
        try:
            with stalled():
                async with asyncio.timeout(self._timeout_s):
                    await self._open()
        except (TimeoutError, AMQPError, ConnectionError, RuntimeError) as error:
            raise PublishFailedError(f"no new channel: {type(error).__name__}") from error
        if blocked is not None:
            closing = asyncio.create_task(_close(blocked))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _open(self) -> None:
        if self._connection is None:
            raise RuntimeError("expected a started publisher; call start first")
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)

        async def rewired(_: object) -> None:
            """Publish on what takes its place after a disconnect."""
            fresh = await self._wired(channel)
            if self._channel is channel:
                self._wire = fresh

        # Both or none: with a channel that has no wire yet, all would go to the blocked one, and
        # nobody would know that one any more to close it.
        self._wire, self._channel = await self._wired(channel), channel
        channel.reopen_callbacks.add(rewired)

    async def _wired(self, channel: AbstractRobustChannel) -> Wire:
        underlay = await channel.get_underlay_channel()
        # As the broker calls it, which checks it against the login.
        account = URL(self._url).user or names.RELAY_ACCOUNT
        return Wire(underlay, account, CONTENT_TYPE, self._timeout_s)

    async def stop(self) -> None:
        """Close the connection, as long as it may take; what is unconfirmed stays in the outbox."""
        if self._connection is not None:
            await part(self._connection.close)

    def send(self, record: OutboxRecord) -> asyncio.Future[Delivered]:
        """Publish; the future says what became of it, once the broker has confirmed.

        A reply whose queue is gone goes to the events. Whether anybody still waits for a direct
        reply, the broker does not say.
        It fails with PublishFailedError if the broker did not confirm, with PublishBlockedError if
        it said nothing. Raises at once what a record of no possible address raises.
        """
        outcome: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()
        self._attempt(record, record.exchange, record.key, record.fallback, outcome)
        return outcome

    async def publish(self, record: OutboxRecord) -> Delivered:
        """Send one record and wait for what becomes of it."""
        return await self.send(record)

    def _attempt(
        self,
        record: OutboxRecord,
        exchange: str,
        key: str,
        fallback: str | None,
        outcome: asyncio.Future[Delivered],
    ) -> None:
        if self._wire is None or self._wire.is_closed:
            _fail(outcome, PublishBlockedError("there is no open channel"))
            return
        # The broker delivers to direct reply-to, and yet calls it unroutable.
        address = (exchange, key, not key.startswith(REPLY_DIRECT))
        confirm = self._wire.send(address, record.body, record.type, dict(record.trace))
        confirm.add_done_callback(partial(self._heard, record, fallback, outcome))

    def _heard(
        self,
        record: OutboxRecord,
        fallback: str | None,
        outcome: asyncio.Future[Delivered],
        confirm: asyncio.Future[Any],
    ) -> None:
        """Say what the broker's word means; `confirm` is done."""
        if outcome.done():
            return
        if confirm.cancelled():
            _fail(outcome, PublishBlockedError(f"no confirm within {self._timeout_s} s"))
            return
        error = confirm.exception()
        if error is None:
            outcome.set_result(Delivered.DELIVERED)
        elif isinstance(error, PublishError):
            if fallback is None:
                outcome.set_result(Delivered.UNHEARD)
            else:
                try:
                    self._attempt(record, names.EVENTS, fallback, None, outcome)
                except ValueError as unwritable:
                    outcome.set_exception(unwritable)
        elif isinstance(error, DeliveryError):
            _fail(outcome, PublishFailedError("the broker refused it"))
        else:
            # Whatever a channel ends with; the driver knows no other reason not to confirm.
            _fail(outcome, PublishBlockedError(f"{type(error).__name__}: {error}"))


def _fail(outcome: asyncio.Future[Delivered], error: PublishFailedError) -> None:
    outcome.set_exception(error)
    # Looked at here, because whoever waited may have been cancelled.
    outcome.exception()


async def _close(channel: AbstractRobustChannel) -> None:
    """Close a channel that may not answer; whatever comes of it is of no use any more."""
    with suppress(
        TimeoutError, AMQPError, ConnectionError, RuntimeError, asyncio.InvalidStateError
    ):
        async with asyncio.timeout(HEARTBEAT_S):
            await channel.close()
