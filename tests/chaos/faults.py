"""The faults: what is broken, how, and for how long; a seed decides which and when."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import quote

import pytest

from tests.chaos.fleet import Fleet
from tests.spine import Spine, eventually
from topology import names
from workers.embedded import Running

THEFT_S: Final = 10.0
CLOCK_S_MAX: Final = 240
"""A sender's clock may be five minutes ahead of ours; a jump stays within."""
LISTED_S: Final = 8.0
"""The management API learns of connections a little late."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that may be broken."""

    spine: Spine
    servers: Running
    fleet: Fleet
    users: Sequence[str]
    random: Random

    def slot(self) -> int:
        return self.random.randrange(self.fleet.size)


Break = Callable[[World], Awaitable[str]]
"""Does a fault from its beginning to its end, and says to what it was done."""


async def kill_worker(world: World) -> str:
    slot = world.slot()
    await world.fleet.kill(slot)
    await world.fleet.start(slot)
    return f"worker {slot}"


async def terminate_worker(world: World) -> str:
    slot = world.slot()
    await world.fleet.terminate(slot)
    await world.fleet.start(slot)
    return f"worker {slot}"


async def roll_workers(world: World) -> str:
    for slot in range(world.fleet.size):
        await world.fleet.terminate(slot)
        await world.fleet.start(slot)
    return f"all {world.fleet.size} workers in turn"


async def freeze_worker(world: World) -> str:
    """For longer than its lease: it comes back and believes that it owns what another has."""
    slot, seconds = world.slot(), world.fleet.lease_s * world.random.uniform(1.5, 3)
    world.fleet.freeze(slot)
    await asyncio.sleep(seconds)
    world.fleet.thaw(slot)
    return f"worker {slot} for {seconds:.1f} s"


async def kill_broker(world: World) -> str:
    seconds = world.random.uniform(0, 3)
    await asyncio.to_thread(world.servers.kill_broker)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(world.servers.start)
    return f"rabbitmq, absent for {seconds:.1f} s"


async def freeze_broker(world: World) -> str:
    """For as long as it takes both sides to miss the heartbeats."""
    return await _freeze(world.servers.pids["rabbitmq"], "rabbitmq", 30)


async def kill_database(world: World) -> str:
    seconds = world.random.uniform(0, 3)
    await asyncio.to_thread(world.servers.kill_database)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(world.servers.start)
    return f"mongod, absent for {seconds:.1f} s"


async def freeze_database(world: World) -> str:
    return await _freeze(world.servers.pids["mongod"], "mongod", world.random.uniform(2, 8))


async def close_connections(world: World) -> str:
    """As an operator of the broker would, in the middle of confirms and acks."""
    accounts = (names.WORKER_ACCOUNT, names.RELAY_ACCOUNT, world.random.choice(world.users))
    account = world.random.choice(accounts)

    async def listed() -> list[str]:
        return await world.spine.inspector.connections(account)

    found = await eventually(listed, LISTED_S)
    for name in found:
        await world.spine.inspector.call("DELETE", f"connections/{quote(name, safe='')}")
    return f"{len(found)} connections of {account}"


async def steal_leases(world: World) -> str:
    """Let leases run out under their owner, so that for a while two believe to own them."""
    lanes = world.spine.database["lanes"]
    owned = await lanes.find({"owner": {"$ne": None}, "_id": {"$ne": "install"}}).to_list(None)
    mailboxes = [lane for lane in owned if lane["_id"].startswith("mailbox.")]
    others = [lane for lane in owned if not lane["_id"].startswith("mailbox.")]
    stolen = mailboxes + world.random.sample(others, min(4, len(others)))
    taken: set[str] = set()

    async def all_taken() -> bool:
        for lane in stolen:
            mine = {"_id": lane["_id"], "owner": lane["owner"], "epoch": lane["epoch"]}
            out = {"until": {"$subtract": ["$$NOW", 1]}}
            found = await lanes.update_one(mine, [{"$set": out}])
            if not found.matched_count:
                taken.add(lane["_id"])
        return len(taken) == len(stolen)

    with suppress(pytest.fail.Exception):
        # Where a lane has only one who wants it, it stays with its owner.
        await eventually(all_taken, THEFT_S)
    return f"{len(taken)} of {len(stolen)} lanes, {len(mailboxes)} of them mailboxes"


async def shift_clocks(world: World) -> str:
    offsets = [world.random.uniform(-CLOCK_S_MAX, CLOCK_S_MAX) for _ in range(world.fleet.size)]
    for slot, seconds in enumerate(offsets):
        world.fleet.shift_clock(slot, seconds)
    return "clocks " + ", ".join(f"{seconds:+.0f} s" for seconds in offsets)


KINDS: Final[Mapping[str, Break]] = {
    "worker.kill": kill_worker,
    "worker.terminate": terminate_worker,
    "worker.roll": roll_workers,
    "worker.freeze": freeze_worker,
    "broker.kill": kill_broker,
    "broker.freeze": freeze_broker,
    "database.kill": kill_database,
    "database.freeze": freeze_database,
    "connections.close": close_connections,
    "leases.steal": steal_leases,
    "clocks.shift": shift_clocks,
}
RARE: Final = frozenset({"broker.freeze"})
"""What takes half a minute is done once in a round of all kinds, and not drawn besides."""
ROUND: Final = 20


def drawn(count: int, random: Random) -> list[str]:
    """So many kinds in any order: in every twenty each kind at least once."""
    kinds: list[str] = []
    usual = sorted(KINDS.keys() - RARE)
    while len(kinds) < count:
        wanted = min(ROUND, count - len(kinds))
        every = sorted(KINDS)
        random.shuffle(every)
        chosen = every[:wanted]
        chosen += random.choices(usual, k=wanted - len(chosen))
        random.shuffle(chosen)
        kinds += chosen
    return kinds


async def _freeze(pid: int, name: str, seconds: float) -> str:
    os.killpg(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.killpg(pid, signal.SIGCONT)
    return f"{name} for {seconds:.1f} s"
