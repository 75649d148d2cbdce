"""The owner of one mailbox: waits for its lease, consumes, decides, and gives way when it must."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from handlers.admission import Delivery, Refusal
from handlers.fold import Outcome
from workers.engine import Contended, Engine
from workers.lane import Lane, LaneLimits
from workers.pause import Pause
from workers.store.protocol import Fenced, LaneStore, Lease, Refused, Unavailable

log = structlog.get_logger()
BROKER_FAULTS: Final = (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError)
"""What opening a consumer meets while the broker is away or just coming back."""
RENEWALS: Final = 3
"""How often a lease is renewed within its time."""


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
    owner: str
    store: LaneStore
    make_engine: Callable[[Lease], Engine]
    make_broker: Callable[[], RabbitBroker]
    limits: LaneLimits
    prefetch: int
    lease_s: float
    backoff_max_s: float
    committed: Callable[[], None]
    """Called after every commit, so that the relay need not poll."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _lane: Lane | None = None

    def stop(self) -> None:
        """Finish the batch that is being decided, then give the mailbox up."""
        self._stopping.set()
        if self._lane is not None:
            self._lane.stop()

    async def run(self) -> None:
        """Own the mailbox whenever it is free, until stopped."""
        pause = Pause(self.backoff_max_s)
        while not self._stopping.is_set():
            try:
                lease = await self.store.acquire(self.name, self.owner, self.lease_s)
                if lease is None:
                    await self._wait(self.lease_s / RENEWALS)
                    continue
                owned = time.monotonic()
                try:
                    await self._own(lease, pause)
                finally:
                    if time.monotonic() - owned > self.lease_s:
                        # It lasted: what ended it has nothing to do with earlier losses.
                        pause.reset()
            except (Unavailable, Fenced, *BROKER_FAULTS) as error:
                log.warning("mailbox.lost", mailbox=self.name, error=str(error))
                await self._wait(pause.next_s())

    async def _own(self, lease: Lease, losses: Pause) -> None:
        engine = self.make_engine(lease)

        async def decide(batch: Sequence[Delivery]) -> None:
            await self._decide(engine, batch)
            losses.reset()

        lane = self._lane = Lane(decide, self.limits)
        broker = self.make_broker()
        subscribe(broker, self.name, self.prefetch, lane.submit)
        renewing = asyncio.create_task(self._renew(engine))
        try:
            await broker.start()
            log.info("mailbox.owned", mailbox=self.name, epoch=lease.epoch)
            if self._stopping.is_set():
                lane.stop()
            deciding = asyncio.create_task(lane.run())
            await _first_of(deciding, renewing)
        finally:
            renewing.cancel()
            # Closing the channel, not only cancelling the consumer, gives back what is un-acked.
            await broker.stop()
            await self._release(engine.lease)

    async def _decide(self, engine: Engine, batch: Sequence[Delivery]) -> None:
        """Commit a batch however long the outage lasts; its messages wait un-acked meanwhile."""
        pause = Pause(self.backoff_max_s)
        while True:
            try:
                outcomes = await engine.run(batch)
            except (Unavailable, Contended, Refused) as error:
                log.warning("mailbox.paused", mailbox=self.name, error=str(error))
                await self._acquire_again(engine, pause)
            else:
                self.committed()
                _log_batch(self.name, outcomes)
                return

    async def _acquire_again(self, engine: Engine, pause: Pause) -> None:
        """After an outage nobody knows which batch was the last: the lane says, when it can."""
        while True:
            await pause.wait()
            try:
                lease = await self.store.acquire(self.name, self.owner, self.lease_s)
            except Unavailable:
                continue
            if lease is None:
                raise Fenced(f"expected to own {self.name} still, found another owner")
            engine.lease = lease
            return

    async def _renew(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(self.lease_s / RENEWALS)
            try:
                if not await self.store.renew(engine.lease, self.lease_s):
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
