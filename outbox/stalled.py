"""A connection that does not answer: the driver ends whoever waits on it, or never does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

log = structlog.get_logger()
BROKER_FAULTS: Final = (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError)
"""What opening a consumer meets while the broker is away or just coming back."""
LEAVE_S: Final = 5.0
"""How long the end of a connection may take; a broker that does not answer ends it by itself."""


@contextmanager
def stalled() -> Iterator[None]:
    """Turn a cancellation that nobody asked for into a ConnectionError.

    The driver cancels what waits on a connection whose heartbeats stop; no handler of exceptions
    sees that, and a task group takes such a task for one that was meant to end.
    """
    task = asyncio.current_task()
    cancelling = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError:
        if task is not None and task.cancelling() > cancelling:
            raise
        raise ConnectionError("the connection does not answer any more") from None


async def part(end: Callable[[], Awaitable[object]]) -> None:
    """End something of the broker's, for as long as that may take and whatever comes of it.

    In a task of its own: where what was written is not taken, the driver waits for the end of its
    connection although it is cancelled, and whoever waits for the driver would wait with it.
    """
    ending = asyncio.ensure_future(end())
    ending.add_done_callback(_heard)
    try:
        await asyncio.wait([ending], timeout=LEAVE_S)
    finally:
        ending.cancel()


def _heard(ending: asyncio.Future[object]) -> None:
    """Say what came of an end, which is of no use to anybody else."""
    if ending.cancelled() or (error := ending.exception()) is None:
        return
    is_usual = isinstance(error, (*BROKER_FAULTS, asyncio.InvalidStateError))
    log.warning("broker.left", error=str(error), exc_info=None if is_usual else error)
