"""What this process has committed itself, in hand, so that the relay need not read it again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from outbox.record import OutboxRecord, lane_of

RECORDS_MAX: Final = 10_000
BYTES_MAX: Final = 32 * 1024 * 1024
"""What is held at most; beyond it a lane's records are left to the scan."""


@dataclass(slots=True)
class _Lane:
    """The unbroken end of one lane: every record from the first one in hand to the last."""

    epoch: int
    last: str
    """The last id that was offered."""
    in_hand: dict[str, OutboxRecord] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    """Ids that the scan found before they were offered."""
    is_joined: bool = False
    """Whether all that is older than what is in hand was read by the scan."""
    is_broken: bool = False
    """Whether something was missed since the scan began, so that it proves nothing."""

    def leave(self) -> None:
        """Leave what is in hand to the scan."""
        self.in_hand.clear()
        self.is_joined, self.is_broken = False, True


@dataclass(slots=True)
class Handover:
    """Committed records by lane, given out only where nothing older can be waiting in the store.

    The store stays the truth: what is given up here is found there by the next scan.
    An entity of which something waits in the store is barred, and nobody else is: its records are
    left to the scan until one has gone from end to end and has found and left nothing of it.
    """

    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _barred: set[str] = field(default_factory=set)
    _turned_away: set[str] = field(default_factory=set)
    """Of the barred ones, those of which a record came since the scan began."""
    _bytes: int = 0

    def offer(self, epoch: int, records: Sequence[OutboxRecord], mine: Collection[int]) -> bool:
        """Take what one commit of a lane wrote to our partitions; false if a scan has to find it.

        Of a new epoch nobody knows yet what the former owner has left in the store.
        """
        if not records:
            return True
        name, last = lane_of(records[0].id), records[-1].id
        lane = self._lanes.get(name)
        if lane is None or lane.epoch != epoch:
            # These it may even have sent already: nobody has written down what it read of them.
            self._lanes[name] = _Lane(epoch, last, is_broken=True)
            self._weigh()
            return False
        for record in records:
            if record.entity in self._barred:
                self._turned_away.add(record.entity)
            elif record.partition in mine and record.id not in lane.read:
                lane.in_hand[record.id] = record
                self._bytes += len(record.body)
        lane.last = last
        lane.read = {found for found in lane.read if found > last}
        if self._bytes > BYTES_MAX or len(lane.in_hand) > RECORDS_MAX:
            lane.leave()
            self._weigh()
        return lane.is_joined

    def begin(self) -> None:
        """A scan begins: from now on it proves what it has read."""
        # Whose lane is another process's by now offers nothing more.
        self._lanes = {n: lane for n, lane in self._lanes.items() if len(lane.read) <= RECORDS_MAX}
        for lane in self._lanes.values():
            lane.is_broken = False
        self._turned_away.clear()

    def found(self, ids: Sequence[str]) -> None:
        """The scan sends these, the next ones of their lanes; what was in hand of them is not."""
        for found in ids:
            lane = self._lanes.get(lane_of(found))
            if lane is None:
                continue
            if lane.in_hand.pop(found, None) is not None:
                lane.is_joined = True
            elif found > lane.last:
                lane.read.add(found)
        self._weigh()

    def skipped(self, name: str) -> None:
        """The scan leaves the rest of a lane for later."""
        if (lane := self._lanes.get(name)) is not None:
            lane.is_broken = True

    def end(self, held: Collection[str]) -> None:
        """A scan has read every lane to its end; all is sent but what was skipped, or is held."""
        waiting = {*held, *self._turned_away}
        if any(lane.is_broken for lane in self._lanes.values()):
            # What was skipped may be theirs.
            waiting |= self._barred
        self._barred.clear()
        self.bar(waiting)
        for lane in self._lanes.values():
            lane.is_joined = lane.is_joined or not lane.is_broken

    def bar(self, entities: Collection[str]) -> None:
        """Leave entities to the scan, since something of them waits in the store."""
        if not entities:
            return
        self._barred.update(entities)
        self._turned_away.update(entities)
        for lane in self._lanes.values():
            lane.in_hand = {i: r for i, r in lane.in_hand.items() if r.entity not in self._barred}
        self._weigh()

    def give_up(self) -> None:
        """Something was not sent, or the partitions are others: the next scan is to find out."""
        for lane in self._lanes.values():
            lane.leave()
        self._bytes = 0

    @property
    def is_ready(self) -> bool:
        """Whether there is something to give out."""
        return any(lane.is_joined and lane.in_hand for lane in self._lanes.values())

    def take(self, limit: int, mine: Mapping[int, int]) -> list[OutboxRecord]:
        """Give out the oldest records of our partitions; lanes take turns to be the first."""
        taken: list[OutboxRecord] = []
        for name, lane in list(self._lanes.items()):
            if not lane.is_joined or not lane.in_hand or len(taken) == limit:
                continue
            oldest = list(islice(lane.in_hand, limit - len(taken)))
            taken.extend(map(lane.in_hand.pop, oldest))
            self._lanes[name] = self._lanes.pop(name)
        self._bytes -= sum(len(record.body) for record in taken)
        return [record for record in taken if record.partition in mine]

    def _weigh(self) -> None:
        records = (r for lane in self._lanes.values() for r in lane.in_hand.values())
        self._bytes = sum(len(record.body) for record in records)
