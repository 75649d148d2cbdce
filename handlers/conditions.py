"""What holds for a type of message: agreements that it needs, and until when it is taken.

One collection, looked up once for a batch: a row for an operation, one for each of its majors.
What is read here may be stale: a command that is decided in the moment in which a condition changes
counts as decided before.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from contracts.envelope import Finding
from contracts.messages import Request, operation_of
from handlers.admission import Arrival
from handlers.decision import Context, Document, Put, Rejected, View
from handlers.edges import RELATIONS, edge, holds
from handlers.rules import reject
from handlers.senders import RESERVED
from handlers.signature import Handler
from handlers.tying import Tie, ties_of

CONDITIONS: Final = "conditions"
SIGNATORY: Final = "signatory"
"""What a user is to an agreement that it has signed: a tie, with the version and its hash."""
NEEDED_MAX: Final = 20
"""How many agreements one operation may need."""

Need = Mapping[str, Any]
"""One agreement that an operation needs: name, version, sha256, its publisher, `good_from` (the
oldest version whose signatures count) and `for_all` (or for what is addressed to the publisher)."""


def condition_reads(handler: Handler) -> Iterator[tuple[str, Any]]:
    """The rows that any message of this type looks at."""
    message_type = handler.contract.message_type
    yield CONDITIONS, operation_of(message_type)
    yield CONDITIONS, message_type


def sunset_of(handler: Handler, view: View) -> datetime | None:
    """Until when the type is taken, where that is announced."""
    row = view.get(CONDITIONS, handler.contract.message_type)
    moment: datetime | None = (row or {}).get("sunset")
    return moment


def unsigned(arrival: Arrival, handler: Handler, view: View, context: Context) -> Rejected | None:
    """Reject what needs agreements that its sender has not signed, and name them all.

    Operators and the shared accounts, which cannot sign, need none; nor does who published it.
    """
    sender = context.sender
    row = view.get(CONDITIONS, operation_of(handler.contract.message_type))
    if row is None or sender.is_operator or sender.user in RESERVED:
        return None
    needs = [need for need in row["needs"] if _is_for(need, sender.user, arrival.message)]
    view.require((RELATIONS, edge(need["name"], sender.user)) for need in needs)
    missing = [
        need
        for need in needs
        if signed_version(view.get(RELATIONS, edge(need["name"], sender.user)), context.now)
        < need["good_from"]
    ]
    return reject(*map(_finding, missing)) if missing else None


def _is_for(need: Need, user: str, message: Any) -> bool:
    if need["publisher"] == user:
        return False
    if need["for_all"] or not isinstance(message, Request):
        return bool(need["for_all"])
    return need["publisher"] in message.current().addressees


def _finding(need: Need) -> Finding:
    return Finding(
        rule="agreement.unsigned",
        field="type",
        expected=f"your signature of `{need['name']}`, version {need['version']}, "
        f"sha256 {need['sha256']}",
        got="",
        advice=f"Read it with `agreement.get.v1` and sign it with `agreement.sign.v1`: "
        f"id {need['name']}.",
    )


def signature_of(row: Document | None, now: datetime) -> Tie | None:
    """The signature of an agreement that holds, in what is recorded between it and a user."""
    held = [tie for tie in ties_of(row) if tie["as"] == SIGNATORY and holds(tie, now)]
    return held[-1] if held else None


def signed_version(row: Document | None, now: datetime) -> int:
    """The version of the signature that holds; 0 without one."""
    signature = signature_of(row, now)
    return signature["version"] if signature is not None else 0


def needs_of(row: Document | None) -> list[Need]:
    """The agreements that an operation needs."""
    return list((row or {}).get("needs", ()))


def with_need(row: Document | None, operation: str, name: str, need: Need | None) -> Put:
    """An operation's row with this agreement in it, or without it."""
    kept = [one for one in needs_of(row) if one["name"] != name]
    needs = sorted([*kept, *([need] if need else [])], key=lambda one: str(one["name"]))
    return put(row, operation, {"needs": needs})


def put(row: Document | None, key: str, fields: Mapping[str, Any]) -> Put:
    """A row with other fields."""
    revision = row["revision"] + 1 if row is not None else 1
    return Put(CONDITIONS, {**(row or {}), "_id": key, "revision": revision, **fields}, row)
