"""How a user comes from one status to another: the decisions, and the date of each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from contracts.confirmation import ConfirmUser, RejectUser, UserConfirmed, UserRejected
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
from handlers.absorbed import aliases_out, released_by_aliases
from handlers.accounts import COLLECTION, accounts_of
from handlers.claiming import claim_keys, released
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Drop,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.groups import opened
from handlers.leaving import ended_accounts, leaving
from handlers.patching import stale
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.user_rules import not_active, user_not_found, user_not_yours
from handlers.visibility import TAKING_PART, mandate_read, named, seen, standing_reads

PASSING: Final = ("status_before", "suspension", "suspension_note")
"""What a user's document has while it is suspended."""


def _not_suspended(user: Document) -> Rejected:
    return reject(
        finding(
            "user.not-suspended",
            "id",
            expected="a user who is suspended",
            got=user["status"],
            advice="Who was rejected or is retired does not come back; register anew.",
        )
    )


def _not_provisional(user: Document) -> Rejected:
    return reject(
        finding(
            "user.not-provisional",
            "id",
            expected="a user who is provisional",
            got=user["status"],
            advice="Suspend or retire who is confirmed; end a suspension before this.",
        )
    )


def _gone(user: Document) -> Rejected:
    return not_active(user, "provisional, confirmed or suspended")


@dataclass(frozen=True, slots=True)
class Step:
    """One way from a status to another, and what is said of it."""

    starts: frozenset[str]
    """Statuses from which it can be taken."""
    done: frozenset[str]
    """Statuses in which nothing is left to do."""
    wrong: Callable[[Document], Rejected]
    """What is answered in any other status."""
    event: type[Event]


SUSPEND: Final = Step(TAKING_PART, frozenset({"suspended"}), not_active, UserSuspended)
REINSTATE: Final = Step(frozenset({"suspended"}), TAKING_PART, _not_suspended, UserReinstated)
RETIRE: Final = Step(TAKING_PART | {"suspended"}, frozenset({"retired"}), _gone, UserRetired)
CONFIRM: Final = Step(
    frozenset({"provisional"}), frozenset({"confirmed"}), _not_provisional, UserConfirmed
)
REJECT: Final = Step(
    frozenset({"provisional"}), frozenset({"rejected"}), _not_provisional, UserRejected
)


def _stands(step: Step, user: Document) -> Accepted | Rejected | None:
    """The answer where the step is not to be taken; None where it is."""
    if user["status"] in step.done:
        return Accepted(subject=user["_id"], keyed_to=user["_id"], reply=standing_reply(user))
    return None if user["status"] in step.starts else step.wrong(user)


def _taken(
    step: Step,
    user: Document,
    status: str,
    context: Context,
    *,
    kept: Mapping[str, Any] | None = None,
    told: Mapping[str, Any] | None = None,
    writes: Iterable[Put | Drop] = (),
) -> Accepted:
    """The step with its date; what is `kept` of it stays on the record, what is `told` is said."""
    rest = {name: value for name, value in user.items() if name not in PASSING}
    revision = user["revision"] + 1
    decided = {"status": status, "status_at": context.now, "revision": revision}
    after = {**rest, **decided, **(kept or {})}
    said: dict[str, Any] = {
        "id": user["_id"],
        "revision": revision,
        "status": status,
        "by": context.sender.user,
        "parties": named(user) or None,
    }
    return Accepted(
        subject=user["_id"],
        keyed_to=user["_id"],
        reply=standing_reply(after),
        writes=(Put("users", after, user), *writes),
        events=(step.event(**said, **(told or {})),),
    )


def standing_reply(user: Document) -> UserStanding:
    """What a user is by now, and since when."""
    return UserStanding(
        id=user["_id"],
        status=user["status"],
        status_at=user["status_at"],
        revision=user["revision"],
    )


def _sealed(name: str, note: str | None) -> dict[str, Secret]:
    """An operator's own words, which may name somebody."""
    return {} if note is None else {name: Secret(note)}


def _reads(
    command: SuspendUser | ReinstateUser | ConfirmUser | RetireUser | RejectUser, context: Context
) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)


def _ending_reads(command: RetireUser | RejectUser, context: Context) -> Reads:
    yield from _reads(command, context)
    yield COLLECTION, accounts_of(command.id)


@reads(_reads)
def suspend_user(command: SuspendUser, view: View, context: Context) -> Decision:
    """Take a user's part in the market away, and remember what it was.

    Rejects: user.not-found, user.not-active
    Source: the states of a user.
    """
    if (user := view.get("users", command.id)) is None:
        return user_not_found(command.id)
    if (answer := _stands(SUSPEND, user)) is not None:
        return answer
    kept = {"status_before": user["status"], "suspension": command.reason}
    return _taken(
        SUSPEND, user, "suspended", context,
        kept=kept | _sealed("suspension_note", command.note),
        told={"reason": command.reason},
    )  # fmt: skip


@reads(_reads)
def reinstate_user(command: ReinstateUser, view: View, context: Context) -> Decision:
    """Give a suspended user back what it was before.

    Rejects: user.not-found, user.not-suspended
    Source: the states of a user.
    """
    if (user := view.get("users", command.id)) is None:
        return user_not_found(command.id)
    if (answer := _stands(REINSTATE, user)) is not None:
        return answer
    return _taken(REINSTATE, user, user["status_before"], context)


@reads(_reads)
def confirm_user(command: ConfirmUser, view: View, context: Context) -> Decision:
    """Confirm a provisional user by an operator's word, whatever evidence there is.

    Rejects: user.not-found, user.not-provisional, user.stale
    Source: the states of a user.
    """
    if (found := seen("users", command.id, view, context)) is None:
        return user_not_found(command.id)
    user, standing = found
    if (answer := _stands(CONFIRM, user)) is not None:
        return answer
    expected = command.expected_revision
    if findings := tuple(stale(expected, user, standing, view, rule="user.stale")):
        return reject(*findings)
    return _taken(CONFIRM, user, "confirmed", context, told={"grounds": "operator"})


@reads(_ending_reads)
def reject_user(command: RejectUser, view: View, context: Context) -> Decision:
    """Refuse a provisional user for good; what it claimed is free for whoever it belongs to.

    Rejects: user.not-found, user.not-provisional
    Source: the states of a user.
    """
    if (user := view.get("users", command.id)) is None:
        return user_not_found(command.id)
    if (answer := _stands(REJECT, user)) is not None:
        return answer
    record = opened(user)
    view.require(claim_keys(record, context))
    outs, told = aliases_out(user, view, context)
    own = tuple(released(record, view, context))
    claims = (*own, *(one for one in released_by_aliases(user, view) if one not in own))
    done = _taken(
        REJECT, user, "rejected", context,
        kept={"rejection": command.reason} | _sealed("rejection_note", command.note),
        told={"reason": command.reason},
        writes=(*claims, *ended_accounts(user["_id"], view), *outs),
    )  # fmt: skip
    return replace(done, events=(*done.events, *told))


@reads(_ending_reads)
def retire_user(command: RetireUser, view: View, context: Context) -> Decision:
    """Take a user out for good, with the keys of all of its accounts.

    Who retires itself is let in for a while, so that it can erase itself and read both answers.

    Rejects: user.not-found, user.not-yours, user.not-active
    Source: the states of a user.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return user_not_found(command.id)
    user, standing = found
    if not standing.held & {"self", "operator"}:
        return user_not_yours(command.id)
    if (answer := _stands(RETIRE, user)) is not None:
        return answer
    if "self" in standing.held:
        writes = leaving(user["_id"], view, context)
    else:
        writes = ended_accounts(user["_id"], view)
    outs, told = aliases_out(user, view, context)
    done = _taken(RETIRE, user, "retired", context, writes=(*writes, *outs))
    return replace(done, events=(*done.events, *told))
