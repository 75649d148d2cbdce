"""How a user is suspended, reinstated and retired: its status, and the date of that decision."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.messages import Event
from contracts.users import (
    ReinstateUser,
    RetireUser,
    SuspendUser,
    UserReinstated,
    UserRetired,
    UserStanding,
    UserSuspended,
)
from handlers.accounts import COLLECTION, accounts_of
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
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.visibility import mandate_read, named, seen, standing_reads

ACTIVE: Final = frozenset({"provisional", "confirmed"})
"""Statuses in which a user takes part."""
OF_A_SUSPENSION: Final = ("status_before", "suspension", "suspension_note")
"""What a user's document has while it is suspended."""


def _reads(command: SuspendUser | ReinstateUser | RetireUser, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)


@reads(_reads)
def suspend_user(command: SuspendUser, view: View, context: Context) -> Decision:
    """Take a user's part in the market away, and remember what it was.

    Rejects: user.not-found, user.not-active
    Source: the states of a user.
    """
    user = view.get("users", command.id)
    if user is None:
        return _not_found(command.id)
    if user["status"] == "suspended":
        return _unchanged(user)
    if user["status"] not in ACTIVE:
        return _not_active(user)
    note = {} if command.note is None else {"suspension_note": Secret(command.note)}
    after = _changed(
        user, "suspended", context,
        status_before=user["status"], suspension=command.reason, **note,
    )  # fmt: skip
    event = UserSuspended(
        id=command.id,
        revision=after["revision"],
        status="suspended",
        by=context.sender.user,
        parties=named(user) or None,
        reason=command.reason,
    )
    return _decided(user, after, event)


@reads(_reads)
def reinstate_user(command: ReinstateUser, view: View, context: Context) -> Decision:
    """Give a suspended user back what it was before.

    Rejects: user.not-found, user.not-suspended
    Source: the states of a user.
    """
    user = view.get("users", command.id)
    if user is None:
        return _not_found(command.id)
    if user["status"] in ACTIVE:
        return _unchanged(user)
    if user["status"] != "suspended":
        return reject(
            finding(
                "user.not-suspended",
                "id",
                expected="a user who is suspended",
                got=user["status"],
                advice="Who was rejected or is retired does not come back; register anew.",
            )
        )
    after = _changed(user, user["status_before"], context)
    event = UserReinstated(
        id=command.id,
        revision=after["revision"],
        status=after["status"],
        by=context.sender.user,
        parties=named(user) or None,
    )
    return _decided(user, after, event)


def _retire_reads(command: RetireUser, context: Context) -> Reads:
    yield from _reads(command, context)
    yield COLLECTION, accounts_of(command.id)


@reads(_retire_reads)
def retire_user(command: RetireUser, view: View, context: Context) -> Decision:
    """Take a user out for good, with the keys of all of its accounts.

    Rejects: user.not-found, user.not-yours, user.not-active
    Source: the states of a user.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return _not_found(command.id)
    user, standing = found
    if not standing.held & {"self", "operator"}:
        return reject(
            finding(
                "user.not-yours",
                "id",
                expected="your own id",
                got=command.id,
                advice="Let the user itself or an operator send this.",
            )
        )
    if user["status"] == "retired":
        return _unchanged(user)
    if user["status"] == "rejected":
        return _not_active(user)
    after = _changed(user, "retired", context)
    event = UserRetired(
        id=command.id,
        revision=after["revision"],
        status="retired",
        by=context.sender.user,
        parties=named(user) or None,
    )
    held, _ = view.page(COLLECTION, accounts_of(command.id))
    return _decided(user, after, event, *(Put(COLLECTION, _ended(a), a) for a in held))


def _ended(account: Document) -> Document:
    """Kept without its key, so that the reconciler knows what is to be removed."""
    rest = {name: value for name, value in account.items() if name != "key_hash"}
    return {**rest, "state": "ended", "revision": account["revision"] + 1}


def _changed(user: Document, status: str, context: Context, **more: Any) -> Document:
    kept: Mapping[str, Any] = {k: v for k, v in user.items() if k not in OF_A_SUSPENSION}
    decided = {"status": status, "status_at": context.now, "revision": user["revision"] + 1}
    return {**kept, **decided, **more}


def _decided(user: Document, after: Document, event: Event, *writes: Put) -> Accepted:
    return Accepted(
        subject=user["_id"],
        keyed_to=user["_id"],
        reply=_standing(after),
        writes=(Put("users", after, user), *writes),
        events=(event,),
    )


def _unchanged(user: Document) -> Accepted:
    return Accepted(subject=user["_id"], keyed_to=user["_id"], reply=_standing(user))


def _standing(user: Document) -> UserStanding:
    return UserStanding(
        id=user["_id"],
        status=user["status"],
        status_at=user["status_at"],
        revision=user["revision"],
    )


def _not_found(user: str) -> Rejected:
    return reject(
        finding(
            "user.not-found",
            "id",
            expected="the id of a user that you may see",
            got=user,
            advice="Check the id; ask its platform or an operator for access.",
        )
    )


def _not_active(user: Document) -> Rejected:
    return reject(
        finding(
            "user.not-active",
            "id",
            expected="a user who is provisional, confirmed or suspended",
            got=user["status"],
            advice="Nothing is to be done: this user takes no part any more.",
        )
    )
