"""A sender and a subscriber that outlive every fault: they connect again and lose nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.abc import AbstractIncomingMessage as Incoming
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelInvalidStateError

from topology import names

CONNECT_S: Final = 5.0
CONFIRM_S: Final = 8.0
"""Longer than any confirm of a broker that lives, shorter than its longest freeze."""
PAUSE_S: Final = 0.3
SILENCE_S: Final = 20.0
"""A subscriber that hears nothing for so long opens its consumers anew."""
ACK_EVERY: Final = 100
ACK_S: Final = 0.2
PREFETCH: Final = 1000
FAULTS: Final = (
    AMQPError,
    ChannelInvalidStateError,
    ConnectionError,
    TimeoutError,
    OSError,
    RuntimeError,
    asyncio.InvalidStateError,
)
"""What a driver raises around a broker that goes and comes."""


async def quietly_closed(connection: AbstractConnection) -> None:
    """Close a connection that may not answer any more."""
    with suppress(*FAULTS):
        async with asyncio.timeout(CONNECT_S):
            await connection.close()


class Sender:
    """Publishes with confirms: what was not confirmed is published again, the same bytes."""

    def __init__(self, url: str, user: str) -> None:
        """Connect at the first publish."""
        self._url = f"{url}?heartbeat=10"
        self.user = user
        self.repeated = 0
        """How many publishes were not confirmed."""
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None
        self._opening = asyncio.Lock()

    async def publish(self, body: bytes, key: str, message_id: str) -> None:
        """Return once the broker has confirmed."""
        while True:
            exchange = await self._opened()
            if await self._confirmed(exchange, body, key, message_id):
                return
            self.repeated += 1
            await self._leave(exchange)

    async def close(self) -> None:
        if self._connection is not None:
            await quietly_closed(self._connection)

    async def _confirmed(
        self, exchange: AbstractExchange, body: bytes, key: str, message_id: str
    ) -> bool:
        message = aio_pika.Message(
            body,
            user_id=self.user,
            reply_to=names.replies_queue(self.user),
            message_id=message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        task = asyncio.current_task()
        cancelling = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(CONFIRM_S):
                await exchange.publish(message, key)
        except FAULTS:
            return False
        except asyncio.CancelledError:
            if task is not None and task.cancelling() > cancelling:
                raise
            # The driver cancels what waits on a connection that broke; nobody else wished it.
            return False
        return True

    async def _opened(self) -> AbstractExchange:
        async with self._opening:
            while self._exchange is None:
                try:
                    async with asyncio.timeout(CONNECT_S):
                        self._connection = await aio_pika.connect(self._url)
                        channel = await self._connection.channel()
                        self._exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
                except FAULTS:
                    await self._drop()
                    await asyncio.sleep(PAUSE_S)
            return self._exchange

    async def _leave(self, broken: AbstractExchange) -> None:
        """Give the connection up, unless somebody else has already."""
        async with self._opening:
            if self._exchange is broken:
                await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            await quietly_closed(connection)


class Subscriber:
    """Consumes queues for ever; acks what it has handed on, some at a time."""

    def __init__(self, url: str, queues: Sequence[str], hear: Callable[[bytes], None]) -> None:
        """Consume by `run`."""
        self._url = f"{url}?heartbeat=10"
        self._queues = queues
        self._hear = hear
        self._last: Incoming | None = None
        self._unacked = 0
        self._heard_at = 0.0
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Consume until cancelled."""
        while True:
            try:
                await self._consume()
            except FAULTS:
                await asyncio.sleep(PAUSE_S)

    async def _consume(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            connection = await aio_pika.connect(self._url)
        self._ended, self._last, self._unacked = asyncio.Event(), None, 0
        ended = self._ended
        try:
            async with asyncio.timeout(CONNECT_S):
                channel = await connection.channel(publisher_confirms=False)
                for closing in (connection, channel):
                    closing.close_callbacks.add(lambda *_: ended.set())
                await channel.set_qos(prefetch_count=PREFETCH)
                for name in self._queues:
                    queue = await channel.get_queue(name, ensure=False)
                    await queue.consume(self._take)
            self._heard_at = asyncio.get_running_loop().time()
            while not ended.is_set() and not self._is_silent():
                with suppress(TimeoutError):
                    async with asyncio.timeout(ACK_S):
                        await ended.wait()
                await self._ack()
        finally:
            await quietly_closed(connection)

    def _is_silent(self) -> bool:
        return asyncio.get_running_loop().time() - self._heard_at > SILENCE_S

    async def _take(self, message: Incoming) -> None:
        self._hear(message.body)
        self._last, self._unacked = message, self._unacked + 1
        self._heard_at = asyncio.get_running_loop().time()
        if self._unacked >= ACK_EVERY:
            await self._ack()

    async def _ack(self) -> None:
        """Everything up to the last: deliveries of one channel are handed on in their order."""
        last, self._last, self._unacked = self._last, None, 0
        if last is not None:
            try:
                await last.channel.basic_ack(int(last.delivery_tag or 0), multiple=True)
            except FAULTS:
                self._ended.set()
