"""Cases of duplicates in operators' hands: whose they are, and which are dismissed."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.duplicates import (
    AssetDuplicateDismissed,
    AssignCase,
    CaseAssigned,
    CaseDismissed,
    CaseState,
    DismissCase,
    UserDuplicateDismissed,
)
from contracts.messages import Event
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.duplicates import CASES, changed, told_of
from handlers.entry import sender_of
from handlers.rules import finding, reject
from handlers.senders import RESERVED
from handlers.signature import reads

DECIDED: Final = frozenset({"decided_by", "decided_at", "survivor", "reason"})
"""Fields of a case that is decided."""
DISMISSED: Final[Mapping[str, Any]] = {
    "assets": AssetDuplicateDismissed,
    "users": UserDuplicateDismissed,
}


def _case_reads(command: AssignCase | DismissCase, context: Context) -> Reads:
    yield CASES, command.id
    if isinstance(command, AssignCase) and command.to not in {None, *RESERVED}:
        yield "users", command.to


@reads(_case_reads)
def assign_case(command: AssignCase, view: View, context: Context) -> Decision:
    """Make an open case an operator's, or nobody's; whose it is already makes no event.

    Rejects: duplicates.not-found, duplicates.decided, duplicates.assignee
    Source: duplicates are decided by people, BUC.1.
    """
    was = view.get(CASES, command.id)
    if was is None:
        return case_not_found(command.id)
    if was["status"] != "open":
        return decided_already(was)
    if command.to is not None and not sender_of(command.to, view).is_operator:
        return reject(
            finding(
                "duplicates.assignee",
                "to",
                expected="the id of a confirmed user with the role `operator`",
                got=command.to,
                advice="Give it to somebody who may decide it.",
            )
        )
    former = was.get("assignee")
    if command.to == former:
        return accepted(was, context)
    after = changed(was, assignee=command.to)
    event = CaseAssigned(
        id=command.id,
        revision=after["revision"],
        by=context.sender.user,
        assignee=command.to,
        former=former,
    )
    return accepted(after, context, (Put(CASES, after, was),), (event,))


@reads(_case_reads)
def dismiss_case(command: DismissCase, view: View, context: Context) -> Decision:
    """Leave two records two; dismissing once more for the same reason makes no event.

    Rejects: duplicates.not-found, duplicates.decided
    Source: duplicates are decided by people, BUC.1.
    """
    was = view.get(CASES, command.id)
    if was is None:
        return case_not_found(command.id)
    if was["status"] == "dismissed" and was["reason"] == command.reason:
        return accepted(was, context)
    if was["status"] != "open":
        return decided_already(was)
    after = closed(was, "dismissed", context, reason=command.reason)
    view.require((was["kind"], one) for one in was["records"])
    records = [view.get(was["kind"], one) for one in was["records"]]
    dismissed = CaseDismissed(
        id=command.id,
        revision=after["revision"],
        by=context.sender.user,
        reason=command.reason,
        assignee=was.get("assignee"),
    )
    events = (dismissed, *told_of(command.id, DISMISSED, records, context))
    return accepted(after, context, (Put(CASES, after, was),), events)


def closed(was: Document, status: str, context: Context, **fields: Any) -> dict[str, Any]:
    """A case that is decided."""
    done = {"status": status, "decided_by": context.sender.user, "decided_at": context.now}
    return changed(was, **done, **fields)


def accepted(
    case: Document,
    context: Context,
    writes: tuple[Put, ...] = (),
    events: tuple[Event, ...] = (),
) -> Accepted:
    """The answer to whoever changes a case."""
    state = CaseState(
        id=case["_id"],
        revision=case["revision"],
        status=case["status"],
        assignee=case.get("assignee"),
    )
    return Accepted(case["_id"], state, context.sender.user, writes, events)


def case_not_found(case: str, field: str = "id") -> Rejected:
    """The answer for an id that is no case's."""
    return reject(
        finding(
            "duplicates.not-found",
            field,
            expected="the id of a case",
            got=case,
            advice="Take it from the answer to `duplicates.list.v1`.",
        )
    )


def decided_already(case: Document, field: str = "id") -> Rejected:
    """The answer to whoever wants to decide what is decided."""
    return reject(
        finding(
            "duplicates.decided",
            field,
            expected="a case that is open",
            got=case["status"],
            advice="What was dismissed is opened again by another model; what was merged, split.",
        )
    )
