"""What of a backbone's state an operator has to look at, and where the runbook says what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

OUTBOX_S_MAX: Final = 60.0
DEAD_S_MAX: Final = 3600.0
PARKED_MAX: Final = 100
LOST_S: Final = 3600.0
"""How long after a loss it is still said that there was one."""
LOSERS_SHOWN: Final = 10
FULL_SHARE: Final = 0.8
MAILBOX_MESSAGES_MAX: Final = 1_000_000
Alarm = Literal[
    "broker-away",
    "broker-blocked",
    "contention",
    "database-away",
    "database-without-primary",
    "dead-letters",
    "dead-letters-old",
    "events-lost",
    "mailbox-full",
    "not-consumed",
    "outbox-old",
]
"""What each is called in the runbook."""
ALARMS: Final[frozenset[Alarm]] = frozenset(get_args(Alarm))
OF_BROKER: Final[frozenset[Alarm]] = frozenset({"broker-blocked", "mailbox-full", "not-consumed"})
OF_DATABASE: Final[frozenset[Alarm]] = frozenset(
    {"contention", "dead-letters", "dead-letters-old", "events-lost", "outbox-old"}
)
"""What only a primary can tell."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue that workers consume."""

    name: str
    messages: int
    consumers: int
    rate: float
    """Messages that are done with, a second."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: who owns it, under which epoch, and its last batch."""

    name: str
    owner: str | None
    epoch: int
    batch: int


@dataclass(frozen=True, slots=True)
class Lost:
    """What users' own queues have lost since they were first counted."""

    events: int = 0
    replies: int = 0
    age_s: float = 0.0
    """For how many seconds nothing more has been."""
    users: Mapping[str, int] = field(default_factory=dict)
    """How many of either each has lost, whose loss is the latest first; the first ones."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], now: datetime) -> "Lost":
        """Of rows with the latest first."""
        if not rows:
            return cls()
        return cls(
            events=sum(row["events"] for row in rows),
            replies=sum(row["replies"] for row in rows),
            age_s=max(0.0, (now - rows[0]["at"]).total_seconds()),
            users={r["_id"]: r["events"] + r["replies"] for r in rows[:LOSERS_SHOWN]},
        )

    @property
    def number(self) -> int:
        """Of either."""
        return self.events + self.replies


@dataclass(frozen=True, slots=True)
class Glance:
    """The state of a backbone at a moment; `None` of a server that does not answer."""

    at: datetime
    queues: tuple[Queue, ...] | None = None
    blocked: tuple[str, ...] = ()
    """Why the broker lets nobody publish: `disk`, `memory`."""
    lanes: tuple[Lane, ...] | None = None
    has_primary: bool = False
    present: int = 0
    outbox: tuple[int, float] = (0, 0.0)
    """How many records wait, and for how many seconds the oldest does."""
    dead: tuple[int, float] = (0, 0.0)
    """The same of open dead letters."""
    parked: int = 0
    lost: Lost = field(default_factory=Lost)
    said: dict[str, str] = field(default_factory=dict)
    """Server -> why it does not answer."""

    @property
    def throughput(self) -> float:
        """Commands and facts a second."""
        found = self.queues or ()
        return sum(queue.rate for queue in found if queue.name.startswith("mailbox."))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "at": self.at.isoformat(),
            "queues": [
                {"name": q.name, "messages": q.messages, "consumers": q.consumers, "rate": q.rate}
                for q in self.queues or ()
            ],
            "lanes": [
                {"name": x.name, "owner": x.owner, "epoch": x.epoch, "batch": x.batch}
                for x in self.lanes or ()
            ],
            "outbox": {"records": self.outbox[0], "oldest_s": round(self.outbox[1], 1)},
            "dead_letters": {"open": self.dead[0], "oldest_s": round(self.dead[1], 1)},
            "parked": self.parked,
            "lost": {
                "events": self.lost.events,
                "replies": self.lost.replies,
                "users": dict(self.lost.users),
            },
            "present": self.present,
            "throughput": round(self.throughput, 1),
            "alarms": [{"alarm": name, "about": about} for name, about in alarms(self)],
        }


def alarms(glance: Glance) -> Iterator[tuple[Alarm, str]]:
    """Each alarm by the name that it has in the runbook, with what it is about."""
    if glance.queues is None:
        yield "broker-away", glance.said.get("broker", "")
    for what in glance.blocked:
        yield "broker-blocked", what
    if glance.lanes is None:
        yield "database-away", glance.said.get("database", "")
    elif not glance.has_primary:
        yield "database-without-primary", ""
    yield from _of_queues(glance.queues or ())
    if glance.outbox[1] > OUTBOX_S_MAX:
        yield "outbox-old", f"{glance.outbox[0]} records, the oldest for {glance.outbox[1]:.0f} s"
    if glance.dead[0]:
        name: Alarm = "dead-letters-old" if glance.dead[1] > DEAD_S_MAX else "dead-letters"
        yield name, f"{glance.dead[0]} open, the oldest for {glance.dead[1]:.0f} s"
    if glance.lost.number and glance.lost.age_s < LOST_S:
        users = ", ".join(glance.lost.users)
        yield "events-lost", f"{glance.lost.number} so far, the latest of {users}"
    if glance.parked > PARKED_MAX:
        yield "contention", f"{glance.parked} commands parked"


def unknown(glance: Glance) -> frozenset[Alarm]:
    """Alarms of which nobody can say whether they stand, since a server does not answer."""
    found: frozenset[Alarm] = OF_BROKER if glance.queues is None else frozenset()
    if glance.lanes is None:
        found |= {"database-without-primary"}
    return found if glance.has_primary else found | OF_DATABASE


def _of_queues(queues: tuple[Queue, ...]) -> Iterator[tuple[Alarm, str]]:
    for queue in queues:
        if not queue.consumers and not queue.name.endswith(".bulk"):
            yield "not-consumed", queue.name
        elif queue.messages > FULL_SHARE * MAILBOX_MESSAGES_MAX:
            yield "mailbox-full", queue.name
