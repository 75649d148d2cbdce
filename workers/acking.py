"""Acknowledging out of order: most deliveries together, those behind one that takes long apart."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from outbox.stalled import stalled

SOON_S: Final = 0.002
"""What is confirmed within this time is acknowledged together."""
LONG_S: Final = 0.05
"""How long one that is done with waits for those before it."""


@dataclass(slots=True)
class Acks:
    """What of one channel is done with; acknowledged soon, as few times as may be."""

    channel: Any
    failed: Callable[[BaseException], None]
    _upto: int = 0
    """All deliveries up to this one are acknowledged."""
    _done: set[int] = field(default_factory=set)
    """Deliveries behind that one that are done with and not acknowledged."""
    _apart: set[int] = field(default_factory=set)
    """Deliveries behind that one that are acknowledged."""
    _flushing: asyncio.Task[None] | None = None

    def add(self, tag: int) -> None:
        """A delivery is done with."""
        self._done.add(tag)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._soon())
            self._flushing.add_done_callback(self._ended)

    def stop(self) -> None:
        """Acknowledge nothing more."""
        if self._flushing is not None:
            self._flushing.cancel()

    def _ended(self, flushing: asyncio.Task[None]) -> None:
        """Whatever ended it, nothing would be acknowledged any more."""
        if not flushing.cancelled() and (error := flushing.exception()) is not None:
            self.failed(error)

    async def flush(self) -> None:
        """Acknowledge everything that is done with, now."""
        await self._together()
        for tag in sorted(self._done):
            # Whoever else flushes may have acknowledged it together with others meanwhile.
            if tag in self._done:
                self._done.discard(tag)
                self._apart.add(tag)
                await self.channel.basic_ack(tag, multiple=False)

    async def _soon(self) -> None:
        with stalled():
            await asyncio.sleep(SOON_S)
            while self._done:
                if not await self._together():
                    before = self._upto
                    await asyncio.sleep(LONG_S)
                    if self._upto_now == before:
                        await self.flush()
                await asyncio.sleep(SOON_S)

    @property
    def _upto_now(self) -> int:
        """Up to where all is done with."""
        upto = self._upto
        while upto + 1 in self._done or upto + 1 in self._apart:
            upto += 1
        return upto

    async def _together(self) -> bool:
        """Acknowledge all up to the first that is not done with; false where that is the next."""
        upto = self._upto_now
        fresh = [tag for tag in self._done if tag <= upto]
        self._done.difference_update(fresh)
        self._apart = {tag for tag in self._apart if tag > upto}
        is_further, self._upto = upto > self._upto, upto
        if fresh:
            # Not up to one that was acknowledged apart: the broker knows that tag no more.
            await self.channel.basic_ack(max(fresh), multiple=True)
        return is_further
