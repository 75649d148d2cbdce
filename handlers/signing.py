"""Signatures: who signs an agreement, and who takes a signature or the agreement itself back."""

from contracts.agreements import (
    AgreementRevoked,
    AgreementSigned,
    AgreementWithdrawn,
    RevokeAgreement,
    RevokedState,
    SignAgreement,
    SignatureState,
)
from handlers.agreement_rules import not_found, not_yours
from handlers.agreements import AGREEMENTS, gates
from handlers.conditions import SIGNATORY, signature_of, signed_version
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Guard,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.edges import RELATIONS, edge, recorded
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.tying import Tie, ended, tie, ties_of, too_many


def _sign_reads(command: SignAgreement | RevokeAgreement, context: Context) -> Reads:
    yield AGREEMENTS, command.id
    yield RELATIONS, edge(command.id, context.sender.user)


@reads(_sign_reads)
def sign_agreement(command: SignAgreement, view: View, context: Context) -> Decision:
    """Record that the sender has signed the current version.

    Rejects: agreement.not-found, agreement.withdrawn, agreement.other-hash, tie.too-many
    Source: U4.
    """
    user = context.sender.user
    head = view.get(AGREEMENTS, command.id)
    if head is None:
        return not_found(command.id)
    if (rejected := _unsignable(command, head)) is not None:
        return rejected
    was = view.get(RELATIONS, edge(command.id, user))
    held = signature_of(was, context.now)
    if held is not None and held["version"] == head["version"]:
        return Accepted(command.id, _signature(command.id, user, held), user)
    kept = ties_of(was)
    new = tie(SIGNATORY, (None, None), context, version=head["version"], sha256=head["sha256"])
    if findings := tuple(too_many(kept)):
        return reject(*findings)
    before, _ = ended(kept, _is_signature, None, context)
    event = AgreementSigned(
        id=command.id,
        version=head["version"],
        sha256=head["sha256"],
        by=user,
        publisher=head["publisher"],
    )
    return Accepted(
        subject=command.id,
        keyed_to=user,
        reply=_signature(command.id, user, new),
        writes=(Put(RELATIONS, recorded(command.id, user, [*before, new], was), was),),
        events=(event,),
        guards=(Guard(AGREEMENTS, head),),
    )


def _unsignable(command: SignAgreement, head: Document) -> Rejected | None:
    if head["state"] != "published":
        return reject(
            finding(
                "agreement.withdrawn",
                "id",
                expected="an agreement that is published",
                got=command.id,
                advice="Nothing is to be signed: its publisher has withdrawn it.",
            )
        )
    if command.sha256 == head["sha256"]:
        return None
    return reject(
        finding(
            "agreement.other-hash",
            "sha256",
            expected=f"{head['sha256']}, of version {head['version']}, the current one",
            got=command.sha256,
            advice="Read the current version with `agreement.get.v1`, then sign its hash.",
        )
    )


def _is_signature(one: Tie) -> bool:
    return bool(one["as"] == SIGNATORY)


def _signature(name: str, user: str, held: Tie) -> SignatureState:
    return SignatureState(
        id=name,
        user=user,
        version=held["version"],
        sha256=held["sha256"],
        signed_at=held["from"],
    )


@reads(_sign_reads)
def revoke_agreement(command: RevokeAgreement, view: View, context: Context) -> Decision:
    """Take back the sender's signature, or withdraw the agreement itself.

    Rejects: agreement.not-found, agreement.not-signed, agreement.not-yours
    Source: U4.
    """
    head = view.get(AGREEMENTS, command.id)
    if head is None:
        return not_found(command.id)
    if command.what == "agreement":
        return _withdraw(head, view, context)
    user = context.sender.user
    was = view.get(RELATIONS, edge(command.id, user))
    kept = ties_of(was)
    if not any(map(_is_signature, kept)):
        return reject(
            finding(
                "agreement.not-signed",
                "id",
                expected="an agreement that you have signed",
                got=command.id,
                advice="Nothing is to be taken back; `what` says whether you mean the agreement.",
            )
        )
    held = signature_of(was, context.now)
    reply = RevokedState(id=command.id, state=head["state"], version=0)
    if held is None:
        return Accepted(command.id, reply, user)
    after, _ = ended(kept, _is_signature, None, context)
    event = AgreementRevoked(
        id=command.id, version=held["version"], by=user, publisher=head["publisher"]
    )
    return Accepted(
        subject=command.id,
        keyed_to=user,
        reply=reply,
        writes=(Put(RELATIONS, recorded(command.id, user, after, was), was),),
        events=(event,),
    )


def _withdraw(head: Document, view: View, context: Context) -> Decision:
    user = context.sender.user
    if head["publisher"] != user and not context.sender.is_operator:
        return not_yours(head["_id"])
    held = signed_version(view.get(RELATIONS, edge(head["_id"], user)), context.now)
    reply = RevokedState(id=head["_id"], state="withdrawn", version=held)
    if head["state"] == "withdrawn":
        return Accepted(head["_id"], reply, user)
    after = {**head, "state": "withdrawn", "revision": head["revision"] + 1}
    event = AgreementWithdrawn(id=head["_id"], version=head["version"], by=user)
    return Accepted(
        subject=head["_id"],
        keyed_to=user,
        reply=reply,
        writes=(Put(AGREEMENTS, after, head), *gates(head, after, view)),
        events=(event,),
    )
