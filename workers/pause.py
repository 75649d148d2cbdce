"""How long to wait before the next attempt during an outage: longer each time, never in step."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.1


@dataclass(slots=True)
class Pause:
    """Exponential with full jitter, so that many waiting workers do not return at once."""

    max_s: float
    _attempt: int = 0

    def next_s(self) -> float:
        """The next pause in seconds."""
        bound = min(self.max_s, FIRST_S * 2**self._attempt)
        self._attempt = min(self._attempt + 1, 32)
        return random.uniform(bound / 2, bound)  # noqa: S311  no secret depends on it

    async def wait(self) -> None:
        """Wait for the next pause."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """Begin anew after a success."""
        self._attempt = 0
