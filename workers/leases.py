"""Leases of the outbox's partitions: one sender each, so that an entity's messages keep order."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from workers.store.protocol import LaneStore, Lease, Unavailable

log = structlog.get_logger()
RENEWALS: Final = 3
TRUSTED: Final = 0.8
"""Part of a lease's time for which its holder relies on it; the rest is for a slow clock."""


@dataclass(slots=True)
class Leases:
    """Keeps as many of the lanes as are free, but no more than this process's part of them."""

    store: LaneStore
    lanes: Sequence[str]
    owner: str
    ttl_s: float
    present: Callable[[], int] = lambda: 1
    """How many processes share the lanes; 0 where this one can send nothing."""
    _held: dict[str, tuple[Lease, float]] = field(default_factory=dict)
    _refreshing: asyncio.Task[None] | None = None

    def held(self) -> Mapping[int, int]:
        """Position -> epoch of the lanes that are ours at this moment, with time to spare."""
        now = time.monotonic()
        held = ((n, self._held.get(lane)) for n, lane in enumerate(self.lanes))
        return {n: one[0].epoch for n, one in held if one is not None and one[1] > now}

    async def run(self) -> None:
        """Acquire and renew for ever; an outage lets the leases run out."""
        while True:
            self._refreshing = asyncio.create_task(self.refresh())
            try:
                await asyncio.shield(self._refreshing)
            except Unavailable as error:
                log.warning("leases.unrenewed", error=str(error))
            await asyncio.sleep(self.ttl_s / RENEWALS)

    async def refresh(self) -> None:
        """Renew what is held, take what is free, and give back what is too much."""
        present = self.present()
        part = -(-len(self.lanes) // present) if present else 0
        for lane in [lane for lane in self.lanes if lane in self._held][part:]:
            surplus, _ = self._held.pop(lane)
            await self.store.release(surplus)
        for lane in self.lanes:
            asked = time.monotonic()
            lease = await self._renewed(lane) or await self._taken(lane, part)
            if lease is None:
                self._held.pop(lane, None)
            else:
                self._held[lane] = (lease, asked + TRUSTED * self.ttl_s)

    async def _taken(self, lane: str, part: int) -> Lease | None:
        others = len(self._held) - (lane in self._held)
        if others >= part:
            return None
        return await self.store.acquire(lane, self.owner, self.ttl_s)

    async def _renewed(self, lane: str) -> Lease | None:
        held = self._held.get(lane)
        if held is None or not await self.store.renew(held[0], self.ttl_s):
            return None
        return held[0]

    async def release(self) -> None:
        """Give all up, so that a standby need not wait; what is just being taken too."""
        if self._refreshing is not None:
            await asyncio.wait([self._refreshing])
        held, self._held = self._held, {}
        for lease, _ in held.values():
            try:
                await self.store.release(lease)
            except Unavailable:
                return
