"""How MongoDB is asked for documents of many collections by their keys: in one query.

A query costs the driver and the server more than the few documents that it finds: six
collections one by one take twice to three times as long, and four times the processor (ADR 0027).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from workers.store.changes import GUARD
from workers.store.codec import decode, key_of, stored_key
from workers.store.protocol import Key

COLLECTION: Final = "_of"
"""The field that says which collection a document is from, where it is not the first one."""
KEYS_MAX: Final = 20_000
"""Keys of one query; it has to fit into 16 MiB however long they are."""

Stage = Mapping[str, Any]
Wanted = Mapping[str, Collection[Key]]


def queries(wanted: Wanted) -> Iterator[tuple[str, Sequence[Stage]]]:
    """The collection to ask and the pipeline, for all that is wanted; mostly one query."""
    parts: list[tuple[str, Sequence[Key]]] = []
    left = KEYS_MAX
    for name, keys in wanted.items():
        rest = list(keys)
        while rest:
            part, rest = rest[:left], rest[left:]
            parts.append((name, part))
            left -= len(part)
            if not left:
                yield _united(parts)
                parts, left = [], KEYS_MAX
    if parts:
        yield _united(parts)


def _united(parts: Sequence[tuple[str, Sequence[Key]]]) -> tuple[str, Sequence[Stage]]:
    (first, keys), *others = parts
    return first, [_match(keys), *(_union(name, keys) for name, keys in others)]


def _match(keys: Sequence[Key]) -> Stage:
    return {"$match": {"_id": {"$in": [stored_key(key) for key in keys]}}}


def _union(name: str, keys: Sequence[Key]) -> Stage:
    pipeline = [_match(keys), {"$set": {COLLECTION: name}}]
    return {"$unionWith": {"coll": name, "pipeline": pipeline}}


def read(raw: bytes) -> tuple[Key, dict[str, Any]]:
    """A stored document with its key, without what only the store looks at."""
    document = decode(raw)
    document.pop(GUARD, None)
    return key_of(document["_id"]), document
