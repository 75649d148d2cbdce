"""The engine: load, fold and commit one batch; everything it waits for is the store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from handlers.admission import Arrival, Delivery, Limits, Refusal
from handlers.case import Outcome, Rulebook
from handlers.parking import Contended, Full, Waiting
from outbox.record import OutboxRecord
from topology.catalog import contracts_of
from workers.committing import make_commit
from workers.deciding import Arrived, Faults, Grounds, decide
from workers.loading import Loader
from workers.store.protocol import Conflict, Lease, Refused, StateStore
from workers.vault import Vault

DUE_MAX: Final = 200
DUE_BYTES_MAX: Final = 2_000_000
"""How many that waited are brought in with one batch, and how much."""
CONFLICTS_MAX: Final = 5
"""How often a batch is folded again because another commit was first."""

Admit = Callable[[Delivery, Mapping[str, type[Any]], Limits], Arrival | Refusal]
"""What says what a delivery is: admission for a mailbox, collection for a dead-letter queue."""


@dataclass(slots=True)
class Engine:
    """Decides the deliveries of one lane; the lease is its right to, and counts its batches.

    Commands that have to wait are rows of the lane: whoever owns it brings them in again.
    """

    store: StateStore
    vault: Vault
    rulebook: Rulebook
    admit: Admit
    limits: Limits
    clock: Callable[[], datetime]
    lease: Lease
    version: str
    offer: Callable[[int, Sequence[OutboxRecord]], None] = lambda _epoch, _records: None
    """Takes what a commit has put into the outbox, with the epoch of the lane."""
    settled: int = 0
    """How many batches it has got done, those that wrote nothing included."""
    _contracts: Mapping[str, type[Any]] = field(init=False)
    _waiting: Waiting | None = None

    def __post_init__(self) -> None:
        """Look the contracts up once, not for each batch."""
        self._contracts = contracts_of(self.rulebook.handlers)

    def resume(self, lease: Lease) -> None:
        """Go on after an outage: the lane says which batch was the last, its rows who waits."""
        self.lease, self._waiting = lease, None

    def due_in_s(self) -> float | None:
        """When somebody who waits has to be brought in; None while nobody does."""
        if self._waiting is None:
            return 0.0
        now = self.clock()
        due = self._waiting.next_due(now)
        return None if due is None else max(0.0, (due - now).total_seconds())

    async def run(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Commit what follows from the deliveries, in order; all of them may be acked then.

        Those who waited and whose turn it is come first.
        Raises Unavailable (nothing or all of a part happened: acquire the lane and run again),
        Fenced (the lane is another's) and, where not even that it waits can be written down,
        Contended; the inbox makes running again harmless.
        """
        try:
            return await self._run(deliveries)
        except Full:
            # Those who wait make the room.
            await self._run(())
            raise

    async def _run(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        due = (await self._known()).due(self.clock(), DUE_MAX, DUE_BYTES_MAX)
        arrivals = list(enumerate(map(self._admitted, (*due, *deliveries))))
        return await self._settle(arrivals, {}) if arrivals else []

    def _admitted(self, given: Delivery | Refusal) -> Arrival | Refusal:
        if isinstance(given, Refusal):
            return given
        return self.admit(given, self._contracts, self.limits)

    async def _known(self) -> Waiting:
        if self._waiting is None:
            self._waiting = await Loader(self.store, self.vault).waiting(self.lease.lane)
        return self._waiting

    async def _grounds(self) -> Grounds:
        return Grounds(
            rulebook=self.rulebook,
            loader=Loader(self.store, self.vault),
            waiting=await self._known(),
            place=f"{self.lease.lane}/{self.lease.batch + 1:012d}",
            now=self.clock(),
        )

    async def _settle(self, arrivals: Arrived, faults: Faults) -> Sequence[Outcome]:
        for _ in range(CONFLICTS_MAX):
            folded, maker = await decide(arrivals, faults, await self._grounds())
            if folded.missing:
                # A long chain of commands that lead to each other: what is decided goes first.
                parts = max(folded.decided, 1)
                return await self._each((arrivals[:parts], arrivals[parts:]), faults)
            commit = make_commit(self.lease, maker, folded.outcomes, self.version)
            outcomes = [outcome for outcome, _ in folded.outcomes]
            if commit.is_empty and all(outcome.kind == "idle" for outcome in outcomes):
                self.settled += 1
                return outcomes
            try:
                await self.store.commit(commit)
            except Conflict:
                continue
            except Refused as error:
                return await self._bisect(arrivals, faults, error)
            self.lease = replace(self.lease, batch=commit.batch)
            self.settled += 1
            self.offer(commit.epoch, [r for _, rows in folded.outcomes for r in rows.records])
            (await self._known()).apply(w for outcome in outcomes for w in outcome.writes)
            return outcomes
        if len(arrivals) > 1:
            return await self._each(([arrived] for arrived in arrivals), faults)
        ((index, arrival),) = arrivals
        lost = Contended(f"expected to commit, lost {CONFLICTS_MAX} times")
        # What has no id cannot be parked: the lane waits with it.
        if index in faults or isinstance(arrival, Refusal):
            raise lost
        return await self._settle(arrivals, {**faults, index: lost})

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
