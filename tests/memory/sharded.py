"""Two shards and their directory in one process: every queue a list, every fault a choice."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from handlers.admission import Delivery, Limits, admit
from handlers.draining import MARKERS
from handlers.parking import Contended
from outbox.wire import Address
from tests.builders import NOW, asset, command
from tests.decider import RULEBOOK, VAULT, reply
from tests.memory.test_engine import Contrary
from topology import names
from topology.sharding import PHASES
from workers.directory import Following
from workers.engine import CONFLICTS_MAX, Engine
from workers.line import Line
from workers.quota import Quota
from workers.served import shard
from workers.steering import Steering
from workers.store.codec import decode
from workers.store.memory import MemoryStore
from workers.store.protocol import Conflict

SHARDS: Final = (0, 1)
LANES: Final = {n: names.mailbox("assets", n) for n in SHARDS}
USERS: Final = names.mailbox("users")
BOOK: Final = replace(RULEBOOK, handlers={**RULEBOOK.handlers, **MARKERS}, shards_max=2)
FRONT: Final = names.directory("assets")
FRONTS: Final = (FRONT, names.bulk_mailbox(FRONT))


FAULTS_PART: Final = 0.04
"""How often what happens is a fault, where there are any."""


@dataclass(eq=False)
class Message:
    """A delivery to a line, as the driver hands it over."""

    channel: Any
    delivery_tag: int
    given: Delivery
    redelivered: bool = False

    @property
    def body(self) -> bytes:
        return self.given.body

    @property
    def routing_key(self) -> str:
        return self.given.type

    @property
    def user_id(self) -> str | None:
        return self.given.account

    @property
    def message_id(self) -> str | None:
        return self.given.message_id

    @property
    def reply_to(self) -> str | None:
        return self.given.reply_to

    @property
    def headers(self) -> dict[str, Any]:
        return dict(self.given.headers or {})

    content_encoding = None
    exchange = names.COMMANDS

    @property
    def properties(self) -> Basic.Properties:
        return Basic.Properties(user_id=self.user_id, headers=self.headers)


@dataclass(eq=False)
class Channel:
    """One line's channel: what it has of the queue, what it published, who is told of it."""

    world: "World"
    queue: str
    is_closed: bool = False
    unacked: dict[int, Delivery] = field(default_factory=dict)
    confirms: deque[tuple[asyncio.Future[Any], bool]] = field(default_factory=deque)
    _tag: int = 0

    def deliver(self, line: Line) -> None:
        given, redelivered = self.world.queues[self.queue].popleft()
        self._tag += 1
        self.unacked[self._tag] = given
        line.submit(Message(self, self._tag, given, redelivered))  # type: ignore[arg-type]

    async def basic_ack(self, tag: int, *, multiple: bool) -> None:
        assert tag in self.unacked, "the broker closes the channel for a tag that it does not know"
        for one in [one for one in self.unacked if one == tag or (multiple and one < tag)]:
            del self.unacked[one]

    def pass_on(
        self, address: Address, properties: Basic.Properties, body: bytes
    ) -> asyncio.Future[Any]:
        exchange, key, _ = address
        confirm: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        is_refused = self.world.random.random() < self.world.refusals
        if not is_refused:
            queue = exchange.removeprefix("flex.shard.")
            given = Delivery(body, key, properties.user_id, headers=properties.headers)
            self.world.queues[queue].append((given, False))
        self.confirms.append((confirm, is_refused))
        return confirm

    def confirm(self) -> None:
        """Let the broker say what became of the oldest."""
        confirm, is_refused = self.confirms.popleft()
        if confirm.done():
            return
        if is_refused:
            confirm.set_exception(DeliveryError(None, Basic.Nack()))
        else:
            confirm.set_result(None)

    def close(self) -> None:
        """Give back what is un-acked, in its order and before the rest; confirm nothing more."""
        self.is_closed = True
        back = [(given, True) for _, given in sorted(self.unacked.items())]
        self.world.queues[self.queue].extendleft(reversed(back))


@dataclass(frozen=True)
class Faraway:
    """A store on a way that takes a while: others go on between a question and its answer."""

    store: MemoryStore
    random: Random

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self.store, name)

        async def asking(*given: Any) -> Any:
            await self._way()
            answer = await asked(*given)
            await self._way()
            return answer

        return asking

    async def _way(self) -> None:
        for _ in range(self.random.randint(0, 6)):
            await asyncio.sleep(0)


@dataclass
class World:
    """Everything; made by `World.make`, moved on by its steps."""

    random: Random
    store: MemoryStore
    engines: dict[str, Engine]
    user: str
    prefetch: int = 1000
    """So many deliveries a line may have un-acked."""
    refusals: float = 0.0
    """How often the broker refuses what the directory publishes."""
    queues: dict[str, deque[tuple[Delivery, bool]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    events: list[tuple[str, str, int]] = field(default_factory=list)
    """Type, asset and revision of what is told, in the order in which it is."""
    answers: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """Outcomes by command."""
    hours: list[timedelta] = field(default_factory=lambda: [timedelta()])
    lines: dict[str, tuple[Line, Channel, asyncio.Task[None]]] = field(default_factory=dict)

    @classmethod
    async def make(cls, seed: int) -> "World":
        store, engines = MemoryStore(), dict[str, Engine]()
        hours = [timedelta()]
        for lane in (USERS, *LANES.values()):
            lease = await store.acquire(lane, "tests", 1e9)
            assert lease is not None
            engines[lane] = Engine(
                store=store,
                vault=VAULT,
                rulebook=BOOK,
                admit=admit if lane == USERS else shard(admit),
                limits=Limits(),
                clock=lambda: NOW + hours[0],
                lease=lease,
                version="tests",
            )
        given = {"kind": "organisation", "name": "Example Power Ltd", "roles": ["fsp"]}
        signed_up = command("user.register.v1", given, sender="operator", id="user")
        (outcome,) = await engines[USERS].run([signed_up])
        user = str(reply(outcome)[1]["id"])
        return cls(Random(seed), store, engines, user, hours=hours)  # noqa: S311  no secret

    def publish(self, kind: str, data: Any, number: int, *, bulk: bool = False) -> str:
        """Send a command as the user; its id is its number."""
        name = str(UUID(int=number))
        account = names.bulk_account(self.user) if bulk else self.user
        sent = command(kind, data, sender=self.user, id=name)
        self.queues[FRONTS[bulk]].append((replace(sent, account=account), False))
        return name

    async def order(self, kind: str, **data: Any) -> None:
        """Change the map as operator."""
        number = len(self.answers) + 10_000
        given = command(kind, {"id": "assets", **data}, sender="operator", id=str(number))
        (outcome,) = await self.engines[USERS].run([given])
        assert ".accepted." in reply(outcome)[0], reply(outcome)

    def take_over(self) -> None:
        """A new process forwards; the former one's channels close."""
        for queue in FRONTS:
            self._end(queue)
            channel = Channel(self, queue)
            line = Line(
                steering=Steering(Faraway(self.store, self.random), "assets", queue != FRONT),
                quota=Quota(1_000_000, lambda: NOW),
                announced=Following(lambda: NOW, poll_s=0),
                make_wire=lambda channel: channel,
                backoff_max_s=0.001,
            )
            self.lines[queue] = (line, channel, asyncio.create_task(line.run()))

    def reconnect(self, queue: str) -> None:
        """A line goes on by another channel; with something on its way, the loss is its end."""
        line, former, task = self.lines[queue]
        if former.confirms:
            self.take_over()
            return
        former.close()
        self.lines[queue] = (line, Channel(self, queue), task)

    def _end(self, queue: str) -> None:
        if queue in self.lines:
            _, channel, task = self.lines.pop(queue)
            channel.close()
            task.cancel()

    async def close(self) -> None:
        """End the lines."""
        tasks = [task for _, _, task in self.lines.values()]
        for queue in FRONTS:
            self._end(queue)
        await asyncio.gather(*tasks, return_exceptions=True)

    def deliver(self, queue: str) -> None:
        """Hand a line some of what waits for it."""
        line, channel, _ = self.lines[queue]
        for _ in range(self.random.randint(1, 8)):
            has_room = len(channel.unacked) < self.prefetch and not channel.is_closed
            if self.queues[queue] and has_room:
                channel.deliver(line)

    def confirm(self, queue: str) -> None:
        """Let the broker confirm some of what a line has published."""
        channel = self.lines[queue][1]
        for _ in range(self.random.randint(1, 8)):
            if channel.confirms:
                channel.confirm()

    async def decide(self, lane: str, *, again: bool = False, contended: bool = False) -> None:
        """Let a shard decide some of its two queues; `again`: it dies before its ack."""
        taken: list[tuple[str, Delivery]] = []
        for queue in (lane, names.bulk_mailbox(lane)):
            count = min(len(self.queues[queue]), self.random.randint(0, 6))
            taken += [(queue, self.queues[queue].popleft()[0]) for _ in range(count)]
        engine = self.engines[lane]
        if contended and len(taken) > 0:
            # Alone and losing five times, its first one has to wait on the ladder.
            times = CONFLICTS_MAX * (1 if len(taken) == 1 else 2)
            lost = [Conflict("somebody was first")] * times
            engine.store = Contrary(self.store, lost)
        try:
            outcomes = await engine.run([delivery for _, delivery in taken])
        except Contended:
            # Not even that it waits could be written down: its lane stands still, and tries again.
            outcomes = await engine.run([replace(d, redelivered=True) for _, d in taken])
        engine.store = self.store
        for outcome in outcomes:
            if outcome.letters and outcome.letters[-1].kind == "reply":
                body = json.loads(outcome.letters[-1].body)
                self.answers[body["correlationid"]].append((body["type"], body["data"]))
        if again:
            for queue, delivery in reversed(taken):
                self.queues[queue].appendleft((delivery, True))

    async def send(self) -> None:
        """Send some rows of one lane's outbox: a lane's own order, and none among lanes."""
        rows = [decode(row) for row in self.store._documents.get("outbox", {}).values()]
        lanes = sorted({row["_id"].rsplit("/", 3)[0] for row in rows})
        if not lanes:
            return
        lane = self.random.choice(lanes)
        mine = sorted((r for r in rows if r["_id"].startswith(f"{lane}/")), key=lambda r: r["_id"])
        for row in mine[: self.random.randint(1, 10)]:
            self._told(
                row["exchange"], row["key"], VAULT.open_transit(row["body"], row["_id"].encode())
            )
            await self.store.forget([row["_id"]])

    def _told(self, exchange: str, key: str, body: bytes) -> None:
        kind = key.removesuffix(".private")
        if exchange != names.DOMAIN:
            return
        if kind in PHASES:
            given = Delivery(body, kind, names.RELAY_ACCOUNT)
            self.queues[FRONTS[PHASES[kind]]].append((given, False))
        data = json.loads(body)["data"]
        if kind.startswith("asset."):
            self.events.append((kind, data["id"], data["revision"]))

    def pass_time(self) -> None:
        """Let whoever waits on the ladder be due."""
        self.hours[0] += timedelta(minutes=6)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way anywhere."""
        lines = all(not c.unacked and not c.confirms for _, c, _ in self.lines.values())
        rows = ("outbox", "parked")
        return (
            lines
            and not any(self.queues.values())
            and not any(self.store._documents.get(name) for name in rows)
        )

    async def step(self, faults: Sequence[str] = ()) -> None:
        """One thing that may happen now."""
        usual = ("deliver", "confirm", "decide", "send")
        is_fault = bool(faults) and self.random.random() < FAULTS_PART
        match self.random.choice(faults if is_fault else usual):
            case "deliver":
                self.deliver(self.random.choice(FRONTS))
            case "confirm":
                self.confirm(self.random.choice(FRONTS))
            case "send":
                await self.send()
            case "kill":
                self.take_over()
            case "reconnect":
                self.reconnect(self.random.choice(FRONTS))
            case "decide" | "again" | "contended" as how:
                lane = self.random.choice(list(LANES.values()))
                await self.decide(lane, again=how == "again", contended=how == "contended")
        for _ in range(self.random.randint(1, 12)):
            await asyncio.sleep(0)

    async def until_quiet(self, steps_max: int = 20_000) -> None:
        """Go on without faults until nothing moves any more."""
        self.refusals = 0.0
        for number in range(steps_max):
            await self.step()
            if number % 20 == 0:
                self.pass_time()
                await asyncio.sleep(0.001)
            if self.is_quiet:
                return
        raise AssertionError(f"expected an end, got {dict(self.queues)}")


def battery(number: int) -> dict[str, Any]:
    """Data of an asset that nobody else has."""
    return asset(identity={"make": "Acme", "serial": f"SN-{number:05d}"})
