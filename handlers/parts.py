"""What is in a portfolio, for whoever may read it: sums, direct members, what may be twice."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.capacity import Members, Total
from contracts.messages import Contract
from contracts.portfolios import (
    Duplicate,
    DuplicatePage,
    ListDuplicates,
    ListMembers,
    Member,
    MemberPage,
)
from handlers.asset_rules import asset_not_found
from handlers.belonging import (
    FLAGS,
    MEMBER,
    MEMBERS,
    METER,
    PLACEMENTS,
    PORTFOLIOS,
    TALLIES,
    WAYS,
    flag_id,
    is_member,
    pending,
)
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.doubles import NAMED_MAX
from handlers.edges import edge
from handlers.ledger import SUMMED, Share, total_of
from handlers.nesting import NESTS, below, is_portfolio
from handlers.paging import after_of, cursor_of, foreign
from handlers.portfolio_rules import no_portfolio
from handlers.rules import reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.tying import ties_of
from handlers.visibility import Standing, mandate_read, seen, standing_reads

_MEMBERS: Final = "portfolio.members"
_DUPLICATES: Final = "portfolio.duplicates"


def sums_reads(asset: str) -> Reads:
    """What the group `members` is made of; of what is no portfolio, nothing."""
    if is_portfolio(asset):
        yield from ((PORTFOLIOS, asset), (TALLIES, asset), (NESTS, asset))


def further_reads(asset: str, standing: Standing, view: View) -> Reads:
    """What its sums are made of besides: for several at once before they are put together."""
    if is_portfolio(asset) and standing.may("read", "members"):
        yield from ((name, one) for one in _together(asset, view) for name in (TALLIES, PORTFOLIOS))


def _together(asset: str, view: View) -> list[str]:
    """A portfolio and all that are below it."""
    return sorted({asset, *below(view.get(NESTS, asset))})


def sums_of(asset: str, standing: Standing, view: View) -> dict[str, Members]:
    """What a portfolio's members can do together, for whoever may read that."""
    if not is_portfolio(asset) or not standing.may("read", "members"):
        return {}
    every = _together(asset, view)
    view.require(further_reads(asset, standing, view))
    waiting = sum(pending(view.get(TALLIES, one), view.get(PORTFOLIOS, one)) for one in every)
    stored = view.get(PORTFOLIOS, asset) or {}
    totals = {
        name: Total(total=total_of(one), of=one["of"])
        for name, one in stored.get("totals", {}).items()
    }
    return {
        "members": Members(
            count=stored.get("count", 0),
            revision=stored.get("revision", 0),
            as_of=stored.get("as_of", 0),
            pending=waiting,
            doubled=stored.get("doubled", 0),
            alike=stored.get("alike", 0),
            **{name: totals[name] for name in SUMMED if name in totals},
        )
    }


def _members_reads(query: ListMembers, context: Context) -> Reads:
    yield from standing_reads("assets", query.id, context.sender.user)


@reads(_members_reads)
def list_members(query: ListMembers, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of the direct members of a portfolio, flagged where one may be a double.

    Rejects: asset.not-found, portfolio.type, cursor.foreign
    Source: A6.
    """
    question = f"{_MEMBERS}/{query.id}"
    if (rejected := _refused(query, question, view, context)) is not None:
        return rejected
    after = after_of(query.cursor, question, context)
    rows, further = view.page(MEMBERS, Span("within", query.id, after, query.limit))
    view.require((PLACEMENTS, row["asset"]) for row in rows)
    shares = {row["asset"]: Share.of(view.get(PLACEMENTS, row["asset"])) for row in rows}
    view.require((FLAGS, key) for one in shares for key in _flags(query.id, one, shares[one]))
    return MemberPage(
        id=query.id,
        members=tuple(
            Member(
                id=row["asset"],
                since=_since(row),
                duplicates=tuple(_why(query.id, row["asset"], shares[row["asset"]], view)),
            )
            for row in rows
        ),
        cursor=cursor_of(further, question, context) if further else None,
    )


def _refused(
    query: ListMembers | ListDuplicates, question: str, view: View, context: Context
) -> Rejected | None:
    """Whoever has nothing to do with a portfolio is told the same as of one that there is not."""
    found = seen("assets", query.id, view, context)
    if found is None or not found[1].may("read", "members"):
        return asset_not_found(query.id)
    if (rejected := no_portfolio(query.id)) is not None:
        return rejected
    findings = tuple(foreign(query.cursor, question, context))
    return reject(*findings) if findings else None


def _since(row: Document) -> Any:
    return next(one["from"] for one in ties_of(row) if one["as"] == MEMBER and not one["until"])


def _flags(portfolio: str, asset: str, share: Share) -> Iterator[str]:
    yield flag_id(portfolio, asset)
    yield from (flag_id(portfolio, key) for key in share.keys)


def _why(portfolio: str, asset: str, share: Share, view: View) -> Iterator[Any]:
    found = [view.get(FLAGS, key) for key in _flags(portfolio, asset, share)]
    kinds = {flag["kind"] for flag in found if flag is not None and flag["flagged"]}
    yield from (kind for kind in (WAYS, METER) if kind in kinds)


@reads(_members_reads)
def list_duplicates(query: ListDuplicates, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of what a portfolio may hold twice, to any depth.

    Rejects: asset.not-found, portfolio.type, cursor.foreign
    Source: A3.
    """
    question = f"{_DUPLICATES}/{query.id}"
    if (rejected := _refused(query, question, view, context)) is not None:
        return rejected
    after = after_of(query.cursor, question, context)
    rows, further = view.page(FLAGS, Span("flagged", query.id, after, query.limit))
    named = {one for row in rows for one in row["assets"][:NAMED_MAX]}
    known = _known(query.id, named, view, context)
    return DuplicatePage(
        id=query.id,
        duplicates=tuple(
            Duplicate(
                kind=row["kind"],
                assets=tuple(one for one in row["assets"][:NAMED_MAX] if one in known),
                count=row["count"],
            )
            for row in rows
        ),
        cursor=cursor_of(further, question, context) if further else None,
    )


def _known(portfolio: str, assets: Iterable[str], view: View, context: Context) -> set[str]:
    """Of these assets those that the asker may know: direct members, and what it may see."""
    assets, user = sorted(assets), context.sender.user
    # In one round: who owns them, which is read next, is as far as a question's rounds go.
    view.require(
        key
        for one in assets
        for key in (*standing_reads("assets", one, user), (MEMBERS, edge(portfolio, one)))
    )
    view.require(mandate_read(view.get("assets", one), user) for one in assets)
    return {
        one
        for one in assets
        if is_member(view.get(MEMBERS, edge(portfolio, one)))
        or seen("assets", one, view, context) is not None
    }
