"""The relay: sends committed records until the broker confirms, an entity's in their order."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from outbox.publisher import Delivered, PublishFailedError, PublishTimeoutError
from outbox.quarantine import Quarantine, recipient_of
from outbox.record import OutboxRecord, OutboxStore, OutboxUnavailable, past_lane

log = structlog.get_logger()


@dataclass(slots=True)
class Relay:
    """Sends the outbox of the partitions that this process holds.

    The scan takes a page of each lane, from the lane's oldest record, and begins anew at the end:
    a busy lane starves no other. A record that fails holds back the later ones of its entity only,
    until the scan begins anew.
    """

    store: OutboxStore
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    open_body: Callable[[Mapping[str, Any]], bytes]
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
    _stopping: bool = False
    _failing: bool = False
    """Whether something of this scan was not confirmed."""
    _careful: bool = False
    """One at a time, after a timeout, to find out whose queue it is."""
    _quarantine: Quarantine = field(default_factory=Quarantine)

    def wake(self) -> None:
        """Something was committed: look now."""
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
            except Exception:  # one of two in the hot path: the records stay where they are
                log.exception("relay.failed")
                await asyncio.sleep(self.backoff())
                continue
            if not sent:
                await self._sleep(self.poll_s)

    async def drain(self) -> int:
        """Send until a whole scan finds nothing to send; say how much was sent."""
        total, in_scan = 0, 0
        while not self._stopping:
            mine = self._partitions()
            rows = await self.store.pending(mine, self.batch_max, self._after) if mine else ()
            sent = await self._send([row for row in rows if row["entity"] not in self._held])
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

    async def _send(self, rows: Sequence[Mapping[str, Any]]) -> int:
        by_entity: dict[str, list[OutboxRecord]] = {}
        for row in rows:
            record = self._record(row)
            if self._quarantine.holds(recipient_of(record)):
                self._held.add(record.entity)
            else:
                by_entity.setdefault(record.entity, []).append(record)
        done: list[str] = []
        failed: list[PublishFailedError] = []
        if self._careful:
            for records in by_entity.values():
                await self._send_alone(records, done, failed)
        else:
            async with asyncio.TaskGroup() as tasks:
                for records in by_entity.values():
                    tasks.create_task(self._send_entity(records, done, failed))
        if failed:
            self._failing = True
            log.warning("relay.unconfirmed", entities=len(failed), error=str(failed[0]))
        if not self._careful and any(isinstance(e, PublishTimeoutError) for e in failed):
            self._careful = True
            await self.renew()
        if done:
            await self.store.forget(done)
        return len(done)

    async def _send_alone(
        self, records: Sequence[OutboxRecord], done: list[str], failed: list[PublishFailedError]
    ) -> None:
        """Send one entity's records with nothing else on the channel; a timeout is their own."""
        before = len(failed)
        await self._send_entity(records, done, failed)
        recipient = recipient_of(records[0])
        if len(failed) == before:
            self._quarantine.release(recipient)
        elif isinstance(failed[-1], PublishTimeoutError):
            seconds = self._quarantine.strike(recipient)
            log.warning("relay.quarantined", recipient=recipient, seconds=seconds)
            await self.renew()

    async def _send_entity(
        self, records: Sequence[OutboxRecord], done: list[str], failed: list[PublishFailedError]
    ) -> None:
        for record in records:
            try:
                outcome = await self.publish(record)
            except PublishFailedError as error:
                failed.append(error)
                self._held.add(record.entity)
                return
            if outcome is Delivered.UNHEARD:
                self.unheard += 1
            done.append(record.id)

    def _record(self, row: Mapping[str, Any]) -> OutboxRecord:
        return OutboxRecord(
            id=row["_id"],
            partition=row["partition"],
            entity=row["entity"],
            exchange=row["exchange"],
            key=row["key"],
            fallback=row["fallback"],
            type=row["type"],
            body=self.open_body(row),
        )

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
