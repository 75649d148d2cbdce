"""What an analysis of the register costs by its size, and what of the doubles put in it finds.

The register is made up and written past the broker: the analysis reads documents, however they
came. One of every hundred is there twice, as somebody else writes it down.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench import made_assets, made_users
from bench.testbed import RUN, Testbed, open_testbed
from contracts.duplicates import CaseKind
from workers import logs
from workers.analysis.options import MEMORY, Options
from workers.analysis.run import FILE, Analysis
from workers.analysis.table import Table
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore

AT_ONCE: Final = 10_000
TOLD_S: Final = 10.0
MADE: Final[Mapping[CaseKind, Callable[[int], Iterator[dict[str, Any]]]]] = {
    "assets": made_assets.register,
    "users": made_users.register,
}


async def filled(testbed: Testbed, of: CaseKind, records: int) -> int:
    """Write the register into a database of the bench."""
    await testbed.client.drop_database(RUN)
    collection, page, count = testbed.database(RUN)[of], [], 0
    for one in MADE[of](records):
        page.append(one)
        if len(page) == AT_ONCE:
            await collection.insert_many(page)
            count, page = count + len(page), []
    if page:
        await collection.insert_many(page)
    return count + len(page)


async def measure(
    settings: Settings, options: Options, records: int, folder: Path
) -> dict[str, Any]:
    """Fill, analyse and count; no case is sent."""
    async with open_testbed(settings, None) as testbed:
        await filled(testbed, options.register, records)
        began = time.monotonic()
        run = Analysis.open(folder, options, _Told(), {"database": RUN})
        url, through = testbed.addresses.mongo_url, Driver(settings.mongo_driver)
        store = MongoStore(url, RUN, through=through, timeout_s=30)
        await run.export(store, datetime.now(UTC))
        await store.close()
        await asyncio.to_thread(_rest, run)
        summary = run.summary() | {"total_seconds": round(time.monotonic() - began, 1)}
        run.close()
    return summary | _doubles(folder, options.memory)


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
    parser.add_argument("--register", choices=list(MADE), default="assets")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--memory", default=MEMORY, help="what DuckDB holds in memory")
    parser.add_argument("--folder", type=Path, help="of the run; else a temporary one")
    given = parser.parse_args()
    logs.configure(json=True)
    settings = Settings.read().model_copy(update={"sandbox": False})
    with TemporaryDirectory(prefix="flexspine-analysis-") as temporary:
        folder = given.folder or Path(temporary)
        options = Options(register=given.register, memory=given.memory, anew=True)
        found = asyncio.run(measure(settings, options, given.records, folder))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
