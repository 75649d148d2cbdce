"""How MongoDB is asked for documents whose indexed list holds every one of several values."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

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
