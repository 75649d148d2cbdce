"""What a buyer or an operator decides of an asset: that it is confirmed."""

from typing import Any, Final, Literal

from contracts.proofs import ConfirmAsset, ConfirmationState
from handlers.asset_groups import key_of, opened
from handlers.asset_rules import asset_not_found, asset_retired
from handlers.decision import Accepted, Context, Decision, Document, Reads, Rejected, View
from handlers.patching import stale
from handlers.proofs import (
    CONFIRMED,
    INVOLVED,
    PROOF_ROWS,
    Judged,
    confirmed_event,
    holding,
    is_confirmed,
    marked,
    proof_span,
    proofs_of,
    whole,
    written,
)
from handlers.rights import Relation
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.visibility import Standing, seen, standing_reads

BUYING: Final[frozenset[Relation]] = frozenset({"so", "mo"})
"""Who confirms an asset for a service that it buys."""


def _confirm_reads(command: ConfirmAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield PROOF_ROWS, proof_span(command.id)


@reads(_confirm_reads)
def confirm_asset(command: ConfirmAsset, view: View, context: Context) -> Decision:
    """Confirm an operating asset for a service, or as a whole, by its buyer's or operator's word.

    Rejects: asset.not-found, asset.not-yours, asset.retired, asset.not-operating, asset.stale
    Source: A2, A2b.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, standing = found
    grounds = _grounds(command, standing)
    if grounds is None:
        return _not_yours(command)
    if (rejected := _not_operating(stored)) is not None:
        return rejected
    asset, service = opened(stored), command.service
    # Before the revision: done is done, whatever it is that was looked at.
    if asset["status"] == CONFIRMED if service is None else is_confirmed(asset, service):
        return Accepted(command.id, _state(command, asset), key_of(asset))
    expected = command.expected_revision
    if findings := tuple(stale(expected, stored, standing, view, rule="asset.stale")):
        return reject(*findings)
    judged = _decided(asset, service, grounds, view, context)
    judged.document["revision"] = asset["revision"] + 1
    return Accepted(
        subject=command.id,
        keyed_to=key_of(asset),
        reply=_state(command, judged.document),
        writes=written(judged, stored),
        events=confirmed_event(judged, grounds, context),
    )


def _grounds(command: ConfirmAsset, standing: Standing) -> Literal["operator", "buyer"] | None:
    """By what right the sender confirms; None where it has none."""
    if "operator" in standing.held:
        return "operator"
    is_buyer = command.service is not None and standing.held_for(command.service) & BUYING
    return "buyer" if is_buyer and not standing.held & INVOLVED else None


def _not_operating(stored: Document) -> Rejected | None:
    if stored["lifecycle"] == "retired":
        return asset_retired(stored["_id"])
    if stored["lifecycle"] == "operating":
        return None
    return reject(
        finding(
            "asset.not-operating",
            "id",
            expected="an asset that operates",
            got=stored["lifecycle"],
            advice="Wait until it is commissioned; evidence may be given before.",
        )
    )


def _decided(
    asset: dict[str, Any],
    service: str | None,
    grounds: Literal["operator", "buyer"],
    view: View,
    context: Context,
) -> Judged:
    if service is None:
        after = {**asset, "status": CONFIRMED, "status_at": context.now}
        return Judged(after, overall=True)
    after = marked(asset, (service,), CONFIRMED, grounds, context)
    held = holding(after, proofs_of(asset["_id"], view), context)
    return whole(after, (service,), held, context)


def _not_yours(command: ConfirmAsset) -> Rejected:
    return reject(
        finding(
            "asset.not-yours",
            "service",
            expected="a service that you buy from the asset",
            got=command.service or "",
            advice="Name your service; as a whole it is confirmed by evidence or an operator.",
        )
    )


def _state(command: ConfirmAsset, asset: Document) -> ConfirmationState:
    entry = asset.get("confirmations", {}).get(command.service)
    return ConfirmationState(
        id=command.id,
        status=asset["status"],
        service=command.service,
        service_status=entry["status"] if entry is not None else None,
        revision=asset["revision"],
    )
