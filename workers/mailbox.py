"""The owner of one mailbox: waits for its lease, consumes, decides, and gives way when it must."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import structlog
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractIncomingMessage
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from handlers.admission import Delivery, Refusal
from handlers.case import Outcome
from handlers.parking import Contended
from topology.naming import LIVE, Naming
from workers.engine import Engine
from workers.lane import Lane, LaneLimits
from workers.observing import Observer
from workers.owning import HELD, consuming, first_of, own_when_free
from workers.pause import Pause
from workers.shares import Shares
from workers.store.protocol import Fenced, LaneStore, Lease, Refused, Unavailable

log = structlog.get_logger()


async def raw_body(message: StreamMessage[Any]) -> bytes:
    """The body as it came; FastStream runs a decoder that is not async in a thread pool."""
    return message.body if isinstance(message.body, bytes) else bytes(message.body)


async def as_it_came(message: IncomingMessage) -> RabbitMessage:
    """The delivery for FastStream, which draws a random id for each that names no correlation.

    Drawing it gives the interpreter away to other threads: a tenth of a millisecond under load.
    """
    known = message.correlation_id or message.message_id or "-"
    return RabbitMessage(message, message.body, correlation_id=known)


def subscribe(
    broker: RabbitBroker, queue: str, prefetch: int, take: Callable[[AbstractIncomingMessage], Any]
) -> None:
    """Consume a queue with everything said that FastStream would otherwise choose by itself.

    Workers declare nothing, answer nothing by themselves, and settle by hand.
    """

    @broker.subscriber(
        RabbitQueue(queue, declare=False),
        # What a hop publishes on it and nobody takes fails, instead of counting as confirmed.
        channel=Channel(prefetch_count=prefetch, on_return_raises=True),
        ack_policy=AckPolicy.MANUAL,
        parser=as_it_came,
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
    observer: Observer = field(default_factory=Observer)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _lane: Lane | None = None
    _engine: Engine | None = None
    _paused: int = 0
    """How many attempts ended with an error: nothing is stuck then, and a new process would meet
    the same. Also how often the mailbox was lost, and what was got done before."""

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
        await own_when_free(self, self._own, self._stopping)

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
        async with consuming(self, broker, lambda: engine.lease, self._ended) as renewing:
            log.info("mailbox.owned", mailbox=self.name, epoch=lease.epoch)
            self.observer.owned(self.name, is_owned=True)
            if self._stopping.is_set():
                lane.stop()
            deciding = asyncio.create_task(lane.run())
            await first_of(deciding, renewing)

    def _ended(self) -> None:
        self._paused = self.progress + 1
        self._lane = self._engine = None
        self.observer.owned(self.name, is_owned=False)

    async def _decide(self, engine: Engine, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Commit a batch however long the outage lasts; its messages wait un-acked meanwhile."""
        pause = Pause(self.backoff_max_s)
        watched = self.observer.begin(self.name, batch)
        batch = watched.deliveries
        while True:
            try:
                outcomes = await engine.run(batch)
            except (Unavailable, Contended, Refused) as error:
                log.warning("mailbox.paused", mailbox=self.name, error=str(error))
                self._paused += 1
                self.observer.paused(self.name)
                await self._acquire_again(engine, pause)
                # Whoever sent them sent them once, and the quota counts what is sent.
                batch = [replace(delivery, redelivered=True) for delivery in batch]
            else:
                _log_batch(self.name, outcomes)
                self.observer.end(self.name, watched, outcomes)
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
