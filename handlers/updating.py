"""How a user's record changes: a patch of its groups, by whoever may write them."""

from typing import Any

from contracts.updates import UpdateUser, UserUpdated
from handlers.claiming import claim_keys, claim_writes, claims_of
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.documents import changed_fields, merged
from handlers.evidence import (
    EVIDENCE_ROWS,
    SIGNIFICANT,
    confirmed_by_evidence,
    evidence_of,
    evidence_span,
    settled,
)
from handlers.groups import opened, sealed
from handlers.patching import not_yours, stale
from handlers.rules import reject
from handlers.signature import reads
from handlers.standing import standing_reply
from handlers.user_rules import (
    not_active,
    reserved,
    unclaimed,
    unnamed,
    unreachable,
    user_not_found,
)
from handlers.visibility import TAKING_PART, Standing, mandate_read, named, seen, standing_reads


def _reads(command: UpdateUser, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)
    yield EVIDENCE_ROWS, evidence_span(command.id)


@reads(_reads)
def update_user(command: UpdateUser, view: View, context: Context) -> Decision:
    """Merge the given groups; a new claim is held from now on, and the old one given back.

    Rejects: user.not-found, user.not-yours, user.not-active, user.stale, user.role-reserved,
        user.unreachable, user.duplicate, field.missing
    Source: U1, U4, U9.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return user_not_found(command.id)
    stored, standing = found
    patch = command.model_dump(exclude_unset=True, exclude={"id", "expected_revision"})
    if (refused := _refused(command, patch, stored, standing, view)) is not None:
        return refused
    was = opened(stored)
    document = _patched(was, patch)
    if findings := (
        *reserved(document["roles_requested"], "roles_requested"),
        *unreachable(document),
        *unnamed(document),
    ):
        return reject(*findings)
    if claims_of(was) != claims_of(document):
        view.require((*claim_keys(was, context), *claim_keys(document, context)))
        if (taken := unclaimed(document, was["roles"], view, context)) is not None:
            return taken
    changed = tuple(dict.fromkeys(p.partition(".")[0] for p in changed_fields(was, document)))
    if not changed:
        return Accepted(command.id, standing_reply(stored), command.id)
    return _changed(stored, document, changed, view, context)


def _refused(
    command: UpdateUser, patch: dict[str, Any], stored: Document, standing: Standing, view: View
) -> Rejected | None:
    """What speaks against the update before its values are looked at."""
    if denied := tuple(not_yours(patch, standing, rule="user.not-yours", what="user")):
        return reject(*denied)
    if stored["status"] not in TAKING_PART:
        return not_active(stored)
    expected = command.expected_revision
    findings = tuple(stale(expected, stored, standing, view, rule="user.stale"))
    return reject(*findings) if findings else None


def _patched(was: Document, patch: dict[str, Any]) -> dict[str, Any]:
    asked = patch.get("roles_requested", was["roles_requested"]) or ()
    return merged(was, patch) | {"roles_requested": sorted(set(asked) - set(was["roles"]))}


def _changed(
    stored: Document,
    document: dict[str, Any],
    changed: tuple[str, ...],
    view: View,
    context: Context,
) -> Accepted:
    """The record with its next revision, what it claims, and the status that evidence gives it."""
    user = document["_id"]
    rows = evidence_of(user, view)
    is_reopened = not SIGNIFICANT.isdisjoint(changed)
    after = settled(document, rows, context, reopened=is_reopened)
    after = after | {"revision": stored["revision"] + 1, "updated_at": context.now}
    event = UserUpdated(
        id=user,
        revision=after["revision"],
        status=after["status"],
        by=context.sender.user,
        parties=named(stored) or None,
        changed=changed,
    )
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=standing_reply(after),
        writes=(
            Put("users", sealed(after), stored),
            *claim_writes(opened(stored), after, view, context),
        ),
        events=(event, *confirmed_by_evidence(stored, after, context)),
    )
