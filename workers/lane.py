"""The lane: deliveries of one mailbox become batches in order, and are acked when committed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from handlers.admission import Delivery
from outbox.stalled import stalled
from topology import names
from topology.naming import LIVE, Naming

BULK_SHARE: Final = 5
"""Of a full batch, bulk loads get one part in so many even while ordinary senders wait."""

Process = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Commits a batch; returns when all of it may be acked, or raises what ends the lane."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """When a batch is closed."""

    size_max: int
    bytes_max: int
    linger_s: float


@dataclass(slots=True)
class Feed:
    """What one queue has delivered: the contiguous prefix of its channel's delivery tags.

    FastStream runs a task per delivery, and tasks may overtake each other; tags tell.
    After a reconnect the channel is another and its tags start anew: what came on the old one is
    forgotten, because the broker delivers it again.
    """

    ready: list[AbstractIncomingMessage] = field(default_factory=list)
    _channel: Any = None
    _next: int = 1
    _early: dict[int, AbstractIncomingMessage] = field(default_factory=dict)

    @property
    def is_holding(self) -> bool:
        """Whether there are deliveries that are not acked, those behind a gap included.

        Of a channel that is closed nothing comes any more that could fill the gap.
        """
        return bool(self.ready or (self._early and not self._channel.is_closed))

    def add(self, message: AbstractIncomingMessage) -> None:
        """Take a delivery, and with it those that had overtaken it."""
        if message.channel is not self._channel:
            self._channel, self._next = message.channel, 1
            self._early.clear()
            self.ready.clear()
        self._early[int(message.delivery_tag or 0)] = message
        while (following := self._early.pop(self._next, None)) is not None:
            self.ready.append(following)
            self._next += 1

    def take(self, count_max: int, bytes_max: int) -> list[AbstractIncomingMessage]:
        """Give the oldest within the limits; the first always fits."""
        size, count = 0, 0
        for message in self.ready[:count_max]:
            size += len(message.body)
            if count and size > bytes_max:
                break
            count += 1
        taken, self.ready = self.ready[:count], self.ready[count:]
        return taken


@dataclass(slots=True)
class Lane:
    """Makes batches of what its two queues deliver; ordinary senders go before bulk loads."""

    process: Process
    limits: LaneLimits
    due_in_s: Callable[[], float | None] = lambda: None
    """When somebody who waits has to be brought in; None while nobody does."""
    naming: Naming = LIVE
    """What accounts are called at the broker."""
    _ordinary: Feed = field(default_factory=Feed)
    _bulk: Feed = field(default_factory=Feed)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _deciding: bool = False

    @property
    def is_holding(self) -> bool:
        """Whether there are deliveries that are not acked."""
        return self._deciding or self._ordinary.is_holding or self._bulk.is_holding

    def submit(self, message: AbstractIncomingMessage) -> None:
        """Take a delivery; it is acked once its batch is committed."""
        self._submit(self._ordinary, message)

    def submit_bulk(self, message: AbstractIncomingMessage) -> None:
        """Take a delivery of a bulk load, which gets what the others leave, and a share always."""
        self._submit(self._bulk, message)

    def _submit(self, feed: Feed, message: AbstractIncomingMessage) -> None:
        if self._stopping or message.channel.is_closed:
            return
        feed.add(message)
        if feed.ready:
            self._arrived.set()
        if self._size >= self.limits.size_max:
            self._full.set()

    @property
    def _size(self) -> int:
        return len(self._ordinary.ready) + len(self._bulk.ready)

    def stop(self) -> None:
        """Admit nothing more and end after the batch that is being decided."""
        self._stopping = True
        self._arrived.set()
        self._full.set()

    def flush(self) -> None:
        """Close the batch now, without waiting for more."""
        self._full.set()

    async def run(self) -> None:
        """Decide batch after batch until stopped; raises what `process` raises."""
        while True:
            if await self._arrival():
                await self._linger()
            if self._stopping:
                return
            batches = self._take()
            self._deciding = True
            await self.process([delivery_of(m, self.naming) for batch in batches for m in batch])
            self._deciding = False
            for batch in filter(None, batches):
                await _ack(batch[-1])

    async def _arrival(self) -> bool:
        """Wait for a delivery; false where somebody who waits is due before."""
        try:
            async with asyncio.timeout(self.due_in_s()):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def _linger(self) -> None:
        if self._size >= self.limits.size_max or self._full.is_set():
            return
        try:
            async with asyncio.timeout(self.limits.linger_s):
                await self._full.wait()
        except TimeoutError:
            pass

    def _take(self) -> tuple[list[AbstractIncomingMessage], list[AbstractIncomingMessage]]:
        """The oldest deliveries of both queues, within the limits of one batch."""
        limits = self.limits
        share = min(len(self._bulk.ready), -(-limits.size_max // BULK_SHARE))
        ordinary = self._ordinary.take(max(1, limits.size_max - share), limits.bytes_max)
        left = limits.bytes_max - sum(len(m.body) for m in ordinary)
        bulk = self._bulk.take(limits.size_max - len(ordinary), left)
        if self._size < limits.size_max:
            self._full.clear()
        if not self._size and not self._stopping:
            self._arrived.clear()
        return ordinary, bulk


def delivery_of(message: AbstractIncomingMessage, naming: Naming = LIVE) -> Delivery:
    """The broker's message as a plain value; an account of another backbone is nobody's."""
    return Delivery(
        body=message.body,
        type=message.routing_key or "",
        account=naming.own(message.user_id),
        message_id=message.message_id,
        reply_to=message.reply_to,
        headers=message.headers,
        content_encoding=message.content_encoding,
        # Only the hop may write to that exchange: the quota counts what a sender sends, once.
        redelivered=bool(message.redelivered) or message.exchange == names.REPLAY,
    )


async def _ack(last: AbstractIncomingMessage) -> None:
    """Settle everything up to `last`; if the channel is gone, the inbox makes it harmless."""
    with suppress(AMQPError, ChannelInvalidStateError, ConnectionError), stalled():
        await last.channel.basic_ack(int(last.delivery_tag or 0), multiple=True)
