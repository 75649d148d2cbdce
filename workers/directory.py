"""The directory of shards: who forwards a register's commands, one process at a time, in order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Final, Literal

import structlog
from faststream.rabbit import RabbitBroker

from contracts.draining import ShardDrained, ShardSettled
from contracts.envelope import compose
from contracts.messages import Event
from topology import names
from workers.line import Line
from workers.mailbox import subscribe
from workers.owning import consuming, first_of, own_when_free
from workers.pause import Pause
from workers.shares import Shares
from workers.store.protocol import LaneStore, Lease

log = structlog.get_logger()
FOLLOW_S: Final = 0.03
"""How often it is looked how far a move is."""


@dataclass(slots=True)
class Directory:
    """One register's directory in this process; it decides nothing and writes nothing.

    The lease says who subscribes; who of several that do so gets something, the broker says by its
    single active consumer.
    """

    name: str
    owner: str
    store: LaneStore
    shares: Shares
    make_line: Callable[[Literal["ordinary", "bulk"]], Line]
    make_broker: Callable[[], RabbitBroker]
    prefetch: int
    lease_s: float
    backoff_max_s: float
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: Sequence[Line] = ()
    _passed: int = 0
    """What former lines have passed on, and how often they were lost."""

    @property
    def progress(self) -> int:
        """Higher with each message that is passed on, and with each loss."""
        return self._passed + sum(line.passed for line in self._lines)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits for the broker; what is held back waits for a shard."""
        return any(line.in_flight for line in self._lines)

    def give_way(self) -> None:
        """Finish what is on its way, then leave the queues to another process."""
        for line in self._lines:
            line.stop()

    def stop(self) -> None:
        """Finish what is on its way, then give the queues up."""
        self._stopping.set()
        self.give_way()

    async def run(self) -> None:
        """Forward whenever the queues are free, until stopped."""
        await own_when_free(self, self._own, self._stopping)

    async def _own(self, lease: Lease, _losses: Pause) -> None:
        ordinary, bulk = self._lines = (self.make_line("ordinary"), self.make_line("bulk"))
        broker = self.make_broker()
        subscribe(broker, self.name, self.prefetch, ordinary.submit)
        subscribe(broker, names.bulk_mailbox(self.name), self.prefetch, bulk.submit)
        async with consuming(self, broker, lambda: lease, self._ended) as renewing:
            log.info("directory.owned", directory=self.name, epoch=lease.epoch)
            if self._stopping.is_set():
                self.give_way()
            await first_of(renewing, *(asyncio.create_task(line.run()) for line in self._lines))

    def _ended(self) -> None:
        self._passed = self.progress + 1
        self._lines = ()


@dataclass(frozen=True, slots=True)
class Following:
    """What a line does from the announcement of a move to its end."""

    clock: Callable[[], datetime]
    poll_s: float = FOLLOW_S

    async def __call__(self, line: Line) -> None:
        """Mark the shards that something leaves, and let go when all they had to tell is sent.

        Whoever takes over begins anew: a marker more does no harm.
        """
        steering, marked = line.steering, set[tuple[int, str]]()
        await line.surely(steering.look)
        while (move := steering.move) is not None:
            line.pump()
            phase = str(steering.phase)
            if steering.is_to_mark and (move, phase) not in marked:
                marked.add((move, phase))
                for shard in steering.leaving:
                    await self._drain(line, shard)
            if phase == "sending" and (move, phase) not in marked:
                await self._all_sent(line)
                marked.add((move, phase))
                steering.release()
                line.pump()
                await self._settle(line)
            await asyncio.sleep(self.poll_s)
            await line.surely(steering.look)
        line.pump()

    async def _drain(self, line: Line, shard: int) -> None:
        steering = line.steering
        fact = ShardDrained.model_validate(
            {
                "id": steering.register,
                "version": steering.move,
                "shard": shard,
                "phase": steering.phase,
            }
        )
        await self._mark(line, shard, fact, f"{fact.phase}/{shard}")

    async def _settle(self, line: Line) -> None:
        steering = line.steering
        fact = ShardSettled.model_validate({"id": steering.register, "version": steering.move})
        await self._mark(line, steering.leaving[0], fact, "settled")

    async def _mark(self, line: Line, shard: int, fact: Event, place: str) -> None:
        steering = line.steering
        name = f"{steering.register}/{steering.move}/{place}"
        body = compose(
            id=sha256(name.encode()).hexdigest()[:32],
            type=fact.message_type,
            time=self.clock(),
            data=fact,
            subject=steering.register,
        )
        log.info("directory.marks", move=steering.move, place=place, bulk=steering.is_bulk)
        await line.mark(shard, fact.message_type, body)

    async def _all_sent(self, line: Line) -> None:
        """Wait until the relay has sent what the old shards had to tell until now.

        The new shard's events of the same assets would overtake it otherwise: an outbox is read by
        lane, and only within a lane in the order of the commits.
        """
        steering = line.steering
        for lane, upto in (await line.surely(steering.unsent)).items():
            sent = partial(steering.is_sent, lane, upto)
            while True:
                if await line.surely(sent):
                    break
                await asyncio.sleep(self.poll_s)
