"""What a verifier says of a user, and what follows from it."""

from collections.abc import Iterator
from typing import Any

from contracts.confirmation import AttestUser, EvidenceState, UserAttested
from contracts.envelope import Finding
from handlers.decision import Accepted, Context, Decision, Document, Guard, Put, Reads, Secret, View
from handlers.evidence import (
    EVIDENCE_ROWS,
    GROUP_OF,
    confirmed_by_evidence,
    evidence_id,
    evidence_of,
    evidence_span,
    settled,
    subject_of,
)
from handlers.groups import opened, sealed
from handlers.patching import stale
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.user_rules import user_not_found
from handlers.visibility import Standing, mandate_read, named, seen, standing_reads
from handlers.vouching import is_said, unfounded


def _reads(command: AttestUser, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)
    yield EVIDENCE_ROWS, evidence_span(command.id)
    yield EVIDENCE_ROWS, evidence_id(command.id, command.scheme, context.sender.user)


@reads(_reads)
def attest_user(command: AttestUser, view: View, context: Context) -> Decision:
    """Keep what a trusted source says, and confirm the user whom it completes the proof of.

    Rejects: user.not-found, user.not-yours, user.stale, evidence.no-value, evidence.from-future
    Source: U1, U2.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return user_not_found(command.id)
    stored, standing = found
    if findings := tuple(_not_for(command, standing)):
        return reject(*findings)
    user = opened(stored)
    subject = subject_of(user, command.scheme, context)
    row_id = evidence_id(command.id, command.scheme, context.sender.user)
    was = view.get(EVIDENCE_ROWS, row_id)
    row = _row(row_id, subject, command, context, was)
    # Before the revision: it may be the same attestation that has made it another.
    if is_said(was, row):
        return Accepted(command.id, _reply(command, stored), command.id)
    expected = command.expected_revision
    if findings := tuple(stale(expected, stored, standing, view, rule="user.stale")):
        return reject(*findings)
    about = ("user", command.scheme)
    if findings := tuple(unfounded(about, subject, command.evidence_at, context)):
        return reject(*findings)
    rows = [one for one in evidence_of(command.id, view) if one["_id"] != row_id]
    after = settled(user, [*rows, row], context)
    if after is not user:
        after = after | {"revision": user["revision"] + 1}
    written = (Put("users", sealed(after), stored),) if after is not user else ()
    return Accepted(
        subject=command.id,
        keyed_to=command.id,
        reply=_reply(command, after),
        writes=(Put(EVIDENCE_ROWS, row, was), *written),
        events=(_event(command, after, context), *confirmed_by_evidence(stored, after, context)),
        # What was attested must still be so when this is kept.
        guards=() if written else (Guard("users", stored),),
    )


def _not_for(command: AttestUser, standing: Standing) -> Iterator[Finding]:
    """Nobody vouches for itself, nor for whom it acts or whom it has registered."""
    is_involved = standing.held & {"self", "delegate", "registrant"}
    is_readable = standing.may("read", GROUP_OF[command.scheme])
    if "verifier" not in standing.held or is_involved or not is_readable:
        yield finding(
            "user.not-yours",
            "id",
            expected="an organisation that is neither you nor one that you registered or act for",
            got=command.id,
            advice="Leave it to another verifier; persons are confirmed by an operator.",
        )


def _row(
    row_id: str,
    subject: str | None,
    command: AttestUser,
    context: Context,
    was: Document | None,
) -> dict[str, Any]:
    return {
        "_id": row_id,
        "revision": was["revision"] + 1 if was is not None else 1,
        "user": command.id,
        "scheme": command.scheme,
        "verifier": context.sender.user,
        "verdict": command.verdict,
        "source": Secret(command.source),
        "evidence_at": command.evidence_at,
        "at": context.now,
        "subject": subject,
    }


def _event(command: AttestUser, user: Document, context: Context) -> UserAttested:
    return UserAttested(
        id=command.id,
        revision=user["revision"],
        status=user["status"],
        by=context.sender.user,
        parties=named(user) or None,
        scheme=command.scheme,
        verdict=command.verdict,
        changed=(GROUP_OF[command.scheme],),
    )


def _reply(command: AttestUser, user: Document) -> EvidenceState:
    return EvidenceState(
        id=command.id,
        scheme=command.scheme,
        verdict=command.verdict,
        evidence_at=command.evidence_at,
        status=user["status"],
        revision=user["revision"],
    )
