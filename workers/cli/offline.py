"""Commands that need no server: `run` and `schema`."""

import asyncio
import json
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from handlers.admission import Limits
from topology.catalog import Entry, build
from topology.render import schemas
from workers.backbone import now_utc
from workers.cli.input import FileArgument, MappingOption, lines_of
from workers.cli.lines import Line, unserved
from workers.cli.parts import parted
from workers.local import open_register

NEAR_MAX: Final = 3
"""How many types are named that one may have meant."""


def run(
    file: FileArgument,
    *,
    mapping: MappingOption = None,
    now: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"],
            help="The register's clock, RFC 3339 with offset; without it, the real one.",
        ),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(help="Any text: the same seed issues the same ids.")
    ] = None,
) -> None:
    """Play a file on a register of its own in memory, and print its replies and events.

    One envelope per line in and out, in order. The register is new and knows two users, `operator`
    and `front-desk`; `source` says who sends, as the broker would vouch for it.
    `$reply:<command id>` in any text stands for the id that an earlier line's reply issued; `$key`
    as `account_key_hash` for the hash of a key made for it. `id`, `time` and
    `specversion` may be left out.
    """
    lines = parted(lines_of(file, mapping), build(), Limits().body_bytes_max)
    asyncio.run(_run(lines, now, seed))


async def _run(lines: Sequence[Line], now: datetime | None, seed: str | None) -> None:
    register = await open_register(seed, now_utc if now is None else lambda: now)
    for line in lines:
        refused = unserved(line, register.entries)
        bodies = await register.say(line) if refused is None else [refused.reply(register.clock())]
        sys.stdout.buffer.writelines(body + b"\n" for body in bodies)
    sys.stdout.buffer.flush()


def schema(
    type: Annotated[  # noqa: A002  the field's word
        str | None, typer.Argument(help="A type, such as asset.register.v1; none: list them.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="The schemas of all types as one JSON object.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="A folder: write <type>.json for every type into it.")
    ] = None,
) -> None:
    """Print the data of a type as JSON Schema 2020-12, or list the types and who may send them.

    Replies and events have schemas too; `envelope` is the one of what stands around the data.
    """
    entries = build()
    found = schemas(entries)
    if into is not None:
        into.mkdir(parents=True, exist_ok=True)
        for name, one in found.items():
            (into / f"{name}.json").write_text(_pretty(one), encoding="utf-8")
    elif type is not None:
        if type not in found:
            raise typer.BadParameter(_unknown(type, found))
        typer.echo(_pretty(found[type]), nl=False)
    elif as_json:
        typer.echo(_pretty(found), nl=False)
    else:
        Console().print(_listed(entries.values()))


def _unknown(given: str, found: Collection[str]) -> str:
    """What the type may have been meant for, and where all of them are listed."""
    near = get_close_matches(given, found, n=NEAR_MAX)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no type is called {given}; {meant}`flexspine schema` lists them."


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _listed(entries: Iterable[Entry]) -> Table:
    table = Table(Column("type", no_wrap=True), "kind", Column("queue", no_wrap=True), "senders")
    for entry in entries:
        table.add_row(entry.name, entry.kind, entry.queue, " ".join(entry.senders))
    return table
