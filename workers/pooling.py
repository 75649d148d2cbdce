"""Reads of questions that come at the same time, put into one query.

What a question costs is mostly the driver's work for a query, and hardly what the query finds. At
low load nothing waits for anything: a read that comes alone goes at once. Under load those that
come while `RUNNING_MAX` reads are under way go together as soon as one of them is back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from handlers.spans import Around, Tally
from workers.store.protocol import Key, ReadStore, Unavailable

RUNNING_MAX: Final = 2
"""Reads under way at the same time: one is decided on while another is being made."""

Wanted = Mapping[str, Collection[Key]]
Rows = Mapping[str, Mapping[Key, Mapping[str, Any]]]


@dataclass(slots=True)
class Asked:
    """One read, and whoever waits for it."""

    keys: Wanted
    found: asyncio.Future[Rows]


@dataclass(slots=True)
class Pooled:
    """A store whose reads by key go together; everything else passes as it is."""

    store: ReadStore
    _waiting: list[Asked] = field(default_factory=list)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def load(self, keys: Wanted) -> Rows:
        """Find documents by collection and key, as the store does."""
        asked = Asked(keys, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._start()
        return await asked.found

    def _start(self) -> None:
        if self._waiting and len(self._running) < RUNNING_MAX:
            task = asyncio.create_task(self._together())
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _together(self) -> None:
        """Make one read of all that wait; what fails together is tried alone."""
        batch, self._waiting = self._waiting, []
        if not batch:
            # Another one, started in the same moment, has taken them all.
            return
        try:
            await self._answered(batch)
        finally:
            # Where this was ended in between, whoever waits for it would wait for ever.
            settle(batch, [Unavailable("the read was given up")] * len(batch))

    async def _answered(self, batch: Sequence[Asked]) -> None:
        keys = united(one.keys for one in batch)
        found = (await asyncio.gather(self.store.load(keys), return_exceptions=True))[0]
        if not isinstance(found, BaseException):
            settle(batch, [part(found, one.keys) for one in batch])
        elif len(batch) == 1 or isinstance(found, Unavailable):
            settle(batch, [found] * len(batch))
        else:
            each = (self.store.load(one.keys) for one in batch)
            settle(batch, await asyncio.gather(*each, return_exceptions=True))

    async def listed(self, collection: str, prefix: str) -> Sequence[str]:
        """Pass it on."""
        return await self.store.listed(collection, prefix)

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Pass it on."""
        return await self.store.holding(collection, field, values, limit, after)

    async def holding_all(
        self, collection: str, field: str, values: Sequence[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Pass it on."""
        return await self.store.holding_all(collection, field, values, limit, after)

    async def around(self, collection: str, around: Around) -> Sequence[Mapping[str, Any]]:
        """Pass it on."""
        return await self.store.around(collection, around)

    async def tallied(self, collection: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
        """Pass it on."""
        return await self.store.tallied(collection, tally)


def united(wanted: Iterable[Wanted]) -> dict[str, set[Key]]:
    """What several reads ask for, each document once."""
    keys: dict[str, set[Key]] = defaultdict(set)
    for one in wanted:
        for collection, asked in one.items():
            keys[collection].update(asked)
    return dict(keys)


def part(found: Rows, wanted: Wanted) -> Rows:
    """Of what was found for several, what one of them has asked for."""
    return {
        name: {key: found[name][key] for key in keys if key in found[name]}
        for name, keys in wanted.items()
    }


def settle(batch: Iterable[Asked], results: Iterable[Rows | BaseException]) -> None:
    """Tell everyone who still waits what came of its read."""
    for one, result in zip(batch, results, strict=True):
        if one.found.done():
            continue
        if isinstance(result, BaseException):
            one.found.set_exception(result)
        else:
            one.found.set_result(result)
