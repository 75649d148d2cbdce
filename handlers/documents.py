"""How a contract's values become a document, how a patch is laid over one, and what differs."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from handlers.decision import Drop, Put, Secret

MASK_KEPT: Final = 3


def history_id(entity: str, revision: int) -> str:
    """The id of a revision's row in history; the rows of an entity sort by revision."""
    return f"{entity}/{revision:08d}"


def plain(value: Any) -> Any:
    """A value as the store gives it back: lists for tuples, ISO text for dates without a time."""
    # Of the same meaning without the first line, which spares most values the three questions.
    if isinstance(value, str | int | float | Decimal) or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def said_by(value: Any) -> Any:
    """What a stored value says, whether it is sealed or not."""
    return value.value if isinstance(value, Secret) else value


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a patch over a document as RFC 7396 says: None removes, groups merge, the rest replaces.

    A group that loses its last field is removed, and so is an empty list.
    """
    result = dict(document)
    for name, value in patch.items():
        if isinstance(value, Mapping):
            before = result.get(name)
            group = merged(before if isinstance(before, Mapping) else {}, value)
            value = group or None  # noqa: PLW2901  an empty group is an absent one
        elif isinstance(value, list | tuple):
            # Replaced whole, so that a null inside says no more than absence does.
            rows = [merged({}, row) if isinstance(row, Mapping) else row for row in value]
            value = rows or None  # noqa: PLW2901  and so is an empty list
        if value is None:
            result.pop(name, None)
        else:
            result[name] = plain(value)
    return result


def changed_in(collection: str, writes: Iterable[Put | Drop]) -> dict[str, Put]:
    """By id the documents of a collection that a decision makes or changes, from first to last."""
    changed: dict[str, Put] = {}
    for put in writes:
        if isinstance(put, Put) and put.collection == collection:
            first = changed.get(put.document["_id"], put)
            changed[put.document["_id"]] = Put(collection, put.document, first.was)
    return changed


def held_at(document: Mapping[str, Any], path: str) -> Any:
    """The value of a field, None where there is none."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any], root: str = "") -> Iterator[str]:
    """Names of the fields that differ, `group.field` for groups, in alphabetical order."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from changed_fields(before, after, f"{root}{name}.")
        else:
            yield f"{root}{name}"


def mask(value: Any) -> Any:
    """Keep the shape and the last characters, so that its owner recognises it and others cannot."""
    if isinstance(value, Mapping):
        return {name: mask(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    text = str(value)
    kept = text[-MASK_KEPT:] if len(text) > 2 * MASK_KEPT else ""
    return "*" * (len(text) - len(kept)) + kept
