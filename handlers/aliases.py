"""What becomes of a message that names an alias: one answer, whatever the message wants.

The handler is not asked: an alias is no asset, and to whoever may not know of it there is none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from handlers.admission import Arrival
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.rules import finding, reject
from handlers.signature import Handler
from handlers.visibility import mandate_read, seen, standing_reads

KNOWN: Final = "known"
"""Field of an alias: who could see it, so that for others no more is read than where is none."""


def merged(
    arrival: Arrival, handler: Handler, reads: Reads, view: View, context: Context
) -> Rejected | None:
    """Say which assets have taken the place of those that are named; None where there is none.

    Rejects: asset.merged
    """
    if arrival.message is None or handler.contract.takes_aliases:
        return None
    assets = (key for name, key in reads if name == "assets" and isinstance(key, str))
    found = survivors("assets", assets, view, context)
    findings = tuple(
        finding(
            "asset.merged",
            path,
            expected=f"{found[asset]}, which is the same asset",
            got=asset,
            advice="Use the id of the survivor from now on.",
        )
        for path, asset in (_named(arrival.message.model_dump(), found) if found else ())
    )
    return reject(*findings) if findings else None


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
    may_know = context.sender.is_operator or context.sender.user in document[KNOWN]
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
