"""Commands that wait: one that must be tried again later, and those that must not overtake it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from handlers.admission import Arrival, Delivery, Ticket
from handlers.decision import Document, Drop, Put, Secret

LADDER: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 300))
"""How long a command waits before each further attempt; after the last it is a dead letter."""
COLLECTION: Final = "parked"


class Contended(Exception):
    """One command, alone, lost against other commits again and again: it waits its turn."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A command that waits in its lane; `id` sorts by arrival."""

    id: str
    revision: int
    keys: frozenset[str]
    """What it touches: nothing later that touches one of them may go before it."""
    due: datetime
    delivery: Delivery

    @classmethod
    def of(cls, document: Document) -> "Parked":
        """Read it from its stored form."""
        kept = document["delivery"].value
        ticket = Ticket(document["_id"], document["revision"], document["attempt"])
        return cls(
            id=document["_id"],
            revision=document["revision"],
            keys=frozenset(document["keys"]),
            due=document["due"],
            delivery=Delivery(**kept, ticket=ticket),
        )

    def is_due(self, now: datetime) -> bool:
        """Whether its time has come; a clock that was put back keeps nobody waiting for hours."""
        return not now < self.due <= now + LADDER[-1]


@dataclass(slots=True)
class Parking:
    """Who waits in a lane, as it stands for the next command of a fold."""

    place: str
    """Lane and batch: where a newcomer of this batch is put down."""
    _waiting: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, place: str, waiting: Iterable[Parked]) -> "Parking":
        """As the last commit left it."""
        return cls(place, {parked.id: parked.keys for parked in waiting})

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def blocks(self, keys: frozenset[str], ticket: Ticket | None) -> bool:
        """Whether somebody who came before touches one of the keys and still waits."""
        return any(
            not keys.isdisjoint(held)
            for waiting, held in self._waiting.items()
            if ticket is None or waiting < ticket.id
        )

    def apply(self, writes: Iterable[Put | Drop]) -> None:
        """Note who has come and who has gone."""
        for write in writes:
            if write.collection != COLLECTION:
                continue
            if isinstance(write, Put):
                self._waiting[write.document["_id"]] = frozenset(write.document["keys"])
            else:
                self._waiting.pop(write.was["_id"], None)

    def put(
        self, index: int, arrival: Arrival, keys: frozenset[str], now: datetime, delay: timedelta
    ) -> Put:
        """Let a command wait: for a delay on its ladder, or (no delay) for those before it."""
        ticket = arrival.delivery.ticket
        delivery = arrival.delivery
        document = {
            "_id": ticket.id if ticket else f"{self.place}/{index:05d}",
            "revision": ticket.revision + 1 if ticket else 1,
            "keys": sorted(keys),
            "due": now + delay,
            "attempt": (ticket.attempt if ticket else 0) + bool(delay),
            "delivery": Secret(_kept(delivery)),
            "at": now,
        }
        return Put(COLLECTION, document, row_of(ticket) if ticket else None)


def row_of(ticket: Ticket) -> Document:
    """What is known of the stored row of a command that comes from the parking."""
    return {"_id": ticket.id, "revision": ticket.revision}


def touched(reads: Iterable[tuple[str, Any]], arrival: Arrival) -> frozenset[str]:
    """What must not be overtaken: the command's entities and claims, and its own repeats.

    Users are left out where they are looked at only, so that an owner's assets do not wait for
    each other.
    """
    own = {f"{arrival.type.partition('.')[0]}s", "claims"}
    keys = {f"{collection}/{key}" for collection, key in reads if collection in own}
    return frozenset(keys - {f"users/{arrival.user}"} | {f"inbox/{arrival.user}/{arrival.id}"})


def _kept(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is kept: of its headers the trace alone, since the others were checked."""
    return {
        "body": delivery.body,
        "type": delivery.type,
        "account": delivery.account,
        "message_id": delivery.message_id,
        "reply_to": delivery.reply_to,
        "headers": dict(delivery.trace),
    }


@dataclass(slots=True)
class Waiting:
    """The commands that wait in one lane, as the last commit left them."""

    _rows: dict[str, Parked] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Document | None]) -> "Waiting":
        """Those that a lane's stored rows tell of."""
        return cls({row["_id"]: Parked.of(row) for row in documents if row is not None})

    def __iter__(self) -> Iterator[Parked]:
        """In the order of their arrival."""
        return iter(sorted(self._rows.values(), key=lambda parked: parked.id))

    def __len__(self) -> int:
        return len(self._rows)

    def due(self, now: datetime, count_max: int) -> list[Delivery]:
        """Those whose turn it is, with whoever waits for nobody but them."""
        taken: list[Delivery] = []
        blocked: set[str] = set()
        for parked in self:
            if parked.is_due(now) and blocked.isdisjoint(parked.keys) and len(taken) < count_max:
                taken.append(parked.delivery)
            else:
                blocked |= parked.keys
        return taken

    def next_due(self) -> datetime | None:
        """When somebody's turn comes; those behind others have theirs with them."""
        seen: set[str] = set()
        heads = []
        for parked in self:
            if seen.isdisjoint(parked.keys):
                heads.append(parked.due)
            seen |= parked.keys
        return min(heads, default=None)

    def apply(self, writes: Iterable[Put | Drop]) -> None:
        """Keep in step with a commit."""
        for write in writes:
            if write.collection != COLLECTION:
                continue
            if isinstance(write, Put):
                self._rows[write.document["_id"]] = Parked.of(write.document)
            else:
                self._rows.pop(write.was["_id"], None)
