"""What an analysis of the register costs by its size, and what of the doubles put in it finds.

The register is made up and written past the broker: the analysis reads documents, however they
came. Some are of houses, many of which stand close together with devices of the same few powers;
the others have names. One of every hundred is there twice, as somebody else writes it down.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.crowd import TRADES, WORDS
from bench.sites import site
from bench.testbed import RUN, Testbed, open_testbed
from handlers.matching.folding import folded
from workers import logs
from workers.analysis.options import MEMORY, Options
from workers.analysis.run import FILE, Analysis
from workers.analysis.table import Table
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore

AT_ONCE: Final = 10_000
HOUSES: Final = 0.7
"""The share that stands at houses and has no name."""
KNOWN: Final = 0.7
"""The share of these that says its serial."""
DOUBLED: Final = 100
"""Of so many assets one is there twice."""
HOUSE_TYPES: Final = ("BAT", "SOL", "EVC", "HPA")
HOUSE_POWERS: Final = (3.6, 3.68, 4.0, 5.0, 7.0, 7.4, 8.0, 11.0)
TYPES: Final = ("SOL", "WND", "BAT", "GEN", "HYD")
TOLD_S: Final = 10.0
METRES_PER_DEGREE: Final = 111_320


def made(number: int) -> dict[str, Any]:
    """One asset of the register, always the same of one number."""
    chance = Random(number)  # noqa: S311  the same for all runs
    latitude, longitude = site(f"analysed-{number}")
    of_house = chance.random() < HOUSES
    power = chance.choice(HOUSE_POWERS) if of_house else round(chance.lognormvariate(6, 1.5), 1)
    asset = {
        "_id": f"AST-{number:09d}-A",
        "revision": 1,
        "asset_type": chance.choice(HOUSE_TYPES if of_house else TYPES),
        "registrant": f"USR-{number % 50}",
        "owner": f"USR-{chance.randrange(200_000)}",
        "lifecycle": "operating",
        "location": {
            "point": {"latitude": latitude, "longitude": longitude},
            "postcode": _postcode(latitude, longitude),
        },
        "capability": {"power_kw": power},
        "commissioned_on": f"{chance.randrange(2005, 2026)}-06-01",
    }
    if of_house and chance.random() < KNOWN:
        asset["identity"] = {"make": "Acme", "serial": f"SN-{number:09d}"}
    if not of_house:
        first, second = (chance.choice(WORDS[: 1 + chance.randrange(3_000)]) for _ in range(2))
        asset["name"] = f"{first} {second} {chance.choice(TRADES)}".title()
    return asset


def again(asset: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The same as somebody else registers it: retyped, moved by 30 m, its power by heart."""
    point = asset["location"]["point"]
    moved = point | {"latitude": point["latitude"] + 30 / METRES_PER_DEGREE}
    power = float(f"{asset['capability']['power_kw']:.2g}")
    double = asset | {
        "_id": f"{asset['_id'][:-1]}B",
        "registrant": "USR-other",
        "location": asset["location"] | {"point": moved},
        "capability": {"power_kw": power},
    }
    double.pop("identity", None)
    if name := asset.get("name"):
        at = chance.randrange(1, len(name) - 1)
        double["name"] = folded(name[:at] + name[at + 1 :])
    return double


def _postcode(latitude: float, longitude: float) -> str:
    """That of a cell of about 200 m, which neighbours share; it is like real ones in form only."""
    north, east = int(latitude * 500), int(longitude * 300)
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    end = f"{letters[north % 20]}{letters[east % 20]}"
    area = f"{letters[north // 400 % 20]}{letters[abs(east) // 400 % 20]}"
    return f"{area}{north // 20 % 20} {abs(east) // 20 % 10}{end}"


def register(assets: int) -> Iterator[dict[str, Any]]:
    """Everything that is in it, doubles right behind what they are of."""
    chance = Random(1)  # noqa: S311  the same for all runs
    for number in range(assets):
        one = made(number)
        yield one
        if number % DOUBLED == 0:
            yield again(one, chance)


async def filled(testbed: Testbed, assets: int) -> int:
    """Write the register into a database of the bench."""
    await testbed.client.drop_database(RUN)
    collection, page, count = testbed.database(RUN)["assets"], [], 0
    for one in register(assets):
        page.append(one)
        if len(page) == AT_ONCE:
            await collection.insert_many(page)
            count, page = count + len(page), []
    if page:
        await collection.insert_many(page)
    return count + len(page)


async def measure(settings: Settings, assets: int, folder: Path, memory: str) -> dict[str, Any]:
    """Fill, analyse and count; no case is sent."""
    async with open_testbed(settings, None) as testbed:
        await filled(testbed, assets)
        began = time.monotonic()
        run = Analysis.open(folder, Options(memory=memory, anew=True), _Told(), {"database": RUN})
        url, through = testbed.addresses.mongo_url, Driver(settings.mongo_driver)
        store = MongoStore(url, RUN, through=through, timeout_s=30)
        await run.export(store, datetime.now(UTC))
        await store.close()
        await asyncio.to_thread(_rest, run)
        summary = run.summary() | {"total_seconds": round(time.monotonic() - began, 1)}
        run.close()
    return summary | _doubles(folder, memory)


def _rest(run: Analysis) -> None:
    run.choose()
    run.judge()


class _Told:
    """Says now and then how far it is, where it does not get among the figures."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if (now := time.monotonic()) - self._last > TOLD_S:
            self._last = now
            sys.stderr.write(f"{stage}: {done:,}" + (f" of {total:,}\n" if total else "\n"))


def _doubles(folder: Path, memory: str) -> dict[str, Any]:
    """What became of the doubles: verdicts, and how many were not even candidates."""
    table = Table(folder / FILE, memory)
    twice = (
        "SELECT l.id FROM records l JOIN records r ON r.id = left(l.id, 14) || 'B' "
        "WHERE right(l.id, 1) = 'A'"
    )
    verdicts = Counter(
        {
            str(verdict): int(count)
            for verdict, count in table.rows(
                f"SELECT coalesce(c.verdict, 'no case'), count(*) FROM ({twice}) t "  # noqa: S608
                "LEFT JOIN cases c ON c.id = t.id AND c.other = left(t.id, 14) || 'B' GROUP BY 1"
            )
        }
    )
    table.close()
    size = (folder / FILE).stat().st_size
    return {"doubles": dict(sorted(verdicts.items())), "file_mib": size // 1024**2}


def main() -> None:
    """Measure one size and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--memory", default=MEMORY, help="what DuckDB holds in memory")
    parser.add_argument("--folder", type=Path, help="of the run; else a temporary one")
    given = parser.parse_args()
    logs.configure(json=True)
    settings = Settings.read().model_copy(update={"sandbox": False})
    with TemporaryDirectory(prefix="flexspine-analysis-") as temporary:
        folder = given.folder or Path(temporary)
        found = asyncio.run(measure(settings, given.assets, folder, given.memory))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
