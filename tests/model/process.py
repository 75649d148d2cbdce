"""One process: the real mailboxes, lanes, engines, leases and relay, and how it may end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Final, cast

from faststream.rabbit import RabbitBroker

from handlers.admission import Limits, admit
from handlers.case import Rulebook
from outbox.publisher import Delivered, PublishBlockedError, PublishFailedError
from outbox.quarantine import Quarantine
from outbox.record import PARTITIONS, OutboxRecord
from outbox.relay import Relay
from tests.decider import VAULT
from tests.model import clock, register
from tests.model.broker import Client
from tests.model.store import Act, Point
from topology import names
from topology.catalog import build
from workers.engine import Engine
from workers.lane import LaneLimits
from workers.leases import Leases
from workers.mailbox import Mailbox
from workers.owning import HELD
from workers.pause import Pause
from workers.shares import Shares
from workers.store.protocol import Lease, Unavailable

if TYPE_CHECKING:
    from tests.model.play import Model

QUEUES: Final = (names.mailbox("marks", 0), names.mailbox("marks", 1))
RULEBOOK: Final = Rulebook({e.name: e.handler for e in build((register,)).values()}, VAULT)
LEASE_S: Final = 3.0
FROZEN_S: Final = 5.0
THAW_S: Final = 0.01
LATE_S: Final = 2.0
POLL_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the relay gave to the broker, and what was committed at that moment."""

    entity: str
    recipient: str
    type: str
    body: bytes
    revision: int
    """The entity's revision in the database when its message left."""


class Process:
    """One process: its mailboxes, its leases, its relay, as they are built for production."""

    def __init__(self, model: "Model", name: str, sends_first: bool) -> None:  # noqa: FBT001
        """Build it; nothing runs yet."""
        self.model, self.name, self.sends_first = model, name, sends_first
        self._clients: list[Client] = []
        self._loop = asyncio.get_running_loop()
        self._frozen_until = 0.0
        self._is_gone = False
        self._is_stopping = False
        self._hops = cycle(model.plan.hops)
        self.store = model.parts.store(model.shared, self, model.commits)
        lanes = [names.relay_lane(n) for n in range(PARTITIONS)]
        shares = self._shares = Shares(self.store, name, LEASE_S, HELD * LEASE_S, QUEUES)
        self._leases = Leases(self.store, lanes, name, LEASE_S, lambda: shares.present)
        pause = Pause(1.0)
        self.relay = Relay(
            store=self.store,
            publish=self._send,
            unseal=VAULT.open_transit,
            partitions=self.partitions,
            batch_max=model.plan.page,
            poll_s=POLL_S,
            backoff=pause.next_s,
            recovered=pause.reset,
            renew=self.gate,
            _quarantine=Quarantine(clock=self._loop.time),
        )
        self._mailboxes = [self._mailbox(queue) for queue in QUEUES]
        self.tasks: list[asyncio.Task[None]] = []

    def _mailbox(self, queue: str) -> Mailbox:
        plan = self.model.plan
        return Mailbox(
            name=queue,
            bulk=names.bulk_mailbox(queue),
            owner=self.name,
            store=self.store,
            shares=self._shares,
            make_engine=self._engine,
            make_broker=self._broker,
            limits=LaneLimits(plan.batch, 1_000_000, 0.01),
            prefetch=2 * plan.batch,
            lease_s=LEASE_S,
            backoff_max_s=1.0,
        )

    def _engine(self, lease: Lease) -> Engine:
        return self.model.parts.engine(
            store=self.store,
            vault=VAULT,
            rulebook=RULEBOOK,
            admit=admit,
            limits=Limits(),
            clock=clock.now,
            lease=lease,
            version="tests",
            offer=self.relay.offer,
        )

    def _broker(self) -> RabbitBroker:
        hops, closes = self._hops, self.model.parts.closes
        client = Client(self.model.queues, self.gate, lambda: next(hops), closes)
        self._clients.append(client)
        return cast("RabbitBroker", client)

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return not self._is_gone and self._loop.time() < self._frozen_until

    def partitions(self) -> Mapping[int, int]:
        """Whose outbox it sends."""
        return self._leases.held()

    def start(self) -> None:
        """Run everything, one half of it a little later."""
        decide = (self._shares.run, *(mailbox.run for mailbox in self._mailboxes))
        send = (self._leases.run, self.relay.run)
        for parts, waits in ((decide, self.sends_first), (send, not self.sends_first)):
            for part in parts:
                task = self._loop.create_task(_after(POLL_S * waits, part), name=part.__qualname__)
                task.add_done_callback(self._note_end)
                self.tasks.append(task)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if self._is_gone or task.cancelled() or (self._is_stopping and not task.exception()):
            return
        self.model.deaths.append(f"{self.name}: {task.get_name()} ended with {task.exception()!r}")
        self.crash()

    async def _stop(self) -> None:
        """End as a process does that is asked to: mailboxes first, then what they committed."""
        named = {task.get_name(): task for task in self.tasks}
        for mailbox in self._mailboxes:
            mailbox.stop()
        await asyncio.wait([t for t in self.tasks if t.get_name() == Mailbox.run.__qualname__])
        self.relay.finish()
        await asyncio.wait([named[Relay.run.__qualname__]])
        await self._leases.release()
        await self._shares.leave()
        self.crash()

    def end(self) -> None:
        """Be gone, for good."""
        self._is_gone = True
        for client in self._clients:
            client.cut()
        for task in self.tasks:
            task.cancel()

    def crash(self) -> None:
        """Be gone from one moment to the next; a new process starts soon."""
        if not self._is_gone:
            self.end()
            self.model.restart(self)

    async def gate(self) -> None:
        """Wait while it stands still; a process that is gone reaches nothing any more."""
        while self.is_frozen:  # noqa: ASYNC110  only a longer standstill repeats it
            # A little later than what was under way, so that this is found out by doing it.
            await asyncio.sleep(self._frozen_until - self._loop.time() + THAW_S)
        if self._is_gone:
            raise Unavailable("the process is gone")

    async def at(self, point: Point) -> Act | None:
        """Let others go on, and let happen what is to happen here."""
        await asyncio.sleep(0)
        act = self.model.schedule.take(point)
        if act is Act.CRASH:
            self.crash()
            await asyncio.Event().wait()
        if act is Act.STOP and not self._is_stopping:
            self._is_stopping = True
            self._stopping = self._loop.create_task(self._stop())
        if act in {Act.FREEZE, Act.STEAL}:
            self._frozen_until = self._loop.time() + FROZEN_S
        if act in {Act.DROP, Act.STEAL}:
            for client in self._clients:
                client.drop()
        if self.is_frozen:
            await asyncio.sleep(self._frozen_until - self._loop.time())
        if self._is_gone:
            raise Unavailable("the process is gone")
        return act if act in {Act.OUTAGE, Act.REFUSED, Act.LATE, Act.LOSE} else None

    def _send(self, record: OutboxRecord) -> asyncio.Future[Delivered]:
        outcome = self._loop.create_task(self.publish(record))
        # Looked at here, because whoever waited may be gone.
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
        return outcome

    async def publish(self, record: OutboxRecord) -> Delivered:
        """Publish and wait for the confirm."""
        try:
            await self.gate()
            act = await self.at(Point.BEFORE_PUBLISH)
        except Unavailable as error:
            raise PublishBlockedError("the process is gone") from error
        if act is Act.REFUSED:
            raise PublishFailedError("the broker refused it")
        if act is Act.LATE:
            self.model.later(LATE_S, lambda: self.deliver(record))
        if act is not None:
            raise PublishBlockedError("no confirm")
        self.deliver(record)
        if await self.at(Point.AFTER_PUBLISH) is not None:
            raise PublishBlockedError("no confirm")
        return Delivered.DELIVERED

    def deliver(self, record: OutboxRecord) -> None:
        """The broker has the message."""
        found = self.model.shared._found("marks", [record.entity]).get(record.entity)
        revision = int(found["revision"]) if found else 0
        recipient = "" if record.exchange == names.DOMAIN else record.key.partition(".")[0]
        sent = Sent(record.entity, recipient, record.type, record.body, revision)
        self.model.wire.append(sent)


async def _after(seconds: float, what: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(seconds)
    await what()
