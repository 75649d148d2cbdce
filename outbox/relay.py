"""The relay: sends committed records until the broker confirms, an entity's in their order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from outbox.handover import Handover
from outbox.parcel import Page, Parcel, settled
from outbox.publisher import Delivered, PublishFailedError
from outbox.quarantine import Quarantine
from outbox.record import Cipher, OutboxRecord, OutboxStore, OutboxUnavailable, lane_of, past_lane

log = structlog.get_logger()
BUSY_SCAN_S: Final = 0.5
"""How often the store is looked at while this process's own commits are handed over."""


@dataclass(slots=True)
class Relay:
    """Sends the outbox of the partitions that this process holds.

    The scan takes a page of each lane, from the lane's oldest record, and begins anew at the end:
    a busy lane starves no other. A record that fails holds back the later ones of its entity only,
    until the scan begins anew.
    What this process commits is handed over and sent without being read; the scan is the truth.
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
    unmade: Callable[[Collection[str]], Awaitable[Collection[str]]] | None = None
    """Those of some recipients whose queues are still to be made: what is for them waits."""
    unheard: int = 0
    """How many messages had no queue to go to."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
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
    _handover: Handover = field(default_factory=Handover)
    _scan_at: float = 0.0
    """When the store is to be looked at again."""

    def wake(self) -> None:
        """Something was committed: look now."""
        self._scan_at = 0.0
        self._wake.set()

    def offer(self, epoch: int, records: Sequence[OutboxRecord]) -> None:
        """Send what a commit of this process wrote, under that epoch of its lane."""
        mine = self.partitions()
        # A lease may lapse and be renewed as the same: what is not taken until then is in the
        # store only, so that the partition comes in as a new one.
        self._scanned = {p: e for p, e in self._scanned.items() if mine.get(p) == e}
        if self._handover.offer(epoch, records, mine):
            self._wake.set()
        else:
            self.wake()

    def finish(self) -> None:
        """End when nothing more is found: nobody commits any more."""
        self._finishing = True
        self._ending.set()
        self.wake()

    def stop(self) -> None:
        """End after the records that are on their way."""
        self._stopping = True
        self._ending.set()
        self._wake.set()

    async def run(self) -> None:
        """Send until stopped; any failure is a pause, since the records stay where they are."""
        while not self._stopping:
            self._wake.clear()
            try:
                sent = await self._send_offered()
                if self._finishing or time.monotonic() >= self._scan_at:
                    # What is handed over need not be found: then the scan is for others' only.
                    self._scan_at = time.monotonic() + (BUSY_SCAN_S if sent else self.poll_s)
                    sent += await self.drain()
            except OutboxUnavailable as error:
                self._handover.give_up()
                self._scan_at = 0.0
                log.warning("relay.paused", error=str(error))
                await self._back_off()
                continue
            if self._finishing and not sent:
                return
            if not sent:
                await _sleep(self._scan_at - time.monotonic(), self._wake)

    async def _send_offered(self) -> int:
        """Send a page of what was handed over; the scan looks after what is not confirmed."""
        offered = self._offered()
        if not offered:
            return 0
        sent = await self._send(offered)
        if sent:
            self.recovered()
        if sent < len(offered):
            self._handover.give_up()
            self._scan_at = 0.0
        return sent

    def _offered(self) -> list[Parcel]:
        """A page of what was handed over, without who is left alone: the scan looks after them."""
        mine = self._partitions()
        while self._handover.is_ready:
            parcels = list(map(Parcel.of_record, self._handover.take(self.batch_max, mine)))
            alone = {parcel.entity for parcel in parcels if self._is_left_alone(parcel)}
            self._handover.bar(alone)
            if others := [parcel for parcel in parcels if parcel.entity not in alone]:
                return others
        return []

    def _is_left_alone(self, parcel: Parcel) -> bool:
        return self._quarantine.holds(parcel.id) or self._quarantine.holds(parcel.recipient)

    async def drain(self) -> int:
        """Send until a whole scan finds nothing to send; say how much was sent."""
        total, in_scan = 0, 0
        while not self._stopping:
            mine = self._partitions()
            if not self._after:
                self._handover.begin()
            rows = await self.store.pending(mine, self.batch_max, self._after) if mine else ()
            self._handover.found([row["_id"] for row in rows])
            sent = await self._send([Parcel.of_row(row, self.unseal) for row in rows])
            in_scan += sent
            if sent:
                self.recovered()
            if len(rows) == self.batch_max:
                self._turn_page(rows)
                continue
            total += in_scan
            nothing, in_scan = not in_scan, 0
            failing, self._failing = self._failing, False
            self._careful = failing and self._careful
            self._after = ""
            self._end_scan(failing=failing)
            if failing:
                await self._back_off()
            elif nothing or self._handover.is_ready:
                break
        return total

    def _turn_page(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Go on with the next lane, or behind what a page of this one holds back."""
        # Where a page holds back an entity, what is behind it in the lane is not its fault.
        last = str(rows[-1]["_id"])
        if any(row["entity"] in self._held for row in rows):
            self._after = last
            return
        self._after = past_lane(last)
        self._handover.skipped(lane_of(last))

    def _end_scan(self, *, failing: bool) -> None:
        if failing:
            self._handover.give_up()
        else:
            self._handover.end(self._held)
        self._held.clear()

    def _partitions(self) -> Mapping[int, int]:
        """What is ours; a partition that comes in is scanned from its start, for order's sake."""
        mine = self.partitions()
        if not mine.items() <= self._scanned.items():
            self._after = ""
            self._handover.give_up()
            self._scan_at = 0.0
        self._scanned = mine
        return mine

    async def _send(self, parcels: Iterable[Parcel]) -> int:
        by_entity: dict[str, list[Parcel]] = {}
        for parcel in parcels:
            if self._is_left_alone(parcel):
                self._held.add(parcel.entity)
            elif parcel.entity not in self._held:
                by_entity.setdefault(parcel.entity, []).append(parcel)
        page = Page()
        if self._careful:
            await self._send_each(by_entity, page)
        else:
            await self._send_all(by_entity, page)
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

    async def _send_all(self, by_entity: Mapping[str, Sequence[Parcel]], page: Page) -> None:
        """Send the first of every entity together, then the next of those that go on."""
        turn = 0
        chains: Sequence[Sequence[Parcel]] = list(by_entity.values())
        while chains := [c for c in chains if len(c) > turn and c[turn].entity not in self._held]:
            sending = [(chain[turn], self._publish(chain[turn])) for chain in chains]
            unheard = await settled(sending)
            if unheard and self.unmade is not None:
                page.unmade.update(await self.unmade(unheard))
            for parcel, outcome in sending:
                if outcome is not None:
                    self._take_down(parcel, outcome, page)
            turn += 1

    async def _send_each(self, by_entity: Mapping[str, Sequence[Parcel]], page: Page) -> None:
        """Send one entity's rows with nothing else on the channel: what blocks it is theirs."""
        for chain in by_entity.values():
            alone = Page(page.done)
            await self._send_all({chain[0].entity: chain}, alone)
            page.failed.extend(alone.failed)
            if not alone.is_blocked:
                continue
            if not await self._renew():
                # Without a broker nothing is confirmed, and that is no recipient's fault.
                self._held.update(by_entity)
                return
            recipient = alone.failed[0][0].recipient
            seconds = self._quarantine.strike(recipient)
            log.warning("relay.quarantined", recipient=recipient, seconds=seconds)

    def _publish(self, parcel: Parcel) -> asyncio.Future[Delivered] | None:
        """Put a parcel on its way; None where it cannot be, which is nobody else's fault."""
        try:
            return asyncio.ensure_future(self.publish(parcel.opened()))
        except Exception as error:  # noqa: BLE001  one of two in the hot path: it costs its entity
            self._set_aside(parcel, error)
            return None

    def _take_down(self, parcel: Parcel, outcome: asyncio.Future[Delivered], page: Page) -> None:
        """Write down what became of a parcel; whoever has no queue yet is left alone a little."""
        error = outcome.exception()
        if isinstance(error, PublishFailedError):
            page.failed.append((parcel, error))
            self._held.add(parcel.entity)
            return
        if error is not None:
            self._set_aside(parcel, error)
            return
        if outcome.result() is Delivered.UNHEARD:
            if parcel.recipient in page.unmade:
                self._quarantine.await_queue(parcel.recipient)
                self._held.add(parcel.entity)
                return
            self.unheard += 1
        page.done.append(parcel.id)
        self._quarantine.release(parcel.id)
        self._quarantine.release(parcel.recipient)

    def _set_aside(self, parcel: Parcel, error: BaseException) -> None:
        self._quarantine.strike(parcel.id)
        self._held.add(parcel.entity)
        log.error("relay.unsendable", record=parcel.id, exc_info=error)

    async def _renew(self) -> bool:
        """Open a new channel; false while there is no connection that could have one."""
        try:
            await self.renew()
        except PublishFailedError as error:
            log.warning("relay.unrenewed", error=str(error))
            return False
        return True

    async def _back_off(self) -> None:
        """Wait after a failure, whatever is committed meanwhile; who wants an end ends the wait."""
        self._ending.clear()
        if not self._stopping:
            await _sleep(self.backoff(), self._ending)


async def _sleep(seconds: float, until: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()
