"""What a merged user had with others goes back when it is a user again, a portion at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from contracts.merging import UserRestored
from contracts.messages import Event, register_of_entity
from handlers.bookkeeping import unattributed
from handlers.carrying import ENDS, TELLING, Stage, page_of
from handlers.consents import consents_of
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.handing import asker_of, claim_reads, given, moved, place_reads
from handlers.post import MERGED
from handlers.rejoining import BY_MERGE
from handlers.telling import tell, tell_reads
from handlers.tying import Tie, is_over, ties_of
from handlers.uniting import VIA, without

HEARING: Final = "hearing"
ORDER: Final = (HEARING, TELLING, "tied", "registered")
"""It is told again before it is told of this; what it owned is found by its ties."""
Done = tuple[tuple[Put | Drop, ...], tuple[Event, ...]]


def bring_back_reads(fact: UserRestored, context: Context) -> Reads:
    """Its count, whom it is told, or a page of what it had."""
    stage = Stage.of(context.cursor, HEARING)
    if stage.phase == HEARING:
        yield "sequences", fact.id
    elif stage.phase == TELLING:
        yield from tell_reads(fact, stage.telling(context))
    else:
        yield page_of(stage, fact.id)


def bring_back(fact: UserRestored, view: View, context: Context) -> Handled:
    """Tell that an alias is a user again; then give it back what had become the survivor's.

    Source: duplicates are merged and unmerged, BUC.2.
    """
    stage = Stage.of(context.cursor, HEARING)
    if stage.phase == HEARING:
        return Handled(unattributed(context.now), _heard(fact, view), cursor=Stage(TELLING).cursor)
    if stage.phase == TELLING:
        done = tell(fact, view, stage.telling(context))
        following = stage.next(done.cursor or "", ORDER)
        return replace(done, cursor=following.cursor if following is not None else None)
    rows, further = view.page(*page_of(stage, fact.id))
    asker, pair = asker_of(fact.by, context), (fact.split_from, fact.id)
    back = _untied if stage.phase == "tied" else _unregistered
    writes, events = back(rows, pair, view, asker)
    following = stage.next(further, ORDER)
    return Handled(
        # What it owned is sealed under its own key again.
        fact.id,
        writes,
        events=events,
        cursor=following.cursor if following is not None else None,
    )


def _heard(fact: UserRestored, view: View) -> tuple[Put, ...]:
    was = view.get("sequences", fact.id)
    if was is None or MERGED not in was:
        return ()
    after = {name: value for name, value in was.items() if name != MERGED}
    return (Put("sequences", {**after, "revision": was["revision"] + 1}, was),)


def _untied(rows: Sequence[Document], pair: tuple[str, str], view: View, context: Context) -> Done:
    survivor, _ = pair
    marked = [row for row in rows if _is_looked_at(row)]
    entities = [(register_of_entity(row["entity"]), row["entity"]) for row in marked]
    view.require((*entities, *((RELATIONS, edge(one, survivor)) for _, one in entities)))
    owned = [
        asset
        for row, entity in zip(marked, entities, strict=True)
        if (asset := _owned(row, view.get(*entity), survivor)) is not None
    ]
    found = [view.get(*one) for one in entities]
    view.require((*claim_reads(owned, context), *place_reads(found)))
    writes, events = list[Put | Drop](), list[Event]()
    for row, entity in zip(marked, entities, strict=True):
        document, other = view.get(*entity), view.get(RELATIONS, edge(row["entity"], survivor))
        came = [one for one in ties_of(other) if one.get(VIA) == pair[1]]
        lost = _lost(came)
        after = [t for one in ties_of(row) if (t := _resumed(one, lost)) is not None]
        if after != list(ties_of(row)):
            writes.append(_kept(row, after))
        if other is not None and came:
            writes.append(without(other, pair[1]))
        if (asset := _owned(row, document, survivor)) is not None:
            puts, told = given(asset, pair[1], view, context)
            writes += puts
            events.append(told)
        resumed = [t for t in after if t not in ties_of(row) and not is_over(t, context.now)]
        if document is not None and "merged_into" not in document:
            over = [one for one in came if not is_over(one, context.now)]
            events += moved(document, resumed, over, pair, context)
    return tuple(writes), tuple(events)


def _is_looked_at(row: Document) -> bool:
    """Whether something of it has gone along, or may have: by whom a user was registered."""
    is_of_user = register_of_entity(row["entity"]) == "users"
    return is_of_user or any(BY_MERGE in one for one in ties_of(row))


def _owned(row: Document, asset: Document | None, survivor: str) -> Document | None:
    """The asset, where it came to the survivor by the merge and is the survivor's still."""
    came = any(one["as"] == "owner" and BY_MERGE in one for one in ties_of(row))
    is_there = asset is not None and asset.get("owner") == survivor
    return asset if came and is_there else None


def _lost(came: Sequence[Tie]) -> frozenset[tuple[str, str | None]]:
    """What has ended since for the survivor, and so for the restored user."""
    return frozenset((one["as"], one.get("service")) for one in came if "ended_at" in one)


def _resumed(one: Tie, lost: frozenset[tuple[str, str | None]]) -> Tie | None:
    """A tie as it was; that it owned an asset is no tie any more, and what was lost stays over."""
    if BY_MERGE not in one:
        return one
    if one["as"] == "owner":
        return None
    left = {name: value for name, value in one.items() if name != BY_MERGE}
    if (one["as"], one.get("service")) in lost:
        return left
    return {**{n: v for n, v in left.items() if n not in ENDS}, **one[BY_MERGE]}


def _kept(row: Document, ties: Sequence[Tie]) -> Put | Drop:
    if not ties and not consents_of(row):
        return Drop(RELATIONS, row)
    return Put(RELATIONS, recorded(row["entity"], row["party"], ties, row), row)


def _unregistered(
    rows: Sequence[Document], pair: tuple[str, str], view: View, context: Context
) -> Done:
    """What the survivor was to assets as their registrant's."""
    survivor, alias = pair
    ties = ((RELATIONS, edge(row["_id"], survivor)) for row in rows)
    view.require((*ties, *place_reads(rows)))
    held = (view.get(RELATIONS, edge(row["_id"], survivor)) for row in rows)
    writes = tuple(
        without(row, alias)
        for row in held
        if row is not None and any(one.get(VIA) == alias for one in ties_of(row))
    )
    return writes, ()
