"""Groups of records that pairs join, however many links lie between two of them."""

from collections.abc import Iterable, Mapping


def clusters(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Of each record in a pair the smallest one that it is joined with, whatever the order."""
    parent: dict[str, str] = {}
    for one, other in pairs:
        first, second = sorted((_root(parent, one), _root(parent, other)))
        parent[second] = first
    return {record: _root(parent, record) for record in sorted({*parent, *parent.values()})}


def _root(parent: dict[str, str], record: str) -> str:
    while (above := parent.get(record, record)) != record:
        parent[record] = parent.get(above, above)
        record = above
    return record
