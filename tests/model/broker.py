"""The broker as far as our promises rest on it: a quorum queue, its channels, its consumers.

What it does is what a quorum queue of RabbitMQ does with one active consumer and manual acks.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiormq.exceptions import ChannelInvalidStateError
from faststream.rabbit import Channel as ChannelSettings
from faststream.rabbit import RabbitQueue

from handlers.admission import Delivery
from tests.memory.broker import FakeMessage
from workers.store.protocol import Unavailable

DELIVERIES_MAX: Final = 20
"""As in the topology's plan: what was returned more often goes to the dead letters."""
RECONNECT_S: Final = 0.5
CANCELLED_S: Final = 5.0
"""How long a channel stays whose consumer was cancelled."""
DELIVERY_COUNT: Final = "x-delivery-count"


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a queue; `returned` says how often it was delivered without an ack."""

    delivery: Delivery
    returned: int = 0


@dataclass(eq=False)
class Incoming(FakeMessage):
    """One delivery of a message."""

    redelivered: bool = False


@dataclass(eq=False)
class Channel:
    """One channel: its own delivery tags, its own un-acked messages, in the order of the tags."""

    gate: Callable[[], Awaitable[None]]
    is_closed: bool = False
    unacked: dict[int, tuple["Queue", Stored]] = field(default_factory=dict)
    _last: int = 0

    def take(self, queue: "Queue", stored: Stored) -> int:
        """Note a message as being with the consumer, and give its tag."""
        self._last += 1
        self.unacked[self._last] = (queue, stored)
        return self._last

    async def basic_ack(self, delivery_tag: int, *, multiple: bool = False) -> None:
        """Settle one message, or all up to it; an unknown tag closes the channel."""
        await self.gate()
        if self.is_closed:
            raise ChannelInvalidStateError("closed")
        if delivery_tag not in self.unacked:
            self.close()
            raise ChannelInvalidStateError(f"PRECONDITION_FAILED - unknown tag {delivery_tag}")
        settled = [tag for tag in self.unacked if tag <= delivery_tag] if multiple else ()
        queues = [self.unacked.pop(tag)[0] for tag in settled or (delivery_tag,)]
        for queue in dict.fromkeys(queues):
            queue.deliver()

    def close(self) -> None:
        """End it: what it has not acked goes back, in the order in which it was delivered."""
        if self.is_closed:
            return
        self.is_closed = True
        held, self.unacked = self.unacked, {}
        queues = {queue for queue, _ in held.values()}
        for queue, stored in held.values():
            queue.put_back(stored)
        for queue in queues:
            queue.deliver()


@dataclass(eq=False)
class Consumer:
    """Who gets the messages of a queue, as many as it may hold un-acked."""

    channel: Channel
    prefetch: int
    hear: Callable[[Incoming], None]


@dataclass(eq=False)
class Queue:
    """A quorum queue with a single active consumer: the first that came and is still there."""

    name: str
    ready: deque[Stored] = field(default_factory=deque)
    returned: deque[Stored] = field(default_factory=deque)
    """What was delivered and came back: it goes out before the others, as it came in."""
    consumers: list[Consumer] = field(default_factory=list)
    dead: list[Delivery] = field(default_factory=list)
    published: list[Delivery] = field(default_factory=list)
    cancelled: set[Channel] = field(default_factory=set)
    """Channels whose consumer was cancelled: they still hold what they have not acked."""

    @property
    def is_empty(self) -> bool:
        """Whether all of it is settled."""
        consuming = {consumer.channel for consumer in self.consumers}
        return not (
            self.ready or self.returned or any(c.unacked for c in consuming | self.cancelled)
        )

    def publish(self, delivery: Delivery) -> None:
        """Take a message; it is safe when this returns."""
        self.published.append(delivery)
        self.ready.append(Stored(delivery))
        self.deliver()

    def put_back(self, stored: Stored) -> None:
        """Take back what was delivered and not acked, or give it up after too many times."""
        if stored.returned >= DELIVERIES_MAX:
            self.dead.append(stored.delivery)
        else:
            self.returned.append(Stored(stored.delivery, stored.returned + 1))

    def consume(self, consumer: Consumer) -> None:
        """Queue up for being the active consumer."""
        self.consumers.append(consumer)
        self.deliver()

    def cancel(self, consumer: Consumer) -> None:
        """Deliver nothing more to it; what it holds stays with its channel."""
        self.consumers.remove(consumer)
        self.cancelled.add(consumer.channel)
        self.deliver()

    def deliver(self) -> None:
        """Hand out what the active consumer may have."""
        self.consumers = [c for c in self.consumers if not c.channel.is_closed]
        while self.consumers and (self.returned or self.ready):
            active = self.consumers[0]
            if len(active.channel.unacked) >= active.prefetch:
                return
            stored = self.returned.popleft() if self.returned else self.ready.popleft()
            active.hear(_incoming(active.channel, active.channel.take(self, stored), stored))


def _incoming(channel: Channel, tag: int, stored: Stored) -> Incoming:
    delivery = stored.delivery
    count = {DELIVERY_COUNT: stored.returned} if stored.returned else {}
    return Incoming(
        channel=channel,
        delivery_tag=tag,
        body=delivery.body,
        routing_key=delivery.type,
        user_id=delivery.account,
        message_id=delivery.message_id,
        reply_to=delivery.reply_to,
        headers={**(delivery.headers or {}), **count},
        content_encoding=delivery.content_encoding,
        redelivered=stored.returned > 0,
    )


@dataclass(eq=False)
class Client:
    """What a mailbox knows as its broker: it subscribes, starts, stops, and asks for the message.

    Each delivery is a task of its own, as with FastStream; `hops` says how long each dawdles, so
    that some overtake others.
    """

    queues: dict[str, Queue]
    gate: Callable[[], Awaitable[None]]
    hops: Callable[[], int]
    closes: bool = True
    """Whether the connection can be closed; else a stop cancels, and the channel goes later."""
    _wanted: list[tuple[str, int, Callable[[bytes], Awaitable[None]]]] = field(default_factory=list)
    _open: list[tuple[Queue, Consumer]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _message: Any = None
    _is_started: bool = False

    @property
    def context(self) -> "Client":
        """Where the function of a subscriber finds its message."""
        return self

    def get_local(self, _name: str) -> "Client":
        """The message that is being handled, with the driver's own inside."""
        return self

    @property
    def raw_message(self) -> Any:
        """The driver's message."""
        return self._message

    def subscriber(self, queue: RabbitQueue, *, channel: ChannelSettings, **_given: Any) -> Any:
        """Note who wants a queue."""

        def note(function: Callable[[bytes], Awaitable[None]]) -> Any:
            self._wanted.append((queue.name, channel.prefetch_count or 0, function))
            return function

        return note

    async def connect(self) -> "Client":
        """Open the connection, which is this."""
        await self.gate()
        return self

    async def close(self) -> None:
        """Close the connection, and with it the channels: what is not acked goes back."""
        self._is_started = False
        if self.closes:
            self.cut()

    async def start(self) -> None:
        """Consume what is wanted."""
        await self.gate()
        self._is_started = True
        self._consume()

    async def stop(self) -> None:
        """Cancel the consumers; their channels end later, as the framework does it."""
        self._is_started = False
        opened, self._open = self._open, []
        for queue, consumer in opened:
            if not consumer.channel.is_closed:
                queue.cancel(consumer)
                asyncio.get_running_loop().call_later(CANCELLED_S, consumer.channel.close)

    def drop(self) -> None:
        """The connection is lost, and is there again a little later."""
        if not self._is_started:
            return
        self.cut()
        task = asyncio.get_running_loop().create_task(self._reconnect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cut(self) -> None:
        """Its channels end, whatever it does."""
        opened, self._open = self._open, []
        for _, consumer in opened:
            consumer.channel.close()

    async def _reconnect(self) -> None:
        await asyncio.sleep(RECONNECT_S)
        with suppress(Unavailable):
            await self.gate()
            if self._is_started and not self._open:
                self._consume()

    def _consume(self) -> None:
        for name, prefetch, function in self._wanted:
            consumer = Consumer(Channel(self.gate), prefetch, self._hearing(function))
            self._open.append((self.queues[name], consumer))
            self.queues[name].consume(consumer)

    def _hearing(self, function: Callable[[bytes], Awaitable[None]]) -> Callable[[Incoming], None]:
        def hear(message: Incoming) -> None:
            task = asyncio.get_running_loop().create_task(self._handle(function, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return hear

    async def _handle(
        self, function: Callable[[bytes], Awaitable[None]], message: Incoming
    ) -> None:
        for _ in range(self.hops()):
            await asyncio.sleep(0)
        with suppress(Unavailable):
            await self.gate()
            self._message = message
            await function(message.body)
