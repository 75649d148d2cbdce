"""The collections that must exist before the first transaction, and their secondary indexes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import IndexModel

Index = Sequence[str]
"""Fields in their order; one with `:2dsphere` behind its name holds a point on the globe."""

# Look-ups are by `_id`, and where an order matters `_id` is made to sort that way (history by
# entity and revision, the archive by lane and batch): an index costs every commit. No TTL index:
# its deletions come when they come, so retention is a timed job.
INDEXES: Final[Mapping[str, Sequence[Index]]] = {
    "users": (),
    "assets": (("cell", "_id"), ("registrant", "_id"), ("owner", "_id")),
    "asset_types": (),
    "accounts": (("user", "_id"), ("state", "_id")),
    "agreements": (("state", "_id"),),
    "agreement_versions": (),
    "conditions": (),
    "directory": (("terms", "_id"),),
    "claims": (),
    "evidence": (("user", "_id"),),
    "proofs": (("asset", "_id"), ("person", "_id")),
    "refreshes": (),
    "inbox": (),
    "outbox": (("partition", "_id"),),
    "history": (),
    "commands": (),
    "dead_letters": (("digest", "_id"), ("terms", "_id")),
    "dead_contents": (),
    "dead_notes": (),
    "dead_runs": (),
    "dead_edits": (),
    "losses": (),
    "parked": (),
    "relations": (("entity", "_id"), ("party", "_id")),
    "links": (("pair", "_id"), ("entity", "_id")),
    "erasures": (),
    "subscriptions": (),
    "sequences": (),
    "events": (("recipient", "_id"),),
    "notices": (("recipient", "_id"), ("shelf", "_id")),
    "pots": (),
    "timers": (("state", "_id"),),
    "replays": (),
    "watches": (),
    "channels": (),
    "interests": (("user", "_id"), ("to", "_id")),
    "changes": (),
    "broadcasts": (),
    "broadcasters": (),
    "reached": (),
    "members": (("within", "_id"),),
    "placements": (("person", "_id"),),
    "nests": (),
    "tallies": (),
    "portfolios": (),
    "flags": (("flagged", "_id"),),
    "shards": (),
    "areas": (),
    "area_cells": (),
    "objects": (),
    "object_chunks": (),
    "tokens": (),
    "places": (("viewers", "point:2dsphere"), ("terms", "_id")),
    "cases": (("terms", "_id"),),
    "merges": (),
    "sweeps": (),
    "present": (),
    "lanes": (),
    "keys": (),
}

_SMALL: Final = {"wiredTiger": {"configString": "leaf_page_max=8KB"}}
PAGES: Final[Mapping[str, Any]] = {
    "storageEngine": _SMALL,
    "indexOptionDefaults": {"storageEngine": _SMALL},
}
"""Options of every collection: ids are scattered, so that in a large register each document that is
written is on a page of its own, which a checkpoint packs and writes as a whole."""


def model_of(index: Index) -> IndexModel:
    """An index as the driver makes it."""
    parts = (field.partition(":") for field in index)
    return IndexModel([(name, kind or 1) for name, _, kind in parts])
