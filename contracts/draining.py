"""What the directory of shards says to a shard: no user sends or hears it."""

from typing import ClassVar

from contracts.messages import Event
from contracts.shards import Phase, Shard, Sharded


class ShardDrained(Event, type="shard.drained.v1"):
    """The marker behind the last command of the moving cells: all before it is decided by now."""

    waits_for_all: ClassVar[bool] = True

    id: Sharded
    version: int
    """The move, by the version with which it began."""
    shard: Shard
    phase: Phase


class ShardSettled(Event, type="shard.settled.v1"):
    """What the old shards had to tell is sent: the move is done."""

    id: Sharded
    version: int
    """The move, by the version with which it began."""
