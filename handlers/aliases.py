"""What becomes of a message that names an alias: one answer, whatever the message wants.

The handler is not asked: an alias is neither asset nor user, and to whoever may not know of it
there is none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from contracts.envelope import Finding
from contracts.messages import operation_of, register_of_entity
from handlers.admission import Arrival
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.rules import finding, reject
from handlers.signature import Handler
from handlers.visibility import by_organisation, mandate_read, seen, standing_reads

WAYS_OUT: Final = frozenset({"asset.withdraw-consent", "interest.withdraw", "sharing.revoke"})
"""Operations by which one ends with a user what stays with an alias; whoever it is by now."""
USE: Final = "Use the id of the survivor from now on."
KNOWN: Final = "known"
"""Field of an alias: who could see it, so that for others no more is read than where is none."""


def merged(
    arrival: Arrival, handler: Handler, reads: Reads, view: View, context: Context
) -> Rejected | None:
    """Say who or what has taken the place of those that are named; None where there is none.

    Rejects: asset.merged, user.merged
    """
    if arrival.message is None or handler.contract.takes_aliases:
        return None
    found: dict[str, str] = {}
    ends = operation_of(handler.contract.message_type) in WAYS_OUT
    for register in ("assets",) if ends else ("assets", "users"):
        named = (key for name, key in reads if name == register and isinstance(key, str))
        found |= survivors(register, named, view, context)
    findings = tuple(
        _of_user(path, alias, found[alias])
        if register_of_entity(alias) == "users"
        else _of_asset(path, alias, found[alias])
        for path, alias in (_named(arrival.message.model_dump(), found) if found else ())
    )
    return reject(*findings) if findings else None


def _of_asset(path: str, alias: str, survivor: str) -> Finding:
    return finding(
        "asset.merged",
        path,
        expected=f"{survivor}, which is the same asset",
        got=alias,
        advice=USE,
    )


def _of_user(path: str, alias: str, survivor: str) -> Finding:
    return finding(
        "user.merged",
        path,
        expected=f"{survivor}, which is the same user",
        got=alias,
        advice=USE,
    )


def survivors(register: str, ids: Iterable[str], view: View, context: Context) -> Mapping[str, str]:
    """Of some ids the aliases that the sender may know of, with the survivors that it may see."""
    found = {one: alias for one in ids if (alias := _alias(view.get(register, one), context))}
    if not found:
        return {}
    viewer, taken = context.sender.user, {one: a["merged_into"] for one, a in found.items()}
    view.require(key for one in taken.values() for key in standing_reads(register, one, viewer))
    view.require(mandate_read(view.get(register, one), viewer) for one in taken.values())
    return {
        one: survivor
        for one, survivor in taken.items()
        if seen(register, survivor, view, context) is not None
    }


def _alias(document: Document | None, context: Context) -> Document | None:
    if document is None or "merged_into" not in document:
        return None
    viewer = context.sender
    may_know = viewer.is_operator or viewer.user in document[KNOWN]
    # Whom everybody could see, everybody may ask for.
    if document.get("kind") == "organisation":
        may_know |= any(by_organisation(viewer, document))
    return document if may_know else None


def _named(value: Any, wanted: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Where a message names any of some ids."""
    if isinstance(value, str) and value in wanted:
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _named(inner, wanted, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _named(inner, wanted, f"{path}.{position}")
