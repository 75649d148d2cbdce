"""How a register is divided into shards: which cells each decides, and how operators move them.

A platform never learns of shards: it publishes to the same address whatever there are.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.messages import Command, Contract, Event, Query
from contracts.taxonomy import ASSET_TYPES, GSP_GROUPS, SHARDS_MAX
from contracts.values import AnyUserId

NO_GROUP = "_"
"""In place of a GSP group that is not known."""
_GROUPS = "|".join(sorted(GSP_GROUPS.values()))
_TYPES = "|".join(sorted(ASSET_TYPES))

Sharded = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{1,40}$",
        description="The register by the name of its collection, such as `assets`.",
    ),
]
Shard = Annotated[int, Field(strict=True, ge=0, lt=SHARDS_MAX)]
Cells = Annotated[
    str,
    Field(
        pattern=rf"^(\*|{NO_GROUP}|{_GROUPS})\.(\*|{_TYPES})\.(\*|[0-9a-f])$",
        description="`<GSP group>.<asset type>.<hash nibble>`, such as `_A.BAT.7`; `*` for any of "
        "them, `_` for a GSP group that is not known.",
    ),
]
Phase = Literal["bulk", "ordinary", "sending"]
"""Of a move: bulk loads are held back until the old shards have decided what they have of them,
then the other commands too; at last the old shards' events are sent, before the new ones begin."""


class Placing(Contract):
    """Which shard decides some cells."""

    cells: Cells
    shard: Shard


class ShardMap(Contract):
    """Which shard decides which cells; of two lines the one with fewer `*` counts."""

    id: Sharded
    version: int
    """Higher with each change, 0 while nobody has changed anything."""
    placed: tuple[Placing, ...]
    becoming: tuple[Placing, ...] | None = None
    """What it will be when the move that is under way is done."""
    phase: Phase | None = None
    """How far that move is."""
    drained: tuple[Shard, ...] = ()
    """Shards that have decided everything that this phase waits for."""


class _ChangeShards(Command):
    """The part that all changes have in common."""

    id: Sharded


class SplitShard(_ChangeShards, type="shard.split.v1", senders={"operator"}, accepted=ShardMap):
    """Divide the cells of one shard evenly among several, itself among them or not.

    The reply comes at once, the move goes on while commands flow: those for the moving cells are
    held back until the old shard has decided what it has of them. One move at a time; the same
    command again, under a new id, while its move is under way sets the move going again.
    Errors: `shard.register-unknown`, `shard.undeclared`, `shard.empty`, `shard.under-way`.
    Source: A2, scale, of the requirement.
    """

    shard: Shard
    into: Annotated[tuple[Shard, ...], Field(min_length=1, max_length=SHARDS_MAX)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.into)) != len(self.into):
            raise ValueError("each shard once")
        return self


class MergeShards(_ChangeShards, type="shard.merge.v1", senders={"operator"}, accepted=ShardMap):
    """Give all cells of some shards to one; it goes on as a split does.

    Errors: `shard.register-unknown`, `shard.undeclared`, `shard.empty`, `shard.under-way`.
    Source: A2, scale, of the requirement.
    """

    shards: Annotated[tuple[Shard, ...], Field(min_length=1, max_length=SHARDS_MAX)]
    into: Shard


class MoveCells(_ChangeShards, type="shard.move.v1", senders={"operator"}, accepted=ShardMap):
    """Give some cells to one shard, wherever they are now; it goes on as a split does.

    Errors: `shard.register-unknown`, `shard.undeclared`, `shard.under-way`.
    Source: A2, scale, of the requirement.
    """

    cells: Cells
    to: Shard


class ListShards(Query, type="shard.list.v1", senders={"operator"}, accepted=ShardMap):
    """Ask which shard decides which cells, and how far a move is.

    Errors: `shard.register-unknown`.
    Source: A2, scale, of the requirement.
    """

    id: Sharded


class ShardMoving(Event, type="shard.moving.v1"):
    """Cells begin to move: from here on their bulk loads are held back."""

    id: Sharded
    version: int
    """That of the map with which the move begins; it names the move."""
    by: AnyUserId


class ShardDraining(Event, type="shard.draining.v1"):
    """The old shards have decided the bulk loads: from here on all commands are held back."""

    id: Sharded
    version: int
    """The move, by the version with which it began."""
    by: AnyUserId


class ShardMoved(Event, type="shard.moved.v1"):
    """Cells are where they were to move to."""

    id: Sharded
    version: int
    """The move, by the version with which it began."""
    by: AnyUserId
