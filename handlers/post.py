"""What one decision tells: each recipient's own count, what is kept of it, what is summed up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from handlers.decision import Context, Document, Drop, Put, Secret, Told, View
from handlers.timing import GATHERED, TIMERS, timer_id, timer_row
from handlers.visibility import Visible

DAYS_MARKED: Final = 90
"""For how many days it is remembered with which event each began; kept is what a setting says."""
DIGEST_MINUTES: Final = 60
"""How long a digest gathers where its reader has not said."""
SUBJECTS_MAX: Final = 100
"""How many things a digest names."""


ERASED: Final = "erased"
"""In the count of a user: whether it was erased."""
MERGED: Final = "merged"
"""In the count of a user: whether it is an alias, which is told nothing as long as it is one."""
NOTICES: Final = "notices"
"""Collection of what asks for action: one document for a recipient, a type and a subject."""


def todo(recipient: str, kind: str, subject: str) -> str:
    """Id of the notice by which something asks for its recipient's action."""
    return f"{recipient}/{kind}/{subject}"


def shelf(recipient: str, state: str) -> str:
    """Under what the notices of a recipient that are in one state are found."""
    return f"{recipient}/{state}"


def digest_pot(recipient: str) -> str:
    """Where a recipient's digest gathers."""
    return f"{recipient}/digest"


def digest_span(recipient: str, view: View) -> timedelta:
    """How long a recipient wants it to gather."""
    chosen = view.get("subscriptions", recipient) or {}
    return timedelta(minutes=chosen.get("digest_minutes") or DIGEST_MINUTES)


def event_row(recipient: str, sequence: int) -> str:
    """Id of the row that keeps what a user was told; the rows of a user sort by sequence."""
    return f"{recipient}/{sequence:012d}"


@dataclass(slots=True)
class Post:
    """What one decision tells: each recipient's events are counted and kept, the rest gathered."""

    view: View
    context: Context
    told: list[Told] = field(default_factory=list)
    _puts: dict[tuple[str, str], Put | Drop] = field(default_factory=dict)

    @property
    def writes(self) -> tuple[Put | Drop, ...]:
        """One write for a document, whatever happened to it on the way."""
        return tuple(self._puts.values())

    def stored(self, collection: str, key: str) -> Document | None:
        """A document as this decision has left it."""
        write = self._puts.get((collection, key))
        if write is None:
            return self.view.get(collection, key)
        return write.document if isinstance(write, Put) else None

    def put(self, collection: str, key: str, fields: Mapping[str, Any]) -> None:
        """Change a document, or make it."""
        was = self.view.get(collection, key)
        revision = was["revision"] + 1 if was is not None else 1
        before = self.stored(collection, key) or {}
        document = {**before, **fields, "_id": key, "revision": revision}
        self._puts[collection, key] = Put(collection, document, was)

    def add(self, collection: str, key: str, fields: Mapping[str, Any]) -> None:
        """Make a document under an id that nobody else can have come to."""
        self._puts[collection, key] = Put(collection, {**fields, "_id": key, "revision": 1})

    def drop(self, collection: str, key: str) -> None:
        """Delete a document."""
        was = self.view.get(collection, key)
        if was is not None:
            self._puts[collection, key] = Drop(collection, was)

    def send(
        self, visible: Visible, kind: str, subject: str, *, is_traced: bool = True
    ) -> int | None:
        """Tell one recipient at the next place of its order, and keep it for being asked again.

        Who was erased is told nothing any more, so that nothing of it is kept either; nor is an
        alias.
        """
        recipient, at = visible.recipient, self.context.now
        counter = self.stored("sequences", recipient) or {}
        if counter.get(ERASED) or counter.get(MERGED):
            return None
        sequence: int = counter.get("last", 0) + 1
        days = _recent(counter.get("days", {}), at)
        days.setdefault(f"{at:%Y-%m-%d}", sequence)
        self.put("sequences", recipient, {"last": sequence, "days": days})
        key = event_row(recipient, sequence)
        told = Told(
            id=self.context.identity.fingerprint("told", key)[:32],
            visible=visible,
            type=kind,
            sequence=sequence,
            at=at,
            subject=subject,
            causation=self.context.command_id,
            is_traced=is_traced,
        )
        self.told.append(told)
        row = {
            "recipient": recipient,
            "sequence": sequence,
            "at": at,
            "type": kind,
            "subject": subject,
            "event": told.id,
            "causation": told.causation,
            "data": Secret(visible.data.model_dump(mode="json", exclude_none=True)),
        }
        self.add("events", key, row)
        return sequence

    def gather(
        self,
        pot: str,
        recipient: str,
        kind: str,
        subjects: Iterable[str],
        span: timedelta,
        *,
        reader: str | None = None,
    ) -> None:
        """Sum up for later; what is gathered first sets the time at which it is told.

        A `reader` is kept with the first of the subjects, which it has read.
        """
        subjects = tuple(subjects)
        held, now = self.stored("pots", pot), self.context.now
        if held is None:
            due = now + span
            timer = timer_id(due, pot)
            held = {"recipient": recipient, "kinds": {}, "subjects": [], "first_at": now}
            held |= {"timer": timer}
            self.add(TIMERS, timer, timer_row(GATHERED, due, recipient))
        kinds = dict(held["kinds"])
        if kind:
            kinds[kind] = kinds.get(kind, 0) + 1
        named = list(dict.fromkeys((*held["subjects"], *subjects)))[:SUBJECTS_MAX]
        after = {**held, "kinds": kinds, "subjects": named, "last_at": now}
        if reader is not None:
            after["readers"] = _read_by(held.get("readers", {}), subjects[0], reader)
        self.put("pots", pot, after)

    def open(
        self, recipient: str, kind: str, subject: str, sequence: int, revision: int | None
    ) -> None:
        """Keep a notice that asks for its recipient's action; one that is closed opens again."""
        key = todo(recipient, kind, subject)
        row: dict[str, Any] = {"recipient": recipient, "type": kind, "subject": subject}
        row |= {"sequence": sequence, "revision_asked": revision}
        if (was := self.stored(NOTICES, key)) is None or was["state"] != "open":
            row |= {"state": "open", "opened_at": self.context.now}
            row |= {"shelf": shelf(recipient, "open")}
            row |= {"closed_at": None, "resolved_by": None}
        self.put(NOTICES, key, row)

    def close(self, key: str, by_type: str) -> None:
        """Close a notice that is open, since an event of this type has resolved it."""
        was = self.stored(NOTICES, key)
        if was is not None and was["state"] == "open":
            closed = {"state": "closed", "closed_at": self.context.now, "resolved_by": by_type}
            self.put(NOTICES, key, {**closed, "shelf": shelf(was["recipient"], "closed")})


def _read_by(readers: Mapping[str, list[str]], asset: str, reader: str) -> dict[str, list[str]]:
    """Who has read which asset, with one more, as long as there are no more than a digest names."""
    known = readers.get(asset, [])
    if reader in known or sum(map(len, readers.values())) >= SUBJECTS_MAX:
        return dict(readers)
    return {**readers, asset: [*known, reader]}


def _recent(days: Mapping[str, int], now: datetime) -> dict[str, int]:
    oldest = f"{now - timedelta(days=DAYS_MARKED + 1):%Y-%m-%d}"
    return {day: first for day, first in days.items() if day >= oldest}
