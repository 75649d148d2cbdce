"""What shards bring and what their directory costs: one process against two, round by round.

`python -m bench.shards`, with the servers that the settings name or with embedded ones; prints a
table and JSON. Three arrangements serve the same load on the same servers, interleaved: one shard
without a directory; one shard behind a directory, in one process, so that the difference of the
processor times is the directory's; two shards behind a directory, owned by two processes.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from bench import load, seeding
from bench.contest import (
    Cpu,
    Run,
    checked,
    commands_known,
    cpu_of,
    decided,
    prepare,
    serving,
    spent,
)
from bench.measure import tell
from bench.testbed import BASE, NO_QUOTA, RUN, Testbed, open_testbed
from handlers.cells import as_rules, placed_by, split
from handlers.shards import ALL_FIRST, COLLECTION
from topology import names
from topology.catalog import build as build_catalog
from topology.sharding import build as build_plan
from workers.settings import Settings

REGISTER: Final = names.register("asset")
SHARDS: Final = 2
LEASE_S: Final = 3
"""Short, so that the second process soon has its part."""
OWNED_S: Final = 60.0
SUBSCRIBED_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the load is served."""

    name: str
    shards_max: int
    shards: int
    processes: int


ARRANGEMENTS: Final = (
    Arrangement("one shard", 1, 1, 1),
    Arrangement("one behind a directory", SHARDS, 1, 1),
    Arrangement("two shards, two processes", SHARDS, SHARDS, 2),
)


async def run(testbed: Testbed, users: Sequence[str], count: int, how: Arrangement) -> Run:
    """Arrange broker and database, fill the queues, serve them, and check what came out."""
    plan = build_plan(build_catalog(), how.shards_max)
    await testbed.administrator.apply(plan, testbed.vault.password, testbed.made)
    await testbed.copy(BASE, RUN)
    await testbed.database(RUN)[COLLECTION].insert_one(_map(how))
    await testbed.empty([queue.name for queue in plan.queues if _is_ours(queue.name)])
    await prepare(testbed, users)
    await load.publish([testbed.party(user) for user in users], count)
    known = await commands_known(testbed, RUN)
    changes = {"shards_max": how.shards_max, "quota_per_minute": NO_QUOTA}
    changes["lease_s"] = LEASE_S
    own = replace(testbed, settings=testbed.settings.model_copy(update=changes))
    async with AsyncExitStack() as stack:
        gate = await stack.enter_async_context(closed(testbed, how))
        children = [
            await stack.enter_async_context(serving(own, RUN)) for _ in range(how.processes)
        ]
        await _owned(testbed, how)
        before = [cpu_of(testbed, child.pid) for child in children]
        began = time.monotonic()
        await gate.close()
        ended = await decided(testbed, RUN, known + count, count)
        after = [cpu_of(testbed, child.pid) for child in children]
    found, repeats = await checked(testbed, users, count)
    each = [spent(*pair, count) for pair in zip(before, after, strict=True)]
    cpu = Cpu(sum(one.client for one in each), each[0].broker, each[0].database)
    return Run(how.name, count, ended - began, cpu, outputs=found, repeats=repeats)


@asynccontextmanager
async def closed(testbed: Testbed, how: Arrangement) -> AsyncIterator[AbstractChannel]:
    """Nobody gets any of the load before the channel is closed: its consumer is the active one."""
    async with await aio_pika.connect(testbed.admin_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        first = names.mailbox(REGISTER) if how.shards_max == 1 else names.directory(REGISTER)
        queue = await channel.get_queue(first, ensure=False)
        await queue.consume(_ignore)
        yield channel


async def _ignore(_message: AbstractIncomingMessage) -> None:
    """Un-acked: it comes again to whoever is the next."""


async def _owned(testbed: Testbed, how: Arrangement) -> None:
    """Wait until every shard has an owner, and as many owners as there are processes."""
    lanes = [names.mailbox(REGISTER, number) for number in range(how.shards)]
    async with asyncio.timeout(OWNED_S):
        while True:
            rows = await testbed.database(RUN)["lanes"].find({"_id": {"$in": lanes}}).to_list()
            owners = [row["owner"] for row in rows if row["owner"]]
            if len(owners) == how.shards and len(set(owners)) == how.processes:
                break
            await asyncio.sleep(0.1)
    # A lease comes before its consumer.
    await asyncio.sleep(SUBSCRIBED_S)


def _map(how: Arrangement) -> dict[str, Any]:
    placed = placed_by(ALL_FIRST)
    rules = as_rules(split(placed, 0, range(how.shards)))
    return {"_id": REGISTER, "revision": 1, "placed": rules}


def _is_ours(queue: str) -> bool:
    front = names.directory(REGISTER)
    return queue.startswith((front, names.mailbox(REGISTER).removesuffix("0")))


async def measure(settings: Settings, count: int, rounds: int) -> dict[str, Any]:
    """All rounds; the first one warms up and does not count."""
    runs: dict[str, list[Run]] = {how.name: [] for how in ARRANGEMENTS}
    async with open_testbed(settings, None) as testbed:
        users = await seeding.parties(testbed)
        for number in range(rounds + 1):
            for how in ARRANGEMENTS:
                done = await run(testbed, users, count, how)
                tell(f"round {number} of {rounds}: {how.name}: {done.per_second:,.0f}/s, "
                     f"clients {done.cpu.client:,.0f} us a command")  # fmt: skip
                if number:
                    runs[how.name].append(done)
    return told(runs)


def told(runs: dict[str, list[Run]]) -> dict[str, Any]:
    """Medians by arrangement, and what follows from them."""
    found: dict[str, Any] = {name: _medians(each) for name, each in runs.items()}
    one, behind, two = (runs[how.name] for how in ARRANGEMENTS)
    found["rounds"] = len(one)
    found["two to one"] = round(_ratio(two, one), 3)
    found["directory, client us a command"] = round(
        median(b.cpu.client - a.cpu.client for a, b in zip(one, behind, strict=True)), 1
    )
    if one[0].cpu.broker is not None:
        found["directory, broker us a command"] = round(
            median((b.cpu.broker or 0) - (a.cpu.broker or 0)
                   for a, b in zip(one, behind, strict=True)), 1
        )  # fmt: skip
    return found


def _medians(runs: Sequence[Run]) -> dict[str, Any]:
    spent_by = [asdict(run.cpu) for run in runs]
    cpu = {
        name: round(median(each[name] for each in spent_by), 1)
        for name in spent_by[0]
        if spent_by[0][name] is not None
    }
    return {"per second": round(median(run.per_second for run in runs), 1), "cpu us": cpu}


def _ratio(runs: Sequence[Run], to: Sequence[Run]) -> float:
    """The median of the rounds' ratios: what slowed a round slowed both."""
    pairs = zip(runs, to, strict=True)
    return median(one.per_second / other.per_second for one, other in pairs)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.shards", description=__doc__)
    parser.add_argument("--commands", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found = asyncio.run(measure(Settings.read(), given.commands, given.rounds))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
