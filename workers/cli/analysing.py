"""Looking for duplicates in a whole register: `match analyse`, a process beside the workers."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn
from rich.table import Column, Table

from contracts.duplicates import CaseKind, OpenCases
from contracts.envelope import user_urn
from topology import names
from workers.analysis.options import MEMORY, SHARED_MAX, AnalysisStopped, Options
from workers.backbone import now_utc
from workers.cli.asking import deliver
from workers.cli.lines import Line
from workers.cli.place import Place
from workers.cli.sending import Settled
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore

LEFT_OUT: Final[Mapping[str, str]] = {
    "assets": "assets of persons, retired ones, portfolios and aliases",
    "users": "persons, aliases and who takes no part",
}
"""Register -> whom it has that nobody is compared with."""
PLAIN: Final[Mapping[str, str]] = {
    "assets": "names, places and connections of organisations' assets",
    "users": "names, addresses and numbers of organisations",
}
"""Register -> what of it the folder holds until the cases are sent."""
DRY: Final = (
    "Nothing was opened. {folder} holds {plain} in plain until the cases are sent, by the same "
    "command without --dry-run, or until you delete it."
)
PAIRS_SHOWN_MAX: Final = 20
"""How many pairs a dry run shows, the likeliest first."""


def analyse(
    *,
    register: Annotated[CaseKind, typer.Option(help="Which one is looked through.")] = "assets",
    folder: Annotated[
        Path | None,
        typer.Option(help="Where the run is kept; else `analysis/REGISTER` in the settings'."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show pairs, open no case; the next run without it does."),
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Throw away a run in the folder that is not done.")
    ] = False,
    shared: Annotated[
        int, typer.Option(min=2, help="What more records have in common is no reason to look.")
    ] = SHARED_MAX,
    least: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Splink's probability from which on to look."),
    ] = None,
    score_min: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score from which on a case is opened."),
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts/--no-parts", help="Whether parts of one site are cases too.")
    ] = True,
    memory: Annotated[
        str, typer.Option(help="What DuckDB holds in memory; the whole process needs more.")
    ] = MEMORY,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object and no table.")] = False,
) -> None:
    """Look through a whole register for what is in it twice, and open a case for each pair.

    Reads the database page by page into a folder, and changes nothing but by the cases that it
    sends as the operator. A run that was ended goes on where it was; one that is done begins anew.
    Nothing of persons and of their assets is read into it. Needs the packages of the group
    analysis.
    """
    place = Place.of(Settings.read())
    options = Options(register, shared, least, memory, parts, anew, score_min)
    with _shown() as told:
        within = folder or place.settings.home / "analysis" / register
        run = _packages().Analysis.open(within, options, told, place.register())
        try:
            summary = asyncio.run(analysed(run, place, dry_run=dry_run))
        finally:
            run.close()
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _print(summary)
    if dry_run:
        typer.echo(DRY.format(folder=summary["folder"], plain=PLAIN[register]), err=True)


def _packages() -> ModuleType:
    """Import at the first use: workers and image go without the packages of an analysis."""
    try:
        from workers.analysis import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise AnalysisStopped(
            f"expected the packages of the group analysis, got no module {error.name}. Run it from "
            "a checkout, after `make setup`; or install splink and duckdb as `pyproject.toml` says."
        ) from error
    return run


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for each stage."""
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def told(stage: str, done: int, total: int | None) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield told


async def analysed(run: Any, place: Place, *, dry_run: bool) -> Mapping[str, Any]:
    """Every stage of a run; the register is only read before the first of them."""
    settings = place.settings
    through = Driver(settings.mongo_driver)
    store = MongoStore(place.addresses.mongo_url, settings.database, through=through)
    try:
        await run.export(store, now_utc())
    finally:
        await store.close()
    run.choose()
    run.judge()
    if not dry_run:
        await run.send(lambda *portions: _send(place, *portions), now_utc)
    summary: Mapping[str, Any] = run.summary()
    return {**summary, "pairs": run.first_pairs(PAIRS_SHOWN_MAX)} if dry_run else summary


async def _send(
    place: Place, run: str, first: int, time: str, portions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Send portions as the operator; what each is answered with, or a stop if one is not."""
    source = user_urn(names.OPERATOR)
    lines = [
        Line(
            run,
            number,
            f"portion {number}",
            {"source": source, "type": OpenCases.message_type, "time": time, "data": dict(data)},
        )
        for number, data in enumerate(portions, start=first)
    ]
    settled: dict[int, Settled] = {}
    await deliver(place, lines, lambda one: settled.update({one.line.number: one}))
    return [_answer(settled[line.number]) for line in lines]


def _answer(settled: Settled) -> Mapping[str, Any]:
    if settled.result != "accepted" or settled.reply is None:
        raise AnalysisStopped(
            f"expected {settled.line.label} to be accepted, got {settled.result}: "
            f"{settled.message.rstrip('.')}. Repeat the command: it goes on with this portion. "
            "Where that helps nothing, begin anew with --anew: what is open stays as it is."
        )
    data: Mapping[str, Any] = json.loads(settled.reply)["data"]
    return data


def _print(summary: Mapping[str, Any]) -> None:
    console = Console(markup=False)
    console.print(_table(summary))
    if pairs := summary.get("pairs"):
        console.print(_pairs(pairs))
        if (more := summary["cases"] - len(pairs)) > 0:
            console.print(f"… and {more:,} more, less likely ones")


def _table(summary: Mapping[str, Any]) -> Table:
    table = Table("analysis", "", show_header=False)
    for name, value in summary.items():
        if name != "pairs":
            why = f": {LEFT_OUT[summary['register']]}" if name == "left_out" and value else ""
            table.add_row(name.replace("_", " "), f"{_said(value)}{why}")
    return table


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> Table:
    wide = (Column(name, overflow="fold") for name in ("record", "other"))
    table = Table(*wide, "verdict", "score")
    for one in pairs:
        table.add_row(one["id"], one["other"], one["verdict"], f"{one['score']:.2f}")
    return table


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one:,}" for name, one in value.items()) or "none"
    if value is None:
        return "nothing yet"
    return f"{value:,}" if isinstance(value, int) else str(value)
