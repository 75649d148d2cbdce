"""The owner of one mailbox: waits for its lease, consumes, decides, and gives way when it must."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import structlog
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from handlers.admission import Delivery, Refusal
from handlers.case import Outcome
from handlers.parking import Contended
from outbox.stalled import stalled
from topology.naming import LIVE, Naming
from workers.engine import Engine
from workers.lane import Lane, LaneLimits
from workers.pause import Pause
from workers.shares import Shares
from workers.store.protocol import Fenced, LaneStore, Lease, Refused, Unavailable

log = structlog.get_logger()
BROKER_FAULTS: Final = (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError)
"""What opening a consumer meets while the broker is away or just coming back."""
HELD: Final = 0.75
"""Part of the lease time after which a lease that nobody renews is free; the rest is for finding
that out."""
START_S: Final = 15.0
"""How long opening a consumer may take: a broker may accept a connection and say nothing."""
LEAVE_S: Final = 5.0
"""How long the end of a connection may take; a broker that does not answer ends it by itself."""
POLLS: Final = 5
"""How often within the lease time it is renewed, or looked whether it is free."""


async def raw_body(message: StreamMessage[Any]) -> bytes:
    """The body as it came; FastStream runs a decoder that is not async in a thread pool."""
    return message.body if isinstance(message.body, bytes) else bytes(message.body)


def subscribe(
    broker: RabbitBroker, queue: str, prefetch: int, take: Callable[[AbstractIncomingMessage], Any]
) -> None:
    """Consume a queue with everything said that FastStream would otherwise choose by itself.

    Workers declare nothing, answer nothing by themselves, and settle by hand.
    """

    @broker.subscriber(
        RabbitQueue(queue, declare=False),
        channel=Channel(prefetch_count=prefetch),
        ack_policy=AckPolicy.MANUAL,
        decoder=raw_body,
        no_reply=True,
    )
    async def consume(_body: bytes) -> None:
        # Asking for the message by annotation costs a third of the throughput.
        taken = take(broker.context.get_local("message").raw_message)
        if taken is not None:
            await taken


@dataclass(slots=True)
class Mailbox:
    """One lane's life in this process."""

    name: str
    bulk: str | None
    """The second queue, for bulk loads, of a mailbox that has one."""
    owner: str
    store: LaneStore
    shares: Shares
    make_engine: Callable[[Lease], Engine]
    make_broker: Callable[[], RabbitBroker]
    limits: LaneLimits
    prefetch: int
    lease_s: float
    backoff_max_s: float
    naming: Naming = LIVE
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _lane: Lane | None = None
    _engine: Engine | None = None
    _paused: int = 0
    """How many attempts ended with an error: nothing is stuck then, and a new process would meet
    the same."""

    @property
    def progress(self) -> int:
        """Higher with each batch that this process gets done, and with each attempt that fails."""
        return self._paused + (self._engine.settled if self._engine is not None else 0)

    @property
    def is_busy(self) -> bool:
        """Whether it holds messages that are not acked."""
        return self._lane is not None and self._lane.is_holding

    def give_way(self) -> None:
        """Finish the batch that is being decided, then leave the mailbox to another process."""
        if self._lane is not None:
            self._lane.stop()

    def stop(self) -> None:
        """Finish the batch that is being decided, then give the mailbox up."""
        self._stopping.set()
        self.give_way()

    async def run(self) -> None:
        """Own the mailbox whenever it is free, until stopped."""
        pause = Pause(self.backoff_max_s)
        while not self._stopping.is_set():
            try:
                lease = await self.shares.take(self)
                if lease is None:
                    await self._wait(self.lease_s / POLLS)
                    continue
                owned = time.monotonic()
                try:
                    await self._own(lease, pause)
                finally:
                    self.shares.left(self)
                    if time.monotonic() - owned > self.lease_s:
                        # It lasted: what ended it has nothing to do with earlier losses.
                        pause.reset()
            except (Unavailable, Fenced, *BROKER_FAULTS) as error:
                log.warning("mailbox.lost", mailbox=self.name, error=str(error))
                await self._wait(pause.next_s())

    async def _own(self, lease: Lease, losses: Pause) -> None:
        engine = self._engine = self.make_engine(lease)

        async def decide(batch: Sequence[Delivery]) -> None:
            # A new owner begins with nobody: what only shows that it may read resets no pause.
            if await self._decide(engine, batch):
                losses.reset()

        lane = self._lane = Lane(decide, self.limits, engine.due_in_s, self.naming)
        broker = self.make_broker()
        subscribe(broker, self.name, self.prefetch, lane.submit)
        if self.bulk is not None:
            subscribe(broker, self.bulk, self.prefetch, lane.submit_bulk)
        renewing = asyncio.create_task(self._renew(engine))
        connection = None
        try:
            with stalled():
                async with asyncio.timeout(START_S):
                    connection = await broker.connect()
                    await broker.start()
            log.info("mailbox.owned", mailbox=self.name, epoch=lease.epoch)
            if self._stopping.is_set():
                lane.stop()
            deciding = asyncio.create_task(lane.run())
            await _first_of(deciding, renewing)
        finally:
            self._lane = self._engine = None
            renewing.cancel()
            await _leave(connection, broker)
            await self._release(engine.lease)

    async def _decide(self, engine: Engine, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Commit a batch however long the outage lasts; its messages wait un-acked meanwhile."""
        pause = Pause(self.backoff_max_s)
        while True:
            try:
                outcomes = await engine.run(batch)
            except (Unavailable, Contended, Refused) as error:
                log.warning("mailbox.paused", mailbox=self.name, error=str(error))
                self._paused += 1
                await self._acquire_again(engine, pause)
                # Whoever sent them sent them once, and the quota counts what is sent.
                batch = [replace(delivery, redelivered=True) for delivery in batch]
            else:
                _log_batch(self.name, outcomes)
                return outcomes

    async def _acquire_again(self, engine: Engine, pause: Pause) -> None:
        """After an outage nobody knows which batch was the last: the lane says, when it can."""
        while True:
            await pause.wait()
            try:
                lease = await self.store.acquire(self.name, self.owner, HELD * self.lease_s)
            except Unavailable:
                self._paused += 1
                continue
            if lease is None:
                raise Fenced(f"expected to own {self.name} still, found another owner")
            engine.resume(lease)
            return

    async def _renew(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(self.lease_s / POLLS)
            asked = engine.lease
            try:
                renewed = await self.store.renew(asked, HELD * self.lease_s)
                # After an outage the lane may have been taken again meanwhile, by ourselves.
                if not renewed and engine.lease.epoch == asked.epoch:
                    raise Fenced(f"expected to own {self.name} still, found another owner")
            except Unavailable as error:
                log.warning("mailbox.unrenewed", mailbox=self.name, error=str(error))

    async def _release(self, lease: Lease) -> None:
        try:
            await self.store.release(lease)
        except Unavailable:
            log.warning("mailbox.unreleased", mailbox=self.name)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


async def _leave(connection: AbstractConnection | None, broker: RabbitBroker) -> None:
    """Give back what is un-acked and the consumer in one step.

    The framework cancels the consumer first: the next owner's, which may wait already, would get
    what comes behind before it gets back what we still hold.
    """
    if connection is not None:
        await part(connection.close)
    await part(broker.stop)


async def part(end: Callable[[], Awaitable[object]]) -> None:
    """End something of the broker's, for as long as that may take and whatever comes of it."""
    with suppress(*BROKER_FAULTS, asyncio.InvalidStateError), stalled():
        async with asyncio.timeout(LEAVE_S):
            await end()


async def _first_of(*tasks: asyncio.Task[None]) -> None:
    """Wait for the first task to end, cancel the others, and raise what it raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


def _log_batch(mailbox: str, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.kind] = counts.get(outcome.kind, 0) + 1
        arrival = outcome.arrival
        if isinstance(arrival, Refusal) and arrival.reason == "oversized":
            # It is kept nowhere: this line is all that is left of it.
            body = arrival.delivery.body
            digest = sha256(body).hexdigest()
            log.warning("oversized", user=arrival.tell, size=len(body), sha256=digest)
    log.info("batch", mailbox=mailbox, size=len(outcomes), **counts)
