"""What a user had with others when it was merged becomes the survivor's, a portion at a time.

What comes is marked with the alias (`via`), and what the alias has had is ended with a mark of its
own (`by_merge`) that keeps how it was: so the rows themselves say what a split gives back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from contracts.merging import UserMerged
from contracts.messages import Event, register_of_entity
from handlers.bookkeeping import unattributed
from handlers.consents import is_withdrawn
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.handing import asker_of, claim_reads, given, moved, place_reads
from handlers.mandates import DELEGATE
from handlers.post import MERGED
from handlers.rejoining import BY_MERGE
from handlers.rights import RECORDED
from handlers.spans import Span
from handlers.telling import tell, tell_reads
from handlers.tying import Tie, is_over, tie, ties_of
from handlers.uniting import VIA, fitted

AT_ONCE: Final = 50
"""So many rows of a user's make a portion."""
CARRIED: Final = frozenset({DELEGATE, "registrant", *RECORDED})
"""Ties that go along. What another lets somebody read is that one's own act, and is not."""
TELLING: Final = "telling"
ENDS: Final = ("until", "ended_by", "ended_at")
"""Fields of a tie that say how it ends."""
_SEPARATOR: Final = "|"
Done = tuple[tuple[Put | Drop, ...], tuple[Event, ...], str]
"""What is written, what others are told, and behind which row it goes on; empty at the end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far it is: in which part, and behind which row."""

    phase: str
    after: str = ""

    @classmethod
    def of(cls, cursor: str | None, first: str) -> "Stage":
        """Read it from a cursor; without one it is the beginning."""
        phase, _, after = (cursor or first).partition(_SEPARATOR)
        return cls(phase, after)

    @property
    def cursor(self) -> str:
        return f"{self.phase}{_SEPARATOR}{self.after}"

    def next(self, further: str, order: Sequence[str]) -> "Stage | None":
        """The next page, or the next part; None behind the last one."""
        if further:
            return Stage(self.phase, further)
        following = order[order.index(self.phase) + 1 :]
        return Stage(following[0]) if following else None

    def telling(self, context: Context) -> Context:
        """The context in which a page of those is told whom the fact itself concerns."""
        return replace(context, cursor=self.after or None)


SPANS: Final[Mapping[str, tuple[str, str]]] = {
    "owned": ("assets", "owner"),
    "registered": ("assets", "registrant"),
    "tied": (RELATIONS, "party"),
}
"""Part of the work, in order -> its collection, and the field that names the user."""
ORDER: Final = (TELLING, *SPANS)


def page_of(stage: Stage, user: str) -> tuple[str, Span]:
    """A page of what a user has."""
    collection, field = SPANS[stage.phase]
    return collection, Span(field, user, stage.after, AT_ONCE)


def carry_reads(fact: UserMerged, context: Context) -> Reads:
    """Whom it is told, or a page of what the alias has."""
    stage = Stage.of(context.cursor, TELLING)
    yield "users", fact.id
    if stage.phase == TELLING:
        yield from tell_reads(fact, stage.telling(context))
        yield "sequences", fact.id
    else:
        yield page_of(stage, fact.id)


def carry(fact: UserMerged, view: View, context: Context) -> Handled:
    """Tell that a user is an alias; then make what it is to others the survivor's.

    Whoever was split again meanwhile keeps what was not carried yet.
    Source: duplicates are merged and unmerged, BUC.2.
    """
    stage, alias = Stage.of(context.cursor, TELLING), view.get("users", fact.id)
    is_alias = alias is not None and alias.get("merged_into") == fact.into
    if stage.phase == TELLING:
        return _told(fact, stage, view, context, goes_on=is_alias)
    if not is_alias:
        return Handled(unattributed(context.now))
    rows, further = view.page(*page_of(stage, fact.id))
    asker = asker_of(fact.by, context)
    carried = {"owned": _owned, "registered": _registered, "tied": _tied}[stage.phase]
    writes, events = carried(rows, (fact.id, fact.into), view, asker)
    following = stage.next(further, ORDER)
    return Handled(
        # What the alias owned is the survivor's, and sealed under its key from now on.
        fact.into,
        writes,
        events=events,
        cursor=following.cursor if following is not None else None,
    )


def _told(
    fact: UserMerged, stage: Stage, view: View, context: Context, *, goes_on: bool
) -> Handled:
    """The last page of it is the last that the alias itself is told."""
    done = tell(fact, view, stage.telling(context))
    if done.cursor is not None:
        return replace(done, cursor=Stage(TELLING, done.cursor).cursor)
    if not goes_on:
        return done
    following = stage.next("", ORDER)
    return replace(
        done,
        writes=_told_no_more(fact.id, done.writes, view),
        cursor=following.cursor if following is not None else None,
    )


def _told_no_more(user: str, writes: tuple[Put | Drop, ...], view: View) -> tuple[Put | Drop, ...]:
    """The writes of a telling, in which an alias is marked as such."""
    was = view.get("sequences", user)
    mine = [w for w in writes if w.collection == "sequences" and isinstance(w, Put)]
    mine = [put for put in mine if put.document["_id"] == user]
    before = mine[0].document if mine else was or {"_id": user, "last": 0, "days": {}}
    revision = was["revision"] + 1 if was is not None else 1
    marked = Put("sequences", {**before, MERGED: True, "revision": revision}, was)
    return (*(w for w in writes if w not in mine), marked)


def _owned(
    rows: Sequence[Document], pair: tuple[str, str], view: View, context: Context
) -> tuple[tuple[Put | Drop, ...], tuple[Event, ...]]:
    """Assets come to the survivor as they are: it is the same party, whose proofs hold on."""
    alias, survivor = pair
    view.require((RELATIONS, edge(row["_id"], alias)) for row in rows)
    view.require((*claim_reads(rows, context), *place_reads(rows)))
    writes, events = list[Put | Drop](), list[Event]()
    for row in rows:
        put, told = given(row, survivor, view, context)
        was = view.get(RELATIONS, edge(row["_id"], alias))
        mark = {
            "as": "owner",
            "from": row.get("owned_since", row["registered_at"]),
            "until": context.now,
            "service": None,
            "by": context.sender.user,
            "at": context.now,
            BY_MERGE: {},
        }
        # In the same row as its other ties, which a later portion ends.
        held = Put(RELATIONS, recorded(row["_id"], alias, [*ties_of(was), mark], was), was)
        writes += (*put, held)
        events.append(told)
    return tuple(writes), tuple(events)


def _registered(
    rows: Sequence[Document], pair: tuple[str, str], view: View, context: Context
) -> tuple[tuple[Put | Drop, ...], tuple[Event, ...]]:
    """Whoever had registered an asset stays named in it; the survivor is a registrant by a tie."""
    alias, survivor = pair
    open_to = [row for row in rows if not {"transferred_at", "merged_into"} & row.keys()]
    ties = ((RELATIONS, edge(row["_id"], survivor)) for row in open_to)
    view.require((*ties, *place_reads(open_to)))
    made = {**tie("registrant", (None, None), context, service=None), VIA: alias}
    writes = []
    for row in open_to:
        was = view.get(RELATIONS, edge(row["_id"], survivor))
        document = recorded(row["_id"], survivor, [*ties_of(was), made], was)
        writes.append(Put(RELATIONS, document, was))
    return tuple(writes), ()


def _tied(
    rows: Sequence[Document], pair: tuple[str, str], view: View, context: Context
) -> tuple[tuple[Put | Drop, ...], tuple[Event, ...]]:
    alias, survivor = pair
    open_rows = [row for row in rows if _is_looked_at(row, context)]
    entities = [(register_of_entity(row["entity"]), row["entity"]) for row in open_rows]
    view.require((*entities, *((RELATIONS, edge(one, survivor)) for _, one in entities)))
    view.require(place_reads(view.get(*one) for one in entities))
    writes, events = list[Put | Drop](), list[Event]()
    for row, entity in zip(open_rows, entities, strict=True):
        if row["entity"] == survivor:
            # What it was to the survivor it would be to itself.
            continue
        document = view.get(*entity) or {}
        was = view.get(RELATIONS, edge(row["entity"], survivor))
        going = [one for one in ties_of(row) if _goes_along(one, context)]
        # Of whom an owner has taken back its consent, that one is nothing for the service.
        wanted = [_endless(one) for one in going if not is_withdrawn(was, one.get("service"))]
        new = [t for one in wanted for t in fitted(one, ties_of(was), alias, context)]
        begun = list(new)
        if entity[0] == "users" and document.get("registrant") == alias:
            made = tie("registrant", (None, None), context, service=None)
            new.append({**made, VIA: alias})
        if going:
            after = [_ended(one, context) if one in going else one for one in ties_of(row)]
            writes.append(Put(RELATIONS, recorded(row["entity"], alias, after, row), row))
        if new:
            held = recorded(row["entity"], survivor, [*ties_of(was), *new], was)
            writes.append(Put(RELATIONS, held, was))
        if "merged_into" not in document:
            events += moved(document, begun, going, pair, context)
    return tuple(writes), tuple(events)


def _is_looked_at(row: Document, context: Context) -> bool:
    """Whether something of it goes along; it may have registered a user and be nothing else."""
    is_of_user = register_of_entity(row["entity"]) == "users"
    return is_of_user or any(_goes_along(one, context) for one in ties_of(row))


def _goes_along(one: Tie, context: Context) -> bool:
    return one["as"] in CARRIED and BY_MERGE not in one and not is_over(one, context.now)


def _endless(one: Tie) -> Tie:
    """A tie that says by itself whether somebody has ended it since."""
    return {name: value for name, value in one.items() if name not in {"ended_by", "ended_at"}}


def _ended(one: Tie, context: Context) -> Tie:
    how = {name: one[name] for name in ENDS if name in one}
    until = max(context.now, one["from"])
    done = {"until": until, "ended_by": context.sender.user, "ended_at": context.now}
    return {**one, **done, BY_MERGE: how}
