"""What verifiers have said of an asset, whether it is proof, and what opens the question anew."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from contracts.messages import Event
from contracts.proofs import (
    EXPEDITED,
    OFFERED,
    OVERALL,
    SIGNIFICANT,
    SUBJECTS,
    AssetConfirmed,
    AssetReopened,
    AssetScheme,
    sets_for,
)
from handlers.asset_groups import is_personal, kept
from handlers.decision import Context, Document, Put, View
from handlers.documents import held_at
from handlers.rights import Relation
from handlers.spans import Span
from handlers.visibility import named
from handlers.vouching import matched, on_record

PROOF_ROWS: Final = "proofs"
"""Collection: one document for an asset, a scheme, a service and a verifier."""
CONFIRMED: Final = "confirmed"
INVOLVED: Final[frozenset[Relation]] = frozenset(
    {"registrant", "owner", "delegate", "aggregator", "fsp"}
)
"""Who vouches for nothing of the asset, since it speaks for it."""
Grounds = Literal["evidence", "operator", "buyer", "changed"]


def proof_id(asset: str, scheme: str, service: str | None, verifier: str) -> str:
    """One verifier says one thing of an asset on each scheme, for each service."""
    return f"{asset}/{scheme}/{service or '-'}/{verifier}"


def proof_span(asset: str, after: str = "") -> Span:
    """What is on record of an asset, a page of it."""
    return Span("asset", asset, after)


def proofs_of(asset: str, view: View) -> list[Document]:
    """All that verifiers have said of an asset."""
    return on_record(PROOF_ROWS, partial(proof_span, asset), view)


def subject_of(
    asset: Document, scheme: AssetScheme, service: str | None, context: Context
) -> str | None:
    """A fingerprint of what is attested, of an opened asset; None where there is nothing."""
    values = {path: held_at(asset, path) for path in SUBJECTS[scheme]}
    if scheme == "test":
        offer = asset.get("service", {}).get(service, {})
        values |= {f"service.{name}": offer.get(name) for name in OFFERED}
    said = {path: value for path, value in values.items() if value is not None}
    if not said:
        return None
    text = json.dumps(said, sort_keys=True, default=str)
    return context.identity.fingerprint(f"proof/{scheme}", text)


def holding(asset: Document, rows: Sequence[Document], context: Context) -> list[Document]:
    """Of what verifiers have said, what holds for the values that the asset has now."""
    return [
        row
        for row in rows
        if row["subject"] == subject_of(asset, row["scheme"], row["service"], context)
    ]


def is_proven(asset: Document, service: str, held: Sequence[Document]) -> bool:
    """Whether what holds confirms the asset for a service, or as a whole.

    Somebody says match on each scheme of one set, and nobody mismatch.
    """
    schemes = matched(r for r in held if r["scheme"] != "test" or _counts(r["service"], service))
    return any(enough <= schemes for enough in sets_for(asset["asset_type"], service))


def _counts(tested: str, service: str) -> bool:
    """Whether a test for one service counts for another."""
    return service in {tested, OVERALL} or tested in EXPEDITED.get(service, ())


def is_confirmed(asset: Document, service: str) -> bool:
    """Whether the asset is confirmed for a service."""
    entry = asset.get("confirmations", {}).get(service)
    return entry is not None and entry["status"] == CONFIRMED


def _confirmed_for(asset: Document) -> list[str]:
    return [one for one in sorted(asset.get("confirmations", {})) if is_confirmed(asset, one)]


def _is_whole(asset: Document, held: Sequence[Document]) -> bool:
    """Whether the asset is confirmed as a whole: by evidence, or for all that it is offered for."""
    offered = asset.get("service", {})
    by_service = bool(offered) and all(is_confirmed(asset, service) for service in offered)
    return by_service or is_proven(asset, OVERALL, held)


@dataclass(frozen=True, slots=True)
class Judged:
    """An asset with what it is confirmed for now, and what of that is new."""

    document: dict[str, Any]
    services: tuple[str, ...] = ()
    overall: bool = False

    @property
    def is_news(self) -> bool:
        return bool(self.services) or self.overall


def marked(
    asset: Document, services: Sequence[str], status: str, grounds: Grounds, context: Context
) -> dict[str, Any]:
    """The asset with another status for some services."""
    if not services:
        return dict(asset)
    entry = {"status": status, "at": context.now, "by": context.sender.user, "grounds": grounds}
    return {
        **asset,
        "confirmations": {**asset.get("confirmations", {}), **dict.fromkeys(services, entry)},
    }


def settled(asset: Document, rows: Sequence[Document], context: Context) -> Judged:
    """What evidence confirms by now; an asset that does not operate is confirmed for nothing."""
    if asset["lifecycle"] != "operating":
        return Judged(dict(asset))
    held = holding(asset, rows, context)
    known = {*asset.get("service", {}), *asset.get("confirmations", {})}
    known |= {row["service"] for row in held if row["service"] is not None}
    proven = _newly_proven(asset, sorted(known), held)
    return whole(marked(asset, proven, CONFIRMED, "evidence", context), proven, held, context)


def _newly_proven(
    asset: Document, services: Sequence[str], held: Sequence[Document]
) -> tuple[str, ...]:
    return tuple(s for s in services if not is_confirmed(asset, s) and is_proven(asset, s, held))


def whole(
    asset: dict[str, Any], services: tuple[str, ...], held: Sequence[Document], context: Context
) -> Judged:
    """The asset, which is confirmed for these services now, perhaps as a whole with them."""
    if asset["status"] == CONFIRMED or not _is_whole(asset, held):
        return Judged(asset, services)
    return Judged({**asset, "status": CONFIRMED, "status_at": context.now}, services, overall=True)


def rejudged(
    was: Document, asset: dict[str, Any], changed: Sequence[str], view: View, context: Context
) -> tuple[dict[str, Any], tuple[Event, ...]]:
    """The asset after a change of these fields, and the events of what is confirmed otherwise.

    What evidence proves of the new values too stays confirmed, or is so again. A service that is
    offered anew is confirmed at once where the evidence that others have accepted is enough for it.
    Of an asset that was never confirmed for anything no evidence is looked at.
    """
    because = tuple(dict.fromkeys(_significant(changed)))
    anew = asset.get("service", {}).keys() - was.get("service", {}).keys()
    if not (because or anew) or not _was_confirmed(asset):
        return asset, ()
    held = holding(asset, proofs_of(asset["_id"], view), context)
    touched = {path.split(".")[1] for path in because if path.startswith("service.")}
    is_common = any(not path.startswith("service.") for path in because)
    doubted = [one for one in _confirmed_for(asset) if is_common or one in touched]
    lost = tuple(one for one in doubted if not is_proven(asset, one, held))
    after = marked(asset, lost, "provisional", "changed", context)
    is_lost = is_common and asset["status"] == CONFIRMED and not _is_whole(after, held)
    if is_lost:
        after |= {"status": "provisional", "status_at": context.now}
    judged = _regained(after, held, context)
    return judged.document, (
        *_reopened(judged.document, lost, because, context, overall=is_lost),
        *confirmed_event(judged, "evidence", context),
    )


def _was_confirmed(asset: Document) -> bool:
    """Whether it is, or once was, confirmed for anything."""
    since = asset.get("status_at", asset["registered_at"])
    is_first = asset["status"] != CONFIRMED and since == asset["registered_at"]
    return "confirmations" in asset or not is_first


def _regained(asset: dict[str, Any], held: Sequence[Document], context: Context) -> Judged:
    """What evidence confirms now; that there are fewer offers confirms nothing."""
    if asset["lifecycle"] != "operating":
        return Judged(asset)
    known = sorted({*asset.get("service", {}), *asset.get("confirmations", {})})
    gained = _newly_proven(asset, known, held)
    after = marked(asset, gained, CONFIRMED, "evidence", context)
    overall = asset["status"] != CONFIRMED and is_proven(asset, OVERALL, held)
    if overall:
        after |= {"status": CONFIRMED, "status_at": context.now}
    return Judged(after, gained, overall)


def _significant(changed: Sequence[str]) -> Iterator[str]:
    """The significant fields among what has changed; of a point or a grid, the whole."""
    for path in changed:
        yield from (one for one in SIGNIFICANT if path == one or path.startswith(f"{one}."))
        group, _, field = path.partition(".")
        if group == "service" and field.rpartition(".")[2] in OFFERED:
            yield path


def _reopened(
    asset: Document,
    services: tuple[str, ...],
    because: tuple[str, ...],
    context: Context,
    *,
    overall: bool,
) -> Iterator[AssetReopened]:
    if services or overall:
        yield AssetReopened(
            id=asset["_id"],
            revision=asset["revision"],
            status=asset["status"],
            by=context.sender.user,
            parties=named(asset) or None,
            services=services,
            overall=overall,
            because=because,
        )


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


def written(judged: Judged, stored: Document) -> tuple[Put, ...]:
    """The asset with what it is confirmed for, if there is any news."""
    if not judged.is_news:
        return ()
    return (Put("assets", kept(judged.document, personal=is_personal(stored)), stored),)
