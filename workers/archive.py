"""The command archive, read again: batches of all lanes in an order in which they fit together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from workers.store.protocol import StateStore

COLLECTION: Final = "commands"
PAGE: Final = 50
"""Batches of one lane that are read at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a lane as the archive has it."""

    place: str
    lane: str
    epoch: int
    number: int
    at: datetime
    version: str
    row: Mapping[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Batch":
        """Read it from its document."""
        version = row["versions"]["handlers"]
        return cls(
            row["_id"], row["lane"], row["epoch"], row["batch"], row["at"], version, row
        )  # fmt: skip

    def entries(self) -> list[Mapping[str, Any]]:
        """Its commands and facts in their order."""
        found = [*self.row["entries"], *self.row.get("facts", ())]
        return sorted(found, key=lambda entry: entry["index"])

    def expected(self) -> dict[tuple[str, Any], int | None]:
        """By collection and key, at which revision the batch found what it writes."""
        found: dict[tuple[str, Any], int | None] = {}
        for entry in self.entries():
            for write in entry.get("writes", ()):
                found.setdefault((write["collection"], write["key"]), write["expected"])
        return found


Fits = Callable[[Batch], Awaitable[bool]]
"""Whether a batch finds what it writes at the revisions that it found then."""


@dataclass(slots=True)
class Archive:
    """The batches of each lane by number, of all lanes by their clock as far as they fit.

    Of two lanes the clocks say nearly which commit was first. Where a batch does not find a
    document at the revision that it found then, another lane's batch comes first.
    """

    store: StateStore
    last: dict[str, Batch] = field(default_factory=dict)
    """By lane, the last batch that was given out."""

    async def count(self) -> int:
        """How many batches there are."""
        return len(await self.store.listed(COLLECTION, ""))

    async def batches(self, fits: Fits) -> AsyncIterator[tuple[Batch, bool]]:
        """Each batch, and whether it fits on what is there; it is applied before the next."""
        lanes: dict[str, list[str]] = {}
        for name in await self.store.listed(COLLECTION, ""):
            lanes.setdefault(name.rpartition("/")[0], []).append(name)
        readers = {lane: self._lane(names) for lane, names in lanes.items()}
        heads = {lane: await anext(reader) for lane, reader in readers.items()}
        while heads:
            lane, is_fit = await _first(heads, fits)
            batch = self.last[lane] = heads.pop(lane)
            yield batch, is_fit
            following = await anext(readers[lane], None)
            if following is not None:
                heads[lane] = following

    async def _lane(self, names: list[str]) -> AsyncIterator[Batch]:
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            found = (await self.store.load({COLLECTION: page}))[COLLECTION]
            for name in page:
                yield Batch.of(found[name])


async def _first(heads: Mapping[str, Batch], fits: Fits) -> tuple[str, bool]:
    by_clock = sorted(heads, key=lambda lane: (heads[lane].at, lane))
    for lane in by_clock:
        if await fits(heads[lane]):
            return lane, True
    return by_clock[0], False
