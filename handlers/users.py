"""The user register: who becomes a user, and who may read one."""

from collections.abc import Iterator
from typing import Any

from contracts.envelope import Finding
from contracts.messages import SELF_ASSERTED, Contract, Role
from contracts.taxonomy import FRONT_DESK, USER_PREFIX
from contracts.users import GetUser, RegisterUser, UserRegistered, UserRegistration, UserView
from handlers.accounts import first_accounts
from handlers.claiming import claim_keys, claim_writes
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.documents import plain
from handlers.duplicates import suspect
from handlers.edges import RELATIONS, recorded
from handlers.groups import GIVEN, sealed
from handlers.links import reference_of_user
from handlers.namesakes import namesake_reads, namesakes
from handlers.neighbours import doubtful
from handlers.requirements import lacking
from handlers.rules import candidate_ids, issue_id, reject
from handlers.senders import RESERVED
from handlers.signature import reads
from handlers.user_rules import reserved, unclaimed, unreachable, user_not_found
from handlers.visibility import Standing, mandate_read, named, seen, standing_reads


def _registration_reads(command: RegisterUser, context: Context) -> Reads:
    yield "users", next(candidate_ids(USER_PREFIX, context))
    given = _groups(command)
    yield from claim_keys(given, context)
    yield from namesake_reads(given, context)
    yield from (one.read(context) for one in reference_of_user(context))


@reads(_registration_reads)
def register_user(command: RegisterUser, view: View, context: Context) -> Decision:
    """Issue an id at once and keep the registration as provisional.

    With each of those registered that an organisation may be, as far as name and address say, a
    case is opened for a person to decide.

    Rejects: user.on-behalf-missing, user.role-reserved, user.unreachable, user.duplicate,
        link.taken
    Source: U1, U2.
    """
    user = issue_id(USER_PREFIX, "users", view, context)
    document = _document(user, command, context)
    findings = (
        *_names_whom_it_acts_for(context),
        *reserved(command.roles, "roles"),
        *unreachable(document),
    )
    if findings:
        return reject(*findings)
    if (taken := unclaimed(document, command.roles, view, context)) is not None:
        return taken
    # Behind the claims: who is registered already is told so, whatever it is called this time.
    references = tuple(reference_of_user(context))
    if linked := tuple(f for one in references for f in one.taken(view, context)):
        return reject(*linked)
    found = doubtful(namesakes(document, view, context))
    cases = [suspect(document, one, judged, view, context) for one, judged in found]
    writes = [Put("users", sealed(document)), *(case for case, _ in cases)]
    writes += [w for w in claim_writes(None, document, view, context) if isinstance(w, Put)]
    if context.on_behalf_of is not None and context.sender.user not in RESERVED:
        writes.append(Put(RELATIONS, _mandate(user, context)))
    writes += [one.link(user, view, context) for one in references]
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
            *(event for _, told in cases for event in told),
        ),
        preview={"missing": lacking(document)},
    )


def _groups(command: RegisterUser) -> dict[str, Any]:
    """What the user says of itself, without what it leaves open."""
    given = plain(command.model_dump(exclude_none=True, include={"kind", *GIVEN}))
    groups = {name: given[name] for name in GIVEN if given.get(name)}
    return {"_id": "", "kind": command.kind, **groups}


def _document(user: str, command: RegisterUser, context: Context) -> dict[str, Any]:
    granted, requested = _roles(command, context)
    return {
        "revision": 1,
        "status": "provisional",
        "status_at": context.now,
        "roles": granted,
        "roles_requested": requested,
        "registrant": context.sender.user,
        "registered_at": context.now,
        **_groups(command),
        "_id": user,
    }


def _roles(command: RegisterUser, context: Context) -> tuple[list[Role], list[Role]]:
    """Roles at once and roles that wait: an operator grants by registering."""
    asked = sorted(set(command.roles))
    if context.sender.is_operator:
        return asked, []
    granted = [role for role in asked if role in SELF_ASSERTED]
    return granted, [role for role in asked if role not in SELF_ASSERTED]


def _mandate(user: str, context: Context) -> Document:
    """Who registers another acts for it, until the user itself confirms or ends that.

    Not an account that others share: what it is to a user, all of them would be.
    """
    tie = {"as": "delegate", "from": context.now, "until": None, "provisional": True}
    return recorded(user, context.sender.user, [tie])


def _names_whom_it_acts_for(context: Context) -> Iterator[Finding]:
    for_itself = context.sender.is_operator or FRONT_DESK in context.sender.roles
    if not for_itself and context.on_behalf_of is None:
        yield Finding(
            rule="user.on-behalf-missing",
            field="onbehalfof",
            expected="your own reference of the party that you register",
            got="",
            advice="Set `onbehalfof`, or register at the front desk if it is yourself.",
        )


def _get_reads(query: GetUser, context: Context) -> Reads:
    yield from standing_reads("users", query.id, context.sender.user)
    yield mandate_read(None, context.sender.user)


@reads(_get_reads)
def get_user(query: GetUser, view: View, context: Context) -> Contract | Rejected:
    """Answer with the groups that the asker may see.

    Rejects: user.not-found
    Source: U8.
    """
    found = seen("users", query.id, view, context)
    if found is None:
        return user_not_found(query.id)
    document, standing = found
    return shown_user(document, standing)


def shown_user(user: Document, standing: Standing) -> UserView:
    """A record, of now or of the past, as whoever has this standing may see it."""
    return UserView(
        id=user["_id"],
        status=user["status"],
        status_at=user["status_at"],
        revision=user["revision"],
        kind=user["kind"],
        roles=user["roles"],
        sub_roles=user.get("sub_roles", ()),
        **standing.shown(user),
    )
