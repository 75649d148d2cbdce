"""How fast assets are read by their ids from a large register, one at a time and many at once.

`python -m bench.reading`, with the servers that the settings name or with embedded ones; prints
JSON. The register is one of `flexspine seed`. Queries go the whole way, from a party by the broker
to the workers and back, and ask for assets from all over the register, each for others: first at a
steady pace, which gives the time to an answer, then with many on their way at any time, which gives
the answers a second.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage

from bench import seeding
from bench.contest import cpu_of, prepare, serving, spent
from bench.latency import WARM_UP, Latencies, paced
from bench.load import Party, envelope, sender
from bench.measure import tell
from bench.testbed import NO_QUOTA, Testbed, open_testbed
from contracts.assets import GetAssets
from workers.cli.measuring import Unmeasured
from workers.settings import Settings

WINDOW: Final = 64
"""Questions that are on their way at the same time."""
ANSWER_S: Final = 30.0
"""How long nothing may come before it is said that nothing comes."""
SEED: Final = 20_261_129
"""Which assets are asked for; the same ones each time."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    assets: int = 1_000_000
    queries: int = 1_000
    """At a steady pace."""
    drained: int = 20_000
    """With many on their way."""
    at_once: int = 1_000
    """Assets that one question of the last kind asks for."""
    rounds: int = 3


async def ids_of(testbed: Testbed, database: str, user: str, count: int) -> Sequence[str]:
    """Assets that a user has registered, from all over the register."""
    held = testbed.database(database)["assets"]
    mine = [row["_id"] async for row in held.find({"registrant": user}, {"_id": 1})]
    if len(mine) < count:
        raise Unmeasured(f"expected {count} assets of {user} in {database}, got {len(mine)}")
    return Random(SEED).sample(mine, count)  # noqa: S311  # which ones are asked for is no secret


def questions(user: str, kind: str, groups: Sequence[Sequence[str]]) -> Mapping[str, bytes]:
    """One question for each group of ids, by its own id."""
    named = {f"bench-get-{time.time_ns()}-{n}": ids for n, ids in enumerate(groups)}
    return {
        one: json.dumps(envelope(user, kind, {"ids": ids}, one)).encode()
        for one, ids in named.items()
    }


async def drained(party: Party, bodies: Mapping[str, bytes], kind: str) -> float:
    """Answers a second, with `WINDOW` questions on their way; Unmeasured where one is refused."""
    window, done = asyncio.Semaphore(WINDOW), asyncio.Event()
    waiting, refused = set(bodies), 0

    async def heard(message: AbstractIncomingMessage) -> None:
        nonlocal refused
        answer = json.loads(message.body)
        refused += ".accepted." not in answer["type"]
        waiting.discard(answer["correlationid"])
        window.release()
        if not waiting:
            done.set()

    connection = await aio_pika.connect(party.url)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.get_queue(party.replies, ensure=False)
        await queue.consume(heard, no_ack=True)
        exchange = await channel.get_exchange(party.exchange, ensure=False)
        send = sender(party, exchange, kind)
        began = time.perf_counter()
        for body in bodies.values():
            async with asyncio.timeout(ANSWER_S):
                await window.acquire()
            await send(body)
        async with asyncio.timeout(ANSWER_S):
            await done.wait()
        taken = time.perf_counter() - began
    if refused:
        raise Unmeasured(f"expected every question to be answered, got {refused} refused")
    return len(bodies) / taken


async def measure(settings: Settings, scale: Scale, folder: Path | None) -> dict[str, Any]:
    """Seed what is missing, then ask."""
    settings = settings.model_copy(update={"quota_per_minute": NO_QUOTA, "sandbox": False})
    async with open_testbed(settings, folder) as testbed:
        users = await seeding.parties(testbed)
        made = await seeding.seed(testbed, users, scale.assets, tell)
        tell(f"{made.added:,} assets added in {made.seconds:.0f} s")
        database, party = seeding.register_name(scale.assets), testbed.party(users[0])
        count = max(scale.queries + WARM_UP, scale.drained)
        ids = await ids_of(testbed, database, party.user, count)
        await prepare(testbed, users)
        async with serving(testbed, database) as child:
            found = await _answers(testbed, party, ids, scale, child.pid)
    return {"assets": scale.assets, **found}


async def _answers(
    testbed: Testbed, party: Party, ids: Sequence[str], scale: Scale, pid: int
) -> dict[str, Any]:
    kind, single = GetAssets.message_type, [[one] for one in ids]
    steady = questions(party.user, kind, single[: WARM_UP + scale.queries])
    taken, _ = await paced(party, steady, kind)
    counted = Latencies(taken.each_ms[WARM_UP:])
    found: dict[str, Any] = {f"get_p{p}_ms": round(counted.percentile(p), 1) for p in (50, 95, 99)}
    tell(f"steady: {found}")
    rates, many = [], []
    before = cpu_of(testbed, pid)
    for _ in range(scale.rounds):
        asked = questions(party.user, kind, single[: scale.drained])
        rates.append(round(await drained(party, asked, kind)))
        tell(f"one each: {rates[-1]} answers/s")
    cpu = spent(before, cpu_of(testbed, pid), scale.rounds * scale.drained)
    for _ in range(scale.rounds):
        size = scale.at_once
        groups = [ids[n : n + size] for n in range(0, len(ids) - size + 1, size)]
        began = time.perf_counter()
        await drained(party, questions(party.user, kind, groups), kind)
        many.append(round(len(groups) * size / (time.perf_counter() - began)))
        tell(f"{size} each: {many[-1]} assets/s")
    return found | {
        "answers_per_second": rates,
        "worker_us_per_answer": round(cpu.client),
        "broker_us_per_answer": cpu.broker and round(cpu.broker),
        "database_us_per_answer": cpu.database and round(cpu.database),
        f"assets_per_second_{scale.at_once}_at_once": many,
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("assets", 1_000_000), ("queries", 1_000), ("drained", 20_000),
                        ("at_once", 1_000), ("rounds", 3)):  # fmt: skip
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    words = "keep embedded servers' data here; a register that is there is measured as it is"
    parser.add_argument("--folder", type=Path, help=words)
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    told = uvloop.run(measure(Settings.read(), Scale(**given), folder))
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
