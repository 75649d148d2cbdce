"""The timers: what waits for a time is announced when it has come; deciding it deletes the row."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import structlog

from contracts.notices import NoticeDue
from handlers.letters import Letter
from handlers.timing import GATHERED
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import OutboxRecord
from workers.pause import Pause
from workers.store.protocol import StateStore, Unavailable

log = structlog.get_logger()
PAGE: Final = 200
"""How many are read, and at least announced, at once; the next look goes on behind them."""
PAGES_MAX: Final = 5
"""How many pages one look reads where all is announced already."""
REPEAT: Final = timedelta(seconds=5)
"""After what time one that still waits is announced again; twice that the next time, and so on."""
REPEAT_MAX: Final = timedelta(minutes=5)
WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class _Announced:
    """When a row may be announced again, and how long it waits for that."""

    again: datetime
    wait: timedelta

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is too early; a clock that was put back makes nobody wait for longer."""
        return timedelta() < self.again - now <= self.wait


@dataclass(slots=True)
class Timers:
    """Announces due rows as facts, ever more seldom until a decision has deleted them.

    It writes nothing: the lane of the notices decides what follows, once, by the row's id. What it
    has announced it remembers in memory alone, so another process may announce it at once.
    """

    store: StateStore
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    is_ours: Callable[[], bool]
    """Whether this process is the one that looks, of those that share the work."""
    clock: Callable[[], datetime]
    poll_s: float
    backoff_max_s: float
    _announced: dict[str, _Announced] = field(default_factory=dict, init=False)
    _seen: set[str] = field(default_factory=set, init=False)
    """What was due on the way from the first row to here."""
    _after: str = field(default="", init=False)
    """Behind which row the next look goes on: whatever does not end keeps no other waiting."""

    async def run(self) -> None:
        """Look for ever."""
        pause = Pause(self.backoff_max_s)
        while True:
            try:
                if self.is_ours():
                    await self.look()
            except (Unavailable, PublishFailedError) as error:
                log.warning("timers.paused", error=str(error))
                await pause.wait()
            else:
                pause.reset()
                await asyncio.sleep(self.poll_s)

    async def look(self) -> int:
        """Announce what is due; say how much that was."""
        now, count = self.clock(), 0
        for _ in range(PAGES_MAX):
            rows = await self.store.holding("timers", "state", [WAITING], PAGE, self._after)
            due = [row for row in rows if row["due"] <= now]
            for row in due:
                count += await self._announce(row, now)
            if len(due) < PAGE:
                self._begin_anew()
                break
            self._after = rows[-1]["_id"]
            if count >= PAGE:
                break
        return count

    async def _announce(self, row: Mapping[str, Any], now: datetime) -> bool:
        key = row["_id"]
        self._seen.add(key)
        before = self._announced.get(key)
        if before is not None and before.is_fresh(now):
            return False
        await self.publish(OutboxRecord.of(letter_of(row, now), f"timer/{key}"))
        wait = REPEAT if before is None else min(2 * before.wait, REPEAT_MAX)
        self._announced[key] = _Announced(now + wait, wait)
        return True

    def _begin_anew(self) -> None:
        """Go back to the first row, and forget what is there no more."""
        self._announced = {k: one for k, one in self._announced.items() if k in self._seen}
        self._seen, self._after = set(), ""


def letter_of(row: Mapping[str, Any], now: datetime) -> Letter:
    """The fact that the time of a row has come; the same however often it is announced."""
    fact = NoticeDue(id=row["user"], timer=row["_id"], kind=row.get("kind", GATHERED))
    return Letter.fact(fact, id=sha256(row["_id"].encode()).hexdigest()[:32], time=now)
