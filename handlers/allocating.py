"""Who represents an asset besides the asker, and what it is to two when a second one begins to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from contracts.allocation import (
    Allocated,
    Allocation,
    AllocationOverlapped,
    AssetAllocation,
    CheckAllocation,
)
from contracts.consents import AssetConsented
from contracts.envelope import Finding
from contracts.merging import AssetAbsorbed
from contracts.messages import Contract
from contracts.relations import AssetRelated
from handlers.asset_rules import asset_not_found
from handlers.consenting import CONSENTED
from handlers.consents import consent_of, consents_of
from handlers.decision import Context, Document, Handled, Reads, Rejected, View
from handlers.edges import RELATIONS, edge, ties
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.telling import tell, tell_reads
from handlers.tying import Tie, ties_of
from handlers.uniting import VIA
from handlers.user_rules import user_not_found
from handlers.visibility import mandate_read, seen, standing_reads

Time = tuple[datetime, datetime | None]
VERIFIED: Final = "verified"
"""State of a consent that is the owner's own word; an asserted one is the party's."""


def _reads(query: CheckAllocation, context: Context) -> Reads:
    if query.id is not None:
        yield from standing_reads("assets", query.id, context.sender.user)
        yield RELATIONS, Span("entity", query.id)
    if query.owner is not None:
        yield "assets", _span(query, context)
        yield RELATIONS, edge(query.owner, context.sender.user)


@reads(_reads)
def check_allocation(query: CheckAllocation, view: View, context: Context) -> Contract | Rejected:
    """Answer who else represents an asset, or each of what an owner has, page by page.

    Rejects: allocation.what, tie.period, asset.not-found, user.not-found, cursor.foreign
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
    page, end = view.page("assets", _span(query, context))
    assets = [asset["_id"] for asset in page]
    view.require((RELATIONS, Span("entity", asset)) for asset in assets)
    each = (_allocated(one, query, view, context, may_name=True) for one in assets)
    return Allocation(
        assets=tuple(one for one in each if one.allocated),
        cursor=cursor_of(end, _question(query), context) if end else None,
    )


def _question(query: CheckAllocation) -> str:
    asked = query.model_dump(exclude={"cursor"})
    return "allocation.check/" + "\x1f".join(f"{name}={value}" for name, value in asked.items())


def _span(query: CheckAllocation, context: Context) -> Span:
    """A page of what the owner has."""
    return Span("owner", query.owner or "", after_of(query.cursor, _question(query), context))


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
    yield from foreign(query.cursor, _question(query), context)


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
                relation=one.get("as"),
                service=one.get("service"),
                from_time=one["from"],
                until=one["until"],
                party=row["party"] if may_name else None,
            )
            for row in rows
            if row["party"] != context.sender.user
            for one in _representing(row)
            if _is_like(one, query.service, wanted)
        ),
    )


def _by_ties(row: Document | None) -> list[Tie]:
    """The relations by which a party represents the asset."""
    return [one for one in ties_of(row) if one["as"] in CONSENTED]


def _representing(row: Document) -> list[Tie]:
    """For what services and times a party represents the asset: by relation, or by consent alone.

    A consent counts that is the owner's own word, and the last one; where the party has a relation
    for that service then or later, the relation says for which time.
    """
    held = _by_ties(row)
    services = {one["service"] for one in consents_of(row)}
    last = (one for service in services if (one := consent_of(row, service)) is not None)
    given = {
        (one["service"], one["at"]): {"service": one["service"], "from": one["at"], "until": None}
        for one in last
        if one["state"] == VERIFIED
        and not any(_is_like(tie, one["service"], (one["at"], None)) for tie in held)
    }
    return [*held, *(given[key] for key in sorted(given, key=str))]


def _is_for(one: Tie, service: str | None) -> bool:
    return service is None or one.get("service") in {service, None}


def _is_like(one: Tie, service: str | None, wanted: Time) -> bool:
    """Whether one that represents does so for this service and at some moment of this time."""
    return _is_for(one, service) and _common((one["from"], one["until"]), wanted)


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
    new = {"service": fact.service, "from": fact.from_time, "until": fact.until}
    return _with(done, _overlaps(fact.id, fact.party, new, _page(fact.id, view, context)))


def consented_reads(fact: AssetConsented, context: Context) -> Reads:
    """A page of the asset's parties, and what the party is to it already."""
    yield from tell_reads(fact, context)
    yield RELATIONS, edge(fact.id, fact.party)


def consented(fact: AssetConsented, view: View, context: Context) -> Handled:
    """Tell of a consent; by the owner's word the party represents the asset, as by a relation.

    Who has the relation already was told of others when it began.
    Source: the common register of flexibility owners and providers.
    """
    done = tell(fact, view, context)
    own = _by_ties(view.get(RELATIONS, edge(fact.id, fact.party)))
    begin = context.at or context.now
    wanted = (begin, None)
    if fact.state != VERIFIED or any(_is_like(one, fact.service, wanted) for one in own):
        return done
    new = {"service": fact.service, "from": begin, "until": None}
    return _with(done, _overlaps(fact.id, fact.party, new, _page(fact.id, view, context)))


def absorbed_reads(fact: AssetAbsorbed, context: Context) -> Reads:
    """What telling looks at: a page of the survivor's parties is part of it."""
    yield from tell_reads(fact, context)


def absorbed(fact: AssetAbsorbed, view: View, context: Context) -> Handled:
    """Tell of a merge, and those who represent one asset by it that was two before.

    Of those on one page each with the others: an alias brings fewer parties than that.
    Source: the common register of flexibility owners and providers.
    """
    done, rows = tell(fact, view, context), _page(fact.id, view, context)
    events: list[AllocationOverlapped] = []
    for row in rows:
        for one in _by_ties(row):
            if one.get(VIA) == fact.absorbed:
                events += _overlaps(fact.id, row["party"], one, rows)
    return _with(done, {(e.party, e.service, e.from_time, e.until): e for e in events}.values())


def _page(asset: str, view: View, context: Context) -> Sequence[Document]:
    return view.page(RELATIONS, Span("entity", asset, context.cursor or ""))[0]


def _with(done: Handled, events: Iterable[AllocationOverlapped]) -> Handled:
    return replace(done, events=(*done.events, *events))


def _overlaps(
    asset: str, party: str, new: Tie, rows: Sequence[Document]
) -> list[AllocationOverlapped]:
    """Who else represents the asset for the service, at a time of what is new; and the new one."""
    wanted = (new["from"], new["until"])
    others = {
        row["party"]: one
        for row in rows
        if row["party"] != party
        for one in _representing(row)[::-1]
        if _is_like(one, new.get("service"), wanted)
    }
    both = [*others.items(), *([(party, next(iter(others.values())))] if others else [])]
    return [_overlapped(asset, told, one, new) for told, one in both]


def _overlapped(asset: str, party: str, one: Tie, new: Tie) -> AllocationOverlapped:
    ends = [until for until in (one["until"], new["until"]) if until is not None]
    return AllocationOverlapped(
        id=asset,
        party=party,
        service=new.get("service") or one.get("service"),
        from_time=max(one["from"], new["from"]),
        until=min(ends, default=None),
    )
