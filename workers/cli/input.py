"""The file of a command: JSON Lines, or a table and its mapping; `-` is standard input."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import track

from workers.cli.lines import Line, digest_of, read_lines
from workers.cli.mappings import Cells, TableMapping, sendable
from workers.cli.spool import Spool

STANDARD_INPUT: Final = "-"
SHOWN_MAX: Final = 60
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="The file; `-` reads standard input.")
]
MappingOption = Annotated[
    str | None,
    typer.Option(help="FILE is a table: a shipped mapping's name (ecr) or a .toml."),
]


class FileFault(Exception):
    """The file cannot be used; the text says what to do."""


def lines_of(file: str, mapping: str | None, spool: Spool | None = None) -> Sequence[Line]:
    """Read the lines; tell on standard error what a mapping has left out.

    With a spool, a table that was mapped before is not mapped again.
    """
    content = _content(file)
    if mapping is None:
        lines = list(read_lines(content))
        _check(content, lines)
        return lines
    table = TableMapping.open(mapping)
    lines, left_out = _mapped(table, content, spool)
    for column, count in left_out.items():
        rows = "1 row" if count == 1 else f"{count} rows"
        typer.echo(
            f"column {column!r} has no field here: its value in {rows} is not sent", err=True
        )
    return lines


def anew(lines: Iterable[Line]) -> list[Line]:
    """The lines as ones that were never sent; one that has an `id` stays what it was."""
    scope = uuid4().hex
    return [replace(line, scope=scope) for line in lines]


def _mapped(
    table: TableMapping, content: bytes, spool: Spool | None
) -> tuple[list[Line], dict[str, int]]:
    key = f"{digest_of(content)}/{table.digest}"
    if spool is not None and (known := spool.table(key)) is not None:
        return [Line(**line) for line in known["lines"]], known["left_out"]
    lines = table.lines(content, _watched)
    if spool is not None:
        spool.keep_table(
            key, {"lines": [line.plain() for line in lines], "left_out": table.left_out}
        )
    return lines, table.left_out


def _watched(rows: Sequence[Cells]) -> Iterable[Cells]:
    return track(rows, "mapping", console=Console(stderr=True), transient=True)


def _check(content: bytes, lines: Sequence[Line]) -> None:
    """A table without its mapping would be refused row by row: say it once."""
    first = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not lines or first[:1] in b"{[" or any(line.envelope is not None for line in lines):
        return
    known = ", ".join(sendable())
    shown = first.splitlines()[0][:SHOWN_MAX].decode(errors="replace")
    raise FileFault(
        f"expected JSON Lines, one envelope per line; got a first line of {shown!r} and no JSON "
        f"object in {len(lines)} lines. For a table, name its mapping: --mapping, out of {known}."
    )


def _content(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise FileFault(
            f"expected a readable file, got {file}: {error.strerror}. Correct its name."
        ) from error
