"""Commands that wait: one that must be tried again later, and those that must not overtake it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from contracts.dead import REPLAYED
from contracts.envelope import Finding
from contracts.messages import register_of
from handlers.admission import Arrival, Delivery, Refusal, Ticket
from handlers.decision import Document, Drop, Put, Secret
from handlers.letters import HELD_RULE

LADDER: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 300))
"""How long a command waits before each further attempt; after the last it is a dead letter."""
WAITING_MAX: Final = 10_000
"""How many may wait in one lane; whoever would be more is a dead letter."""
COLLECTION: Final = "parked"
_INBOX: Final = "inbox/"


class Contended(Exception):
    """One command, alone, lost against other commits again and again: it waits its turn."""


class Full(Contended):
    """A fact would have to wait and there is no place: its lane stands still; it is not lost."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A command that waits in its lane; `id` sorts by arrival."""

    id: str
    keys: frozenset[str]
    """What it touches: nothing later that touches one of them may go before it."""
    due: datetime
    given: Delivery | Refusal
    """The command as it came, or why it cannot be read any more."""

    @classmethod
    def of(cls, document: Document) -> "Parked":
        """Read it from its stored form."""
        ticket = _ticket(document)
        delivery = Delivery(**document["delivery"].value, ticket=ticket)
        return cls(ticket.id, ticket.keys, document["due"], delivery)

    @classmethod
    def unreadable(cls, document: Document, box: bytes) -> "Parked":
        """One that does not open: its lane goes on, and an operator gets what there is."""
        ticket = _ticket(document)
        delivery = Delivery(box, document["type"], document["account"], ticket=ticket)
        ids = [key.rpartition("/")[2] for key in document["keys"] if key.startswith(_INBOX)]
        finding = Finding(
            rule=HELD_RULE,
            field="",
            expected="to open the command that waited",
            got="",
            advice="An operator looks at it; its outcome follows. Sending it again does no harm.",
        )
        refusal = Refusal(
            delivery=delivery,
            reason="dead-lettered",
            finding=finding,
            dead=True,
            is_held=True,
            tell=delivery.user,
            held_id=ids[0] if ids else None,
        )
        return cls(ticket.id, ticket.keys, document["due"], refusal)

    @property
    def delivery(self) -> Delivery:
        """The message, whether it can be read or not."""
        return self.given.delivery if isinstance(self.given, Refusal) else self.given

    def due_at(self, now: datetime) -> datetime:
        """When its time comes; a clock that was put back keeps nobody waiting for hours."""
        return now if self.due > now + LADDER[-1] else self.due


@dataclass(slots=True)
class Parking:
    """Who waits in a lane, as it stands for the next command of a fold."""

    place: str
    """Lane and batch: where a newcomer of this batch is put down."""
    waiting: "Waiting"
    _come: dict[str, list[str]] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _count: int = 0

    @property
    def is_empty(self) -> bool:
        return not self._come and not self.waiting

    @property
    def is_full(self) -> bool:
        return len(self.waiting) + self._count - len(self._gone) >= WAITING_MAX

    def touched_by(self, reads: Iterable[tuple[str, Any]], arrival: Arrival) -> frozenset[str]:
        """What a command touches; of a marker, what everybody touches who waits when it comes."""
        keys = touched(reads, arrival)
        if arrival.delivery.ticket is None and getattr(arrival.message, "waits_for_all", False):
            keys |= self.waiting.keys() | self._come.keys()
        return keys

    def blocks(self, keys: frozenset[str], ticket: Ticket | None) -> bool:
        """Whether somebody who came before touches one of the keys and still waits."""
        return any(self._first(key) < (ticket.id if ticket else _LAST) for key in keys)

    def _first(self, key: str) -> str:
        """Who of those that touch the key came first and still waits."""
        # Not a copy: behind a contested key whole batches wait, and each of them asks.
        known = chain(self.waiting.touching(key), self._come.get(key, ()))
        return next((one for one in known if one not in self._gone), _LAST)

    def apply(self, writes: Iterable[Put | Drop]) -> None:
        """Note who has come and who has gone."""
        for write in writes:
            if write.collection != COLLECTION:
                continue
            if isinstance(write, Drop):
                self._gone.add(write.was["_id"])
            elif write.was is None:
                self._count += 1
                for key in write.document["keys"]:
                    self._come.setdefault(key, []).append(write.document["_id"])

    def put(
        self, index: int, arrival: Arrival, keys: frozenset[str], now: datetime, delay: timedelta
    ) -> Put:
        """Let a command wait: for a delay on its ladder, or (no delay) for those before it."""
        ticket = arrival.delivery.ticket
        attempt = (ticket.attempt if ticket else 0) + bool(delay)
        return self._row(index, arrival.delivery, keys, due=now + delay, now=now, attempt=attempt)

    def go_on(
        self, index: int, delivery: Delivery, keys: frozenset[str], now: datetime, pause: timedelta
    ) -> Put:
        """Let a fact come back with its cursor; whatever comes of it is no further attempt."""
        return self._row(index, delivery, keys, due=now + pause, now=now, attempt=0)

    def _row(
        self,
        index: int,
        delivery: Delivery,
        keys: frozenset[str],
        *,
        due: datetime,
        now: datetime,
        attempt: int,
    ) -> Put:
        ticket = delivery.ticket
        document = {
            "_id": ticket.id if ticket else f"{self.place}/{index:05d}",
            "revision": ticket.revision + 1 if ticket else 1,
            "keys": sorted(keys),
            "due": due,
            "attempt": attempt,
            "type": delivery.type,
            "account": delivery.account,
            "delivery": Secret(_kept(delivery)),
            "at": now,
        }
        return Put(COLLECTION, document, row_of(ticket) if ticket else None)


_LAST: Final = "~"
"""Behind every id of a row, which begin with the name of a lane."""


def _ticket(document: Document) -> Ticket:
    keys = frozenset(document["keys"])
    return Ticket(document["_id"], document["revision"], document["attempt"], keys)


def row_of(ticket: Ticket) -> Document:
    """What is known of the stored row of a command that comes from the parking."""
    return {"_id": ticket.id, "revision": ticket.revision}


def touched(reads: Iterable[tuple[str, Any]], arrival: Arrival) -> frozenset[str]:
    """What must not be overtaken: the command's entities and claims, and its own repeats.

    What is looked at in other registers is left out, so that an owner's assets do not wait for each
    other; and so is the first read, which is the sender's and says what it may do.
    A fact touches what it is about.
    One that has waited keeps what it was put down with: that is what others wait by, and another
    version of us may name other keys.
    """
    if arrival.delivery.ticket is not None:
        return arrival.delivery.ticket.keys
    if arrival.is_fact:
        subject = arrival.header.subject if arrival.header else None
        apart = f"{arrival.type}/" if getattr(arrival.message, "is_apart", False) else ""
        return frozenset({f"fact/{apart}{subject}", f"{_INBOX}{arrival.user}/{arrival.id}"})
    own = {register_of(arrival.type.partition(".")[0]), "claims", "links"}
    listed = list(reads)
    if listed[:1] == [("users", arrival.user)]:
        del listed[0]
    keys = {f"{collection}/{key}" for collection, key in listed if collection in own}
    return frozenset(keys | {f"{_INBOX}{arrival.user}/{arrival.id}"})


def _kept(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is kept: of its headers the trace and the letter; others were checked."""
    mark = (delivery.headers or {}).get(REPLAYED)
    return {
        "body": delivery.body,
        "type": delivery.type,
        "account": delivery.account,
        "message_id": delivery.message_id,
        "reply_to": delivery.reply_to,
        "headers": dict(delivery.trace) | ({REPLAYED: mark} if isinstance(mark, str) else {}),
        "cursor": delivery.cursor,
    }


@dataclass(slots=True)
class Waiting:
    """The commands that wait in one lane, as the last commit left them."""

    _rows: dict[str, Parked] = field(default_factory=dict)
    """In the order of their arrival."""
    _touching: dict[str, dict[str, None]] = field(default_factory=dict)
    """Key -> who touches it, in the same order."""

    @classmethod
    def of(cls, parked: Iterable[Parked]) -> "Waiting":
        """Those that a lane's stored rows tell of."""
        waiting = cls()
        for one in sorted(parked, key=lambda one: one.id):
            waiting.add(one)
        return waiting

    def __len__(self) -> int:
        return len(self._rows)

    def touching(self, key: str) -> Iterator[str]:
        """Who touches a key, the first to come first."""
        return iter(self._touching.get(key, ()))

    def keys(self) -> frozenset[str]:
        """What anybody touches."""
        return frozenset(self._touching)

    def add(self, parked: Parked) -> None:
        """Let one more wait, or one go on waiting at its place."""
        if (former := self._rows.get(parked.id)) is not None:
            self._let_go(former.keys - parked.keys, parked.id)
        self._rows[parked.id] = parked
        for key in parked.keys:
            self._touching.setdefault(key, {})[parked.id] = None

    def remove(self, row: str) -> None:
        """Nobody waits at this place any more."""
        self._let_go(self._rows.pop(row).keys, row)

    def _let_go(self, keys: Iterable[str], row: str) -> None:
        for key in keys:
            held = self._touching[key]
            del held[row]
            if not held:
                del self._touching[key]

    def due(self, now: datetime, count_max: int, bytes_max: int) -> list[Delivery | Refusal]:
        """Those whose turn it is, with whoever waits for nobody but them."""
        taken: list[Delivery | Refusal] = []
        size, blocked = 0, set[str]()
        for parked in self._rows.values():
            if parked.due_at(now) > now or not blocked.isdisjoint(parked.keys):
                blocked |= parked.keys
                continue
            size += len(parked.delivery.body)
            if taken and (len(taken) == count_max or size > bytes_max):
                break
            taken.append(parked.given)
        return taken

    def next_due(self, now: datetime) -> datetime | None:
        """When somebody's turn comes; those behind others have theirs with them."""
        heads = (p.due_at(now) for p in self._rows.values() if self._is_head(p))
        return min(heads, default=None)

    def _is_head(self, parked: Parked) -> bool:
        return all(next(self.touching(key)) == parked.id for key in parked.keys)

    def apply(self, writes: Iterable[Put | Drop]) -> None:
        """Keep in step with a commit."""
        for write in writes:
            if write.collection != COLLECTION:
                continue
            if isinstance(write, Put):
                self.add(Parked.of(write.document))
            else:
                self.remove(write.was["_id"])
