"""What `flexspine bench` and `flexspine seed` do, from options to figures."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import contest, latency, seeding
from bench.contest import Contestant, Run
from bench.figures import Figures, Sizes
from bench.seeding import Seeding
from bench.testbed import BASE, RUN, Testbed, open_testbed
from workers.cli.measuring import Unmeasured
from workers.settings import Settings

AGAINST: Final = "against_"
"""How somebody else's rivals are named beside ours."""
COPIED_MAX: Final = 100_000
"""A register of up to this size is served as a fresh copy in every round, so that it stays it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    commands: int
    """For the spine and the bare loop, in each run."""
    naive: int
    replies: int
    """Commands whose answer is timed."""
    drain: int
    """Commands of the one long run; none with 0."""


FULL: Final = Scale(commands=20_000, naive=5_000, replies=1_000, drain=50_000)
QUICK: Final = Scale(commands=2_000, naive=500, replies=100, drain=0)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    scale: Scale
    rounds: int
    against: Path | None = None
    folder: Path | None = None
    """Where embedded servers keep their data; None for a temporary one."""
    bulk: bool = False
    """Whether the load comes by the accounts for bulk loads."""


def tell(line: str) -> None:
    """Progress, beside the figures."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def compare(settings: Settings, options: Options) -> Figures:
    """The spine beside its rivals."""
    figures, scale = Figures(), options.scale
    async with open_testbed(settings, options.folder) as testbed:
        users = await seeding.parties(testbed)
        for number in range(options.rounds):
            for name, run in _contestants(testbed, users, options):
                done = await run()
                figures.add(done)
                _told(f"round {number + 1} of {options.rounds}: {name}", done)
        tell(f"{scale.replies} commands at {latency.PER_SECOND:.0f}/s, to time their replies…")
        await testbed.copy(BASE, RUN)
        figures.latencies = await latency.measure(testbed, users, scale.replies, RUN)
        if scale.drain:
            await testbed.copy(BASE, RUN)
            figures.drain = await contest.run_spine(
                testbed, users, scale.drain, RUN, bulk=options.bulk
            )
            _told("one long run", figures.drain)
    return figures


def _contestants(
    testbed: Testbed, users: Sequence[str], options: Options
) -> Sequence[tuple[str, Callable[[], Awaitable[Run]]]]:
    scale = options.scale
    counts = {"bare": scale.commands, "naive": scale.naive}
    rivals = [Contestant(name, name) for name in counts]
    if options.against is not None:
        rivals += [Contestant(AGAINST + name, name, options.against.absolute()) for name in counts]

    async def spine() -> Run:
        await testbed.copy(BASE, RUN)
        return await contest.run_spine(testbed, users, scale.commands, RUN, bulk=options.bulk)

    def rival(one: Contestant) -> Callable[[], Awaitable[Run]]:
        return lambda: contest.run_rival(testbed, one, users, counts[one.function])

    return [("spine", spine), *((one.name, rival(one)) for one in rivals)]


async def compare_sizes(settings: Settings, options: Options, sizes: Sequence[int]) -> Sizes:
    """The spine on registers of several sizes, which are seeded first."""
    found, scale = Sizes(), options.scale
    async with open_testbed(settings, options.folder) as testbed:
        users = await seeding.parties(testbed)
        for assets in sizes:
            made = await seeding.seed(testbed, users, assets, tell)
            found.seeded_per_second[assets] = made.per_second
        for number in range(options.rounds):
            for assets in sizes:
                database = await _served(testbed, assets)
                run = await contest.run_spine(
                    testbed, users, scale.commands, database, bulk=options.bulk
                )
                found.runs.setdefault(assets, []).append(run)
                _told(f"round {number + 1} of {options.rounds}: {assets:,} assets", run)
                timed = await latency.measure(testbed, users, scale.replies, database)
                found.latencies.setdefault(assets, []).append(timed)
                tell(f"  p99 of the reply {timed.percentile(99):.1f} ms")
    return found


async def _served(testbed: Testbed, assets: int) -> str:
    """The database to measure on: a copy, as long as making one is quick."""
    if assets > COPIED_MAX:
        return seeding.register_name(assets)
    await testbed.copy(seeding.register_name(assets), RUN)
    return RUN


async def seed(settings: Settings, folder: Path | None, assets: int) -> Seeding:
    """A register of that many assets, in servers that keep their data."""
    if folder is None and not settings.amqp_url:
        raise Unmeasured(
            "expected --folder, which keeps the seeded register, got none: a temporary one would "
            "be gone at once"
        )
    async with open_testbed(settings, folder) as testbed:
        return await seeding.seed(testbed, await seeding.parties(testbed), assets, tell)


def _told(what: str, run: Run) -> None:
    tell(f"{what}: {run.per_second:,.0f}/s, client {run.cpu.client:,.0f} us a command")
