"""Who represents an asset: what parties are to it, for which service, with whose consent."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from contracts.consents import (
    AskRepresentation,
    Consent,
    RepresentationPage,
    Representative,
    Represented,
)
from contracts.messages import Contract
from handlers.asset_rules import asset_not_found
from handlers.consents import consent_of
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.edges import RELATIONS, holds
from handlers.paging import after_of, cursor_of, foreign
from handlers.relating import relation_not_yours
from handlers.rights import RECORDED
from handlers.rules import reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.tying import is_over, ties_of
from handlers.visibility import seen, standing_reads

ASSETS_OF_A_PAGE: Final = 20
"""How many assets one answer tells of: each has a page of parties of its own."""


def _question(query: AskRepresentation) -> str:
    return f"asset.representation/{query.at}"


def _owned(query: AskRepresentation, context: Context) -> Span:
    after = after_of(query.cursor, _question(query), context)
    return Span("owner", context.sender.user, after, ASSETS_OF_A_PAGE)


def _parties(asset: str) -> tuple[str, Span]:
    return RELATIONS, Span("entity", asset)


def _reads(query: AskRepresentation, context: Context) -> Reads:
    if query.id is None:
        yield "assets", _owned(query, context)
        return
    yield from standing_reads("assets", query.id, context.sender.user)
    yield _parties(query.id)


@reads(_reads)
def ask_representation(
    query: AskRepresentation, view: View, context: Context
) -> Contract | Rejected:
    """Answer with the parties of one asset, or of a page of those that the asker owns.

    Rejects: asset.not-found, relation.not-yours, cursor.foreign
    Source: A6.
    """
    if query.id is not None:
        found = seen("assets", query.id, view, context)
        if found is None:
            return asset_not_found(query.id)
        if not found[1].may("read", "relations"):
            return relation_not_yours("id")
        return RepresentationPage(assets=(_represented(query.id, query, view, context),))
    if findings := tuple(foreign(query.cursor, _question(query), context)):
        return reject(*findings)
    assets, further = view.page("assets", _owned(query, context))
    view.require(_parties(asset["_id"]) for asset in assets)
    return RepresentationPage(
        assets=tuple(_represented(asset["_id"], query, view, context) for asset in assets),
        cursor=cursor_of(further, _question(query), context) if further else None,
    )


def _represented(asset: str, query: AskRepresentation, view: View, context: Context) -> Represented:
    rows, _ = view.page(*_parties(asset))
    told = (one for row in rows for one in _representatives(row, query.at, context.now))
    return Represented(id=asset, parties=tuple(told))


def _representatives(row: Document, at: datetime | None, now: datetime) -> Iterator[Representative]:
    for one in ties_of(row):
        is_told = holds(one, at) if at is not None else not is_over(one, now)
        if one["as"] in RECORDED and is_told:
            yield Representative(
                party=row["party"],
                relation=one["as"],
                service=one.get("service"),
                brand=one.get("brand"),
                from_time=one["from"],
                until=one["until"],
                recorded_by=one["by"],
                consent=_consent(row, one.get("service"), at),
            )


def _consent(row: Document, service: str | None, at: datetime | None) -> Consent | None:
    """The consent to the service, else the one to all; as it stood at a moment."""
    past = {**row, "consents": _until(row.get("consents", ()), at)}
    found = consent_of(past, service)
    if found is None:
        return None
    given: Mapping[str, Any] = found if "method" in found else _given(past, found["service"])
    return Consent(
        service=found["service"],
        state=found["state"],
        since=found["at"],
        **{name: given.get(name) for name in ("method", "agreement", "sha256")},
    )


def _until(
    consents: Sequence[Mapping[str, Any]], at: datetime | None
) -> Sequence[Mapping[str, Any]]:
    return [one for one in consents if at is None or one["at"] <= at]


def _given(row: Document, service: str | None) -> Mapping[str, Any]:
    """Of a withdrawal: how what it took back had been given, if it had been."""
    of_service = [one for one in row["consents"] if one["service"] == service and "method" in one]
    return of_service[-1] if of_service else {}
