"""What follows where portfolios are put into each other, and where an asset is retired."""

from dataclasses import dataclass, replace
from typing import Self

from contracts.lifecycle import AssetRetired
from contracts.messages import Event
from contracts.portfolios import (
    PortfolioChanged,
    PortfolioCounting,
    PortfolioLeaving,
    PortfolioNested,
)
from handlers.belonging import MEMBERS, PLACEMENTS, TALLIES, placed_in, tally_row
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Handled, Put, Reads, View
from handlers.edges import edge
from handlers.nesting import NESTS, Nesting, below, is_portfolio
from handlers.portfolios import COUNTED_AT_ONCE, counting, left
from handlers.retiring import end_ties, end_ties_reads
from handlers.senders import Sender
from handlers.spans import Span
from handlers.visibility import named


@dataclass(frozen=True, slots=True)
class Place:
    """How far the work is: in which portfolio, and behind which of its members."""

    portfolio: str = ""
    after: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """Read it from a cursor; without one it is the beginning."""
        return cls(*(cursor or "|").split("|"))

    @property
    def cursor(self) -> str:
        return f"{self.portfolio}|{self.after}"


def spread_out_reads(fact: PortfolioNested, context: Context) -> Reads:
    """What is below the portfolio that was put in or taken out."""
    yield NESTS, fact.nested


def spread_out(fact: PortfolioNested, view: View, context: Context) -> Handled:
    """Have a page of what is below a portfolio counted anew; with the last one the change is done.

    What comes in or goes meanwhile has a fact of its own, behind this change.
    Source: A2, A7.
    """
    place, nest = Place.of(context.cursor), view.get(NESTS, fact.nested)
    every = sorted({fact.nested, *below(nest)})
    at = next((one for one in every if one >= place.portfolio), None)
    assets: tuple[str, ...] = ()
    following: Place | None = None
    if at is not None:
        after = place.after if at == place.portfolio else ""
        rows, further = view.page(MEMBERS, Span("within", at, after, COUNTED_AT_ONCE))
        assets = tuple(r["asset"] for r in rows if not is_portfolio(r["asset"]))
        next_one = next((one for one in every if one > at), None)
        following = Place(at, further) if further else Place(next_one) if next_one else None
    done = following is None
    events: tuple[Event, ...] = ()
    if assets or done:
        events = (PortfolioCounting(id=fact.id, assets=assets, settled=int(done)),)
    cursor = following.cursor if following is not None else None
    return Handled(unattributed(context.now), cursor=cursor, events=events)


def retire_reads(fact: AssetRetired, context: Context) -> Reads:
    """What the end of its relations looks at, and in which portfolios the asset is."""
    yield from end_ties_reads(fact, context)
    if context.cursor is None:
        yield PLACEMENTS, fact.entity


def retire(fact: AssetRetired, view: View, context: Context) -> Handled:
    """End what parties are to a retired asset, and have it taken out of its portfolios.

    Source: A7.
    """
    done = end_ties(fact, view, context)
    if context.cursor is not None or not placed_in(view.get(PLACEMENTS, fact.entity)):
        return done
    leaving = PortfolioLeaving(id=fact.entity, by=fact.by)
    return replace(done, events=(*done.events, leaving))


def leave_reads(fact: PortfolioLeaving, context: Context) -> Reads:
    """In which portfolios the asset is."""
    yield PLACEMENTS, fact.id


def leave(fact: PortfolioLeaving, view: View, context: Context) -> Handled:
    """Take a retired asset out of one portfolio after the other; that it was in them stays.

    Source: A7.
    """
    keyed_to, placed = unattributed(context.now), placed_in(view.get(PLACEMENTS, fact.id))
    if not placed:
        return Handled(keyed_to)
    portfolio = placed[0]
    nesting = Nesting(view)
    if is_portfolio(fact.id):
        nesting.read(portfolio, [fact.id])
        nesting.take(portfolio, fact.id)
    view.require([(MEMBERS, edge(portfolio, fact.id)), (TALLIES, portfolio), ("assets", portfolio)])
    was, asset = view.get(TALLIES, portfolio), view.get("assets", portfolio)
    tally = tally_row(portfolio, 1, was)
    # It ends by the hand of who has retired the asset.
    by = replace(context, sender=Sender(fact.by, frozenset(), "confirmed"))
    changed = PortfolioChanged(
        id=portfolio,
        revision=tally["revision"],
        by=fact.by,
        parties=named(asset or {}) or None,
        removed=(fact.id,),
    )
    return Handled(
        keyed_to,
        (*left(portfolio, fact.id, view, by), *nesting.writes, Put(TALLIES, tally, was)),
        cursor=portfolio if len(placed) > 1 else None,
        events=(changed, *counting(portfolio, [fact.id])),
    )
