"""The storm: a long load with many faults, and then the question whether all promises held.

`python -m tests.chaos.storm --commands 100000 --faults 40 --seed 7`
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop

from tests.chaos import checker, faults, stored
from tests.chaos.checker import Report
from tests.chaos.scene import Plan, Scene, opened
from tests.servers import ADMINISTRATOR, PASSWORD, TestServers
from tests.spine import Spine, open_spine
from workers.embedded import start

BACKLOG_MAX: Final = 3000
SETTLED_S: Final = 6.0
"""Young quorum queues may lose their leader in a crash; the first fault waits for them."""
PROGRESS_MAX: Final = 200
"""How many new commands must be decided before the next fault."""
STALLED_S: Final = 120.0
"""A storm in which nothing was sent or answered for so long does not go on."""
SETTLE_S: Final = 420.0
"""The longest that a command may wait to be tried again, by a clock that was far ahead."""
POLL_S: Final = 0.1
QUIET_S: Final = 1.5
SHOWN_MAX: Final = 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that has been done, as it is logged."""

    number: int
    kind: str
    target: str
    at_s: float
    at_sent: int
    lasted_s: float
    recovered_s: float | None
    """How long after its end new commands were decided; None if they never were."""


@dataclass(slots=True)
class Summary:
    """What the storm was and what became of the promises."""

    plan: Plan
    report: Report
    struck: list[Struck] = field(default_factory=list)
    seconds: float = 0.0
    republished: int = 0
    ended: list[str] = field(default_factory=list)
    """Workers that ended without being told to, and were replaced."""

    @property
    def is_clean(self) -> bool:
        """Whether all was sent, all faults were done and overcome, and no promise was broken."""
        counts, overcome = self.report.counts, [s for s in self.struck if s.recovered_s is not None]
        return (
            self.report.is_clean
            and len(overcome) == len(self.plan.kinds)
            and counts["confirmed"] == counts["sent"] == self.plan.commands
        )

    def lines(self) -> list[str]:
        """What a person reads in the end."""
        found = [f"{name:<18}{count:>9,}" for name, count in self.report.counts.items()]
        found.append(f"{'republished':<18}{self.republished:>9,}")
        found.append(f"{'faults':<18}{len(self.struck):>9,}")
        found.append(f"{'workers replaced':<18}{len(self.ended):>9,}")
        found.append(f"{'seconds':<18}{self.seconds:>9,.0f}")
        for fault, texts in self.report.faults.items():
            found.append(f"{fault:<18}{len(texts):>9,}")
            found += [f"  {text}" for text in texts[:SHOWN_MAX]]
        return found

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "seed": self.plan.seed,
            "clean": self.is_clean,
            "seconds": round(self.seconds, 1),
            "counts": dict(self.report.counts),
            "republished": self.republished,
            "workers_replaced": self.ended,
            "struck": [
                {name: getattr(one, name) for name in Struck.__slots__} for one in self.struck
            ],
            "faults": {fault: len(texts) for fault, texts in self.report.faults.items()},
            "examples": {fault: texts[:SHOWN_MAX] for fault, texts in self.report.faults.items()},
        }


async def storm(plan: Plan, servers: TestServers, folder: Path, say: Say) -> Summary:
    """Run one, from an empty backbone to the verdict."""
    async with open_spine(servers, f"storm-{plan.seed}", folder) as spine:
        async with opened(spine, servers, plan) as scene:
            say(f"set up: {len(scene.senders)} users, {len(scene.writers)} writers")
            await asyncio.sleep(SETTLED_S)
            began = time.monotonic()
            struck = await _stormed(plan, scene, say)
            await settled(scene, spine, say)
            seconds = time.monotonic() - began
            say(f"settled after {seconds:.0f} s; the workers end")
            await scene.world.fleet.stop()
            await quiet(scene)
            observed = scene.record.observed
            observed.stored = await stored.read(spine, observed.bodies)
        report = checker.check(scene.record.observed)
        return Summary(
            plan=plan,
            report=report,
            struck=struck,
            seconds=seconds,
            republished=sum(sender.repeated for sender in scene.senders),
            ended=scene.world.fleet.ended,
        )


async def _stormed(plan: Plan, scene: Scene, say: Say) -> list[Struck]:
    """Send all in portions, one during each fault and one after it, so that all have their load."""
    record, first = scene.record, scene.record.sent
    portion = (plan.commands - first) / (2 * len(plan.kinds) + 1)
    ends = [first + round((n + 1) * portion) for n in range(2 * len(plan.kinds) + 1)]
    record.total, record.backlog_max, record.allowed = plan.commands, BACKLOG_MAX, ends[0]
    writing = [asyncio.create_task(writer.run()) for writer in scene.writers]
    struck: list[Struck] = []
    began = time.monotonic()
    for number, kind in enumerate(plan.kinds):
        at = ends[2 * number] - round(scene.world.random.uniform(0.1, 0.9) * portion)
        if not await reached(scene, lambda at=at: record.sent >= at):  # type: ignore[misc]  # a bound value
            break
        one = await _strike(
            scene, _Turn(number + 1, kind, ends[2 * number + 1], ends[2 * number + 2]), began
        )
        struck.append(one)
        say(_told(one, len(plan.kinds)))
        if one.recovered_s is None:
            break
    record.allowed = plan.commands
    await reached(scene, lambda: all(task.done() for task in writing))
    for task in writing:
        task.cancel()
    for ended in await asyncio.gather(*writing, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return struck


@dataclass(frozen=True, slots=True)
class _Turn:
    """One fault's place, and how much may have been sent by its end and after it."""

    number: int
    kind: str
    allowed: int
    allowed_after: int


async def _strike(scene: Scene, turn: _Turn, began: float) -> Struck:
    """Do a fault while the load goes on, and wait until what was sent after it is decided."""
    record, at = scene.record, time.monotonic()
    at_sent, record.allowed = record.sent, turn.allowed
    target = await faults.KINDS[turn.kind](scene.world)
    over, first = time.monotonic(), record.sent
    record.allowed = turn.allowed_after
    wanted = min(PROGRESS_MAX, (turn.allowed_after - turn.allowed) // 3)
    recovered = await reached(scene, lambda: record.answered_since(first) >= wanted)
    return Struck(
        number=turn.number,
        kind=turn.kind,
        target=target,
        at_s=round(at - began, 1),
        at_sent=at_sent,
        lasted_s=round(over - at, 1),
        recovered_s=round(time.monotonic() - over, 1) if recovered else None,
    )


def _told(one: Struck, of: int) -> str:
    again = "never again" if one.recovered_s is None else f"{one.recovered_s:.1f} s"
    return (
        f"fault {one.number:02d}/{of} {one.kind:<18} {one.target}; at {one.at_s:.1f} s, "
        f"{one.at_sent:,} sent; lasted {one.lasted_s:.1f} s, decided again after {again}"
    )


async def reached(scene: Scene, holds: Callable[[], bool], limit_s: float = STALLED_S) -> bool:
    """Wait for the condition as long as anything is still sent or answered."""
    record, seen, moved = scene.record, (0, 0), time.monotonic()
    while not holds():
        now = record.sent, record.heard
        if now != seen:
            seen, moved = now, time.monotonic()
        if time.monotonic() - moved > limit_s:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def settled(scene: Scene, spine: Spine, say: Say) -> None:
    """Wait until everything is answered and nothing is on its way, or nothing moves any more."""
    record = scene.record
    if not await reached(scene, lambda: not record.open, SETTLE_S):
        say(f"stalled: {len(record.open)} commands without an answer")
    deadline = time.monotonic() + SETTLE_S
    while left := [place for place, count in (await stored.waiting(spine)).items() if count]:
        if time.monotonic() > deadline:
            say(f"stalled: something is left in {', '.join(left)}")
            return
        await asyncio.sleep(POLL_S)


async def quiet(scene: Scene) -> None:
    """Wait until subscribers have what the broker still had for them."""
    heard, since = scene.record.heard, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        if scene.record.heard != heard:
            heard, since = scene.record.heard, time.monotonic()
        await asyncio.sleep(POLL_S)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--commands", type=int, default=5000)
    parser.add_argument("--faults", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help="instead of --faults: kinds with commas, in this order")
    parser.add_argument("--json", type=Path, help="where to write the summary")
    parser.add_argument("--folder", type=Path, help="where to keep servers' data and logs")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run one storm on servers of its own; the exit code says whether all promises held."""
    wanted = arguments(sys.argv[1:] if given is None else given)
    # Lost connections are what this is about: the driver's pages on each would bury the rest.
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="flexspine-storm-") as made:
        folder = wanted.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        running = start(folder / "servers", ADMINISTRATOR, PASSWORD)
        try:
            servers = TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
            random = Random(wanted.seed)  # noqa: S311 - no secret
            kinds = wanted.kinds.split(",") if wanted.kinds else faults.drawn(wanted.faults, random)
            plan = Plan(wanted.commands, kinds, wanted.seed)
            _say(f"seed {plan.seed}: {plan.commands:,} commands, {len(kinds)} faults")
            summary = uvloop.run(storm(plan, servers, folder, _say))
        finally:
            running.stop()
    for line in summary.lines():
        _say(line)
    _say("clean" if summary.is_clean else f"NOT clean; again with --seed {plan.seed}")
    if wanted.json:
        wanted.json.write_text(json.dumps(summary.as_json(), indent=1))
    return 0 if summary.is_clean else 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  this is a program


if __name__ == "__main__":
    sys.exit(main())
