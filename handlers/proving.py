"""What a verifier says of an asset, and what follows from it."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.proofs import AssetAttested, AttestAsset, ProofState
from handlers.asset_groups import is_personal, key_of, opened
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
    INVOLVED,
    PROOF_ROWS,
    confirmed_event,
    proof_id,
    proof_span,
    proofs_of,
    settled,
    subject_of,
    written,
)
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.visibility import Standing, named, seen, standing_reads
from handlers.vouching import is_said, unfounded

GROUP_OF: Final = {"ownership": "owner"}
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
    if (rejected := _not_for(command, stored, standing)) is not None:
        return rejected
    row = _row(command, stored, context)
    was = view.get(PROOF_ROWS, row["_id"])
    # Before the revision: it may be the same attestation that has made it another.
    if is_said(was, row):
        return Accepted(command.id, _reply(command, stored), key_of(stored))
    expected = command.expected_revision
    if findings := tuple(stale(expected, stored, standing, view, rule="asset.stale")):
        return reject(*findings)
    if findings := tuple(_unfit(command, row["subject"], context)):
        return reject(*findings)
    revision = was["revision"] + 1 if was is not None else 1
    said = Put(PROOF_ROWS, {**row, "revision": revision}, was)
    return _decided(command, said, stored, view, context)


def _not_for(command: AttestAsset, stored: Document, standing: Standing) -> Rejected | None:
    """Nobody vouches for what it speaks for, nor for a service that is none of its business."""
    if stored["lifecycle"] == "retired":
        return asset_retired(command.id)
    if "verifier" in standing.held_for(command.service) and not standing.held & INVOLVED:
        return None
    return reject(
        finding(
            "asset.not-yours",
            "id",
            expected="an asset of which you are the verifier, for this service, and no party",
            got=command.id,
            advice="Ask its owner to relate you to it as its verifier.",
        )
    )


def _decided(
    command: AttestAsset, said: Put, stored: Document, view: View, context: Context
) -> Accepted:
    """What is kept, and what it completes the proof of."""
    asset = opened(stored)
    row_id = said.document["_id"]
    others = [one for one in proofs_of(command.id, view) if one["_id"] != row_id]
    judged = settled(asset, [*others, said.document], context)
    if judged.is_news:
        judged.document["revision"] = asset["revision"] + 1
    return Accepted(
        subject=command.id,
        keyed_to=key_of(asset),
        reply=_reply(command, judged.document),
        writes=(said, *written(judged, stored)),
        events=(
            _attested(command, judged.document, context),
            *confirmed_event(judged, "evidence", context),
        ),
        # What was attested must still be so when this is kept.
        guards=() if judged.is_news else (Guard("assets", stored),),
    )


def _unfit(command: AttestAsset, subject: str | None, context: Context) -> Iterator[Finding]:
    if command.scheme == "test" and command.service is None:
        yield finding(
            "evidence.no-service",
            "service",
            expected="the service for which the asset was tested",
            advice="Name it; other schemes need none.",
        )
    yield from unfounded(("asset", command.scheme), subject, command.evidence_at, context)


def _row(command: AttestAsset, stored: Document, context: Context) -> dict[str, Any]:
    """What is kept of it; of a person's asset whose it is, so that it is erased with the person."""
    verifier = context.sender.user
    asset = opened(stored)
    row = {
        "_id": proof_id(command.id, command.scheme, command.service, verifier),
        "asset": command.id,
        "scheme": command.scheme,
        "service": command.service,
        "verifier": verifier,
        "verdict": command.verdict,
        "source": Secret(command.source),
        "evidence_at": command.evidence_at,
        "at": context.now,
        "subject": subject_of(asset, command.scheme, command.service, context),
    }
    return row | ({"person": key_of(stored)} if is_personal(stored) else {})


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
