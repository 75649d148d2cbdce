"""How a user gets roles that it cannot give itself."""

from contracts.envelope import Finding
from contracts.grants import GrantRole, UserRoles, UserRolesGranted
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, View
from handlers.evidence import (
    EVIDENCE_ROWS,
    confirmed_by_evidence,
    evidence_of,
    evidence_span,
    settled,
)
from handlers.groups import opened, sealed
from handlers.patching import stale
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.user_rules import not_active, reserved, user_not_found
from handlers.visibility import TAKING_PART, mandate_read, named, seen, standing_reads


def _reads(command: GrantRole, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)
    yield EVIDENCE_ROWS, evidence_span(command.id)


@reads(_reads)
def grant_role(command: GrantRole, view: View, context: Context) -> Decision:
    """Give roles, and to a system operator what it does in particular.

    A confirmed user stays confirmed: who grants has decided.
    Rejects: user.not-found, user.not-active, user.stale, user.role-reserved, user.sub-role
    Source: the requirement's table of actors.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return user_not_found(command.id)
    user, standing = found
    if user["status"] not in TAKING_PART:
        return not_active(user)
    expected = command.expected_revision
    if findings := tuple(stale(expected, user, standing, view, rule="user.stale")):
        return reject(*findings)
    roles = sorted({*user["roles"], *command.roles})
    before = user.get("sub_roles", [])
    sub_roles = before if command.sub_roles is None else sorted(set(command.sub_roles))
    if findings := (*reserved(command.roles, "roles"), *_sub_role_of_none(roles, sub_roles)):
        return reject(*findings)
    waiting = [role for role in user["roles_requested"] if role not in roles]
    if (roles, sub_roles, waiting) == (user["roles"], before, user["roles_requested"]):
        return Accepted(command.id, _reply(user), command.id)
    granted = {"roles": roles, "roles_requested": waiting, "sub_roles": sub_roles}
    after = settled(opened(user) | granted, evidence_of(command.id, view), context)
    after = after | {"revision": user["revision"] + 1, "updated_at": context.now}
    event = UserRolesGranted(
        id=command.id,
        revision=after["revision"],
        status=after["status"],
        by=context.sender.user,
        parties=named(user) or None,
        roles=tuple(roles),
        sub_roles=tuple(sub_roles),
    )
    return Accepted(
        subject=command.id,
        keyed_to=command.id,
        reply=_reply(after),
        writes=(Put("users", sealed(after), user),),
        events=(event, *confirmed_by_evidence(user, after, context)),
    )


def _sub_role_of_none(roles: list[str], sub_roles: list[str]) -> tuple[Finding, ...]:
    if not sub_roles or "so" in roles:
        return ()
    return (
        finding(
            "user.sub-role",
            "sub_roles",
            expected="a user with the role `so`, or one that is granted it with this",
            got=", ".join(sub_roles),
            advice="Grant `so` too, or leave `sub_roles` out.",
        ),
    )


def _reply(user: Document) -> UserRoles:
    return UserRoles(
        id=user["_id"],
        status=user["status"],
        revision=user["revision"],
        roles=user["roles"],
        sub_roles=user.get("sub_roles", ()),
        roles_requested=user["roles_requested"],
    )
