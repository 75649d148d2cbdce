"""How fast many are told of one change, and whether one who does not listen slows the others.

`python -m bench.notices`, with the servers that the settings name or with embedded ones.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from bench import seeding
from bench.contest import prepare, serving
from bench.latency import Latencies
from bench.load import Party, command, envelope
from bench.testbed import BASE, RUN, VHOST, Testbed, open_testbed
from contracts.assets import AssetUpdated, RegisterAsset, UpdateAsset
from handlers.edges import recorded
from topology import names
from workers.cli.measuring import Unmeasured
from workers.settings import Settings

CROWD: Final = 1000
"""How many are told of one change."""
CHANGES: Final = 5
"""How many changes the crowd is told of; the median of them counts."""
LISTENERS: Final = 8
"""Parties whose deliveries are timed, beside the one that stops listening."""
PACED: Final = 40
PER_SECOND: Final = 10.0
FULL_AT: Final = 10
"""Length of the stopped one's queue, so that it is full nearly from the beginning."""
LIMIT_S: Final = 60.0
PERCENT: Final = 95
REVISION: Final = 2
"""What the first change makes of an asset."""


@dataclass(slots=True)
class Heard:
    """When each personal event of a change came, by the change's number."""

    began: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, list[float]] = field(default_factory=dict)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """Note one event; the revision says of which change."""
        now = time.perf_counter()
        event = json.loads(message.body)
        if event["type"] == AssetUpdated.message_type:
            number = event["data"]["revision"] - REVISION
            self.arrived.setdefault(number, []).append(now)

    async def until(self, number: int, count: int) -> float:
        """Wait until a change was told so many times; seconds since it was sent."""
        deadline = time.monotonic() + LIMIT_S
        while len(self.arrived.get(number, ())) < count:
            if time.monotonic() > deadline:
                found = len(self.arrived.get(number, ()))
                raise Unmeasured(f"expected {count} events of change {number}, got {found}")
            await asyncio.sleep(0.002)
        return self.arrived[number][count - 1] - self.began[number]


@dataclass(slots=True)
class Changer:
    """Registers an asset and changes it, each time so that it is a change."""

    party: Party
    exchange: aio_pika.abc.AbstractExchange
    heard: Heard
    asset: str = ""
    sent: int = 0

    async def register(self, testbed: Testbed) -> None:
        """Make the asset, and find its id where it is kept."""
        serial = uuid4().hex
        await self._publish(RegisterAsset.message_type, command(self.party.user, serial=serial))
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            rows = testbed.database(RUN)["assets"]
            if (row := await rows.find_one({"identity.serial": serial})) is not None:
                self.asset = row["_id"]
                return
            await asyncio.sleep(0.02)
        raise Unmeasured("expected the asset to be registered")

    async def change(self) -> int:
        """Send the next change; its number."""
        number, self.sent = self.sent, self.sent + 1
        data = {"id": self.asset, "capability": {"power_kw": 10 + number}}
        kind = UpdateAsset.message_type
        self.heard.began[number] = time.perf_counter()
        await self._publish(kind, json.dumps(envelope(self.party.user, kind, data)).encode())
        return number

    async def _publish(self, kind: str, body: bytes) -> None:
        message = aio_pika.Message(body, user_id=self.party.account, message_id=uuid4().hex)
        await self.exchange.publish(message, kind)


@asynccontextmanager
async def changing(testbed: Testbed, user: str, heard: Heard) -> AsyncIterator[Changer]:
    """A party that has registered an asset with the workers that run."""
    party = testbed.party(user)
    async with await aio_pika.connect(party.url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        changer = Changer(party, await channel.get_exchange(party.exchange, ensure=False), heard)
        await changer.register(testbed)
        yield changer


async def relate(testbed: Testbed, asset: str, parties: Sequence[str]) -> None:
    """Record FSPs of an asset, past the register."""
    ties: Sequence[Mapping[str, Any]] = [
        {"as": "fsp", "from": datetime(2020, 1, 1, tzinfo=UTC), "until": None}
    ]
    rows = [dict(recorded(asset, party, ties)) for party in parties]
    await testbed.database(RUN)["relations"].insert_many(rows)


async def crowd_per_second(testbed: Testbed, user: str) -> float:
    """Personal events a second where a thousand parties are told of one change."""
    heard = Heard()
    async with changing(testbed, user, heard) as changer:
        await relate(testbed, changer.asset, [f"USR-BENCH-{n:04d}" for n in range(CROWD)])
        queue = await testbed.channel.declare_queue(exclusive=True)
        await queue.bind(names.EVENTS, f"*.{AssetUpdated.message_type}")
        await queue.consume(heard.hear, no_ack=True)
        taken = [await heard.until(await changer.change(), CROWD) for _ in range(CHANGES + 1)]
        await queue.delete(if_unused=False, if_empty=False)
    # The first one makes every party's counter, caches and code: it is not counted.
    return CROWD / median(taken[1:])


async def delivery_ms(testbed: Testbed, users: Sequence[str], *, stopped: bool) -> Latencies:
    """Milliseconds from a change to its delivery at the others, while one listens or does not."""
    heard, (sender, last, *others) = Heard(), users[: LISTENERS + 2]
    async with AsyncExitStack() as stack:
        changer = await stack.enter_async_context(changing(testbed, sender, heard))
        await relate(testbed, changer.asset, [last, *others])
        for user in others:
            await stack.enter_async_context(_listening(testbed, user, heard))
        if not stopped:
            await stack.enter_async_context(_listening(testbed, last, Heard()))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(PACED):
            await asyncio.sleep(max(0.0, start + number / PER_SECOND - loop.time()))
            await changer.change()
        for number in range(PACED):
            await heard.until(number, len(others))
        if stopped and (waiting := await testbed.waiting(names.events_queue(last))) != FULL_AT:
            raise Unmeasured(f"expected the stopped one's queue to be full, got {waiting} in it")
    taken = [t - heard.began[n] for n in range(PACED) for t in heard.arrived[n]]
    return Latencies(tuple(seconds * 1000 for seconds in taken))


@asynccontextmanager
async def _listening(testbed: Testbed, user: str, heard: Heard) -> AsyncIterator[None]:
    async with await aio_pika.connect(testbed.party(user).url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(names.events_queue(user), ensure=False)
        await queue.consume(heard.hear, no_ack=True)
        yield


async def _fill_up(testbed: Testbed, user: str) -> None:
    """Make a user's queue so short that it is full at once; as ever the oldest are dropped."""
    policy = {
        "pattern": f"^{names.events_queue(user)}$", "apply-to": "queues", "priority": 100,
        "definition": {"max-length": FULL_AT, "overflow": "drop-head"},
    }  # fmt: skip
    await testbed.administrator.ask("PUT", f"policies/{VHOST}/bench-full", policy)  # type: ignore[arg-type]


async def measure(rounds: int) -> None:
    """Print both figures."""
    async with open_testbed(Settings.read(), None) as testbed:
        users = await seeding.parties(testbed)
        await testbed.copy(BASE, RUN)
        await prepare(testbed, users)
        await testbed.empty([names.NOTICES, *map(names.events_queue, users)])
        await _fill_up(testbed, users[1])
        found: dict[bool, list[float]] = {False: [], True: []}
        async with serving(testbed, RUN):
            rate = await crowd_per_second(testbed, users[0])
            sys.stdout.write(f"one change seen by {CROWD}: {rate:,.0f} personal events a second\n")
            sys.stdout.flush()
            for _ in range(rounds):
                for stopped in (False, True):
                    taken = await delivery_ms(testbed, users, stopped=stopped)
                    found[stopped].append(taken.percentile(PERCENT))
        none, one = (median(found[stopped]) for stopped in (False, True))
        each = {("stopped" if s else "none"): [round(v, 1) for v in f] for s, f in found.items()}
        sys.stdout.write(
            f"p95 from change to delivery, medians of {rounds} interleaved rounds: all listen "
            f"{none:.1f} ms, one stopped and full {one:.1f} ms ({(one / none - 1) * 100:+.0f} %); "
            f"{each}\n"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
