"""After boundaries were loaded: all assets are gone through, a portion after the other."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from contracts.areas import AreaAssignAsked, AreaAssigned, AreaLoaded
from handlers.areas import AREAS
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.edges import RELATIONS
from handlers.placing import PLACES, areas_of, cell_reads, row_writes
from handlers.spans import Span

AT_ONCE: Final = 500
SETTLED: Final = timedelta(seconds=10)
"""Before the first portion: a batch of another lane that was decided by the boundaries before has
been committed by then, or never is."""
PAUSE: Final = timedelta(milliseconds=100)
"""Between two portions: the work takes no more than a part of the lane."""
START: Final = "|0"


def assign_reads(fact: AreaLoaded | AreaAssignAsked, context: Context) -> Reads:
    """What is loaded by now, and a page of the assets."""
    yield AREAS, fact.id
    if context.cursor is not None:
        yield "assets", _span(context.cursor)


def _span(cursor: str) -> Span:
    return Span.of_list("", (), cursor.partition("|")[0], AT_ONCE)


def assign(fact: AreaLoaded | AreaAssignAsked, view: View, context: Context) -> Handled:
    """Write the rows of a portion that are missing or not as they should be.

    A load that a later one has taken the place of ends itself: the later one goes through all.
    Source: the architecture's reference sets.
    """
    keyed_to = unattributed(context.now)
    if context.cursor is None:
        return Handled(keyed_to, cursor=START, pause=SETTLED)
    head = view.get(AREAS, fact.id)
    if isinstance(fact, AreaLoaded) and (head is None or head["revision"] != fact.revision):
        return Handled(keyed_to)
    assets, further = view.page("assets", _span(context.cursor))
    view.require((PLACES, asset["_id"]) for asset in assets)
    view.require(key for asset in assets for key in _reads_of(asset, view))
    writes = tuple(write for asset in assets for write in _writes_of(asset, view, context))
    count = int(context.cursor.partition("|")[2]) + len(writes)
    if further:
        return Handled(keyed_to, writes, cursor=f"{further}|{count}", pause=PAUSE)
    return Handled(keyed_to, writes, events=(AreaAssigned(id=fact.id, assets=count),))


def _reads_of(asset: Document, view: View) -> Iterator[tuple[str, Any]]:
    """The cell of its place; of one that has no row yet, its parties too."""
    yield from cell_reads(asset)
    if view.get(PLACES, asset["_id"]) is None:
        yield RELATIONS, _parties(asset)


def _parties(asset: Document) -> Span:
    return Span("entity", asset["_id"])


def _writes_of(asset: Document, view: View, context: Context) -> Iterator[Put | Drop]:
    was, tied = view.get(PLACES, asset["_id"]), []
    if was is None:
        rows, _ = view.page(RELATIONS, _parties(asset))
        tied = [row["party"] for row in rows]
    yield from row_writes(asset, was, tied, areas_of(asset, view), context.identity)
