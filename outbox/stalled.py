"""A connection that does not answer: the driver ends whoever waits on it by a cancellation."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


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
