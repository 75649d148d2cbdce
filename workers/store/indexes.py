"""The collections that must exist before the first transaction, and their secondary indexes."""

from collections.abc import Mapping, Sequence
from typing import Final

Index = Sequence[str]

# Look-ups are by `_id`; these serve what is read in an order. No TTL index: its deletions come
# when they come, so retention is a timed job. `lanes`, `keys`, `claims` need no more than `_id`.
INDEXES: Final[Mapping[str, Sequence[Index]]] = {
    "inbox": (),
    "outbox": (("partition", "_id"),),
    "history": (("entity", "_id"),),
    "commands": (("lane", "epoch", "batch"),),
    "timers": (("due",),),
    "lanes": (),
    "keys": (),
    "claims": (),
    "tokens": (),
}
