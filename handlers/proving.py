"""What a verifier says of an asset, and what follows; what a buyer or an operator decides."""

from collections.abc import Iterator
from typing import Any, Literal

from contracts.envelope import Finding
from contracts.proofs import AssetAttested, AttestAsset, ConfirmAsset, ConfirmationState, ProofState
from handlers.asset_groups import is_personal, kept, key_of, opened
from handlers.asset_rules import asset_not_found, asset_retired
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Guard,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.patching import stale
from handlers.proofs import (
    CONFIRMED,
    PROOF_ROWS,
    Judged,
    confirmed_event,
    is_confirmed,
    marked,
    proof_id,
    proof_span,
    proofs_of,
    settled,
    subject_of,
    whole,
)
from handlers.rights import Relation
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.visibility import Standing, named, seen, standing_reads

INVOLVED: frozenset[Relation] = frozenset({"registrant", "owner", "delegate", "aggregator", "fsp"})
"""Who vouches for nothing of the asset, since it speaks for it."""
BUYING: frozenset[Relation] = frozenset({"so", "mo"})
GROUP_OF = {"ownership": "owner"}
"""Scheme -> its group, where that has another name."""


def _attest_reads(command: AttestAsset, context: Context) -> Reads:
    verifier = context.sender.user
    yield from standing_reads("assets", command.id, verifier)
    yield PROOF_ROWS, proof_span(command.id)
    yield PROOF_ROWS, proof_id(command.id, command.scheme, command.service, verifier)


@reads(_attest_reads)
def attest_asset(command: AttestAsset, view: View, context: Context) -> Decision:
    """Keep what a trusted source says, and confirm what it completes the proof of.

    Rejects: asset.not-found, asset.not-yours, asset.retired, asset.stale, evidence.no-value,
        evidence.no-service, evidence.from-future
    Source: A2, A2a, A2b, A2c.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, standing = found
    if (rejected := _not_to_attest(command, stored, standing, view)) is not None:
        return rejected
    asset = opened(stored)
    subject = subject_of(asset, command.scheme, command.service, context)
    if findings := tuple(_unfit(command, subject, context)):
        return reject(*findings)
    row_id = proof_id(command.id, command.scheme, command.service, context.sender.user)
    was = view.get(PROOF_ROWS, row_id)
    row = _row(row_id, subject, command, context, was)
    if was is not None and _said(was) == _said(row):
        return Accepted(command.id, _reply(command, asset), key_of(asset))
    rows = [one for one in proofs_of(command.id, view) if one["_id"] != row_id]
    judged = settled(asset, [*rows, row], context)
    if judged.is_news:
        judged.document["revision"] = asset["revision"] + 1
    attested = _attested(command, judged.document, context)
    return Accepted(
        subject=command.id,
        keyed_to=key_of(asset),
        reply=_reply(command, judged.document),
        writes=(Put(PROOF_ROWS, row, was), *_written(judged, stored)),
        events=(attested, *confirmed_event(judged, "evidence", context)),
        # What was attested must still be so when this is kept.
        guards=() if judged.is_news else (Guard("assets", stored),),
    )


def _not_to_attest(
    command: AttestAsset, stored: Document, standing: Standing, view: View
) -> Rejected | None:
    """Nobody vouches for what it speaks for, nor for a service that is none of its business."""
    if "verifier" not in standing.held_for(command.service) or standing.held & INVOLVED:
        return reject(
            finding(
                "asset.not-yours",
                "id",
                expected="an asset of which you are the verifier, for this service, and no party",
                got=command.id,
                advice="Ask its owner to relate you to it as its verifier.",
            )
        )
    if stored["lifecycle"] == "retired":
        return asset_retired(command.id)
    expected = command.expected_revision
    findings = tuple(stale(expected, stored, standing, view, rule="asset.stale"))
    return reject(*findings) if findings else None


def _unfit(command: AttestAsset, subject: str | None, context: Context) -> Iterator[Finding]:
    if command.scheme == "test" and command.service is None:
        yield finding(
            "evidence.no-service",
            "service",
            expected="the service for which the asset was tested",
            advice="Name it; other schemes need none.",
        )
    if subject is None:
        yield finding(
            "evidence.no-value",
            "scheme",
            expected="a scheme on which the asset says something",
            got=command.scheme,
            advice="Nothing is to be attested; the value is given first.",
        )
    if command.evidence_at > context.now:
        yield finding(
            "evidence.from-future",
            "evidence_at",
            expected="a moment that is over",
            got=command.evidence_at.isoformat(),
            advice="Give the time at which the source said so.",
        )


def _row(
    row_id: str,
    subject: str | None,
    command: AttestAsset,
    context: Context,
    was: Document | None,
) -> dict[str, Any]:
    return {
        "_id": row_id,
        "revision": was["revision"] + 1 if was is not None else 1,
        "asset": command.id,
        "scheme": command.scheme,
        "service": command.service,
        "verifier": context.sender.user,
        "verdict": command.verdict,
        "source": Secret(command.source),
        "evidence_at": command.evidence_at,
        "at": context.now,
        "subject": subject,
    }


def _said(row: Document) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("verdict", "source", "evidence_at", "subject"))


def _written(judged: Judged, stored: Document) -> tuple[Put, ...]:
    if not judged.is_news:
        return ()
    return (Put("assets", kept(judged.document, personal=is_personal(stored)), stored),)


def _attested(command: AttestAsset, asset: Document, context: Context) -> AssetAttested:
    group = GROUP_OF.get(command.scheme, command.scheme)
    return AssetAttested(
        id=command.id,
        revision=asset["revision"],
        status=asset["status"],
        by=context.sender.user,
        parties=named(asset) or None,
        scheme=command.scheme,
        service=command.service,
        verdict=command.verdict,
        changed=(f"service.{command.service}" if command.scheme == "test" else group,),
    )


def _reply(command: AttestAsset, asset: Document) -> ProofState:
    return ProofState(
        id=command.id,
        scheme=command.scheme,
        service=command.service,
        verdict=command.verdict,
        evidence_at=command.evidence_at,
        status=asset["status"],
        revision=asset["revision"],
    )


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
    if (rejected := _not_to_confirm(command, stored, standing, view)) is not None:
        return rejected
    asset, service = opened(stored), command.service
    is_done = asset["status"] == CONFIRMED if service is None else is_confirmed(asset, service)
    if is_done:
        return Accepted(command.id, _state(command, asset), key_of(asset))
    judged = _decided(asset, service, grounds, view, context)
    judged.document["revision"] = asset["revision"] + 1
    return Accepted(
        subject=command.id,
        keyed_to=key_of(asset),
        reply=_state(command, judged.document),
        writes=_written(judged, stored),
        events=confirmed_event(judged, grounds, context),
    )


def _grounds(command: ConfirmAsset, standing: Standing) -> Literal["operator", "buyer"] | None:
    """By what right the sender confirms; None where it has none."""
    if "operator" in standing.held:
        return "operator"
    is_buyer = command.service is not None and standing.held_for(command.service) & BUYING
    return "buyer" if is_buyer and not standing.held & INVOLVED else None


def _not_to_confirm(
    command: ConfirmAsset, stored: Document, standing: Standing, view: View
) -> Rejected | None:
    if stored["lifecycle"] == "retired":
        return asset_retired(command.id)
    if stored["lifecycle"] == "planned":
        return reject(
            finding(
                "asset.not-operating",
                "id",
                expected="an asset that operates",
                got=stored["lifecycle"],
                advice="Wait until it is commissioned; evidence may be given before.",
            )
        )
    expected = command.expected_revision
    findings = tuple(stale(expected, stored, standing, view, rule="asset.stale"))
    return reject(*findings) if findings else None


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
    return whole(after, (service,), proofs_of(asset["_id"], view), context)


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
