"""The registers made again from the archive, in another database: `rebuild`."""

import asyncio
import json
import socket
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from topology import catalog
from workers.archive import Archive
from workers.backbone import rulebook
from workers.cli.faults import DRIFTED
from workers.cli.place import Place
from workers.comparing import compare
from workers.rebuild import DIFFERENCES_MAX, Difference, Rebuild, Report
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore

SHOWN: Final = 50
"""Differences that are printed; `--json` has all that are kept."""


def rebuild(
    into: Annotated[str, typer.Argument(help="Name of an empty database on the same server.")],
    *,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare all documents afterwards.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object and no table.")] = False,
) -> None:
    """Play the command archive into an empty database, and decide every command once more.

    What was written then is applied; what is decided now is compared with it. Ends with 3 if
    anything differs. Changes nothing in the database that it reads; stop the workers before.
    """
    report, unlike = asyncio.run(_rebuilt(Place.of(Settings.read()), into, check=check))
    if as_json:
        typer.echo(json.dumps(_as_json(report, unlike)))
    else:
        _show(report, unlike)
    if report.found or unlike:
        raise typer.Exit(DRIFTED)


async def _rebuilt(place: Place, into: str, *, check: bool) -> tuple[Report, list[Difference]]:
    settings, entries = place.settings, catalog.build()
    source, target = _store(place, settings.database), _store(place, into)
    try:
        await target.install()
        work = Rebuild(
            source=source,
            target=target,
            vault=place.vault,
            rulebook=lambda lane: rulebook(entries, lane, place.vault, settings.shards_max),
            owner=socket.gethostname(),
        )
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("batches", total=await Archive(source).count())
            report = await work.run(lambda done: bar.update(task, completed=done))
        unlike: list[Difference] = []
        if check:
            async for one in compare(source, target, place.vault):
                unlike.append(one)
                if len(unlike) >= DIFFERENCES_MAX:
                    break
        return report, unlike
    finally:
        await source.close()
        await target.close()


def _store(place: Place, database: str) -> MongoStore:
    settings = place.settings
    return MongoStore(
        place.addresses.mongo_url,
        database,
        through=Driver(settings.mongo_driver),
        timeout_s=settings.database_timeout_s,
    )


def _as_json(report: Report, unlike: list[Difference]) -> dict[str, Any]:
    return {
        "batches": report.batches,
        "entries": dict(report.entries),
        "writes": report.writes,
        "differences": report.found,
        "shown": [str(one) for one in report.differences],
        "documents": [str(one) for one in unlike],
    }


def _show(report: Report, unlike: list[Difference]) -> None:
    console = Console(markup=False)
    table = Table("of the archive", "number", title=f"{report.batches} batches")
    for name, number in sorted(report.entries.items()):
        table.add_row(name, f"{number:,}")
    table.add_row("documents written", f"{report.writes:,}")
    table.add_row("differences", f"{report.found:,}")
    table.add_row("documents that differ in the end", f"{len(unlike):,}")
    console.print(table)
    for one in (*report.differences, *unlike)[:SHOWN]:
        console.print(str(one))
