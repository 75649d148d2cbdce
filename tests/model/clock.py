"""Time that passes only when everybody waits, so that a run takes no time and is the same again."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from unittest.mock import patch

from tests.builders import NOW

T = TypeVar("T")


class Stalled(Exception):
    """Nobody can go on: all wait for something that no timer brings."""


TICK_S: Final = 1e-7
"""What passes at least, where nothing can go on.

The loop runs a timer that is due within its clock's resolution, and would ask for no time at all
for one that is due a little later: a clock that stands there stands for ever.
"""


class _Timers(selectors.SelectSelector):
    """Waits for nothing from outside: to wait is to let the time pass."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled("expected a timer or a task that can go on, found all of them waiting")
        self.now += max(timeout, TICK_S)
        return []


class ModelLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._timers = _Timers()
        super().__init__(self._timers)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._timers.now


def now() -> datetime:
    """The clock of the engines, as precise as the store keeps it."""
    seconds = asyncio.get_running_loop().time()
    return NOW + timedelta(milliseconds=int(seconds * 1000))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own; whoever asks for the monotonic time gets the loop's."""
    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        loop = runner.get_loop()
        with patch("time.monotonic", loop.time):
            return runner.run(main)
