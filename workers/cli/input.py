"""The file of a command: JSON Lines, or a table and its mapping; `-` is standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from workers.cli.lines import Line, read_lines
from workers.cli.mappings import TableMapping

STANDARD_INPUT: Final = "-"
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="The file; `-` reads standard input.")
]
MappingOption = Annotated[
    str | None,
    typer.Option(help="FILE is a table: a shipped mapping's name (ecr) or a .toml."),
]


class FileFault(Exception):
    """The file cannot be read; the text says what to do."""


def lines_of(file: str, mapping: str | None) -> Sequence[Line]:
    """Read the lines; tell on standard error what a mapping has left out."""
    content = _content(file)
    if mapping is None:
        return list(read_lines(content))
    table = TableMapping.open(mapping)
    lines = table.lines(content)
    for column, count in table.left_out.items():
        typer.echo(f"{table.name}: no field for {column!r}, left out of {count} rows", err=True)
    return lines


def _content(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise FileFault(f"expected a readable file, got {error}. Correct its name.") from error
