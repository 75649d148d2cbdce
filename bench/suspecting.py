"""What level one of the search for duplicates adds to a registration in a large register.

`python -m bench.suspecting`, with the servers that the settings name or with embedded ones; prints
JSON. The register is one of `flexspine seed`. Registrations go through fold and store, without the
broker and the outbox, so that the share that is printed is more than that of a whole registration.
Blocks with level one and blocks without it take turns; two kinds of assets: devices with make and
serial, as the other benches register them, and sites without any identifier, which are compared
with whoever stands close by.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

import psutil

from bench import load, seeding
from bench.measure import tell
from bench.testbed import NO_QUOTA, Testbed, open_testbed
from contracts.duplicates import AssetDuplicateSuspected
from handlers import assets, fold
from handlers.admission import Delivery
from topology import names
from workers.cli.measuring import Unmeasured
from workers.engine import Engine
from workers.settings import Settings

ASSETS: Final = names.mailbox(names.register("asset"))
BATCH: Final = 100
"""Commands that are decided and committed together."""
SUSPECTED: Final = AssetDuplicateSuspected.message_type
KINDS: Final = ("devices", "sites")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    assets: int = 1_000_000
    block: int = 1_000
    rounds: int = 9


@dataclass(slots=True)
class Costs:
    """Microseconds of processor time for a registration, block by block."""

    worker: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)

    @property
    def both(self) -> float:
        """Of worker and database together, the median of the blocks."""
        return median(w + d for w, d in zip(self.worker, self.database, strict=True))


def body(user: str, kind: str, number: int) -> bytes:
    """A registration; sites are told apart by nothing but name, place and power."""
    command = json.loads(load.command(user))
    if kind == "sites":
        data = command["data"]
        del data["identity"], data["location"]["postcode"]
        data["connection"] = {"gsp_group": "_P"}
        data["name"] = f"Site {uuid4().hex[:6]}"
        # From a home's battery to a large one.
        data["capability"]["power_kw"] = round(3 * 1.1 ** (number % 100), 1)
    return json.dumps(command).encode()


@contextmanager
def without() -> Iterator[None]:
    """As if there were no level one: nobody is looked for, and no token is kept."""
    off = ((assets, "suspect_reads"), (assets, "suspects"), (fold, "token_writes"))
    with ExitStack() as stack:
        for module, name in off:
            stack.enter_context(patch.object(module, name, lambda *_: ()))
        yield


@dataclass(slots=True)
class Measured:
    """One register, and what its registrations took."""

    testbed: Testbed
    engine: Engine
    user: str
    pid: int
    """Of the database."""
    costs: dict[tuple[str, bool], Costs] = field(default_factory=dict)
    told: int = 0
    """Times that somebody was told that an asset of its may be there already."""

    async def block(self, kind: str, count: int, *, on: bool) -> None:
        """Register so many assets, with level one or without."""
        bodies = [body(self.user, kind, number) for number in range(count)]
        type_ = load.TYPE
        deliveries = [Delivery(body=one, type=type_, account=self.user) for one in bodies]
        batches = [deliveries[n : n + BATCH] for n in range(0, count, BATCH)]
        before, database = time.process_time(), self._database_s()
        for batch in batches:
            outcomes = await self.engine.run(batch)
            if any(outcome.kind != "accepted" for outcome in outcomes):
                raise Unmeasured(f"expected all to be accepted, got {outcomes}")
            opened = (
                o.type == AssetDuplicateSuspected.message_type for x in outcomes for o in x.letters
            )
            self.told += sum(opened)
        costs = self.costs.setdefault((kind, on), Costs())
        costs.worker.append((time.process_time() - before) / count * 1e6)
        costs.database.append((self._database_s() - database) / count * 1e6)

    def _database_s(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


async def measure(settings: Settings, scale: Scale, folder: Path | None) -> dict[str, Any]:
    """Seed what is missing, then register in turns."""
    settings = settings.model_copy(update={"quota_per_minute": NO_QUOTA, "sandbox": False})
    async with open_testbed(settings, folder) as testbed:
        users = await seeding.parties(testbed)
        await seeding.seed(testbed, users, scale.assets, tell)
        pid = testbed.pids.get("mongod")
        if pid is None:
            raise Unmeasured("expected an embedded database, whose processor time can be read.")
        database = seeding.register_name(scale.assets)
        async with seeding.seeding_engine(testbed, database, ASSETS, ASSETS) as (engine, _):
            measured = Measured(testbed, engine, users[0], pid)
            await _rounds(measured, scale)
    return told(measured, scale)


async def _rounds(measured: Measured, scale: Scale) -> None:
    for turn in range(scale.rounds):
        for kind in KINDS:
            # Who comes second finds caches warm: that is each of them in turn.
            for on in (True, False) if turn % 2 else (False, True):
                with ExitStack() as stack:
                    if not on:
                        stack.enter_context(without())
                    await measured.block(kind, scale.block, on=on)
        tell(f"round {turn + 1} of {scale.rounds}")


def told(measured: Measured, scale: Scale) -> dict[str, Any]:
    """What is published: medians, and how much more the blocks with level one took."""
    found: dict[str, Any] = {"assets": scale.assets, "rounds": scale.rounds}
    for kind in KINDS:
        on, off = measured.costs[kind, True], measured.costs[kind, False]
        found[kind] = {
            "with_us": _parts(on),
            "without_us": _parts(off),
            "added_us": round(on.both - off.both),
            "ratio": round(on.both / off.both, 3),
        }
    return found | {"told": measured.told}


def _parts(costs: Costs) -> dict[str, int]:
    return {"worker": round(median(costs.worker)), "database": round(median(costs.database))}


def main(given: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("assets", 1_000_000), ("block", 1_000), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=value)
    words = "keep embedded servers' data here; a register that is there is measured as it is"
    parser.add_argument("--folder", type=Path, help=words)
    asked = vars(parser.parse_args(given))
    folder = asked.pop("folder")
    result = asyncio.run(measure(Settings.read(), Scale(**asked), folder))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
