"""Commands that measure: `bench` and `seed`; what they do is in the package `bench`."""

import json
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from workers import logs
from workers.settings import Settings

ROUNDS: Final = 7
SIZES_MIN: Final = 2


class Unmeasured(Exception):
    """There is no figure; the text says why and what to do."""


Folder = Annotated[
    Path | None,
    typer.Option(help="Where embedded servers keep their data; a seeded register is used again."),
]


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Much less of everything.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Medians are over these.")] = ROUNDS,
    against: Annotated[
        Path | None, typer.Option(help="A file with rivals `bare` and `naive`, measured too.")
    ] = None,
    assets: Annotated[
        str | None, typer.Option(help="Compare register sizes instead: `10000,1000000`.")
    ] = None,
    bulk: Annotated[bool, typer.Option("--bulk", help="Load by the accounts for it.")] = False,
    folder: Folder = None,
    plot: Annotated[Path | None, typer.Option(help="Save a plot as SVG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object and no table.")] = False,
) -> None:
    """Measure the spine beside a bare loop and a naive rival; servers of its own, in minutes."""
    measure, report = _bench()
    settings = _settings()
    sizes = _sizes(assets)
    for option, given in (("--plot", plot), ("--against", against)):
        if given is not None and sizes:
            raise Unmeasured(f"expected {option} without --assets, got both; leave one out")
    options = measure.Options(
        measure.QUICK if quick else measure.FULL, rounds, against, folder, bulk
    )
    console = Console()
    if sizes:
        found = uvloop.run(measure.compare_sizes(settings, options, sizes))
    else:
        found = uvloop.run(measure.compare(settings, options))
    if plot is not None:
        report.plot(found, plot)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    elif sizes:
        report.show_sizes(found, console)
    else:
        report.show(found, console)


def seed(
    *,
    assets: Annotated[int, typer.Option(min=1, help="How many the register has in the end.")],
    folder: Folder = None,
) -> None:
    """Fill a register for `bench --assets`; going on after a stop adds only what is missing."""
    measure, _ = _bench()
    made = uvloop.run(measure.seed(_settings(), folder, assets))
    speed = f", {made.per_second:,.0f}/s" if made.per_second else ""
    typer.echo(f"{made.assets:,} assets, {made.added:,} of them new{speed}.")


def _settings() -> Settings:
    logs.configure(json=True)
    # The bench has a virtual host and databases of its own anyway.
    return Settings.read().model_copy(update={"sandbox": False})


def _sizes(text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if len(sizes) < SIZES_MIN or sizes[0] < 1:
        raise Unmeasured(f"expected --assets with two sizes like 10000,1000000, got {text}")
    return sizes


def _bench() -> tuple[ModuleType, ModuleType]:
    """Import at the first use: a container of production has neither the package nor its tools."""
    try:
        from bench import measure, report  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unmeasured(
            f"expected the package bench and its tools, got no module {error.name}. Measure from a "
            "checkout, after `make setup`."
        ) from error
    return measure, report
