"""Several lanes over one store, each with its own pace: commands by entity, facts by entity.

Nothing of it is how the backbone is divided today; it is what must not matter to what is decided.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from contracts.taxonomy import BACKBONE
from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from handlers.case import Outcome
from handlers.decision import Document
from handlers.facts import admit_fact
from handlers.letters import Letter
from tests.builders import NOW
from tests.conformance.store import Store
from tests.decider import RULEBOOK, VAULT
from workers.engine import Engine
from workers.store.codec import encode_row
from workers.store.protocol import Commit

BATCH_MAX: Final = 3


def admitted(delivery: Delivery, contracts: Mapping[str, Any], limits: Limits) -> Arrival | Refusal:
    """Facts of the backbone's own account, and commands of all others."""
    if delivery.account == BACKBONE:
        return admit_fact(delivery, contracts)
    return admit(delivery, contracts, limits)


@dataclass
class Paced:
    """A store that takes its time before each call, so that lanes come between each other."""

    store: Any
    chance: Random

    async def load(self, *args: Any) -> Any:
        await self._wait()
        return await self.store.load(*args)

    async def listed(self, *args: Any) -> Any:
        return await self.store.listed(*args)

    async def holding(self, *args: Any) -> Any:
        await self._wait()
        return await self.store.holding(*args)

    async def holding_all(self, *args: Any) -> Any:
        await self._wait()
        return await self.store.holding_all(*args)

    async def around(self, *args: Any) -> Any:
        await self._wait()
        return await self.store.around(*args)

    async def tallied(self, *args: Any) -> Any:
        await self._wait()
        return await self.store.tallied(*args)

    async def commit(self, commit: Commit) -> None:
        await self._wait()
        await self.store.commit(commit)

    async def _wait(self) -> None:
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)


@dataclass
class Shard:
    """One lane with what was delivered to it."""

    engine: Engine
    queue: deque[Delivery] = field(default_factory=deque)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass
class Shards:
    """Lanes for commands and lanes for facts; every fact comes twice by chance."""

    store: Any
    chance: Random
    commands: list[Shard] = field(default_factory=list)
    facts: list[Shard] = field(default_factory=list)
    busy: int = 0
    seconds: int = 0

    async def open(self, commands: int = 2, facts: int = 2) -> None:
        """Take the lanes."""
        self.commands = [await self._shard(f"mailbox.assets.{n}") for n in range(commands)]
        self.facts = [await self._shard(f"mailbox.notices.{n}") for n in range(facts)]

    async def _shard(self, lane: str) -> Shard:
        lease = await self.store.acquire(lane, "tests", 1e6)
        assert lease is not None
        return Shard(
            Engine(
                store=Paced(self.store, self.chance),
                vault=VAULT,
                rulebook=RULEBOOK,
                admit=admitted,
                limits=Limits(),
                clock=self._now,
                lease=lease,
                version="tests",
            )
        )

    def _now(self) -> datetime:
        """Time passes, so that whoever had to wait is tried again."""
        self.seconds += 1
        return NOW + timedelta(seconds=self.seconds)

    def send(self, delivery: Delivery, entity: str) -> None:
        """Deliver a command to the lane of its entity."""
        self.commands[hash(entity) % len(self.commands)].queue.append(delivery)

    async def run(self) -> None:
        """Go on until nothing waits in any lane."""
        every = [*self.commands, *self.facts]
        async with asyncio.TaskGroup() as group:
            for shard in every:
                group.create_task(self._drain(shard, every))

    async def _drain(self, shard: Shard, every: Iterable[Shard]) -> None:
        while self.busy or any(one.queue or self._waits(one) for one in every):
            if not shard.queue and not self._waits(shard):
                await asyncio.sleep(0)
                continue
            size = min(len(shard.queue), self.chance.randint(1, BATCH_MAX))
            batch = [shard.queue.popleft() for _ in range(size)]
            self.busy += 1
            try:
                self._take(shard, await shard.engine.run(batch))
            finally:
                self.busy -= 1

    @staticmethod
    def _waits(shard: Shard) -> bool:
        waiting = shard.engine._waiting
        return waiting is not None and len(waiting) > 0

    def _take(self, shard: Shard, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.kind not in {"poisoned", "exhausted"}, outcome.writes
            shard.outcomes.append(outcome)
            for letter in outcome.letters:
                if letter.kind == "domain" and not letter.is_private:
                    self._deliver(letter)

    def _deliver(self, letter: Letter) -> None:
        shard = self.facts[hash(letter.entity) % len(self.facts)]
        for _ in range(1 + (self.chance.random() < 0.2)):
            shard.queue.append(Delivery(letter.body, letter.type, BACKBONE))


async def put_in(store: Store, documents: Mapping[tuple[str, Any], Document]) -> None:
    """Store documents as they are."""
    lease = await store.acquire("seed", "tests", 1e6)
    assert lease is not None
    inserts: dict[str, list[bytes]] = {}
    for (collection, _), document in documents.items():
        inserts.setdefault(collection, []).append(encode_row(dict(document)))
    await store.commit(Commit("seed", lease.epoch, lease.batch + 1, inserts=inserts))
