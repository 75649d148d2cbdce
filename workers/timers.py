"""The timers: what waits for a time is announced when it has come; deciding it deletes the row."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
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
"""How many are announced at once; the next look finds the rest."""
WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class Timers:
    """Announces due rows as facts, again and again until a decision has deleted them.

    It writes nothing: the lane of the notices decides what follows, once, by the row's id.
    """

    store: StateStore
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    is_ours: Callable[[], bool]
    """Whether this process is the one that looks, of those that share the work."""
    clock: Callable[[], datetime]
    poll_s: float
    backoff_max_s: float

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
        now = self.clock()
        rows = await self.store.holding("timers", "state", [WAITING], PAGE)
        due = [row for row in rows if row["due"] <= now]
        for row in due:
            await self.publish(OutboxRecord.of(letter_of(row, now), f"timer/{row['_id']}"))
        return len(due)


def letter_of(row: Mapping[str, Any], now: datetime) -> Letter:
    """The fact that the time of a row has come; the same however often it is announced."""
    fact = NoticeDue(id=row["user"], timer=row["_id"], kind=row.get("kind", GATHERED))
    return Letter.fact(fact, id=sha256(row["_id"].encode()).hexdigest()[:32], time=now)
