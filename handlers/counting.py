"""The sums of portfolios: an asset is counted anew in all that are above it, in one commit.

What an asset adds, and where, is in one document of its own, its placement; the sums of each
portfolio are at every commit exactly what the placements say. A fact only says whose turn it is:
what is counted is how things stand then, so that no order and no repeat of facts matters.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from contracts.messages import Event
from contracts.portfolios import PortfolioCounting
from handlers.belonging import PLACEMENTS, PORTFOLIOS, TALLIES, meter_keys, placed_in
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Drop, Guard, Handled, Put, Reads, Secret, View
from handlers.ledger import Ledger, Share, amounts, touched_by
from handlers.nesting import NESTS, above
from handlers.post import Post
from handlers.telling import tell, tell_reads

COUNTED_ANEW: Final = frozenset({"capability", "connection", "owner", "lifecycle"})
"""Groups of an asset that say as what it is counted."""


def count_reads(fact: PortfolioCounting, context: Context) -> Reads:
    """The assets with their placements, and how far the portfolio is."""
    for asset in fact.assets:
        yield PLACEMENTS, asset
        yield "assets", asset
    if fact.settled:
        yield TALLIES, fact.id
        yield "assets", fact.id
        yield PORTFOLIOS, fact.id


def count(fact: PortfolioCounting, view: View, context: Context) -> Handled:
    """Count assets as they stand now, in every portfolio above them.

    What it was found by is guarded: whatever changes meanwhile has another fact follow, and this
    one is found anew.
    Source: A2, A7.
    """
    post = Post(view, context)
    placements = {one: view.get(PLACEMENTS, one) for one in dict.fromkeys(fact.assets)}
    view.require(_around(placements, view))
    shares = {one: _share(one, placed, view, context) for one, placed in placements.items()}
    view.require(
        key
        for one, (share, _) in shares.items()
        for key in touched_by(one, Share.of(placements[one]), share)
    )
    ledger, guards = Ledger(post), dict[tuple[str, str], Guard]()
    for one, (share, person) in shares.items():
        if ledger.count(one, share, person):
            guards |= {
                (collection, key): Guard(collection, found)
                for collection, key in _grounds(one, placements[one], view)
                if (found := view.get(collection, key)) is not None
            }
    told: tuple[Event, ...] = (ledger.settle(fact.id, fact.settled),) if fact.settled else ()
    keyed_to = unattributed(context.now)
    return Handled(keyed_to, post.writes, events=told, guards=tuple(guards.values()))


def _around(placements: Mapping[str, Document | None], view: View) -> Iterator[tuple[str, str]]:
    for asset, placement in placements.items():
        yield from _grounds(asset, placement, view)


def _grounds(asset: str, placement: Document | None, view: View) -> Iterator[tuple[str, str]]:
    """What says as what an asset is counted, besides its placement."""
    yield "assets", asset
    yield from ((NESTS, portfolio) for portfolio in placed_in(placement))
    if (person := _person(view.get("assets", asset))) is not None:
        yield "users", person


def _person(asset: Document | None) -> str | None:
    """The owner under whose key an asset's connection is sealed."""
    if asset is None or not isinstance(asset.get("connection"), Secret):
        return None
    person: str = asset.get("owner") or asset["registrant"]
    return person


def _share(
    asset: str, placement: Document | None, view: View, context: Context
) -> tuple[Share, str | None]:
    """As what an asset is to be counted now, and the person whom its meters would tell of."""
    document = view.get("assets", asset)
    if document is None or document["lifecycle"] == "retired" or placement is None:
        return Share(), None
    within = _ways_to(placement, view)
    if not within:
        return Share(), None
    person = _person(document)
    is_gone = person is not None and "erased_at" in (view.get("users", person) or {})
    keys = () if is_gone else meter_keys(document, context)
    return Share(amounts(document), keys, within), person if keys else None


def _ways_to(placement: Document | None, view: View) -> dict[str, int]:
    """Every portfolio above an asset, with the number of ways to it."""
    found: dict[str, int] = {}
    for direct in placed_in(placement):
        found[direct] = found.get(direct, 0) + 1
        for one, ways in above(view.get(NESTS, direct)).items():
            found[one] = found.get(one, 0) + sum(ways)
    return found


def recount_reads(fact: Event, context: Context) -> Reads:
    """What telling looks at, and whether the asset is in a portfolio."""
    yield from tell_reads(fact, context)
    if context.cursor is None and _is_counted_anew(fact):
        yield PLACEMENTS, fact.entity


def recount(fact: Event, view: View, context: Context) -> Handled:
    """Tell the parties of an asset's change, and have it counted anew where it is in a portfolio.

    For every type of event about an asset that changes as what it is counted.
    Source: A7.
    """
    done = tell(fact, view, context)
    if context.cursor is not None or not _is_counted_anew(fact):
        return done
    placement = view.get(PLACEMENTS, fact.entity)
    if not placed_in(placement) and not Share.of(placement).within:
        return done
    again = PortfolioCounting(id=fact.entity, assets=(fact.entity,))
    return replace(done, events=(*done.events, again))


def _is_counted_anew(fact: Event) -> bool:
    changed: Iterable[str] | None = getattr(fact, "changed", None)
    if changed is None:
        return True
    return any(name.partition(".")[0] in COUNTED_ANEW for name in changed)


def forget_meters(rows: Iterable[Document], view: View, context: Context) -> tuple[Put | Drop, ...]:
    """Take out of the portfolios what told of the meters of a person who was erased."""
    rows = tuple(rows)
    shares = {row["_id"]: Share.of(row) for row in rows}
    bare = {one: replace(share, keys=()) for one, share in shares.items()}
    view.require(key for one, old in shares.items() for key in touched_by(one, old, bare[one]))
    ledger = Ledger(Post(view, context))
    for one, share in bare.items():
        ledger.count(one, share, None)
    return ledger.post.writes
