"""Others' tables as lines of registrations; the mapping itself is data (JSONata)."""

import csv
import io
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jsonata import Jsonata
from jsonata.jexception import JException
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.assets import RegisterAsset
from contracts.envelope import SPEC_VERSION, user_urn
from contracts.users import RegisterUser
from topology.names import OPERATOR
from workers.cli.lines import Line, digest_of

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples" / "mappings"
_DIGEST_LENGTH: Final = 12


class MappingError(Exception):
    """The mapping or the table as a whole cannot be used; the text says what to do."""


class _Description(BaseModel):
    """What the TOML file of a mapping says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expression: str
    columns: tuple[str, ...] = ()
    """Columns without which a table is another kind of table."""
    sender: dict[str, Any]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of the table as it was read; `fault` says why the rest cannot be."""

    number: int
    cells: Sequence[str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table and what the mapping made of it."""

    number: int
    label: str
    made: dict[str, Any] | None = None
    fault: str = ""

    @property
    def names(self) -> str:
        """As what the row names a user: the owner of its asset, or the user that it is."""
        return "user" if self.made is not None and "user" in self.made else "owner"


Watched = Callable[[Sequence[Cells]], Iterable[Cells]]


def sendable() -> list[str]:
    """Shipped mappings by which a table is sent; the others are for comparing tables alone."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.toml")}
    return sorted(name for name, text in texts.items() if "evaluation" not in tomllib.loads(text))


@dataclass(slots=True)
class TableMapping:
    """One mapping, ready for a table; `left_out` counts what no field was found for."""

    name: str
    description: _Description
    expression: Jsonata
    digest: str
    """Changes with whatever of the mapping decides what a row becomes."""
    left_out: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str) -> "TableMapping":
        """Open a shipped mapping by its name, or any other by the path of its TOML file."""
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        try:
            description = _Description(**tomllib.loads(path.read_text(encoding="utf-8")))
            text = (path.parent / description.expression).read_text(encoding="utf-8")
            digest = digest_of(f"{path.stem}\0{description.model_dump_json()}\0{text}".encode())
        except FileNotFoundError as error:
            known = ", ".join(sendable())
            raise MappingError(
                f"expected a mapping out of {known}, or the path of a .toml file; got {name!r} "
                f"and no {error.filename}."
            ) from error
        except OSError as error:
            raise MappingError(
                f"expected to read {error.filename}, got: {error.strerror}."
            ) from error
        except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
            raise MappingError(f"expected the description of a mapping, got {error}.") from error
        try:
            return cls(path.stem, description, Jsonata(text), digest)
        except JException as error:
            where = description.expression
            raise MappingError(f"expected JSONata in {where}, got {error}.") from error

    def lines(self, content: bytes, watched: Watched = list) -> list[Line]:
        """The sender's registration, then those of users, then one asset for each row that has one.

        A user is registered once, however many rows name it as their owner, or as themselves.
        `watched` hands the rows on; whoever shows how far the mapping is counts them there.
        """
        header, read = self._table(content)
        rows = [self._row(header, row) for row in watched(read)]
        scope = digest_of(content)
        mark = f"{self.name}-{scope[:_DIGEST_LENGTH]}"
        sender, source = self._sender()
        owners: dict[str, Line] = {}
        for row in rows:
            if row.made is None or (owner := row.made.get(row.names)) is None:
                continue
            reference = str(owner["reference"])
            if reference not in owners:
                command_id = f"{mark}-{row.names}-{row.number}"
                envelope = _envelope(command_id, source, RegisterUser.message_type, owner["data"])
                envelope["onbehalfof"] = reference
                label = f"{row.names} in {row.label}"
                owners[reference] = Line(scope, len(owners) + 1, label, envelope)
        assets = [
            self._asset(row, Line(scope, len(owners) + row.number, row.label, None), owners)
            for row in rows
            if row.made is None or "asset" in row.made
        ]
        return [sender, *owners.values(), *assets]

    def _sender(self) -> tuple[Line, str]:
        """Its registration belongs to no file: the next file comes from the same user."""
        data = self.description.sender
        scope = digest_of(json.dumps([self.name, data], sort_keys=True).encode())
        command_id = f"{self.name}-sender-{scope[:_DIGEST_LENGTH]}"
        envelope = _envelope(command_id, user_urn(OPERATOR), RegisterUser.message_type, data)
        return Line(scope, 0, "sender", envelope), user_urn(f"$reply:{command_id}")

    def _asset(self, row: _Row, line: Line, owners: dict[str, Line]) -> Line:
        if row.made is None:
            return Line(line.scope, line.number, line.label, None, fault=row.fault)
        data = dict(row.made["asset"])
        if (owner := row.made.get("owner")) is not None:
            registration = owners[str(owner["reference"])].envelope or {}
            data["owner"] = f"$reply:{registration['id']}"
        _, source = self._sender()
        command_id = f"{self.name}-{line.scope[:_DIGEST_LENGTH]}-row-{row.number}"
        envelope = _envelope(command_id, source, RegisterAsset.message_type, data)
        return Line(line.scope, line.number, line.label, envelope)

    def _table(self, content: bytes) -> tuple[Sequence[str], list[Cells]]:
        """The columns and the rows; raises MappingError where this is no table of that kind."""
        table = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
        header = _header(table)
        if absent := [column for column in self.description.columns if column not in header]:
            raise MappingError(
                f"expected a table with the columns of the mapping {self.name}, got one without "
                f"{', '.join(map(repr, absent))}. Give the file that the mapping is for; "
                "JSON Lines need no --mapping."
            )
        return header, list(_rows(table))

    def _row(self, header: Sequence[str], read: Cells) -> _Row:
        number, cells = read.number, read.cells
        if read.fault:
            return _Row(number, f"row {number}", fault=read.fault)
        if len(cells) != len(header):
            fault = f"{len(cells)} cells where the header has {len(header)}"
            return _Row(number, f"row {number}", fault=fault)
        row = dict(zip(header, cells, strict=True))
        named = row.get(self.description.label or "")
        label = f"row {number} ({self.description.label} {named})" if named else f"row {number}"
        try:
            made = self.expression.evaluate(row)
        except JException as error:
            return _Row(number, label, fault=f"a row that the mapping cannot read: {error}")
        if not isinstance(made, dict) or not made.keys() & {"asset", "user", "left_out"}:
            return _Row(number, label, fault="a row of which the mapping made nothing")
        for column in made.get("left_out", ()):
            self.left_out[column] = self.left_out.get(column, 0) + 1
        return _Row(number, label, made)


def _envelope(command_id: str, source: str, message_type: str, data: Any) -> dict[str, Any]:
    return {
        "specversion": SPEC_VERSION,
        "id": command_id,
        "source": source,
        "type": message_type,
        "data": data,
    }


def _rows(table: Iterator[list[str]]) -> Iterator[Cells]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Cells(number, (), str(error))
            return
        if cells:
            yield Cells(number, cells)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MappingError(f"expected a table in UTF-8, got {error}. Save it as UTF-8.") from error


def _header(table: Iterator[list[str]]) -> Sequence[str]:
    try:
        header = next(table, [])
    except csv.Error as error:
        raise MappingError(
            f"expected a table with commas (CSV), got a first row that is none ({error}). "
            "JSON Lines need no --mapping."
        ) from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if not header or twice:
        raise MappingError(
            f"expected a first row that names each column once, got {twice or 'an empty file'}."
        )
    return header
