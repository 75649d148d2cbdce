"""Whose queue does not answer: it waits by itself, so that nobody waits for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from handlers.admission import REPLY_DIRECT
from topology import names

FIRST_S: Final = 5.0
LONGEST_S: Final = 600.0
UNMADE_FIRST_S: Final = 0.25
"""How long it is left alone at first whose queue is still to be made."""
UNMADE_LONGEST_S: Final = 60.0


@dataclass(slots=True)
class Quarantine:
    """Recipients that are left alone for a while, longer with each failure.

    A queue without a leader blocks the broker's channel for a minute: everything behind it fails
    with it, so who it was is found by sending one at a time.
    """

    clock: Callable[[], float] = time.monotonic
    _until: dict[str, float] = field(default_factory=dict)
    _strikes: dict[str, int] = field(default_factory=dict)

    def holds(self, recipient: str) -> bool:
        """Whether it is to be left alone at this moment."""
        return self._until.get(recipient, 0.0) > self.clock()

    def strike(self, recipient: str) -> float:
        """Leave it alone for longer than the last time; give the seconds."""
        return self._strike(recipient, FIRST_S, LONGEST_S)

    def await_queue(self, recipient: str) -> None:
        """Leave it alone until its queue may be made, for a shorter while than who is broken."""
        self._strike(recipient, UNMADE_FIRST_S, UNMADE_LONGEST_S)

    def _strike(self, recipient: str, first_s: float, longest_s: float) -> float:
        strikes = self._strikes.get(recipient, 0)
        self._strikes[recipient] = strikes + 1
        seconds = min(longest_s, first_s * 2.0 ** min(strikes, 20))
        self._until[recipient] = self.clock() + seconds
        return seconds

    def release(self, recipient: str) -> None:
        """It answers again."""
        self._until.pop(recipient, None)
        self._strikes.pop(recipient, None)


def recipient_of(exchange: str, key: str, entity: str) -> str:
    """Whose queue a record of the outbox goes to.

    A domain event goes to many and stands for its entity, a direct reply for the one who asked.
    """
    if exchange == names.DOMAIN:
        return entity
    return key if key.startswith(REPLY_DIRECT) else key.partition(".")[0]
