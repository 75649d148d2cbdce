"""A line: what one queue of a directory delivers goes on to the shards, in order for each entity.

One channel consumes, passes on and acknowledges: when the broker ends it and gives back what is
un-acked, nothing that it passed on can come later.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from contracts.envelope import CONTENT_TYPE
from handlers.cells import Addressed, addressed
from outbox.stalled import stalled
from topology import names
from topology.naming import LIVE, Naming
from topology.sharding import PHASES
from workers.acking import Acks
from workers.lane import Feed, delivery_of
from workers.passing import Parcel, Passing, properties_of
from workers.pause import Pause
from workers.quota import Quota, moment_of
from workers.steering import Steering
from workers.store.protocol import Unavailable

log = structlog.get_logger()
BATCH_MAX: Final = 200
BATCH_BYTES_MAX: Final = 2_000_000
"""How many are looked up together, and how much of them."""
T = TypeVar("T")


@dataclass(slots=True)
class Line:
    """One queue of a directory."""

    steering: Steering
    quota: Quota
    announced: Callable[["Line"], Awaitable[None]]
    """What follows a move from its announcement to its end."""
    make_wire: Callable[[Any], Passing]
    """What publishes on a channel."""
    backoff_max_s: float
    naming: Naming = LIVE
    passed: int = 0
    """How many were passed on."""
    in_flight: int = 0
    """How many the broker has not confirmed."""
    _feed: Feed = field(default_factory=Feed)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _channel: Any = None
    _wire: Passing | None = None
    _acks: Acks | None = None
    _queues: dict[str, deque[Parcel]] = field(default_factory=dict)
    """Key -> what waits, the first of them on its way or held back."""
    _on_way: set[str] = field(default_factory=set)
    """Keys of which one is on its way."""
    _following: asyncio.Task[None] | None = None
    _announcement: AbstractIncomingMessage | None = None
    """One that came while a move was followed: it may be of the next one."""
    _retry: Pause | None = None
    _failed: asyncio.Event = field(default_factory=asyncio.Event)
    _error: BaseException | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether nothing is on its way."""
    _stopping: bool = False

    def submit(self, message: AbstractIncomingMessage) -> None:
        """Take a delivery; it is acked once a shard has it."""
        if self._stopping or message.channel.is_closed:
            return
        self._feed.add(message)
        if self._feed.ready:
            self._arrived.set()

    def stop(self) -> None:
        """Take nothing more, and end when all that is on its way is confirmed."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Pass on until stopped; raises what the channel ends with."""
        self._count(0)
        failing = asyncio.create_task(self._failed.wait())
        passing = asyncio.create_task(self._pass())
        try:
            await asyncio.wait([failing, passing], return_when=asyncio.FIRST_COMPLETED)
            if self._error is not None:
                raise ConnectionError(str(self._error)) from self._error
            passing.result()
        finally:
            for task in (failing, passing, self._following):
                if task is not None:
                    task.cancel()
            if self._acks is not None:
                self._acks.stop()

    async def _pass(self) -> None:
        while not self._stopping:
            await self._arrived.wait()
            batch = self._feed.take(BATCH_MAX, BATCH_BYTES_MAX)
            if not self._feed.ready and not self._stopping:
                self._arrived.clear()
            if batch:
                await self._take(batch)
        await self._idle.wait()
        if self._acks is not None:
            await self._acks.flush()

    async def _take(self, batch: Sequence[AbstractIncomingMessage]) -> None:
        if batch[0].channel is not self._channel:
            await self._begin(batch[0].channel)
        ways = [self._way(message) for message in batch]
        entities = {way.entity for way in ways if way is not None and way.entity is not None}
        homes = await self.surely(lambda: self.steering.homes(entities)) if entities else {}
        for message, way in zip(batch, ways, strict=True):
            if message.channel is not self._channel:
                continue
            if way is None:
                self._follow(message)
                continue
            cell = homes[way.entity] if way.entity is not None else way.cell
            properties = properties_of(message, is_over_quota=not self._is_within(message, way))
            waiting = self._queues.setdefault(way.key, deque())
            waiting.append(Parcel(message, way.key, cell, properties))
            if len(waiting) == 1:
                self._send(way.key)

    async def _begin(self, channel: Any) -> None:
        """Go on by another channel: what was un-acked on the former one comes again.

        The map is read now, when this consumer is the one that gets something: whoever got it
        before has sent no marker that this map does not tell of. A move that it tells of is
        followed at once: what is held back may leave no room for the announcement to be delivered.
        """
        if self._acks is not None:
            self._acks.stop()
        if self._following is not None:
            self._following.cancel()
        self._queues, self._on_way = {}, set()
        self._following = self._announcement = None
        self._count(-self.in_flight)
        self._channel, self._acks = channel, Acks(channel, self._fail)
        self._wire = self.make_wire(channel)
        await self.surely(self.steering.look)
        if self.steering.move is not None:
            self._follow(None)

    def _way(self, message: AbstractIncomingMessage) -> Addressed | None:
        kind = message.routing_key or ""
        account = self.naming.own(message.user_id)
        if kind in PHASES and account == names.RELAY_ACCOUNT:
            return None
        return addressed(kind, (account or "").partition("/")[0], message.body)

    def _is_within(self, message: AbstractIncomingMessage, way: Addressed) -> bool:
        return self.quota.allows(delivery_of(message, self.naming), moment_of(way.made))

    def pump(self) -> None:
        """Send what needs not be held back any more."""
        for key in list(self._queues):
            self._send(key)

    def _send(self, key: str) -> None:
        """Send the first of a key, unless it is on its way or held back."""
        waiting = self._queues.get(key)
        if not waiting or key in self._on_way or self._wire is None:
            return
        parcel = waiting[0]
        shard = self.steering.shard_of(parcel.cell)
        if shard is None:
            return
        if self._wire.is_closed:
            self._fail(ConnectionError("the channel is closed"))
            return
        self._on_way.add(key)
        self._count(1)
        message, channel = parcel.message, self._channel
        address = (self.exchange_of(shard), message.routing_key or "", False)
        confirm = self._wire.pass_on(address, parcel.properties, message.body)
        confirm.add_done_callback(lambda done: self._heard(channel, parcel, done))

    def exchange_of(self, shard: int) -> str:
        """By which exchange this line reaches a shard."""
        mailbox = names.mailbox(self.steering.register, shard)
        return names.shard_exchange(
            names.bulk_mailbox(mailbox) if self.steering.is_bulk else mailbox
        )

    def _heard(self, channel: Any, parcel: Parcel, confirm: asyncio.Future[Any]) -> None:
        """Let the next one of a key go when the broker has this one; else try it again."""
        if channel is not self._channel:
            return
        self._count(-1)
        self._on_way.discard(parcel.key)
        error = TimeoutError("no confirm") if confirm.cancelled() else confirm.exception()
        if isinstance(error, DeliveryError):
            # A full queue, for example; what comes behind it of its key waits with it.
            self._later(lambda: self._send(parcel.key))
            return
        if error is not None:
            self._fail(error)
            return
        self.passed, self._retry = self.passed + 1, None
        self.settle(parcel.message)
        waiting = self._queues[parcel.key]
        waiting.popleft()
        if waiting:
            self._send(parcel.key)
        else:
            del self._queues[parcel.key]

    def _count(self, change: int) -> None:
        self.in_flight += change
        if self.in_flight:
            self._idle.clear()
        else:
            self._idle.set()

    def _later(self, again: Callable[[], None]) -> None:
        self._retry = self._retry or Pause(self.backoff_max_s)
        asyncio.get_running_loop().call_later(self._retry.next_s(), again)

    def settle(self, message: AbstractIncomingMessage) -> None:
        """Acknowledge a delivery; others before it may still be held back."""
        if self._acks is not None and message.channel is self._channel:
            self._acks.add(int(message.delivery_tag or 0))

    async def mark(self, shard: int, kind: str, body: bytes) -> None:
        """Send a marker to a shard, behind everything that this line has passed on to it."""
        properties = Basic.Properties(
            content_type=CONTENT_TYPE,
            delivery_mode=2,
            message_type=kind,
            user_id=self.naming.at_broker(names.DIRECTORY_ACCOUNT),
        )
        pause = Pause(self.backoff_max_s)
        while self._wire is not None:
            try:
                await self._wire.pass_on((self.exchange_of(shard), kind, False), properties, body)
            except DeliveryError:
                await pause.wait()
            else:
                return

    async def surely(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store, however long an outage lasts."""
        pause = Pause(self.backoff_max_s)
        while True:
            try:
                return await ask()
            except Unavailable as error:
                log.warning("directory.paused", register=self.steering.register, error=str(error))
                await pause.wait()

    def _follow(self, message: AbstractIncomingMessage | None) -> None:
        """Follow a move; the announcement is un-acked meanwhile, so that it comes to a successor.

        One that comes while a move is followed is looked into afterwards: it is mostly of the same,
        but the map may have been read for the last time just before the next move began.
        """
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._followed(message))
            self._following.add_done_callback(self._ended)
            return
        if self._announcement is not None:
            self.settle(self._announcement)
        self._announcement = message

    async def _followed(self, message: AbstractIncomingMessage | None) -> None:
        with stalled():
            await self.announced(self)
        if message is not None:
            self.settle(message)

    def _ended(self, following: asyncio.Task[None]) -> None:
        if following.cancelled():
            return
        if (error := following.exception()) is not None:
            self._fail(error)
        elif (message := self._announcement) is not None:
            self._announcement = None
            self._follow(message)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._failed.set()
