"""The relay: sends committed records until the broker confirms, an entity's in their order."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from outbox.publisher import Delivered, PublishBlockedError, PublishFailedError
from outbox.quarantine import Quarantine, recipient_of
from outbox.record import Cipher, OutboxRecord, OutboxStore, OutboxUnavailable, past_lane

log = structlog.get_logger()
Row = Mapping[str, Any]
"""A row of the outbox; its body is opened when its turn comes."""


@dataclass(slots=True)
class Relay:
    """Sends the outbox of the partitions that this process holds.

    The scan takes a page of each lane, from the lane's oldest record, and begins anew at the end:
    a busy lane starves no other. A record that fails holds back the later ones of its entity only,
    until the scan begins anew.
    """

    store: OutboxStore
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    unseal: Cipher
    partitions: Callable[[], Mapping[int, int]]
    """The partitions that are ours at this moment, each with the epoch of its lease."""
    batch_max: int
    poll_s: float
    backoff: Callable[[], float]
    recovered: Callable[[], None]
    renew: Callable[[], Awaitable[None]]
    """Opens a new channel where the old one does not answer."""
    unheard: int = 0
    """How many messages had no queue to go to."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _after: str = ""
    _scanned: Mapping[int, int] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _finishing: bool = False
    _stopping: bool = False
    _failing: bool = False
    """Whether something of this scan was not confirmed."""
    _careful: bool = False
    """One at a time, after a timeout, to find out whose queue it is."""
    _quarantine: Quarantine = field(default_factory=Quarantine)

    def wake(self) -> None:
        """Something was committed: look now."""
        self._wake.set()

    def finish(self) -> None:
        """End when nothing more is found: nobody commits any more."""
        self._finishing = True
        self._wake.set()

    def stop(self) -> None:
        """End after the records that are on their way."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Send until stopped; any failure is a pause, since the records stay where they are."""
        while not self._stopping:
            self._wake.clear()
            try:
                sent = await self.drain()
            except OutboxUnavailable as error:
                log.warning("relay.paused", error=str(error))
                await asyncio.sleep(self.backoff())
                continue
            if self._finishing and not sent:
                return
            if not sent:
                await self._sleep(self.poll_s)

    async def drain(self) -> int:
        """Send until a whole scan finds nothing to send; say how much was sent."""
        total, in_scan = 0, 0
        while not self._stopping:
            mine = self._partitions()
            rows = await self.store.pending(mine, self.batch_max, self._after) if mine else ()
            sent = await self._send(rows)
            in_scan += sent
            if sent:
                self.recovered()
            if len(rows) == self.batch_max:
                # Where a page holds back an entity, what is behind it in the lane is not its fault.
                last, held = str(rows[-1]["_id"]), any(r["entity"] in self._held for r in rows)
                self._after = last if held else past_lane(last)
                continue
            total += in_scan
            nothing, in_scan = not in_scan, 0
            failing, self._failing = self._failing, False
            self._careful = failing and self._careful
            self._after = ""
            self._held.clear()
            if failing:
                self._wake.clear()
                await self._sleep(self.backoff())
            elif nothing:
                break
        return total

    def _partitions(self) -> Collection[int]:
        """What is ours; a partition that comes in is scanned from its start, for order's sake."""
        mine = self.partitions()
        if not mine.items() <= self._scanned.items():
            self._after = ""
        self._scanned = mine
        return mine.keys()

    async def _send(self, rows: Sequence[Row]) -> int:
        by_entity: dict[str, list[Row]] = {}
        for row in rows:
            if any(map(self._quarantine.holds, (row["_id"], recipient_of(row)))):
                self._held.add(row["entity"])
            elif row["entity"] not in self._held:
                by_entity.setdefault(row["entity"], []).append(row)
        page = _Page()
        if self._careful:
            await self._send_each(by_entity, page)
        else:
            async with asyncio.TaskGroup() as tasks:
                for chain in by_entity.values():
                    tasks.create_task(self._send_entity(chain, page))
        if page.done:
            await self.store.forget(page.done)
        if page.failed:
            self._failing = True
            error = str(page.failed[0][1])
            log.warning("relay.unconfirmed", entities=len(page.failed), error=error)
        if not self._careful and page.is_blocked:
            self._careful = True
            await self._renew()
        return len(page.done)

    async def _send_each(self, by_entity: Mapping[str, Sequence[Row]], page: "_Page") -> None:
        """Send one entity's rows with nothing else on the channel: what blocks it is theirs."""
        for chain in by_entity.values():
            alone = _Page(page.done)
            await self._send_entity(chain, alone)
            page.failed.extend(alone.failed)
            if not alone.is_blocked:
                continue
            if not await self._renew():
                # Without a broker nothing is confirmed, and that is no recipient's fault.
                self._held.update(by_entity)
                return
            recipient = recipient_of(alone.failed[0][0])
            seconds = self._quarantine.strike(recipient)
            log.warning("relay.quarantined", recipient=recipient, seconds=seconds)

    async def _send_entity(self, chain: Sequence[Row], page: "_Page") -> None:
        for row in chain:
            try:
                outcome = await self.publish(OutboxRecord.of_row(row, self.unseal))
            except PublishFailedError as error:
                page.failed.append((row, error))
                self._held.add(row["entity"])
                return
            except Exception:  # one of two in the hot path: it costs its own entity only
                self._quarantine.strike(row["_id"])
                self._held.add(row["entity"])
                log.exception("relay.unsendable", record=row["_id"])
                return
            if outcome is Delivered.UNHEARD:
                self.unheard += 1
            page.done.append(row["_id"])
            for name in (row["_id"], recipient_of(row)):
                self._quarantine.release(name)

    async def _renew(self) -> bool:
        """Open a new channel; false while there is no connection that could have one."""
        try:
            await self.renew()
        except PublishFailedError as error:
            log.warning("relay.unrenewed", error=str(error))
            return False
        return True

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True, slots=True)
class _Page:
    """What became of the rows that were on their way together."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[Row, PublishFailedError]] = field(default_factory=list)

    @property
    def is_blocked(self) -> bool:
        """Whether the broker gave no answer at all to something."""
        return any(isinstance(error, PublishBlockedError) for _, error in self.failed)
