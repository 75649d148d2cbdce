"""Portfolios: what is put into them and taken out; the sums follow as facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from contracts.envelope import Finding
from contracts.findings import FINDINGS_MAX
from contracts.messages import Event
from contracts.portfolios import (
    AddToPortfolio,
    PortfolioChanged,
    PortfolioCounting,
    PortfolioJoined,
    PortfolioLeft,
    PortfolioNested,
    PortfolioState,
    RemoveFromPortfolio,
)
from handlers.asset_rules import asset_not_found
from handlers.belonging import (
    MEMBER,
    MEMBERS,
    PLACEMENTS,
    PORTFOLIOS,
    TALLIES,
    is_member,
    member_row,
    pending,
    placed_in,
    placement_row,
    tally_row,
)
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, View
from handlers.doubles import doubles, doubles_read
from handlers.edges import edge
from handlers.nesting import NESTS, Nesting, is_portfolio
from handlers.nesting import unfit as unfit_to_nest
from handlers.portfolio_rules import member_unfit, no_portfolio, not_yours, unwritable
from handlers.rights import TAKES_OUT
from handlers.rules import reject
from handlers.signature import reads
from handlers.tying import ended, tie, ties_of
from handlers.visibility import mandate_read, named, seen, standing_reads

COUNTED_AT_ONCE: Final = 100
"""How many assets one fact counts anew."""
Change = AddToPortfolio | RemoveFromPortfolio


def change_reads(command: Change, context: Context) -> Reads:
    """The portfolio and each member, with what the sender is to them."""
    user = context.sender.user
    yield from standing_reads("assets", command.id, user)
    yield from ((NESTS, command.id), (TALLIES, command.id), (PORTFOLIOS, command.id))
    for member in dict.fromkeys(command.members):
        yield from standing_reads("assets", member, user)
        yield MEMBERS, edge(command.id, member)
        yield PLACEMENTS, member


def _mandates(command: Change, view: View, context: Context) -> Iterator[tuple[str, str]]:
    for asset in (command.id, *command.members):
        yield mandate_read(view.get("assets", asset), context.sender.user)


@reads(change_reads)
def add_to_portfolio(command: AddToPortfolio, view: View, context: Context) -> Decision:
    """Put assets into a portfolio; who is a member already stays one.

    The relations of the sender may be read stale: a command that is decided in the moment in which
    they end counts as decided before. That no way leads back is written, not read: see nesting.
    Rejects: asset.not-found, portfolio.type, portfolio.not-yours, portfolio.member-not-yours,
        portfolio.retired, portfolio.cycle, portfolio.depth, portfolio.too-wide,
        portfolio.crowded, tie.too-many
    Source: A2, A3, A7.
    """
    view.require(_mandates(command, view, context))
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    portfolio, standing = found
    if (rejected := no_portfolio(command.id) or unwritable(portfolio, standing)) is not None:
        return rejected
    new = [m for m in dict.fromkeys(command.members) if not _is_in(command, m, view)]
    nesting = Nesting(view)
    nesting.read(command.id, filter(is_portfolio, new))
    findings = list(_unfit(command, new, nesting, context))
    if findings:
        return reject(*findings[:FINDINGS_MAX])
    view.require(doubles_read(command.id, new, view, context))
    flagged = tuple(doubles(command.id, new, view, context))
    if not new:
        return _accepted(Moves(command, portfolio, (), view, context))
    writes = [w for m in new for w in _joined(command.id, m, view, context)]
    moves = Moves(command, portfolio, tuple(new), view, context)
    return _accepted(moves, (*writes, *nesting.writes), flagged)


@reads(change_reads)
def remove_from_portfolio(command: RemoveFromPortfolio, view: View, context: Context) -> Decision:
    """Take assets out of a portfolio; who is none of its members stays so.

    Rejects: asset.not-found, portfolio.type, portfolio.not-yours
    Source: A7.
    """
    view.require(_mandates(command, view, context))
    found = seen("assets", command.id, view, context)
    portfolio = view.get("assets", command.id)
    may_write = found is not None and found[1].may("write", "members")
    if portfolio is None or not (may_write or _are_own(command, view, context)):
        return asset_not_found(command.id) if found is None else not_yours()
    if (rejected := no_portfolio(command.id)) is not None:
        return rejected
    gone = [m for m in dict.fromkeys(command.members) if _is_in(command, m, view)]
    nesting = Nesting(view)
    nested = [one for one in gone if is_portfolio(one)]
    nesting.read(command.id, nested)
    for one in nested:
        nesting.take(command.id, one)
    moves = Moves(command, portfolio, tuple(gone), view, context, may_read=may_write)
    writes = [w for m in gone for w in left(command.id, m, view, context)]
    return _accepted(moves, (*writes, *nesting.writes))


def left(portfolio: str, member: str, view: View, context: Context) -> Iterator[Put]:
    """An asset is in a portfolio no more; that it was stays on record."""
    row, placement = view.get(MEMBERS, edge(portfolio, member)), view.get(PLACEMENTS, member)
    kept, _ = ended(ties_of(row), lambda _: True, None, context)
    yield Put(MEMBERS, member_row(portfolio, member, kept, row), row)
    others = (one for one in placed_in(placement) if one != portfolio)
    yield Put(PLACEMENTS, placement_row(member, others, placement), placement)


def _joined(portfolio: str, member: str, view: View, context: Context) -> Iterator[Put]:
    row, placement = view.get(MEMBERS, edge(portfolio, member)), view.get(PLACEMENTS, member)
    kept = [*ties_of(row), tie(MEMBER, (None, None), context)]
    yield Put(MEMBERS, member_row(portfolio, member, kept, row), row)
    places = {*placed_in(placement), portfolio}
    yield Put(PLACEMENTS, placement_row(member, places, placement), placement)


def _is_in(command: Change, member: str, view: View) -> bool:
    return is_member(view.get(MEMBERS, edge(command.id, member)))


def _are_own(command: RemoveFromPortfolio, view: View, context: Context) -> bool:
    """Whether all that is to be taken out is the sender's, and in there: nothing else is said."""
    for member in command.members:
        known = seen("assets", member, view, context)
        if known is None or not known[1].held & TAKES_OUT or not _is_in(command, member, view):
            return False
    return True


def _unfit(
    command: AddToPortfolio, new: Iterable[str], nesting: Nesting, context: Context
) -> Iterator[Finding]:
    """What speaks against each new member; of two that nest, the second comes after the first."""
    for member in new:
        where = f"members.{command.members.index(member)}"
        unfit = tuple(member_unfit(command.id, member, where, (nesting.view, context)))
        if not unfit and is_portfolio(member):
            unfit = tuple(unfit_to_nest(nesting, command.id, member, where))
            if not unfit:
                nesting.put(command.id, member)
        yield from unfit


@dataclass(frozen=True, slots=True)
class Moves:
    """What one command changes of a portfolio."""

    command: Change
    portfolio: Document
    members: tuple[str, ...]
    view: View
    context: Context
    may_read: bool = True
    """Whether the sender may know how the portfolio stands."""

    @property
    def is_adding(self) -> bool:
        return isinstance(self.command, AddToPortfolio)

    @property
    def unchanged(self) -> tuple[str, ...]:
        """What was there already or was not, and what was named once more."""
        left_over = list(self.command.members)
        for member in self.members:
            left_over.remove(member)
        return tuple(dict.fromkeys(left_over))


def _accepted(moves: Moves, writes: Iterable[Put] = (), flagged: tuple[Any, ...] = ()) -> Accepted:
    key, view = moves.command.id, moves.view
    was = view.get(TALLIES, key)
    tally: Document | None = was
    puts: tuple[Put, ...] = ()
    events: tuple[Event, ...] = ()
    if moves.members:
        tally = tally_row(key, len(moves.members), was)
        puts = (*writes, Put(TALLIES, tally, was))
        events = tuple(_events(moves, tally["revision"]))
    waiting = pending(tally, view.get(PORTFOLIOS, key))
    state = PortfolioState(
        id=key,
        revision=(tally or {}).get("revision", 0) if moves.may_read else None,
        changed=len(moves.members),
        unchanged=moves.unchanged,
        pending=waiting if moves.may_read else None,
        duplicates=flagged,
    )
    keyed_to = moves.portfolio.get("owner") or moves.portfolio["registrant"]
    return Accepted(subject=key, keyed_to=keyed_to, reply=state, writes=puts, events=events)


def _events(moves: Moves, revision: int) -> Iterator[Event]:
    key, by = moves.command.id, moves.context.sender.user
    yield PortfolioChanged(
        id=key,
        revision=revision,
        by=by,
        parties=named(moves.portfolio) or None,
        added=moves.members if moves.is_adding else (),
        removed=() if moves.is_adding else moves.members,
    )
    yield from counting(key, moves.members)
    of = PortfolioJoined if moves.is_adding else PortfolioLeft
    for member in moves.members:
        owner = named(moves.view.get("assets", member) or {}).get("owner")
        if owner is not None and owner != by:
            yield of(id=member, portfolio=key, by=by, parties={"owner": owner})


def counting(portfolio: str, members: Iterable[str]) -> Iterator[Event]:
    """What is to be counted anew, since these have come into a portfolio or have gone."""
    members = tuple(members)
    assets = [one for one in members if not is_portfolio(one)]
    for first in range(0, len(assets), COUNTED_AT_ONCE):
        some = tuple(assets[first : first + COUNTED_AT_ONCE])
        yield PortfolioCounting(id=portfolio, assets=some, settled=len(some))
    for one in filter(is_portfolio, members):
        yield PortfolioNested(id=portfolio, nested=one)
