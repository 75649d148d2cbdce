"""What follows an erasure: a page after the other is taken out of what a user has in many rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from contracts.erasing import UserEraseAsked, UserErased
from contracts.messages import Event
from contracts.updates import UserUpdated
from handlers.belonging import PLACEMENTS
from handlers.bookkeeping import unattributed
from handlers.changing import CHANGES
from handlers.counting import forget_meters
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.documents import history_id
from handlers.edges import RELATIONS
from handlers.erasing import ERASURES, REMAINS, tombstone
from handlers.evidence import EVIDENCE_ROWS
from handlers.interests import INTERESTS
from handlers.links import LINKS
from handlers.placing import PLACES, SEALED, shelf_term
from handlers.post import ERASED, NOTICES, Post, todo
from handlers.proofs import PROOF_ROWS
from handlers.senders import Sender
from handlers.spans import PAGE, Span
from handlers.untying import untied, withdrawn
from handlers.visibility import named
from handlers.watching import watched

SUBSCRIPTIONS: Final = "subscriptions"
PHASES: Final[Mapping[str, tuple[str, str]]] = {
    "told": ("events", "recipient"),
    # Again: what was said of a change before it may have been remembered behind the erasure.
    "changes": (CHANGES, "_id"),
    "links": (LINKS, "entity"),
    "evidence": (EVIDENCE_ROWS, "user"),
    "proofs": (PROOF_ROWS, "person"),
    "interests": (INTERESTS, "user"),
    "meters": (PLACEMENTS, "person"),
    "places": (PLACES, "terms"),
    "ties": (RELATIONS, "entity"),
    "tied": (RELATIONS, "party"),
    "choices": (SUBSCRIPTIONS, ""),
    "asked": (NOTICES, "recipient"),
    # The last one, so that what it is about to say of the changes has nothing beside it.
    "history": ("history", ""),
}
"""Part of the work, in order -> its collection, and the field that names the user; none where the
rows are found by their ids."""
_ORDER: Final[Sequence[str]] = tuple(PHASES)
_SEPARATOR: Final = "|"
_Done = tuple[tuple[Put | Drop, ...], tuple[Event, ...], str]
"""What is written, what others are told, and behind which row it goes on; empty at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far it is: in which part, and behind which row."""

    phase: str
    after: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> "Place":
        """Read it from a cursor; without one it is the beginning."""
        phase, _, after = (cursor or _ORDER[0]).partition(_SEPARATOR)
        return cls(phase, after)

    @property
    def cursor(self) -> str:
        return f"{self.phase}{_SEPARATOR}{self.after}"

    def next(self, further: str) -> "Place | None":
        """The next page, or the next part; None behind the last one."""
        if further:
            return Place(self.phase, further)
        following = _ORDER[_ORDER.index(self.phase) + 1 :]
        return Place(following[0]) if following else None


def sweep_reads(fact: UserEraseAsked, context: Context) -> Reads:
    """The record of the erasure, the user, and a page of what is to be gone through."""
    yield ERASURES, fact.id
    yield "users", fact.id
    if context.cursor is None:
        yield "sequences", fact.id
    place = Place.of(context.cursor)
    collection, field = PHASES[place.phase]
    if field:
        yield collection, _span(fact, place)
    elif collection == SUBSCRIPTIONS:
        yield collection, fact.id


def sweep(fact: UserEraseAsked, view: View, context: Context) -> Handled:
    """Take one page out; then the next one, or the end, which everybody concerned is told.

    One that a later one has taken the place of ends itself.
    Source: the right to erasure.
    """
    keyed_to, was = unattributed(context.now), view.get(ERASURES, fact.id)
    user = view.get("users", fact.id)
    if was is None or user is None or (was["run"], was["state"]) != (fact.run, "running"):
        return Handled(keyed_to)
    place = Place.of(context.cursor)
    if place.phase == "history":
        writes, events, further = _history(user, place, view)
    elif place.phase == "choices":
        writes, events, further = _choices(fact, view, context), (), ""
    else:
        writes, events, further = _rows(fact, place, view, context)
    if context.cursor is None:
        writes = (*writes, _told_no_more(fact.id, view))
    following = place.next(further)
    if following is not None:
        return Handled(keyed_to, writes, cursor=following.cursor, events=events)
    done = {**was, "revision": was["revision"] + 1, "state": "done", "done_at": context.now}
    erased = UserErased(
        id=fact.id,
        revision=user["revision"],
        status=user["status"],
        by=was["by"],
        parties=named(user) or None,
        erased_at=was["at"],
    )
    return Handled(keyed_to, (*writes, Put(ERASURES, done, was)), events=(*events, erased))


def _span(fact: UserEraseAsked, place: Place) -> Span:
    if place.phase == "places":
        return Span.of_list("terms", [shelf_term(fact.id, SEALED)], place.after)
    return Span(PHASES[place.phase][1], fact.id, place.after)


def _rows(fact: UserEraseAsked, place: Place, view: View, context: Context) -> _Done:
    """What it was told and what others call it is dropped; what it is to others ends.

    With that those who could read it have nothing more to take over.
    """
    collection = PHASES[place.phase][0]
    rows, further = view.page(collection, _span(fact, place))
    if collection == PLACEMENTS:
        return forget_meters(rows, view, context), (), further
    if collection == PLACES:
        # Of others' assets that it could see the places are theirs.
        rows = [row for row in rows if row["person"] == fact.id]
    if collection == RELATIONS:
        asker = replace(context, sender=Sender(fact.by, frozenset(), "confirmed"))
        writes, events = untied(rows, view, asker)
        of_readers = rows if place.phase == "ties" else ()
        return (*writes, *_closed(of_readers, fact, view, context)), events, further
    events = tuple(withdrawn(rows, fact.by)) if collection == INTERESTS else ()
    return tuple(Drop(collection, row) for row in rows), events, further


def _closed(
    rows: Sequence[Document], fact: UserEraseAsked, view: View, context: Context
) -> tuple[Put | Drop, ...]:
    asked = [todo(row["party"], UserUpdated.message_type, fact.id) for row in rows]
    view.require((NOTICES, notice) for notice in asked)
    post = Post(view, context)
    for notice in asked:
        post.close(notice, UserErased.message_type)
    return post.writes


def _choices(fact: UserEraseAsked, view: View, context: Context) -> tuple[Put | Drop, ...]:
    """What it has chosen to be told, with its place among those who watch an asset."""
    was = view.get(SUBSCRIPTIONS, fact.id)
    if was is None:
        return ()
    itself = replace(context, sender=Sender(fact.id, frozenset(), "retired"))
    return (Drop(SUBSCRIPTIONS, was), *watched(was.get("access", ()), (), view, itself))


def _told_no_more(user: str, view: View) -> Put:
    """Mark its count, before what it was told is gone through: nothing is added from here on."""
    was = view.get("sequences", user)
    before = was or {"_id": user, "revision": 0, "last": 0, "days": {}}
    return Put("sequences", {**before, ERASED: True, "revision": before["revision"] + 1}, was)


def _history(user: Document, place: Place, view: View) -> _Done:
    """A page of the user's revisions: their rows are found by their ids."""
    first = int(place.after or 0) + 1
    upto = min(user["revision"], first + PAGE - 1)
    keys = [history_id(user["_id"], revision) for revision in range(first, upto + 1)]
    view.require(("history", key) for key in keys)
    rows = (view.get("history", key) for key in keys)
    writes = tuple(
        Put("history", tombstone(row, user["erased_at"]), row)
        for row in rows
        if row is not None and row["values"].keys() - REMAINS
    )
    return writes, (), str(upto) if upto < user["revision"] else ""
