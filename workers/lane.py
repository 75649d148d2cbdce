"""The lane: deliveries of one mailbox become batches in order, and are acked when committed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from handlers.admission import Delivery

Process = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Commits a batch; returns when all of it may be acked, or raises what ends the lane."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """When a batch is closed."""

    size_max: int
    bytes_max: int
    linger_s: float


@dataclass(slots=True)
class Lane:
    """Admits the contiguous prefix of a channel's delivery tags, so that order is the broker's.

    FastStream runs a task per delivery, and tasks may overtake each other; tags tell.
    After a reconnect the channel is another and its tags start anew: what came on the old one is
    forgotten, because the broker delivers it again.
    """

    process: Process
    limits: LaneLimits
    _channel: Any = None
    _next: int = 1
    _early: dict[int, AbstractIncomingMessage] = field(default_factory=dict)
    _ready: list[AbstractIncomingMessage] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def submit(self, message: AbstractIncomingMessage) -> None:
        """Take a delivery; it is acked once its batch is committed."""
        if self._stopping or message.channel.is_closed:
            return
        if message.channel is not self._channel:
            self._channel, self._next = message.channel, 1
            self._early.clear()
            self._ready.clear()
        self._early[int(message.delivery_tag or 0)] = message
        while (following := self._early.pop(self._next, None)) is not None:
            self._ready.append(following)
            self._next += 1
        if self._ready:
            self._arrived.set()
        if len(self._ready) >= self.limits.size_max:
            self._full.set()

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
            await self._arrived.wait()
            if self._stopping:
                return
            await self._linger()
            batch = self._take()
            if not batch:
                continue
            await self.process([delivery_of(message) for message in batch])
            await _ack(batch[-1])

    async def _linger(self) -> None:
        if len(self._ready) >= self.limits.size_max or self._full.is_set():
            return
        try:
            async with asyncio.timeout(self.limits.linger_s):
                await self._full.wait()
        except TimeoutError:
            pass

    def _take(self) -> list[AbstractIncomingMessage]:
        """The oldest deliveries within the limits; the first always fits."""
        size, count = 0, 0
        for message in self._ready[: self.limits.size_max]:
            size += len(message.body)
            if count and size > self.limits.bytes_max:
                break
            count += 1
        batch, self._ready = self._ready[:count], self._ready[count:]
        if len(self._ready) < self.limits.size_max:
            self._full.clear()
        if not self._ready and not self._stopping:
            self._arrived.clear()
        return batch


def delivery_of(message: AbstractIncomingMessage) -> Delivery:
    """The broker's message as a plain value."""
    return Delivery(
        body=message.body,
        type=message.routing_key or "",
        account=message.user_id,
        message_id=message.message_id,
        reply_to=message.reply_to,
        headers=message.headers,
        content_encoding=message.content_encoding,
    )


async def _ack(last: AbstractIncomingMessage) -> None:
    """Settle everything up to `last`; if the channel is gone, the inbox makes it harmless."""
    try:
        await last.channel.basic_ack(int(last.delivery_tag or 0), multiple=True)
    except (AMQPError, ChannelInvalidStateError, ConnectionError):
        return
