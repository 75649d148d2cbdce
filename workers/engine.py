"""The engine: load, fold and commit one batch; everything it waits for is the store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from contracts.messages import Request
from handlers.admission import Arrival, Delivery, Limits, Refusal
from handlers.bookkeeping import unattributed
from handlers.decision import View
from handlers.fold import Folded, Outcome, Rulebook, fold
from topology.catalog import contracts_of
from workers.loading import Loaded, Loader
from workers.rows import RowMaker, Rows, make_commit
from workers.store.protocol import Conflict, Lease, Refused, StateStore
from workers.vault import Vault

ROUNDS_MAX: Final = 6
"""Look-ups for one batch: its reads, what they lead to, data keys, and some to spare."""
FAULT_ROUNDS: Final = 3
"""Look-ups to write down that a handler asked for ever more: its dead letter, and the key."""
CONFLICTS_MAX: Final = 5
"""How often a batch is folded again because another commit was first."""

Arrived = Sequence[tuple[int, Arrival | Refusal]]
Faults = Mapping[int, Exception]
Admit = Callable[[Delivery, Mapping[str, type[Request]], Limits], Arrival | Refusal]
"""What says what a delivery is: admission for a mailbox, collection for a dead-letter queue."""


class Contended(Exception):
    """One command, alone, lost against other commits again and again: try it later."""


@dataclass(slots=True)
class Engine:
    """Decides the deliveries of one lane; the lease is its right to, and counts its batches."""

    store: StateStore
    vault: Vault
    rulebook: Rulebook
    admit: Admit
    limits: Limits
    clock: Callable[[], datetime]
    lease: Lease
    version: str
    _contracts: Mapping[str, type[Request]] = field(init=False)

    def __post_init__(self) -> None:
        """Look the contracts up once, not for each batch."""
        self._contracts = contracts_of(self.rulebook.handlers)

    async def run(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Commit what follows from the deliveries, in order; all of them may be acked then.

        Raises Unavailable (nothing or all of a part happened: acquire the lane and run again),
        Fenced (the lane is another's) and Contended; the inbox makes running again harmless.
        """
        admitted = (self.admit(d, self._contracts, self.limits) for d in deliveries)
        arrivals = list(enumerate(admitted))
        return await self._settle(arrivals, {})

    async def _settle(self, arrivals: Arrived, faults: Faults) -> Sequence[Outcome]:
        for _ in range(CONFLICTS_MAX):
            folded, maker = await self._fold(arrivals, faults)
            if folded.missing:
                # A long chain of commands that lead to each other: what is decided goes first.
                parts = max(folded.decided, 1)
                return await self._each((arrivals[:parts], arrivals[parts:]), faults)
            commit = make_commit(self.lease, maker, folded.outcomes, self.version)
            try:
                await self.store.commit(commit)
            except Conflict:
                continue
            except Refused as error:
                return await self._bisect(arrivals, faults, error)
            self.lease = replace(self.lease, batch=commit.batch)
            return [outcome for outcome, _ in folded.outcomes]
        if len(arrivals) == 1:
            raise Contended(f"expected to commit within {CONFLICTS_MAX} attempts, lost them all")
        return await self._each(([arrived] for arrived in arrivals), faults)

    async def _bisect(self, arrivals: Arrived, faults: Faults, error: Refused) -> Sequence[Outcome]:
        """Find the one whose rows the server refuses; it becomes a dead letter, the rest go on."""
        if len(arrivals) > 1:
            middle = len(arrivals) // 2
            return await self._each((arrivals[:middle], arrivals[middle:]), faults)
        index = arrivals[0][0]
        if index in faults:
            raise error
        return await self._settle(arrivals, {**faults, index: error})

    async def _each(self, parts: Iterable[Arrived], faults: Faults) -> Sequence[Outcome]:
        return [outcome for part in parts for outcome in await self._settle(part, faults)]

    async def _fold(self, arrivals: Arrived, faults: Faults) -> tuple[Folded[Rows], RowMaker]:
        """Fold, read what was missing, and fold again until nothing is, or the rounds are used up.

        One command alone is not asked for ever: after its rounds it may ask no more, and fails.
        """
        now = self.clock()
        loaded = Loaded()
        loader = Loader(self.store, self.vault)
        for round_number in range(ROUNDS_MAX + FAULT_ROUNDS):
            maker = RowMaker(
                vault=self.vault,
                keyring=loaded.keyring.copy(),
                absent=frozenset(loaded.absent),
                locked=loaded.locked,
                place=f"{self.lease.lane}/{self.lease.batch + 1:012d}",
                now=now,
            )
            last = round_number >= ROUNDS_MAX
            view = View(loaded.documents, may_ask=not last or len(arrivals) > 1)
            folded = fold(arrivals, view, self.rulebook, now, maker, faults=faults)
            if not folded.missing or (last and len(arrivals) > 1):
                return folded, maker
            subjects = {("keys", unattributed(now)), *_senders(arrivals)}
            await loader.read(folded.missing | subjects, loaded)
        raise AssertionError("a fold that may not ask does not ask")


def _senders(arrivals: Arrived) -> set[tuple[str, str]]:
    """Data keys that are needed for nearly every batch, so that they come in the first round."""
    return {("keys", a.user) for _, a in arrivals if isinstance(a, Arrival)}
