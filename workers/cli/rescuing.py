"""Copies of the database, and the registers made again: `backup`, `restore`, `rebuild`."""

import asyncio
import json
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from topology import catalog
from workers.archive import Archive
from workers.backbone import now_utc, rulebook
from workers.backup import Part, take
from workers.backup import restore as put_back
from workers.cli.faults import DRIFTED
from workers.cli.place import Place
from workers.comparing import compare
from workers.differences import DIFFERENCES_MAX, Difference, Report
from workers.rebuild import NotEmpty, Rebuild
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.dump import Dump
from workers.store.mongo import MongoStore

NAME: Final = "[A-Za-z0-9_-]{1,63}"
"""What a database may be called."""
COPIED: Final = (
    "copied to {0}, from the database {1}. It opens with the master key alone, which is not in it: "
    "keep that elsewhere. `flexspine restore {0}` puts it into an empty database."
)
RESTORED: Final = (
    "restored from {0} into the database {1}, read back and found to be the same. Next: look with "
    "`flexspine rebuild` whether its archive makes the same registers, or start the workers with "
    "FLEXSPINE_MONGO_DATABASE={1}; then `flexspine topology diff --repair`, and senders send again "
    "what was answered after the copy."
)
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
    if not re.fullmatch(NAME, into):
        raise typer.BadParameter(f"expected a name such as flexspine-rebuilt, got {into!r}.")
    report, unlike = asyncio.run(_rebuilt(Place.of(Settings.read()), into, check=check))
    if as_json:
        typer.echo(json.dumps(_as_json(report, unlike)))
    else:
        _show(report, unlike)
        typer.echo(verdict(into, report, len(unlike), check=check))
    if report.found or unlike:
        raise typer.Exit(DRIFTED)


async def _rebuilt(place: Place, into: str, *, check: bool) -> tuple[Report, list[Difference]]:
    settings, entries = place.settings, catalog.build()
    source, target = _store(place, settings.database), _store(place, into)
    try:
        await _want_empty(place, into)
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


async def _want_empty(place: Place, database: str) -> None:
    """Before anything is made there: it may be somebody else's."""
    async with _dump(place, database) as dump:
        if not await dump.is_empty():
            raise NotEmpty(
                f"expected an empty database to rebuild into, got {database} with documents. Name "
                f"another one, or drop that one if it is nobody's: {dump.dropping()}. "
                "Nothing was changed."
            )


def backup(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder, for this copy alone.")],
) -> None:
    """Copy the database as it is at one moment, while the backbone runs, with checksums.

    What was answered before is in it. The copy opens with the master key, which is not in it.
    """
    place = Place.of(Settings.read())
    _tell(asyncio.run(_copied(place, folder)), COPIED.format(folder, place.settings.database))


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a copy that `backup` has made.")],
) -> None:
    """Write a copy into the empty database of the settings, and read it back to compare.

    Which one is said by FLEXSPINE_MONGO_DATABASE. Nothing is written before the seal and all
    checksums of the copy are right.
    """
    place = Place.of(Settings.read())
    _tell(asyncio.run(_restored(place, folder)), RESTORED.format(folder, place.settings.database))


async def _copied(place: Place, folder: Path) -> dict[str, Part]:
    async with _dump(place) as dump:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            return await take(dump, folder, place.vault, now_utc(), _following(bar))


async def _restored(place: Place, folder: Path) -> dict[str, Part]:
    async def install() -> None:
        store = _store(place, place.settings.database)
        try:
            await store.install()
        finally:
            await store.close()

    async with _dump(place) as dump:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            return await put_back(dump, folder, place.vault, install, _following(bar))


def _dump(place: Place, database: str | None = None) -> Dump:
    settings = place.settings
    name = database or settings.database
    return Dump(place.addresses.mongo_url, name, Driver(settings.mongo_driver))


def _following(bar: Progress) -> Callable[[str, int], None]:
    task = bar.add_task("documents", total=None)
    return lambda name, count: bar.update(task, description=name, completed=count)


def _tell(parts: Mapping[str, Part], said: str) -> None:
    documents = sum(part.documents for part in parts.values())
    size = sum(part.bytes for part in parts.values())
    typer.echo(f"{documents:,} documents, {size:,} bytes of {len(parts)} collections {said}")


def _store(place: Place, database: str) -> MongoStore:
    settings = place.settings
    return MongoStore(
        place.addresses.mongo_url,
        database,
        through=Driver(settings.mongo_driver),
        timeout_s=settings.database_timeout_s,
    )


def verdict(into: str, report: Report, unlike: int, *, check: bool) -> str:
    """Whether the rebuilt database can be trusted, and as far as what."""
    many = f"{unlike:,} or more" if unlike >= DIFFERENCES_MAX else f"{unlike:,}"
    documents = f"{many} documents that differ in the end" if check else "documents not compared"
    if report.found or unlike:
        return (
            f"{into} cannot be trusted as it is: {report.found:,} differences of what was decided, "
            f"{documents}. Start no worker on it before each is explained."
        )
    decided, taken = report.entries["verified"], report.entries["erased"]
    taken += report.entries["unrepeated"]
    said = f"{decided:,} commands decided again as then, {taken:,} taken as they are archived"
    if not check:
        return f"{into}: {said}, no difference; {documents} (--no-check), so trust it no further."
    return f"{into} can be trusted: {said}, and no decision and no document differs."


def _as_json(report: Report, unlike: list[Difference]) -> dict[str, Any]:
    return {
        "is_same": not (report.found or unlike),
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
