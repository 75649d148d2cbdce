"""One shard becomes four and one again under load, and whoever matters is killed meanwhile.

`python -m tests.chaos.shards --commands 20000 --seed 7`
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import uvloop

from tests.chaos import checker, stored
from tests.chaos.observed import Reply, Sent
from tests.chaos.scene import Plan, Scene, opened
from tests.chaos.storm import SHOWN_MAX, Say, quiet, reached, settled
from tests.servers import ADMINISTRATOR, PASSWORD, TestServers
from tests.spine import Platform, Spine, eventually, open_spine
from topology import names
from workers.embedded import start

SHARDS: Final = 4
FRONT: Final = names.directory("assets")
MEASURED: Final = 1000
"""How many commands tell what the capacity is."""
PART: Final = 3
"""The load is the measured capacity divided by this."""
BACKLOG_MAX: Final = 3000
TICK_S: Final = 0.05
MOVE_S: Final = 120.0
MOVES: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("shard.split.v1", {"shard": 0, "into": [0, 1, 2, 3]}),
    ("shard.merge.v1", {"shards": [1, 2, 3], "into": 0}),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of it."""

    report: checker.Report
    capacity: float
    rate: float
    moves: Sequence[str]
    decided: Mapping[str, int]
    """Lane -> how many commands it has decided."""
    commands: int

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken, all was sent, every shard decided and both moves ended."""
        counts = self.report.counts
        return (
            self.report.is_clean
            and counts["confirmed"] == counts["sent"] == self.commands + len(MOVES)
            and len(self.moves) == len(MOVES)
            and all(self.decided.get(names.mailbox("assets", n)) for n in range(SHARDS))
        )

    def lines(self) -> list[str]:
        """What a person reads in the end."""
        found = [f"{name:<18}{count:>9,}" for name, count in self.report.counts.items()]
        found.append(f"{'capacity':<18}{self.capacity:>9,.0f} commands/s")
        found.append(f"{'load':<18}{self.rate:>9,.0f} commands/s")
        found += [f"{lane:<18}{count:>9,} decided" for lane, count in self.decided.items()]
        found += self.moves
        for fault, texts in self.report.faults.items():
            found.append(f"{fault:<18}{len(texts):>9,}")
            found += [f"  {text}" for text in texts[:SHOWN_MAX]]
        return found


async def moved(plan: Plan, servers: TestServers, folder: Path, say: Say) -> Summary:
    """Run it, from an empty backbone to the verdict."""
    async with open_spine(servers, f"shards-{plan.seed}", folder, shards_max=SHARDS) as spine:
        async with opened(spine, servers, plan) as scene:
            capacity, rate, moves = await _under_load(plan, scene, spine, say)
            await settled(scene, spine, say)
            say("settled; the workers end")
            await scene.world.fleet.stop()
            await quiet(scene)
            observed = scene.record.observed
            observed.stored = await stored.read(spine, observed.bodies)
            decided = await _decided(spine)
        report = checker.check(scene.record.observed)
        return Summary(report, capacity, rate, moves, decided, plan.commands)


async def _under_load(
    plan: Plan, scene: Scene, spine: Spine, say: Say
) -> tuple[float, float, list[str]]:
    record = scene.record
    first = record.sent
    record.total, record.backlog_max = plan.commands, BACKLOG_MAX
    record.allowed = first + min(MEASURED, plan.commands // 4)
    writing = [asyncio.create_task(writer.run()) for writer in scene.writers]
    began, measured = time.monotonic(), record.allowed
    await reached(scene, lambda: record.sent >= measured and not record.open)
    capacity = (record.sent - first) / (time.monotonic() - began)
    rate = capacity / PART
    say(f"capacity {capacity:,.0f}/s; {rate:,.0f}/s from now on")
    pacing = asyncio.create_task(_paced(scene, rate))
    operator = await spine.connect(names.OPERATOR, spine.vault.password(names.OPERATOR))
    moves = []
    for number, (kind, data) in enumerate(MOVES):
        moves.append(await _move(scene, spine, operator, (number, kind, data)))
        say(moves[-1])
    await reached(scene, lambda: all(task.done() for task in writing))
    pacing.cancel()
    for task in writing:
        task.cancel()
    for ended in await asyncio.gather(*writing, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return capacity, rate, moves


async def _paced(scene: Scene, rate: float) -> None:
    """Allow so many commands a second; the map's own ones are not the writers'."""
    record, began, first = scene.record, time.monotonic(), scene.record.allowed
    while True:
        await asyncio.sleep(TICK_S)
        record.allowed = min(record.total, first + round(rate * (time.monotonic() - began)))


async def _move(
    scene: Scene, spine: Spine, operator: Platform, order: tuple[int, str, Mapping[str, Any]]
) -> str:
    """Change the map, kill who forwards and who owns a shard, and wait for the end of the move."""
    number, kind, data = order
    began = time.monotonic()
    await _ordered(scene, operator, kind, {"id": "assets", **data})
    lanes = (FRONT, names.mailbox("assets", number))
    killed = [await _killed(scene, spine, lane) for lane in lanes]

    async def done() -> bool:
        rows = await spine.raw("shards")
        return bool(rows) and not rows[0].get("becoming")

    await eventually(done, MOVE_S)
    return f"{kind}: done after {time.monotonic() - began:.1f} s, killed {', '.join(killed)}"


async def _ordered(scene: Scene, operator: Platform, kind: str, data: Mapping[str, Any]) -> None:
    """A command of the operator, which the checker knows as one that was sent."""
    envelope = operator.envelope(kind, data)
    body = json.dumps(envelope).encode()
    sent = Sent(operator.user, str(envelope["id"]), kind, "map", sha256(body).digest())
    scene.record.total += 1
    scene.record.begin(sent, body)
    await operator.publish(body, kind)
    sent.confirmed = True
    answer = await operator.answer(sent.id, MOVE_S)
    scene.record.take(Reply.read(operator.user, answer.body))


async def _killed(scene: Scene, spine: Spine, lane: str) -> str:
    """Kill the process that owns a lane now, and start another."""
    fleet = scene.world.fleet

    async def owner() -> int | None:
        row = await spine.database["lanes"].find_one({"_id": lane})
        slot = fleet.slot_of(row["owner"]) if row and row["owner"] else None
        return None if slot is None else slot + 1

    slot = (await eventually(owner) or 1) - 1
    await fleet.kill(slot)
    await fleet.start(slot)
    return f"the owner of {lane}"


async def _decided(spine: Spine) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for row in await spine.raw("commands"):
        if row["lane"].startswith("mailbox.assets."):
            found[row["lane"]] = found.get(row["lane"], 0) + len(row["entries"])
    return dict(sorted(found.items()))


def main(given: Sequence[str] | None = None) -> int:
    """Run it on servers of its own; the exit code says whether all promises held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.shards", description=__doc__)
    parser.add_argument("--commands", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to keep servers' data and logs")
    wanted = parser.parse_args(sys.argv[1:] if given is None else given)
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="flexspine-shards-") as made:
        folder = wanted.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        running = start(folder / "servers", ADMINISTRATOR, PASSWORD)
        try:
            servers = TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
            plan = Plan(wanted.commands, (), wanted.seed, workers=2)
            summary = uvloop.run(moved(plan, servers, folder, _say))
        finally:
            running.stop()
    for line in summary.lines():
        _say(line)
    _say("clean" if summary.is_clean else f"NOT clean; again with --seed {wanted.seed}")
    return 0 if summary.is_clean else 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  this is a program


if __name__ == "__main__":
    sys.exit(main())
