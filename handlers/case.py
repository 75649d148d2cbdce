"""One delivery with everything that decides it, and what becomes of it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from handlers.admission import Arrival, Refusal
from handlers.conditions import condition_reads
from handlers.decision import Context, Drop, Guard, Put, View
from handlers.edits import Edits
from handlers.letters import Letter
from handlers.parking import Parking
from handlers.references import reference_reads
from handlers.senders import RESERVED, Issuer, Sender
from handlers.signature import Handler

Kind = Literal[
    "accepted",
    "rejected",
    "duplicate",
    "reused",
    "refused",
    "poisoned",
    "deferred",
    "exhausted",
    "handled",
    "continued",
    "idle",
]
"""`handled`, `continued` and `idle` are of facts: all of it, a portion of it, nothing to do."""
Asked = dict[int, tuple[tuple[str, Any], ...]]
"""What each delivery is known to look at, so that a second round need not find it out again."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What a mailbox decides by: its handlers, and where its ids come from."""

    handlers: Mapping[str, Handler]
    identity: Issuer
    shards_max: int = 1
    """Into how many shards a register may be divided here."""
    version: str = ""
    """Of the program, for who looks at what failed."""
    known: Collection[str] = frozenset()
    """Types that other lanes take: those words are ours, whoever writes them."""
    edits: Edits = field(default_factory=Edits)
    """What an operator's edit of a dead letter is held to."""

    def context(
        self,
        arrival: Arrival,
        sender: Sender | None,
        now: datetime,
        *,
        sunset: datetime | None = None,
        dry_run: bool = False,
    ) -> Context:
        """The context of one decision."""
        known = sender or Sender(arrival.user, frozenset(), "unknown")
        header = arrival.header
        return Context(
            now=now,
            sender=known,
            command_id=arrival.id,
            identity=self.identity,
            on_behalf_of=header.onbehalfof if header else None,
            at=header.time if header else None,
            cursor=arrival.delivery.cursor,
            sunset=sunset,
            shards_max=self.shards_max,
            version=self.version,
            edits=self.edits,
            dry_run=dry_run,
        )

    def reads(self, arrival: Arrival, now: datetime) -> Iterator[tuple[str, Any]]:
        """What a request is known to look at: its sender, its type, and what its handler names."""
        if arrival.user not in RESERVED:
            yield "users", arrival.user
        if not arrival.is_fact:
            yield from condition_reads(self.handlers[arrival.type])
        yield from reference_reads(arrival)
        if arrival.message is not None:
            context = self.context(arrival, None, now)
            yield from self.handlers[arrival.type].reads(arrival.message, context)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery: what is said and what is written, all or nothing."""

    index: int
    arrival: Arrival | Refusal
    kind: Kind
    keyed_to: str
    """The user (or the month) under whose data key everything of it is kept."""
    letters: tuple[Letter, ...] = ()
    writes: tuple[Put | Drop, ...] = ()
    guards: tuple[Guard, ...] = ()
    erases: tuple[str, ...] = ()
    """Subjects whose data keys are destroyed with it."""


@dataclass(slots=True)
class Rounds:
    """What the rounds of one batch find out, so that a later one need not find it out again.

    A decision follows from what it looked at and from nothing else: while that is the very same, so
    is the outcome. Otherwise one command that asks for more would have all others decided twice.
    """

    asked: Asked = field(default_factory=dict)
    decided: dict[int, tuple[Mapping[tuple[str, Any], Any], Outcome]] = field(default_factory=dict)

    def outcome(self, index: int, view: View) -> Outcome | None:
        """What was decided on a delivery; None where it has to be decided, once or anew."""
        looked, outcome = self.decided.get(index, (None, None))
        return outcome if looked is not None and view.still_shows(looked) else None

    def keep(self, index: int, view: View, outcome: Outcome) -> None:
        """Remember an outcome with what was looked at; who looked at a page may find another."""
        if not view.looked_around:
            self.decided[index] = view.looked, outcome


@dataclass(frozen=True, slots=True)
class Case:
    """One delivery with everything that decides it."""

    index: int
    arrival: Arrival | Refusal
    view: View
    rulebook: Rulebook
    now: datetime
    fault: Exception | None
    parking: Parking
    asked: Asked

    @property
    def lane(self) -> str:
        """Where it is decided: its parking is named by that and by the batch."""
        return self.parking.place.rpartition("/")[0]

    def reads(self, arrival: Arrival) -> tuple[tuple[str, Any], ...]:
        """What the request is known to look at, found out once."""
        known = self.asked.get(self.index)
        if known is None:
            known = self.asked[self.index] = tuple(self.rulebook.reads(arrival, self.now))
        return known
