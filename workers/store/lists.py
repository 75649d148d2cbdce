"""How MongoDB is asked for documents whose indexed list holds every one of several values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from handlers.spans import Tally

TRIED_MAX: Final = 2
"""Of how many values' parts of an index the quickest is found out."""


class Find(NamedTuple):
    """The words of one `find`, whose order is that of the ids."""

    filter: Mapping[str, Any]
    projection: Mapping[str, int] | None
    hint: Sequence[tuple[str, int]]


def find_all_of(field: str, values: Sequence[str], after: str) -> Find:
    """Ask for documents behind an id that hold all values; of none, for every document.

    The planner tries the first values' parts of the index in turn and goes on with the quickest.
    It does so every time: with a hint it does not keep to what was quickest for other values. The
    rest is only looked at: each value that is tried costs as much again as the quickest.
    """
    asked: dict[str, Any] = {"_id": {"$gt": after}}
    if not values:
        return Find(asked, None, [("_id", 1)])
    asked[field] = {"$all": list(values[:TRIED_MAX])}
    if rest := values[TRIED_MAX:]:
        # Written so that no index takes part in it.
        asked["$nor"] = [{field: {"$ne": value}} for value in rest]
    return Find(asked, {field: 0}, [(field, 1), ("_id", 1)])


def count_all_of(tally: Tally) -> Sequence[Mapping[str, Any]]:
    """Ask how many hold all values, by other fields; only what an index finds is looked at."""
    wanted = {tally.field: {"$all": list(tally.all_of)}} if tally.all_of else {}
    by = {name: f"${name}" for name in tally.by}
    said = {name: {"$first": f"${name}"} for name in tally.said}
    ends = {"count": {"$sum": 1}, "first": {"$min": "$_id"}, "last": {"$max": "$_id"}}
    return [
        {"$match": wanted},
        {"$group": {"_id": by, **ends, **said}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": tally.limit},
        {"$replaceWith": {"$mergeObjects": ["$$ROOT", "$_id"]}},
    ]


def counted_all_of(tally: Tally, documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same of plain documents."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for document in documents:
        if set(tally.all_of) <= set(document.get(tally.field) or ()):
            by = tuple(document[name] for name in tally.by)
            groups.setdefault(by, []).append(document)
    rows = [
        {
            **dict(zip(tally.by, by, strict=True)),
            **{name: found[0][name] for name in tally.said},
            "count": len(found),
            "first": min(d["_id"] for d in found),
            "last": max(d["_id"] for d in found),
        }
        for by, found in groups.items()
    ]
    most = sorted(rows, key=lambda row: (-row["count"], *_nulls_first(row, tally)))
    return [row | {"_id": tally.id_of(row)} for row in most[: tally.limit]]


def _nulls_first(row: Mapping[str, Any], tally: Tally) -> list[tuple[bool, Any]]:
    """What a row is told apart by, in the order of the database, where nothing is before all."""
    return [(row[name] is not None, row[name] or "") for name in tally.by]
