"""The user register: who becomes a user, and who may read one."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.messages import SELF_ASSERTED, Contract, Role
from contracts.taxonomy import FRONT_DESK, OPERATOR, USER_PREFIX
from contracts.users import (
    GetUser,
    RegisterUser,
    UserDuplicateAttempted,
    UserRegistered,
    UserRegistration,
    UserView,
)
from handlers.accounts import first_accounts
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.documents import plain
from handlers.links import reference_link, reference_read, reference_taken
from handlers.rules import (
    Rule,
    attempted,
    candidate_ids,
    check,
    claim,
    finding,
    holder_of,
    issue_id,
    reject,
)
from handlers.signature import reads
from handlers.visibility import RELATIONS, knows, named, recorded, seen, standing_reads

PERSONAL: Final = ("name", "address", "claims")
"""Groups that are personal data where the user is a person; contacts and bank always are secret."""


def _claimed(command: RegisterUser) -> Iterator[tuple[str, str]]:
    for scheme, value in command.claims:
        if value is not None:
            yield scheme, value


def _registration_reads(command: RegisterUser, context: Context) -> Reads:
    yield "users", next(candidate_ids(USER_PREFIX, context))
    for scheme, value in _claimed(command):
        yield "claims", context.identity.fingerprint(scheme, value)
    yield from reference_read(context)


@reads(_registration_reads)
def register_user(command: RegisterUser, view: View, context: Context) -> Decision:
    """Issue an id at once and keep the registration as provisional.

    Rejects: user.on-behalf-missing, user.role-reserved, user.unreachable, user.duplicate,
        link.taken
    Source: U1, U2.
    """
    # Claims come last: told beside other faults, they would be an oracle that costs nothing.
    if (rejected := check(REGISTRATION_RULES, command, view, context)) is not None:
        return rejected
    if (rejected := check(CLAIM_RULES, command, view, context)) is not None:
        held = (holder_of(scheme, value, view, context) for scheme, value in _claimed(command))
        return attempted(rejected, held, UserDuplicateAttempted, command.roles, context)
    # Behind the claims: who is registered already is told so, whatever it is called this time.
    if taken := tuple(reference_taken(view, context)):
        return reject(*taken)
    user = issue_id(USER_PREFIX, "users", view, context)
    document = _document(user, command, context)
    writes = [Put("users", document)]
    writes += [claim(scheme, value, document, context) for scheme, value in _claimed(command)]
    if context.on_behalf_of is not None:
        writes.append(Put(RELATIONS, _mandate(user, context)))
    writes += reference_link(user, context)
    if command.account_key_hash is not None:
        writes += [Put("accounts", a) for a in first_accounts(user, command.account_key_hash)]
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=UserRegistration(
            id=user,
            status="provisional",
            revision=1,
            roles=document["roles"],
            roles_requested=document["roles_requested"],
        ),
        writes=tuple(writes),
        events=(
            UserRegistered(
                id=user,
                revision=1,
                status="provisional",
                by=context.sender.user,
                parties=named(document) or None,
                roles=document["roles"],
                account=command.account_key_hash is not None,
            ),
        ),
    )


def _document(user: str, command: RegisterUser, context: Context) -> dict[str, Any]:
    granted, requested = _roles(command, context)
    groups = command.model_dump(
        exclude_none=True, include={"name", "address", "claims", "contacts", "bank"}
    )
    secret = {"contacts", "bank"} | (set(PERSONAL) if command.kind == "person" else set())
    return {
        "_id": user,
        "revision": 1,
        "kind": command.kind,
        "status": "provisional",
        "status_at": context.now,
        "roles": granted,
        "roles_requested": requested,
        "registrant": context.sender.user,
        "registered_at": context.now,
        **{g: Secret(plain(v)) if g in secret else plain(v) for g, v in groups.items() if v},
    }


def _roles(command: RegisterUser, context: Context) -> tuple[list[Role], list[Role]]:
    """Roles at once and roles that wait: an operator grants by registering."""
    asked = sorted(set(command.roles))
    if context.sender.is_operator:
        return asked, []
    granted = [role for role in asked if role in SELF_ASSERTED]
    return granted, [role for role in asked if role not in SELF_ASSERTED]


def _mandate(user: str, context: Context) -> Document:
    """Who registers another acts for it, until the user itself confirms or ends that."""
    tie = {"as": "delegate", "from": context.now, "until": None, "provisional": True}
    return recorded(user, context.sender.user, [tie])


def _names_whom_it_acts_for(
    command: RegisterUser,
    view: View,
    context: Context,
) -> Iterator[Finding]:
    for_itself = bool(context.sender.roles & {FRONT_DESK, OPERATOR})
    if not for_itself and context.on_behalf_of is None:
        yield Finding(
            rule="user.on-behalf-missing",
            field="onbehalfof",
            expected="your own reference of the party that you register",
            got="",
            advice="Set `onbehalfof`, or register at the front desk if it is yourself.",
        )


def _asks_no_hidden_role(
    command: RegisterUser,
    view: View,
    context: Context,
) -> Iterator[Finding]:
    if FRONT_DESK in command.roles:
        yield finding(
            "user.role-reserved",
            "roles",
            expected="roles of the market",
            got=FRONT_DESK,
            advice="Leave `front-desk` out; it is the backbone's own account.",
        )


def _is_reachable(
    command: RegisterUser,
    view: View,
    context: Context,
) -> Iterator[Finding]:
    for position, contact in enumerate(command.contacts):
        if contact.email is None and contact.phone is None:
            yield finding(
                "user.unreachable",
                f"contacts.{position}",
                expected="an email or a phone number",
                advice="Give at least one way to reach this contact.",
            )


def _claims_what_is_free(command: RegisterUser, view: View, context: Context) -> Iterator[Finding]:
    """Whether a stranger holds a claim is decided at registration only: a check is no oracle."""
    for scheme, value in _claimed(command):
        held = holder_of(scheme, value, view, context)
        if held is None:
            continue
        known = knows(context.sender, held)
        if context.dry_run and not known:
            continue
        yield finding(
            "user.duplicate",
            f"claims.{scheme}",
            expected="an identifier that no other user holds",
            got=f"held by {held['holder']}" if known else "",
            advice="Use the existing user, or ask an operator if it is not yours."
            if known
            else "If this is your organisation, it is registered already: ask an operator.",
        )


REGISTRATION_RULES: Final[tuple[Rule[RegisterUser], ...]] = (
    _names_whom_it_acts_for,
    _asks_no_hidden_role,
    _is_reachable,
)
CLAIM_RULES: Final[tuple[Rule[RegisterUser], ...]] = (_claims_what_is_free,)


def _get_reads(query: GetUser, context: Context) -> Reads:
    yield from standing_reads("users", query.id, context.sender.user)


@reads(_get_reads)
def get_user(query: GetUser, view: View, context: Context) -> Contract | Rejected:
    """Answer with the groups that the asker may see.

    Rejects: user.not-found
    Source: U8.
    """
    found = seen("users", query.id, view, context)
    if found is None:
        return reject(
            finding(
                "user.not-found",
                "id",
                expected="the id of a user that you may see",
                got=query.id,
                advice="Check the id; ask its platform or an operator for access.",
            )
        )
    document, standing = found
    return UserView(
        id=document["_id"],
        status=document["status"],
        revision=document["revision"],
        kind=document["kind"],
        roles=document["roles"],
        roles_requested=document["roles_requested"],
        **standing.shown(document),
    )
