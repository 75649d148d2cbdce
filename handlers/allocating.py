"""Who represents an asset besides the asker, and what it is to two where a relation makes it so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from contracts.allocation import (
    Allocated,
    Allocation,
    AllocationOverlapped,
    AssetAllocation,
    CheckAllocation,
)
from contracts.envelope import Finding
from contracts.messages import Contract
from contracts.relations import AssetRelated
from handlers.asset_rules import asset_not_found
from handlers.consenting import CONSENTED
from handlers.decision import Context, Document, Handled, Reads, Rejected, View
from handlers.edges import RELATIONS, edge, ties
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.telling import tell, tell_reads
from handlers.tying import Tie, ties_of
from handlers.user_rules import user_not_found
from handlers.visibility import mandate_read, seen, standing_reads

Time = tuple[datetime, datetime | None]


def _reads(query: CheckAllocation, context: Context) -> Reads:
    if query.id is not None:
        yield from standing_reads("assets", query.id, context.sender.user)
        yield RELATIONS, Span("entity", query.id)
    if query.owner is not None:
        yield "assets", Span("owner", query.owner)
        yield RELATIONS, edge(query.owner, context.sender.user)


@reads(_reads)
def check_allocation(query: CheckAllocation, view: View, context: Context) -> Contract | Rejected:
    """Answer who else represents an asset, or each of what an owner has.

    Rejects: allocation.what, tie.period, asset.not-found, user.not-found
    Source: the common register of flexibility owners and providers.
    """
    if findings := tuple(_unfit(query, context)):
        return reject(*findings)
    if query.id is not None:
        found = seen("assets", query.id, view, context)
        if found is None:
            return asset_not_found(query.id)
        may_name = found[1].may("read", "relations")
        return Allocation(assets=(_allocated(query.id, query, view, context, may_name=may_name),))
    owner = query.owner or ""
    if not _may_ask(owner, view, context):
        return user_not_found(owner, field="owner")
    assets = [asset["_id"] for asset in view.page("assets", Span("owner", owner))[0]]
    view.require((RELATIONS, Span("entity", asset)) for asset in assets)
    each = (_allocated(one, query, view, context, may_name=True) for one in assets)
    return Allocation(assets=tuple(one for one in each if one.allocated))


def _unfit(query: CheckAllocation, context: Context) -> Iterator[Finding]:
    if (query.id is None) == (query.owner is None):
        yield finding(
            "allocation.what",
            "id",
            expected="an asset or an owner, and not both",
            advice="Name one of the two.",
        )
    if query.until is not None and query.until <= (query.from_time or context.now):
        yield finding(
            "tie.period",
            "until",
            expected="a moment after the beginning",
            got=query.until.isoformat(),
            advice="Give an end that is after `from_time`, or after now.",
        )


def _may_ask(owner: str, view: View, context: Context) -> bool:
    mandate = view.get(*mandate_read({"owner": owner}, context.sender.user))
    is_delegate = "delegate" in ties(mandate, context.now)
    return owner == context.sender.user or context.sender.is_operator or is_delegate


def _allocated(
    asset: str, query: CheckAllocation, view: View, context: Context, *, may_name: bool
) -> AssetAllocation:
    rows, _ = view.page(RELATIONS, Span("entity", asset))
    wanted = (query.from_time or context.now, query.until)
    return AssetAllocation(
        id=asset,
        allocated=tuple(
            Allocated(
                relation=one["as"],
                service=one.get("service"),
                from_time=one["from"],
                until=one["until"],
                party=row["party"] if may_name else None,
            )
            for row in rows
            if row["party"] != context.sender.user
            for one in ties_of(row)
            if _is_like(one, query.service, wanted)
        ),
    )


def _is_like(one: Tie, service: str | None, wanted: Time) -> bool:
    """Whether a tie is one that represents, for this service and at some moment of this time."""
    of_service = service is None or one.get("service") in {service, None}
    return one["as"] in CONSENTED and of_service and _common((one["from"], one["until"]), wanted)


def _common(one: Time, other: Time) -> bool:
    """Whether two half-open times have a moment in common; one that ends at once has none."""
    if any(until is not None and until <= begin for begin, until in (one, other)):
        return False
    return (one[1] is None or other[0] < one[1]) and (other[1] is None or one[0] < other[1])


def related_reads(fact: AssetRelated, context: Context) -> Reads:
    """What telling looks at: a page of the asset's parties is part of it."""
    yield from tell_reads(fact, context)


def related(fact: AssetRelated, view: View, context: Context) -> Handled:
    """Tell of a relation, and the two who represent the asset for one service at one time by it.

    Page by page; the new one is told once for each page on which there is another.
    Source: the common register of flexibility owners and providers.
    """
    done = tell(fact, view, context)
    if fact.relation not in CONSENTED:
        return done
    rows, _ = view.page(RELATIONS, Span("entity", fact.id, context.cursor or ""))
    wanted = (fact.from_time, fact.until)
    others = {row["party"]: one for row in rows if (one := _other(row, fact, wanted))}
    both = [*others.items(), *([(fact.party, next(iter(others.values())))] if others else [])]
    events = (_overlapped(party, one, fact) for party, one in both)
    return replace(done, events=(*done.events, *events))


def _other(row: Document, fact: AssetRelated, wanted: Time) -> Tie | None:
    """A tie by which somebody else represents the asset for the same service, at that time."""
    if row["party"] == fact.party:
        return None
    like = (one for one in ties_of(row) if _is_like(one, fact.service, wanted))
    return next(like, None)


def _overlapped(party: str, one: Tie, fact: AssetRelated) -> AllocationOverlapped:
    ends = [until for until in (one["until"], fact.until) if until is not None]
    return AllocationOverlapped(
        id=fact.id,
        party=party,
        service=fact.service or one.get("service"),
        from_time=max(one["from"], fact.from_time),
        until=min(ends, default=None),
    )
