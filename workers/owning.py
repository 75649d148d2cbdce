"""Owning a queue by lease: taking it when it is free, and leaving it without losing the order."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog
from aio_pika.abc import AbstractConnection
from faststream.rabbit import RabbitBroker

from outbox.stalled import BROKER_FAULTS, part, stalled
from workers.pause import Pause
from workers.shares import Owned, Shares
from workers.store.protocol import Fenced, LaneStore, Lease, Unavailable

log = structlog.get_logger()
HELD: Final = 0.75
"""Part of the lease time after which a lease that nobody renews is free; the rest is for finding
that out."""
START_S: Final = 15.0
"""How long opening a consumer may take, the connection with its own limit included."""
POLLS: Final = 5
"""How often within the lease time it is renewed, or looked whether it is free."""
SOONER: Final = 10
"""By how much sooner it is renewed again where that has found nothing to renew."""


class Owner(Owned, Protocol):
    """Who owns a queue whenever it is free."""

    shares: Shares
    store: LaneStore
    lease_s: float
    backoff_max_s: float


async def own_when_free(
    owner: Owner, own: Callable[[Lease, Pause], Awaitable[None]], stopping: asyncio.Event
) -> None:
    """Own the queue whenever it is free, until stopped; `own` returns when it gives way."""
    pause = Pause(owner.backoff_max_s)
    while not stopping.is_set():
        try:
            lease = await owner.shares.take(owner)
            if lease is None:
                await wait(stopping, owner.lease_s / POLLS)
                continue
            owned = time.monotonic()
            try:
                await own(lease, pause)
            finally:
                owner.shares.left(owner)
                if time.monotonic() - owned > owner.lease_s:
                    # It lasted: what ended it has nothing to do with earlier losses.
                    pause.reset()
        except (Unavailable, Fenced, *BROKER_FAULTS) as error:
            log.warning("mailbox.lost", mailbox=owner.name, error=str(error))
            await wait(stopping, pause.next_s())


async def keep(owner: Owner, held: Callable[[], Lease]) -> None:
    """Renew the lease that is held until another owner has it; an outage only delays that."""
    missed = None
    while True:
        await asyncio.sleep(owner.lease_s / (POLLS if missed is None else POLLS * SOONER))
        asked = held()
        try:
            renewed = await owner.store.renew(asked, HELD * owner.lease_s)
        except Unavailable as error:
            log.warning("mailbox.unrenewed", mailbox=owner.name, error=str(error))
            continue
        # After an outage the lane may have been taken again meanwhile, by ourselves; or it is by
        # now in the database, and the answer is still on its way: then it is here the next time.
        if renewed or held().epoch != asked.epoch:
            missed = None
        elif missed == asked.epoch:
            raise Fenced(f"expected to own {owner.name} still, found another owner")
        else:
            missed = asked.epoch


async def give_up(owner: Owner, lease: Lease) -> None:
    """Free the queue for the next owner; where that cannot be said, the lease runs out."""
    try:
        await owner.store.release(lease)
    except Unavailable:
        log.warning("mailbox.unreleased", mailbox=owner.name)


@asynccontextmanager
async def consuming(
    owner: Owner,
    broker: RabbitBroker,
    held: Callable[[], Lease],
    ended: Callable[[], None],
) -> AsyncIterator[asyncio.Task[None]]:
    """Consume while the lease is held: the task that renews it ends when another owner has it.

    What is un-acked is given back before the lease is, and `ended` is called before both.
    """
    renewing = asyncio.create_task(keep(owner, held))
    connection = None
    try:
        with stalled():
            async with asyncio.timeout(START_S):
                connection = await broker.connect()
                await broker.start()
        yield renewing
    finally:
        ended()
        renewing.cancel()
        await leave(connection, broker)
        await give_up(owner, held())


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, but for no stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def leave(connection: AbstractConnection | None, broker: RabbitBroker) -> None:
    """Give back what is un-acked and the consumer in one step.

    The framework cancels the consumer first: the next owner's, which may wait already, would get
    what comes behind before it gets back what we still hold.
    """
    if connection is not None:
        await part(connection.close)
    await part(broker.stop)


async def first_of(*tasks: asyncio.Task[None]) -> None:
    """Wait for the first task to end, cancel the others, and raise what it raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    # The driver cancels what waits on a connection that does not answer: that is a loss too.
    with stalled():
        for task in done:
            task.result()
