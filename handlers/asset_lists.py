"""Looking through assets, page by page: those of a user, or what is in a portfolio."""

from collections.abc import Iterator, Sequence
from typing import Final

from contracts.asset_lists import AssetPage, AssetRow, ListAssets
from contracts.messages import Contract
from contracts.taxonomy import USER_PREFIX
from handlers.asset_rules import area_of
from handlers.belonging import PLACEMENTS
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.documents import said_by
from handlers.edges import RELATIONS, edge, ties
from handlers.membership import Walk, closed, membership_reads
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.user_rules import user_not_found
from handlers.visibility import Standing, mandate_read, seen, standing_reads

Page = tuple[Sequence[str], str]
"""Ids of assets in their order, and behind which id nothing is known; empty where all is."""
BEHIND_USERS: Final = f"{USER_PREFIX}-~"
"""Behind the ids of all users: what a user is to users stands between what it is to assets."""
BEHIND_ONE: Final = "0"
"""Behind `<asset>` and all of `<asset>/<party>`."""


def _question(query: ListAssets) -> str:
    asked = query.model_dump(exclude={"cursor", "limit"})
    return "asset.list/" + "\x1f".join(f"{name}={value}" for name, value in asked.items())


def _begin(query: ListAssets, context: Context) -> str:
    """Behind which id to look: ids begin with the type, so that a type is a stretch of them."""
    after = after_of(query.cursor, _question(query), context)
    return max(after, query.asset_type or "")


def _whose(query: ListAssets, context: Context) -> str | None:
    """Whose assets are asked for; None for everybody's."""
    return query.of or (None if context.sender.is_operator else context.sender.user)


def _spans(query: ListAssets, context: Context) -> Iterator[tuple[str, Span]]:
    whose, after = _whose(query, context), _begin(query, context)
    if whose is None:
        yield "assets", Span.of_list("", (), after)
        return
    yield "assets", Span("owner", whose, after)
    if whose != context.sender.user and not context.sender.is_operator:
        return
    yield "assets", Span("registrant", whose, after)
    is_id = "-" in after
    yield RELATIONS, Span("party", whose, after + BEHIND_ONE if is_id else after)
    if query.asset_type is None and after < BEHIND_USERS:
        yield RELATIONS, Span("party", whose, BEHIND_USERS)


def _list_reads(query: ListAssets, context: Context) -> Reads:
    if query.portfolio is not None:
        yield from membership_reads(query.portfolio, context)
        return
    yield from _spans(query, context)
    yield RELATIONS, mandate_read({"owner": query.of}, context.sender.user)[1]


@reads(_list_reads)
def list_assets(query: ListAssets, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of the assets that fit, as far as the asker may see them.

    Rejects: cursor.foreign, user.not-found, asset.not-found, portfolio.type
    Source: A6.
    """
    if findings := tuple(foreign(query.cursor, _question(query), context)):
        return reject(*findings)
    if query.portfolio is not None:
        return _within(query.portfolio, query, view, context)
    if not _may_ask(query, view, context):
        return user_not_found(query.of or "", field="of")
    pages = [_page(name, span, view, context) for name, span in _spans(query, context)]
    ends = [end for _, end in pages if end]
    upto = min(ends, default="")
    ids = sorted({one for found, _ in pages for one in found if not upto or one <= upto})
    if query.asset_type is not None:
        ids = [one for one in ids if one.startswith(query.asset_type)]
        upto = upto if upto.startswith(query.asset_type) else ""
    view.require(key for one in ids for key in _row_reads(one, context))
    return _answer([(one, one) for one in ids], upto, query, view, context)


def _within(portfolio: str, query: ListAssets, view: View, context: Context) -> Contract | Rejected:
    if (rejected := closed(portfolio, view, context)) is not None:
        return rejected
    after = after_of(query.cursor, _question(query), context)
    walk = Walk.of(portfolio, after, query, view)
    page, upto = walk.page(view)
    view.require(key for _, one in page for key in ((PLACEMENTS, one), *_row_reads(one, context)))
    places = [(edge(*place), place[1]) for place in walk.first_met(page, view)]
    return _answer(places, upto, query, view, context)


def _row_reads(asset: str, context: Context) -> Reads:
    return standing_reads("assets", asset, context.sender.user)


def _answer(
    places: Sequence[tuple[str, str]], upto: str, query: ListAssets, view: View, context: Context
) -> AssetPage:
    """Of assets, each with its place in the order, those that fit and that the asker may see."""
    view.require(mandate_read(view.get("assets", one), context.sender.user) for _, one in places)
    found = ((place, _row(one, query, view, context)) for place, one in places)
    rows = [(place, row) for place, row in found if row is not None]
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        upto = rows[-1][0]
    cursor = cursor_of(upto, _question(query), context) if upto else None
    return AssetPage(assets=tuple(row for _, row in rows), cursor=cursor)


def _may_ask(query: ListAssets, view: View, context: Context) -> bool:
    """What is another's is for its delegates and operators; to others there is no such user."""
    mandate = view.get(RELATIONS, mandate_read({"owner": query.of}, context.sender.user)[1])
    is_own = query.of in {None, context.sender.user}
    return is_own or context.sender.is_operator or "delegate" in ties(mandate, context.now)


def _page(name: str, span: Span, view: View, context: Context) -> Page:
    rows, end = view.page(name, span)
    if name == "assets":
        return [row["_id"] for row in rows], end
    # Users among them lead to what stands behind all of them, which has a page of its own.
    end = "" if end.startswith(f"{USER_PREFIX}-") else end.partition("/")[0]
    return [
        row["entity"]
        for row in rows
        if not row["entity"].startswith(f"{USER_PREFIX}-") and ties(row, context.now)
    ], end


def _row(asset: str, query: ListAssets, view: View, context: Context) -> AssetRow | None:
    found = seen("assets", asset, view, context)
    if found is None:
        return None
    document, standing = found
    if any(getattr(query, n) not in {None, document[n]} for n in ("status", "lifecycle")):
        return None
    area = _area(document, standing)
    if query.area not in {None, area}:
        return None
    name = said_by(document.get("name")) if standing.may("read", "name") else None
    return AssetRow(
        id=asset,
        **{part: document[part] for part in ("asset_type", "status", "lifecycle", "revision")},
        name=name,
        area=area,
        relations=tuple(sorted(standing.held)),
    )


def _area(document: Document, standing: Standing) -> str | None:
    if not standing.may("read", "connection"):
        return None
    return area_of({"connection": said_by(document.get("connection"))})
