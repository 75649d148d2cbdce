"""Several processes over a model of the broker and a database: play a plan, keep what is left."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from structlog.testing import capture_logs

from handlers.admission import Delivery
from tests.builders import user_document
from tests.model import clock
from tests.model.broker import Queue
from tests.model.process import POLL_S, QUEUES, Process, Sent
from tests.model.store import Committed, Fault, ModelStore, Schedule
from topology import names
from workers.engine import Engine
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit

ALL_QUEUES: Final = (*QUEUES, *map(names.bulk_mailbox, QUEUES))
SENDERS: Final = ("USR-A", "USR-B")
RESTART_S: Final = 0.3
QUIET_S: Final = 2.0
"""For how long nothing may be left to do before a run is over."""
LIMIT_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Item:
    """A message that a sender publishes, and when."""

    queue: int
    delivery: Delivery
    at: float = 0.0
    is_bulk: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: what is sent, what goes wrong, and how large batches, pages and delays are."""

    items: Sequence[Item]
    faults: Sequence[Fault] = ()
    batch: int = 3
    page: int = 4
    hops: Sequence[int] = (0,)
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process is made of; a mutation replaces one of them."""

    store: type[ModelStore] = ModelStore
    replaced: Mapping[str, Any] = field(default_factory=dict)
    """Names of our own code, and what stands there instead."""
    engine: type[Engine] = Engine
    process: type[Process] = Process
    closes: bool = True
    """Whether a mailbox that gives way closes its channel."""


@dataclass
class Model:
    """The database, the queues and the processes; what left is in `wire`."""

    plan: Plan
    parts: Parts
    schedule: Schedule
    shared: MemoryStore
    queues: dict[str, Queue] = field(default_factory=lambda: {n: Queue(n) for n in ALL_QUEUES})
    wire: list[Sent] = field(default_factory=list)
    commits: list[Committed] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    """Processes that ended other than by a crash of ours: a bug, whatever it was."""
    processes: list[Process] = field(default_factory=list)
    is_quiet: bool = False
    underway: int = 0
    """What is still to happen by itself: late messages, restarts, sendings."""

    async def play(self) -> None:
        """Send everything, let everything go wrong, and wait until nothing is left to do."""
        await _register_senders(self.shared)
        loop = asyncio.get_running_loop()
        for item in self.plan.items:
            self.later(item.at, lambda item=item: self._publish(item))  # type: ignore[misc]
        for number in range(self.plan.processes):
            self.start(f"p{number}", number % 2 == 1)
        quiet_since = loop.time()
        while not self.deaths and quiet_since + QUIET_S > loop.time() < LIMIT_S:
            await asyncio.sleep(POLL_S)
            if not self._nothing_left():
                quiet_since = loop.time()
        self.is_quiet = self._nothing_left()
        for process in list(self.processes):
            process.end()
        await asyncio.gather(*(t for p in self.processes for t in p.tasks), return_exceptions=True)

    def later(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen that the end of the run waits for."""
        self.underway += 1

        def come() -> None:
            self.underway -= 1
            happen()

        asyncio.get_running_loop().call_later(seconds, come)

    def start(self, name: str, sends_first: bool) -> None:  # noqa: FBT001  one of two halves
        """Start a process; one half looks for partitions first, the other half for mailboxes."""
        process = self.parts.process(self, name, sends_first)
        self.processes.append(process)
        process.start()

    def restart(self, gone: Process) -> None:
        """Start another in the place of one that is gone."""
        name = f"{gone.name.partition('.')[0]}.{len(self.processes)}"
        self.later(RESTART_S, lambda: self.start(name, gone.sends_first))

    def _publish(self, item: Item) -> None:
        name = QUEUES[item.queue]
        self.queues[names.bulk_mailbox(name) if item.is_bulk else name].publish(item.delivery)

    def _nothing_left(self) -> bool:
        rows = self.shared._documents
        return not (
            self.underway
            or rows.get("outbox")
            or rows.get("parked")
            or any(process.is_frozen for process in self.processes)
            or any(not queue.is_empty for queue in self.queues.values())
        )


async def _register_senders(store: MemoryStore) -> None:
    """Write down who the senders are."""
    lease = await store.acquire("setting", "tests", 1.0)
    assert lease is not None
    users = [encode_row(user_document(sender)) for sender in SENDERS]
    await store.commit(Commit(lease.lane, lease.epoch, 1, inserts={"users": users}))


async def _play(plan: Plan, parts: Parts) -> Model:
    shared = MemoryStore(asyncio.get_running_loop().time)
    model = Model(plan, parts, Schedule(list(plan.faults)), shared)
    await model.play()
    return model


def play(plan: Plan, parts: Parts | None = None) -> Model:
    """Run it until nothing is left to do, or for long enough to say that something never ends."""
    chosen = parts or Parts()
    random.seed(0)
    with ExitStack() as stack:
        for name, instead in chosen.replaced.items():
            stack.enter_context(patch(name, instead))
        stack.enter_context(capture_logs())
        return clock.run(_play(plan, chosen))
