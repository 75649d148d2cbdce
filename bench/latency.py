"""How long an answer takes at low load: from before a command is published to its reply's arrival.

The platform that measures is a process other than the worker's, and sends at a steady pace whether
or not the last answer has come, so that a slow answer does not hide the next one's wait.
"""

import asyncio
import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from bench.contest import prepare, serving
from bench.load import TYPE, Party, Publish, command, sender
from bench.testbed import Testbed
from workers.cli.measuring import Unmeasured

PER_SECOND: Final = 20.0
WARM_UP: Final = 40
"""Commands that are sent first and not counted: connections, caches and code become warm."""
LAST_S: Final = 20.0
"""How long the last answers may take."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from command to reply, in the order of sending."""

    each_ms: tuple[float, ...]

    def percentile(self, percent: int) -> float:
        """The least time within which that share of the commands was answered."""
        ordered = sorted(self.each_ms)
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@dataclass(slots=True)
class _Stopwatch:
    began: dict[str, float] = field(default_factory=dict)
    taken: dict[str, float] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    refused: int = 0

    async def heard(self, message: AbstractIncomingMessage) -> None:
        now = time.perf_counter()
        answer = json.loads(message.body)
        began = self.began.get(answer["correlationid"])
        if began is not None:
            self.taken.setdefault(answer["correlationid"], now - began)
            self.answers[answer["correlationid"]] = message.body
        self.refused += ".accepted." not in answer["type"]


async def measure(testbed: Testbed, users: Sequence[str], count: int, database: str) -> Latencies:
    """Start workers on a database and answer with what a party sees of them."""
    await prepare(testbed, users)
    party, ids = testbed.party(users[0]), [str(uuid4()) for _ in range(WARM_UP + count)]
    async with serving(testbed, database):
        taken, _ = await paced(party, {one: command(party.user, one) for one in ids})
    return Latencies(taken.each_ms[WARM_UP:])


async def paced(
    party: Party, bodies: Mapping[str, bytes], kind: str = TYPE, per_second: float = PER_SECOND
) -> tuple[Latencies, Sequence[bytes]]:
    """Send messages of one type, by their ids, at a steady pace: times and answers in that order.

    Raises Unmeasured unless each is accepted.
    """
    watch = _Stopwatch()
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(await aio_pika.connect(party.url))
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.get_queue(party.replies, ensure=False)
        await queue.consume(watch.heard, no_ack=True)
        exchange = await channel.get_exchange(party.exchange, ensure=False)
        await _send_all(sender(party, exchange, kind), bodies, watch, per_second)
        await _all_heard(watch, bodies)
    if watch.refused:
        raise Unmeasured(f"expected every command to be accepted, got {watch.refused} refused")
    taken = Latencies(tuple(watch.taken[one] * 1000 for one in bodies))
    return taken, [watch.answers[one] for one in bodies]


async def _send_all(
    send: Publish, bodies: Mapping[str, bytes], watch: _Stopwatch, per_second: float
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for number, (command_id, body) in enumerate(bodies.items()):
            await asyncio.sleep(max(0.0, start + number / per_second - loop.time()))
            watch.began[command_id] = time.perf_counter()
            tasks.create_task(_sent(send, body))


async def _sent(send: Publish, body: bytes) -> None:
    await send(body)


async def _all_heard(watch: _Stopwatch, ids: Collection[str]) -> None:
    deadline = time.monotonic() + LAST_S
    while len(watch.taken) < len(ids):
        if time.monotonic() > deadline:
            raise Unmeasured(
                f"expected {len(ids)} answers within {LAST_S:.0f} s of the last command, got "
                f"{len(watch.taken)}"
            )
        await asyncio.sleep(1 / PER_SECOND)
