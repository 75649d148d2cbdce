"""Where a register's commands go: the map of its shards, and the home cells of its entities."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from contracts.shards import Phase
from handlers.cells import Placed, cell_of_id, placed_by, sources
from handlers.shards import COLLECTION, rules_of
from outbox.record import PARTITIONS
from topology import names
from workers.store.protocol import StateStore

HOMES_MAX: Final = 200_000
"""How many home cells are remembered; what was not asked for longest is forgotten first."""


class ShardStore(StateStore, Protocol):
    """What a directory of shards reads: documents, and what of the outbox is not sent yet."""

    async def valued(self, collection: str, ids: Collection[str], field: str) -> Mapping[str, Any]:
        """One field of each document, None where it has none; absent documents are left out."""
        ...

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Rows of these partitions whose id is behind `after`, in the order of their ids."""
        ...


@dataclass(slots=True)
class Steering:
    """The map as one line last read it; a line reads it when it begins, and when it is told to.

    Not when it likes: a line that goes by a newer map has to hold back what moves before the old
    shard gets the marker, and one that goes by an older map must not send behind that marker.
    """

    store: ShardStore
    register: str
    is_bulk: bool
    version: int = -1
    move: int | None = None
    """Which move is under way."""
    phase: Phase | None = None
    leaving: tuple[int, ...] = ()
    """Shards that something leaves in that move."""
    _placed: Placed = field(default_factory=dict)
    _becoming: Placed = field(default_factory=dict)
    _released: int | None = None
    _homes: OrderedDict[str, str] = field(default_factory=OrderedDict)

    async def look(self) -> bool:
        """Read the map; say whether it has changed."""
        found = (await self.store.load({COLLECTION: {self.register}}))[COLLECTION]
        document = found.get(self.register)
        version = document["revision"] if document is not None else 0
        if version == self.version:
            return False
        self.version = version
        self._placed = self._becoming = placed_by(rules_of(document))
        self.move, self.phase, self.leaving = None, None, ()
        if document is not None and document.get("becoming"):
            self._becoming = placed_by(document["becoming"])
            self.move, self.phase = document["move"], document["phase"]
            self.leaving = tuple(sorted(sources(self._placed, self._becoming)))
        return True

    def release(self) -> None:
        """Let go what was held back: what the old shards had to tell of it is sent."""
        self._released = self.move

    def shard_of(self, cell: str) -> int | None:
        """Which shard decides a cell; None while its commands are to be held back."""
        old, new = self._placed[cell], self._becoming[cell]
        if old == new or self.move == self._released:
            return new
        return None if self.phase != "bulk" or self.is_bulk else old

    @property
    def is_to_mark(self) -> bool:
        """Whether the phase is the one in which this line holds back, and then says so."""
        return self.phase == ("bulk" if self.is_bulk else "ordinary")

    async def homes(self, entities: Collection[str]) -> Mapping[str, str]:
        """The home cells of entities; of one that nobody knows, that of its id.

        Only those of known ones are remembered: an entity that is not there may come.
        """
        homes = {entity: self._homes[entity] for entity in entities if entity in self._homes}
        if unknown := set(entities) - homes.keys():
            found = await self.store.valued(self.register, unknown, "home")
            homes |= {entity: str(home or cell_of_id(entity)) for entity, home in found.items()}
        # Not from what is remembered: that may have been forgotten while the store was asked.
        for entity, home in homes.items():
            self._homes[entity] = home
            self._homes.move_to_end(entity)
        while len(self._homes) > HOMES_MAX:
            self._homes.popitem(last=False)
        return {entity: homes.get(entity) or cell_of_id(entity) for entity in entities}

    async def unsent(self) -> Mapping[str, str]:
        """By lane of the shards that something leaves, the last of what it has to send now."""
        lanes = [names.mailbox(self.register, shard) for shard in self.leaving]
        rows = {lane: await self.store.listed("outbox", f"{lane}/") for lane in lanes}
        return {lane: ids[-1] for lane, ids in rows.items() if ids}

    async def is_sent(self, lane: str, upto: str) -> bool:
        """Whether nothing of a lane is left in the outbox up to an id."""
        rows = await self.store.pending(range(PARTITIONS), 1, f"{lane}/")
        return not rows or str(rows[0]["_id"]) > upto
