"""What verifiers have said of an asset, whether it is proof, and what opens the question anew."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.proofs import (
    EXPEDITED,
    OVERALL,
    SIGNIFICANT,
    SUBJECTS,
    AssetConfirmed,
    AssetReopened,
    AssetScheme,
    sets_for,
)
from handlers.decision import Context, Document, View
from handlers.documents import held_at
from handlers.spans import Span
from handlers.visibility import named

PROOF_ROWS: Final = "proofs"
"""Collection: one document for an asset, a scheme, a service and a verifier."""
CONFIRMED: Final = "confirmed"


def proof_id(asset: str, scheme: str, service: str | None, verifier: str) -> str:
    """One verifier says one thing of an asset on each scheme, for each service."""
    return f"{asset}/{scheme}/{service or '-'}/{verifier}"


def proof_span(asset: str, after: str = "") -> Span:
    """What is on record of an asset, a page of it."""
    return Span("asset", asset, after)


def proofs_of(asset: str, view: View) -> list[Document]:
    """All that verifiers have said of an asset."""
    rows: list[Document] = []
    further = ""
    while True:
        page, further = view.page(PROOF_ROWS, proof_span(asset, further))
        rows += page
        if not further:
            return rows


def subject_of(
    asset: Document, scheme: AssetScheme, service: str | None, context: Context
) -> str | None:
    """A fingerprint of what is attested, of an opened asset; None where there is nothing."""
    values = {path: held_at(asset, path) for path in SUBJECTS[scheme]}
    if scheme == "test":
        values["service"] = (asset.get("service") or {}).get(service)
    said = {path: value for path, value in values.items() if value is not None}
    if not said:
        return None
    text = json.dumps(said, sort_keys=True, default=str)
    return context.identity.fingerprint(f"proof/{scheme}", text)


def is_proven(asset: Document, service: str, rows: Sequence[Document], context: Context) -> bool:
    """Whether evidence confirms the asset for a service, or as a whole, with what it says now."""
    said: dict[str, set[str]] = {}
    for row in rows:
        if row["scheme"] == "test" and not _counts(row["service"], service):
            continue
        if row["subject"] == subject_of(asset, row["scheme"], row["service"], context):
            said.setdefault(row["scheme"], set()).add(row["verdict"])
    schemes = {s for s, found in said.items() if "match" in found and "mismatch" not in found}
    return any(enough <= schemes for enough in sets_for(asset["asset_type"], service))


def _counts(tested: str, service: str) -> bool:
    """Whether a test for one service counts for another."""
    return service in {tested, OVERALL} or tested in EXPEDITED.get(service, ())


def is_confirmed(asset: Document, service: str) -> bool:
    """Whether the asset is confirmed for a service."""
    entry = asset.get("confirmations", {}).get(service)
    return entry is not None and entry["status"] == CONFIRMED


def _is_whole(asset: Document, rows: Sequence[Document], context: Context) -> bool:
    """Whether the asset is confirmed as a whole: by evidence, or for all that it is offered for."""
    offered = asset.get("service", {})
    by_service = bool(offered) and all(is_confirmed(asset, service) for service in offered)
    return by_service or is_proven(asset, OVERALL, rows, context)


@dataclass(frozen=True, slots=True)
class Judged:
    """An asset with what it is confirmed for now, and what of that is new."""

    document: dict[str, Any]
    services: tuple[str, ...] = ()
    overall: bool = False

    @property
    def is_news(self) -> bool:
        return bool(self.services) or self.overall


Grounds = Literal["evidence", "operator", "buyer", "changed"]


def marked(
    asset: Document, services: Sequence[str], status: str, grounds: Grounds, context: Context
) -> dict[str, Any]:
    """The asset with another status for some services."""
    entry = {"status": status, "at": context.now, "by": context.sender.user, "grounds": grounds}
    if not services:
        return dict(asset)
    return {
        **asset,
        "confirmations": {**asset.get("confirmations", {}), **dict.fromkeys(services, entry)},
    }


def settled(asset: Document, rows: Sequence[Document], context: Context) -> Judged:
    """What evidence confirms by now; a planned asset is confirmed for nothing."""
    if asset["lifecycle"] != "operating":
        return Judged(dict(asset))
    known = {row["service"] for row in rows} | set(asset.get("service", {}))
    open_ones = sorted(
        one
        for one in (known | set(asset.get("confirmations", {}))) - {None}
        if not is_confirmed(asset, one)
    )
    proven = tuple(one for one in open_ones if is_proven(asset, one, rows, context))
    return whole(marked(asset, proven, CONFIRMED, "evidence", context), proven, rows, context)


def whole(
    asset: dict[str, Any], services: tuple[str, ...], rows: Sequence[Document], context: Context
) -> Judged:
    """The asset, which is confirmed for these services now, perhaps as a whole with them."""
    if asset["status"] == CONFIRMED or not _is_whole(asset, rows, context):
        return Judged(asset, services)
    return Judged({**asset, "status": CONFIRMED, "status_at": context.now}, services, overall=True)


def reopened(
    asset: dict[str, Any], changed: Sequence[str], view: View, context: Context
) -> tuple[dict[str, Any], AssetReopened | None]:
    """The asset after a change of these fields, and the event where confirmation is lost by it.

    What evidence proves of the new values too stays confirmed.
    """
    because = tuple(dict.fromkeys(_significant(changed)))
    touched = {path.split(".")[1] for path in changed if path.startswith("service.")}
    confirmed = [s for s in sorted(asset.get("confirmations", {})) if is_confirmed(asset, s)]
    doubted = [s for s in confirmed if because or s in touched]
    is_doubted = bool(because) and asset["status"] == CONFIRMED
    if not doubted and not is_doubted:
        return asset, None
    rows = proofs_of(asset["_id"], view)
    lost = tuple(s for s in doubted if not is_proven(asset, s, rows, context))
    after = marked(asset, lost, "provisional", "changed", context)
    is_lost = is_doubted and not _is_whole(after, rows, context)
    if is_lost:
        after |= {"status": "provisional", "status_at": context.now}
    if not lost and not is_lost:
        return asset, None
    of_service = (path for path in changed if path.startswith("service."))
    event = AssetReopened(
        id=asset["_id"],
        revision=asset["revision"],
        status=after["status"],
        by=context.sender.user,
        parties=named(asset) or None,
        services=lost,
        overall=is_lost,
        because=because or tuple(of_service),
    )
    return after, event


def _significant(changed: Sequence[str]) -> Iterator[str]:
    for path in changed:
        yield from (one for one in SIGNIFICANT if path == one or path.startswith(f"{one}."))


def confirmed_event(
    judged: Judged, grounds: Literal["evidence", "operator", "buyer"], context: Context
) -> tuple[AssetConfirmed, ...]:
    """The event of what is confirmed now, if there is any news."""
    if not judged.is_news:
        return ()
    asset = judged.document
    return (
        AssetConfirmed(
            id=asset["_id"],
            revision=asset["revision"],
            status=asset["status"],
            by=context.sender.user,
            parties=named(asset) or None,
            grounds=grounds,
            services=judged.services,
            overall=judged.overall,
        ),
    )
