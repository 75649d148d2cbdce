"""Who is told what of a fact: audience, choice, filter, and each recipient's own count."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.messages import Event
from contracts.notices import Choice, NoticeDigest, NoticeDue
from contracts.taxonomy import FRONT_DESK, USER_PREFIX
from handlers.bookkeeping import unattributed
from handlers.decision import (
    RESERVED,
    Context,
    Document,
    Drop,
    Handled,
    Put,
    Reads,
    Secret,
    Span,
    Told,
    View,
)
from handlers.kinds import KINDS, NAMES, Kind
from handlers.rights import Relation
from handlers.visibility import RELATIONS, Standing, Visible, event_for, event_naming, own, ties

EVENTS_DAYS: Final = 90
"""How long what was told can be told again."""
DIGEST_MINUTES: Final = 60
"""How long a digest gathers where its reader has not said."""
SUBJECTS_MAX: Final = 100
"""How many things a digest names."""


def tell_reads(fact: Event, context: Context) -> Reads:
    """The parties that the fact names, what they have chosen, and a page of the others."""
    kind = KINDS.get(type(fact))
    if kind is None:
        return
    for recipient in _named(fact):
        yield from _reads_of(recipient)
    if not kind.is_first:
        yield RELATIONS, _span(fact, context)


def tell(fact: Event, view: View, context: Context) -> Handled:
    """Tell the parties of what the fact is about, a page of them at a time, but for the actor.

    Source: U5, A5a.
    """
    kind, keyed_to = KINDS.get(type(fact)), unattributed(context.now)
    if kind is None:
        return Handled(keyed_to)
    edges, further = ([], "") if kind.is_first else view.page(RELATIONS, _span(fact, context))
    audience = _audience(fact, edges, context)
    view.require(key for recipient in audience for key in _reads_of(recipient))
    chosen = {r: choice(kind, fact, view.get("subscriptions", r)) for r in audience}
    pots = {r: _pot(r, fact, kind, way) for r, way in chosen.items()}
    view.require(("pots", pot) for pot in pots.values() if pot is not None)
    post = Post(view, context)
    for recipient, held in audience.items():
        visible = _visible(recipient, held, fact, kind)
        if visible is not None and chosen[recipient] != "off":
            _deliver(post, fact, kind, visible, pots[recipient])
    return Handled(keyed_to, post.writes, tuple(post.told), further or None)


def _visible(recipient: str, held: frozenset[Relation], fact: Event, kind: Kind) -> Visible | None:
    if recipient == _also(fact):
        return event_naming(recipient, fact, kind.hidden)
    return event_for(recipient, Standing(_collection(fact), held), fact, kind.hidden)


def _also(fact: Event) -> str | None:
    """The user whom the fact names besides the parties of its entity."""
    return getattr(fact, NAMES.get(fact.message_type, ""), None)


def _pot(recipient: str, fact: Event, kind: Kind, way: Choice) -> str | None:
    """Where an event is gathered: in the recipient's digest, or with others of its own sort."""
    if way == "digest":
        return f"{recipient}/digest"
    if way == "now" and kind.once_in is not None:
        return f"{recipient}/{fact.message_type}/{fact.entity}"
    return None


def _deliver(post: "Post", fact: Event, kind: Kind, visible: Visible, pot: str | None) -> None:
    """Tell it now, or gather it: all for a digest, and of its own sort what follows the first."""
    recipient, of_type = visible.recipient, fact.message_type
    if pot is not None and (kind.once_in is None or post.stored("pots", pot) is not None):
        minutes = (post.view.get("subscriptions", recipient) or {}).get("digest_minutes")
        span = kind.once_in or timedelta(minutes=minutes or DIGEST_MINUTES)
        post.gather(pot, recipient, of_type, fact.entity, span)
        return
    if pot is not None and kind.once_in is not None:
        post.gather(pot, recipient, "", fact.entity, kind.once_in)
    sequence = post.send(visible, of_type, fact.entity)
    if kind.asks:
        post.open(recipient, of_type, fact.entity, sequence)


def choice(kind: Kind, fact: Event, chosen: Document | None) -> Choice:
    """How a recipient wants it: by asset, by area, by kind, in this order; else as is usual."""
    if kind.mandatory:
        return "now"
    said = chosen or {}
    found = (
        said.get("assets", {}).get(fact.entity),
        said.get("areas", {}).get(getattr(fact, "area", None)),
        said.get("kinds", {}).get(fact.message_type),
    )
    return next((c for c in found if c is not None), kind.usual)


def _collection(fact: Event) -> str:
    """The register of what the fact is about, by the form of its id."""
    return "users" if fact.entity.startswith(f"{USER_PREFIX}-") else "assets"


def _span(fact: Event, context: Context) -> Span:
    return Span("entity", fact.entity, context.cursor or "")


def _named(fact: Event) -> dict[str, set[Relation]]:
    """Whom the fact itself names: the user that it is about, and the parties of that moment.

    One whom it names besides them need not be anything to the entity.
    """
    found: dict[str, set[Relation]] = {}
    if (also := _also(fact)) is not None:
        found[also] = set()
    if _collection(fact) == "users":
        found.setdefault(fact.entity, set()).add("self")
    for relation, user in (fact.parties or {}).items():
        found.setdefault(user, set()).add(relation)  # type: ignore[arg-type]  # what `named` gave
    return found


def _audience(
    fact: Event, edges: Iterable[Document], context: Context
) -> Mapping[str, frozenset[Relation]]:
    """The recipients of this page with what they were to the entity when it happened."""
    at = context.at or context.now
    named = _named(fact)
    recorded = {row["party"]: ties(row, at) for row in edges}
    # Whom the fact names is told with the first page, together with what else it is.
    first = {} if context.cursor else {user: frozenset(held) for user, held in named.items()}
    found = {
        user: first.get(user, frozenset()) | recorded.get(user, frozenset())
        for user in (*first, *recorded)
        if user in first or user not in named
    }
    actor = getattr(fact, "by", None)
    # At the front desk nobody but the user itself can have been the actor.
    actors = {fact.entity if actor == FRONT_DESK else actor, *RESERVED}
    also = _also(fact)
    return {u: held for u, held in found.items() if (held or u == also) and u not in actors}


def _reads_of(recipient: str) -> Iterator[tuple[str, Any]]:
    yield "subscriptions", recipient
    yield "sequences", recipient


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

    def send(self, visible: Visible, kind: str, subject: str) -> int:
        """Tell one recipient at the next place of its order, and keep it for being asked again."""
        recipient, at = visible.recipient, self.context.now
        counter = self.stored("sequences", recipient) or {}
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

    def gather(self, pot: str, recipient: str, kind: str, subject: str, span: timedelta) -> None:
        """Sum up for later; what is gathered first sets the time at which it is told."""
        held, now = self.stored("pots", pot), self.context.now
        if held is None:
            due = now + span
            timer = f"{due:%Y%m%dT%H%M%S.%f}/{pot}"
            held = {"recipient": recipient, "kinds": {}, "subjects": [], "first_at": now}
            held |= {"timer": timer}
            self.add("timers", timer, {"state": "waiting", "due": due, "user": recipient})
        kinds, subjects = dict(held["kinds"]), list(held["subjects"])
        if kind:
            kinds[kind] = kinds.get(kind, 0) + 1
            if subject not in subjects and len(subjects) < SUBJECTS_MAX:
                subjects.append(subject)
        self.put("pots", pot, {**held, "kinds": kinds, "subjects": subjects, "last_at": now})

    def open(self, recipient: str, kind: str, subject: str, sequence: int) -> None:
        """Keep a notice that asks for its recipient's action."""
        key = event_row(recipient, sequence)
        row = {"recipient": recipient, "type": kind, "subject": subject, "state": "open"}
        self.add("notices", key, {**row, "opened_at": self.context.now, "sequence": sequence})


def _recent(days: Mapping[str, int], now: datetime) -> dict[str, int]:
    oldest = f"{now - timedelta(days=EVENTS_DAYS + 1):%Y-%m-%d}"
    return {day: first for day, first in days.items() if day >= oldest}


def due_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, its pot, and the count of whose it is."""
    yield "timers", fact.timer
    yield "pots", fact.timer.partition("/")[2]
    yield "sequences", fact.id


def due(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Tell what was gathered, and begin anew."""
    keyed_to, pot = unattributed(context.now), fact.timer.partition("/")[2]
    timer, held = view.get("timers", fact.timer), view.get("pots", pot)
    if timer is None:
        return Handled(keyed_to)
    post = Post(view, context)
    post.drop("timers", fact.timer)
    if held is not None and held["timer"] == fact.timer:
        post.drop("pots", pot)
        if held["kinds"]:
            digest = NoticeDigest(
                id=fact.id,
                kinds=held["kinds"],
                subjects=held["subjects"],
                first_at=held["first_at"],
                last_at=held["last_at"],
            )
            post.send(own(fact.id, digest), NoticeDigest.message_type, fact.id)
    return Handled(keyed_to, post.writes, tuple(post.told))
