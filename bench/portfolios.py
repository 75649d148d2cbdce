"""What one member more costs in a small portfolio and in a large one, until the sums have it.

`python -m bench.portfolios`, with the servers that the settings name or with embedded ones; prints
JSON. Commands and the facts that follow go through fold and store, without the broker: what that
adds does not depend on how many members there are. Small portfolios and the large one take turns,
and in the end every sum is compared with one that is counted anew.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any, Final
from uuid import uuid4

import psutil

from bench import seeding
from bench.load import envelope
from bench.measure import tell
from bench.testbed import NO_QUOTA, RUN, Testbed, open_testbed
from contracts.assets import RegisterAsset
from contracts.portfolios import MEMBERS_MAX, AddToPortfolio, RemoveFromPortfolio
from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery
from handlers.belonging import MEMBERS, PORTFOLIOS
from handlers.ledger import total_of
from topology import names
from workers.cli.measuring import Unmeasured
from workers.engine import Engine
from workers.settings import Settings

ASSETS: Final = names.mailbox(names.register("asset"))


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    small: int = 10
    large: int = 10_000
    adds: int = 50
    """In each round, to as many small portfolios and to the large one."""
    rounds: int = 9


@dataclass(slots=True)
class Cost:
    """What one block of additions took."""

    each_ms: list[float]
    """From the command to the commit with which the sums have the member."""
    worker_us: float
    database_us: float | None

    @property
    def median_ms(self) -> float:
        """The median of the block."""
        return median(self.each_ms)

    @property
    def cpu_us(self) -> float:
        """For one addition."""
        return self.worker_us + (self.database_us or 0.0)


@dataclass(slots=True)
class Register:
    """The lanes of the assets and of the facts, and who sends."""

    testbed: Testbed
    user: str
    assets: Engine
    facts: Engine

    async def send(self, kind: str, data: Any) -> Any:
        """Decide one command and whatever follows from it; data of the answer."""
        body = json.dumps(envelope(self.user, kind, data, uuid4().hex)).encode()
        (outcome,) = await self.assets.run([Delivery(body=body, type=kind, account=self.user)])
        if outcome.kind != "accepted":
            raise Unmeasured(f"expected every command to be accepted, got {outcome.letters}")
        waiting = deque([outcome])
        while waiting:
            done = waiting.popleft()
            told = [one for one in done.letters if one.kind == "domain" and not one.is_private]
            facts = [Delivery(one.body, one.type, BACKBONE) for one in told]
            while facts or self.facts.due_in_s() == 0.0:
                waiting.extend(await self.facts.run(facts))
                facts = []
        reply = next(letter for letter in outcome.letters if letter.kind == "reply")
        return json.loads(reply.body)["data"]

    async def portfolio(self, members: Sequence[str]) -> str:
        """A new portfolio with these members."""
        data = {"asset_type": "PFL", "name": "Bench"}
        made = str((await self.send(RegisterAsset.message_type, data))["id"])
        for first in range(0, len(members), MEMBERS_MAX):
            wish = {"id": made, "members": members[first : first + MEMBERS_MAX]}
            await self.send(AddToPortfolio.message_type, wish)
        return made

    async def add(self, portfolios: Sequence[str], members: Sequence[str]) -> Cost:
        """Add one member to each portfolio, and take it out again when all were timed."""
        before, database = time.process_time(), self._database_s()
        each = []
        pairs = list(zip(portfolios, members, strict=True))
        for portfolio, member in pairs:
            began = time.perf_counter()
            wish = {"id": portfolio, "members": [member]}
            await self.send(AddToPortfolio.message_type, wish)
            each.append((time.perf_counter() - began) * 1000)
        worker = (time.process_time() - before) / len(pairs) * 1e6
        after = self._database_s()
        spent = None if database is None or after is None else (after - database) / len(pairs) * 1e6
        for portfolio, member in pairs:
            wish = {"id": portfolio, "members": [member]}
            await self.send(RemoveFromPortfolio.message_type, wish)
        return Cost(each, worker, spent)

    def _database_s(self) -> float | None:
        """Processor time of an embedded database so far."""
        pid = self.testbed.pids.get("mongod")
        if pid is None:
            return None
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)

    async def check(self, portfolio: str) -> int:
        """Compare the sums with what is counted anew; how many assets there are."""
        held = self.testbed.database(RUN)
        rows = held[MEMBERS].find({"within": portfolio}, {"asset": 1})
        members = [row["asset"] async for row in rows]
        total, of = Decimal(0), 0
        async for asset in held["assets"].find({"_id": {"$in": members}}, {"capability": 1}):
            said = (asset.get("capability") or {}).get("power_kw")
            if said is not None:
                total, of = total + said.to_decimal(), of + 1
        sums = await held[PORTFOLIOS].find_one({"_id": portfolio}) or {}
        kept = sums["totals"].get("power_kw", {"whole": None, "part": None, "of": 0})
        parts = {name: kept[name].to_decimal() for name in ("whole", "part")}
        found = (sums["count"], total_of(parts), kept["of"])
        if found != (len(members), total, of):
            raise Unmeasured(f"expected {(len(members), total, of)} in {portfolio}, got {found}")
        return len(members)


@dataclass(slots=True)
class Figures:
    """Everything that one run gave."""

    scale: Scale
    filled_per_second: float = 0.0
    costs: dict[int, list[Cost]] = field(default_factory=dict)
    checked: int = 0

    def as_json(self) -> dict[str, Any]:
        """What is published; ratios are medians of the rounds' ratios."""
        small, large = (self.costs[size] for size in (self.scale.small, self.scale.large))
        pairs = list(zip(small, large, strict=True))
        return {
            "rounds": self.scale.rounds,
            "members_filled_per_second": round(self.filled_per_second),
            "sizes": {str(size): _told(costs) for size, costs in self.costs.items()},
            "ratio_cpu": round(median(b.cpu_us / a.cpu_us for a, b in pairs), 3),
            "ratio_latency": round(
                median(median(b.each_ms) / median(a.each_ms) for a, b in pairs), 3
            ),
            "sums_compared": self.checked,
        }


def _told(costs: Sequence[Cost]) -> dict[str, Any]:
    database = [one.database_us for one in costs if one.database_us is not None]
    return {
        "add_median_ms": round(median(ms for one in costs for ms in one.each_ms), 2),
        "worker_cpu_us": round(median(one.worker_us for one in costs)),
        "database_cpu_us": round(median(database)) if database else None,
    }


async def measure(settings: Settings, scale: Scale) -> Figures:
    """Fill the portfolios, add in turns, and count anew."""
    figures = Figures(scale)
    settings = settings.model_copy(update={"quota_per_minute": NO_QUOTA})
    async with open_testbed(settings, None) as testbed:
        user = (await seeding.parties(testbed))[0]
        await testbed.client.drop_database(RUN)
        count = scale.large + scale.adds
        await seeding.seed(testbed, [user], count, tell, RUN)
        rows = testbed.database(RUN)["assets"].find({}, {"_id": 1})
        assets = [row["_id"] async for row in rows]
        async with (
            seeding.seeding_engine(testbed, RUN, ASSETS, ASSETS) as (commands, _),
            seeding.seeding_engine(testbed, RUN, names.NOTICES, names.NOTICES) as (facts, _),
        ):
            register = Register(testbed, user, commands, facts)
            await _rounds(register, assets, figures)
    return figures


async def _rounds(register: Register, assets: Sequence[str], figures: Figures) -> None:
    scale = figures.scale
    began = time.monotonic()
    large = await register.portfolio(assets[: scale.large])
    figures.filled_per_second = scale.large / (time.monotonic() - began)
    tell(f"{scale.large:,} members: {figures.filled_per_second:,.0f}/s")
    spare = assets[scale.large : scale.large + scale.adds]
    small = [
        await register.portfolio(assets[n * scale.small : (n + 1) * scale.small])
        for n in range(scale.adds)
    ]
    for turn in range(scale.rounds):
        # Who comes second finds caches warm: that is each of them in turn.
        both = [(scale.small, small), (scale.large, [large] * scale.adds)]
        for size, portfolios in both if turn % 2 else reversed(both):
            cost = await register.add(portfolios, spare)
            figures.costs.setdefault(size, []).append(cost)
            tell(f"round {turn + 1} of {scale.rounds}: {size:,} members: {cost.cpu_us:,.0f} us")
    await register.add([large] * scale.adds, spare)
    for portfolio in (large, *small):
        await register.check(portfolio)
        figures.checked += 1


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("small", 10), ("large", 10_000), ("adds", 50), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    scale = Scale(**vars(parser.parse_args()))
    told = asyncio.run(measure(Settings.read(), scale)).as_json()
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
