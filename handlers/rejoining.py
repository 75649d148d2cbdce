"""Portfolios of two assets that become one, and of one that becomes two: counted once, always."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from contracts.messages import Event
from contracts.portfolios import PortfolioChanged
from handlers.belonging import (
    MEMBER,
    MEMBERS,
    PLACEMENTS,
    TALLIES,
    is_member,
    member_row,
    placed_in,
    placement_row,
    tally_row,
)
from handlers.decision import Context, Document, Drop, Put, View
from handlers.edges import edge
from handlers.portfolios import counting
from handlers.tying import tie, ties_of
from handlers.uniting import VIA, Writes
from handlers.visibility import named

BY_MERGE: Final = "by_merge"
"""Field of a tie of an alias: that the merge has ended it."""
Joined = Mapping[str, bool]
"""Portfolio of an alias -> whether the survivor has come into it for the alias."""


def membership_reads(pair: tuple[str, str], portfolios: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What the two directions look at."""
    for portfolio in portfolios:
        yield TALLIES, portfolio
        yield "assets", portfolio
        yield from ((MEMBERS, edge(portfolio, one)) for one in pair)


def joined(survivor: str, alias: str, view: View) -> dict[str, bool]:
    """The portfolios of an alias, and in which of them the survivor is not yet."""
    portfolios = placed_in(view.get(PLACEMENTS, alias))
    return {p: not is_member(view.get(MEMBERS, edge(p, survivor))) for p in portfolios}


def merged(pair: tuple[str, str], new: Joined, view: View, context: Context) -> Writes:
    """The survivor is where the alias was, and the alias nowhere."""
    survivor, alias = pair
    done = {"until": context.now, "ended_by": context.sender.user, "ended_at": context.now}
    for portfolio, is_new in new.items():
        was = view.get(MEMBERS, edge(portfolio, alias))
        over = [t if t["until"] else {**t, **done, BY_MERGE: True} for t in ties_of(was)]
        yield Put(MEMBERS, member_row(portfolio, alias, over, was), was)
        if is_new:
            had = view.get(MEMBERS, edge(portfolio, survivor))
            begun = {**tie(MEMBER, (None, None), context), VIA: alias}
            ties = [*ties_of(had), begun]
            yield Put(MEMBERS, member_row(portfolio, survivor, ties, had), had)
    yield from _placed(alias, (), view)
    yield from _placed(survivor, {*placed_in(view.get(PLACEMENTS, survivor)), *new}, view)


def back(pair: tuple[str, str], new: Joined, view: View) -> dict[str, bool]:
    """Into which portfolios the alias comes back, and whether the survivor leaves them for it.

    One that the survivor was taken out of since, and one that is retired, is not among them.
    """
    found: dict[str, bool] = {}
    for portfolio, is_new in new.items():
        row = view.get(MEMBERS, edge(portfolio, pair[0]))
        still = any(t.get(VIA) == pair[1] and t["until"] is None for t in ties_of(row))
        is_retired = (view.get("assets", portfolio) or {}).get("lifecycle") == "retired"
        if not is_retired and (still or not is_new):
            found[portfolio] = is_new
    return found


def parted(pair: tuple[str, str], again: Joined, view: View) -> Writes:
    """The alias is where it was, and the survivor where it was without it."""
    survivor, alias = pair
    for portfolio, leaves in again.items():
        was = view.get(MEMBERS, edge(portfolio, alias))
        ties = [_resumed(one) for one in ties_of(was)]
        yield Put(MEMBERS, member_row(portfolio, alias, ties, was), was)
        if leaves:
            yield from _left(portfolio, survivor, alias, view)
    stays = [p for p in placed_in(view.get(PLACEMENTS, survivor)) if not again.get(p)]
    yield from _placed(alias, again, view)
    yield from _placed(survivor, stays, view)


def _resumed(one: Mapping[str, Any]) -> Mapping[str, Any]:
    if BY_MERGE not in one:
        return one
    ended = {"ended_by", "ended_at", BY_MERGE}
    return {**{n: v for n, v in one.items() if n not in ended}, "until": None}


def _left(portfolio: str, survivor: str, alias: str, view: View) -> Iterator[Put | Drop]:
    row = view.get(MEMBERS, edge(portfolio, survivor))
    if row is None:
        return
    kept = [one for one in ties_of(row) if one.get(VIA) != alias]
    yield (
        Put(MEMBERS, member_row(portfolio, survivor, kept, row), row)
        if kept
        else Drop(MEMBERS, row)
    )


def _placed(asset: str, portfolios: Iterable[str], view: View) -> Iterator[Put]:
    was = view.get(PLACEMENTS, asset)
    if sorted(portfolios) != placed_in(was):
        yield Put(PLACEMENTS, placement_row(asset, portfolios, was), was)


def told(
    pair: tuple[str, str], moves: Joined, view: View, context: Context, *, is_merge: bool
) -> tuple[list[Put], list[Event]]:
    """The tallies of the portfolios, what is told of them, and what is counted anew."""
    survivor, alias = pair
    tallies: list[Put] = []
    events: list[Event] = []
    for portfolio, both in moves.items():
        came: Sequence[str] = (survivor,) if both else ()
        went: Sequence[str] = (alias,)
        added, removed = (came, went) if is_merge else (went, came)
        was, asset = view.get(TALLIES, portfolio), view.get("assets", portfolio) or {}
        tally = tally_row(portfolio, len((*came, *went)), was)
        tallies.append(Put(TALLIES, tally, was))
        events.append(_changed(portfolio, tally, (added, removed), asset, context))
        events += counting(portfolio, (*went, *came))
    return tallies, events


def _changed(
    portfolio: str,
    tally: Document,
    moved: tuple[Sequence[str], Sequence[str]],
    asset: Document,
    context: Context,
) -> PortfolioChanged:
    return PortfolioChanged(
        id=portfolio,
        revision=tally["revision"],
        by=context.sender.user,
        parties=named(asset) or None,
        added=tuple(moved[0]),
        removed=tuple(moved[1]),
    )
