"""How the processes share the mailboxes: each owns its part, and gives way when more come."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from workers.store.protocol import LaneStore, Lease, Unavailable

log = structlog.get_logger()
PRESENT: Final = 0.5
"""Part of the lease time for which a process counts as present after it was last seen."""
ROUNDS: Final = 5
"""How often within the lease time it is counted who is present."""


class Owned(Protocol):
    """A mailbox, as far as sharing is concerned."""

    name: str

    def give_way(self) -> None:
        """Leave the mailbox to another process."""
        ...


@dataclass(slots=True)
class Shares:
    """The mailboxes that this process owns, never more of a kind than its part of them.

    A broker's single active consumer does not balance: the first process would get everything.
    """

    store: LaneStore
    owner: str
    lease_s: float
    ttl_s: float
    """For how long a lease that is taken lasts."""
    names: Sequence[str]
    """Every mailbox that there is."""
    reaches: Callable[[], bool] = lambda: True
    """Whether the broker can be reached at this moment."""
    clock: Callable[[], float] = time.monotonic
    present: int = 1
    _reached_at: float | None = None
    _owned: dict[str, Owned] = field(default_factory=dict)
    _counting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Count who is present, for ever, and give back what is too much."""
        while True:
            self._counting = asyncio.create_task(self.count())
            try:
                await asyncio.shield(self._counting)
            except Unavailable as error:
                log.warning("shares.uncounted", error=str(error))
            await asyncio.sleep(self.lease_s / ROUNDS)

    @property
    def is_cut_off(self) -> bool:
        """Whether the broker could not be reached for a whole lease time."""
        if self._reached_at is None or self.reaches():
            self._reached_at = self.clock()
        return self.clock() - self._reached_at > self.lease_s

    async def count(self) -> None:
        """Say that this process is present, and adapt to how many others are.

        Whoever cannot reach the broker is of no use to anybody and leaves everything to others.
        """
        if self.is_cut_off:
            await self.store.leave(self.owner)
            for mailbox in list(self._owned.values()):
                log.warning("mailbox.cut-off", mailbox=mailbox.name)
                mailbox.give_way()
            return
        self.present = await self.store.attend(self.owner, PRESENT * self.lease_s)
        for kind in {self._kind(name) for name in self._owned}:
            owned = sorted(name for name in self._owned if self._kind(name) == kind)
            for name in owned[self._part(kind) :]:
                log.info("mailbox.shared", mailbox=name, processes=self.present)
                self._owned[name].give_way()

    async def take(self, mailbox: Owned) -> Lease | None:
        """Own a mailbox that is free, if that is not more than this process's part."""
        kind = self._kind(mailbox.name)
        if self.is_cut_off:
            return None
        if sum(self._kind(name) == kind for name in self._owned) >= self._part(kind):
            return None
        # Noted before it is asked for, since other mailboxes of the kind ask at the same time.
        self._owned[mailbox.name] = mailbox
        lease = None
        try:
            lease = await self.store.acquire(mailbox.name, self.owner, self.ttl_s)
        finally:
            if lease is None:
                self.left(mailbox)
        return lease

    def left(self, mailbox: Owned) -> None:
        """A mailbox is not owned any more."""
        self._owned.pop(mailbox.name, None)

    async def leave(self) -> None:
        """Say that this process is not present any more, so that nobody waits for it.

        After a count that is on its way: the driver does what it was asked, whoever is cancelled.
        """
        if self._counting is not None:
            await asyncio.wait([self._counting])
        try:
            await self.store.leave(self.owner)
        except Unavailable as error:
            log.warning("shares.uncounted", error=str(error))

    def _part(self, kind: str) -> int:
        count = sum(self._kind(name) == kind for name in self.names)
        return -(-count // self.present)

    def _kind(self, name: str) -> str:
        """The word before the first dot; of a register's shards the register as well.

        So that one process does not get all shards of one register, and another those of none.
        """
        register = name.rpartition(".")[0]
        is_one_of_several = sum(one.rpartition(".")[0] == register for one in self.names) > 1
        return register if is_one_of_several else name.partition(".")[0]
