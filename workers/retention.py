"""Retention: what was kept long enough is deleted, a page at a time, by commits of a lane."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from contracts.taxonomy import RESERVED_USERS, USER_PREFIX
from contracts.values.identity import CROCKFORD
from handlers.keeping import INBOX_DAYS
from workers.pause import Pause
from workers.store.codec import encode_row
from workers.store.protocol import (
    Commit,
    Conflict,
    Drop,
    Fenced,
    InboxKey,
    LaneStore,
    Lease,
    Replace,
    StateStore,
    Unavailable,
)

log = structlog.get_logger()
LANE: Final = "retention"
LEASE_S: Final = 60.0
PAGE: Final = 500
"""Rows of one commit."""
BATCHES: Final = 20
"""Archived batches of one commit."""
SWEEPS: Final = "sweeps"
EVERY_S: Final = 3600.0
RECIPIENTS: Final = (*(f"{USER_PREFIX}-{digit}" for digit in CROCKFORD), *sorted(RESERVED_USERS))
"""Prefixes by which recipients are listed, a part of them at a time; operators are told too."""


class RetentionStore(StateStore, LaneStore, Protocol):
    """What a sweep needs of a store."""


@dataclass(slots=True)
class Retention:
    """Deletes personal events that are older than `events_days`, and answers nobody can ask for.

    A recipient's rows sort by sequence, and so by time: from the oldest on, until one is younger.
    Answers are found by the archive, whose batches sort by time in each lane; how far that is, is
    a row of its own, so that no sweep begins at the beginning.
    """

    store: RetentionStore
    owner: str
    clock: Callable[[], datetime]
    events_days: int
    backoff_max_s: float
    lanes: Sequence[str] = ()
    """Whose answers are looked through."""

    async def run(self) -> None:
        """Sweep for ever; of several processes the one that gets the lane."""
        pause = Pause(self.backoff_max_s)
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("retention.paused", error=str(error))
                await pause.wait()
            else:
                pause.reset()
                await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Delete what is old enough, and say how much that was."""
        lease = await self.store.acquire(LANE, self.owner, LEASE_S)
        if lease is None:
            return 0
        deleted = 0
        try:
            async for recipient in self._recipients():
                lease, found = await self._forget(lease, recipient)
                deleted += found
            for lane in self.lanes:
                lease, found = await self._forget_answers(lease, lane)
                deleted += found
        except (Fenced, Conflict) as error:
            # What is left is found by the next sweep.
            log.info("retention.interrupted", deleted=deleted, error=type(error).__name__)
            return deleted
        await self.store.release(lease)
        if deleted:
            log.info("retention.swept", deleted=deleted)
        return deleted

    async def _recipients(self) -> AsyncIterator[str]:
        for prefix in RECIPIENTS:
            for recipient in await self.store.listed("sequences", prefix):
                yield recipient

    async def _forget(self, lease: Lease, recipient: str) -> tuple[Lease, int]:
        before, deleted = self.clock() - timedelta(days=self.events_days), 0
        while True:
            rows = await self.store.holding("events", "recipient", [recipient], PAGE)
            old = [str(row["_id"]) for row in rows if row["at"] < before]
            if not old:
                return lease, deleted
            if not await self.store.renew(lease, LEASE_S):
                raise Fenced("expected to hold the lane of the retention; another has it")
            drops = {"events": [Drop(key) for key in old]}
            commit = Commit(lease.lane, lease.epoch, lease.batch + 1, drops=drops)
            await self.store.commit(commit)
            lease, deleted = replace(lease, batch=commit.batch), deleted + len(old)
            if len(old) < len(rows):
                return lease, deleted

    async def _forget_answers(self, lease: Lease, lane: str) -> tuple[Lease, int]:
        """Delete what is remembered of a lane's commands that are too old to come again."""
        before, deleted = self.clock() - timedelta(days=INBOX_DAYS), 0
        was = (await self.store.load({SWEEPS: [lane]}))[SWEEPS].get(lane)
        after = was["after"] if was is not None else f"{lane}/"
        while True:
            rows = await self.store.holding_all("commands", "", [], BATCHES, after)
            old = [row for row in rows if row["lane"] == lane and row["at"] < before]
            if not old:
                return lease, deleted
            if not await self.store.renew(lease, LEASE_S):
                raise Fenced("expected to hold the lane of the retention; another has it")
            keys = {InboxKey(e["user"], e["id"]) for row in old for e in _entries(row)}
            known = (await self.store.load({"inbox": keys}))["inbox"]
            after = str(old[-1]["_id"])
            commit = _swept(lease, lane, after, [Drop(key) for key in known], is_new=was is None)
            await self.store.commit(commit)
            was = {"after": after}
            lease, deleted = replace(lease, batch=commit.batch), deleted + len(known)
            if len(old) < BATCHES:
                return lease, deleted


def _entries(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*row["entries"], *row.get("facts", ())]


def _swept(lease: Lease, lane: str, after: str, drops: Sequence[Drop], *, is_new: bool) -> Commit:
    """Delete rows, and note how far it is."""
    row = encode_row({"_id": lane, "after": after})
    place: dict[str, Any] = (
        {"inserts": {SWEEPS: [row]}}
        if is_new
        else {"replaces": {SWEEPS: [Replace(lane, None, row)]}}
    )
    dropped = {"inbox": drops} if drops else {}
    return Commit(lease.lane, lease.epoch, lease.batch + 1, drops=dropped, **place)
