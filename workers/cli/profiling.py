"""Rows of others' tables as profiles that can be compared: a mapping says which column is what."""

import csv
import gzip
import io
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jsonata import Jsonata
from jsonata.jexception import JException
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.progress import track

from handlers.matching.profiles import Profile
from handlers.matching.reading import of_asset, of_user
from handlers.matching.trial import Pair, Truth, clustered, paired
from workers.cli.fields import unknown
from workers.cli.mappings import FOLDER, MappingError

Row = dict[str, str]
ZIPPED: Final = b"\x1f\x8b"


class Evaluation(BaseModel):
    """What the TOML file of a mapping says of tables whose duplicates are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    right_label: str | None = None
    """Column of the right table with a record's id, where that is another one than the left's."""
    truth: tuple[str, str] | None = None
    """Columns of the truth that name the two records of a pair."""
    relation: str | None = None
    """Column of the truth that says what the two are to each other."""
    part_of: tuple[str, ...] = ()
    """Words of that column for pairs of which one is a part of the other."""
    cluster: str | None = None
    """Column of the truth that names the cluster of a record."""
    pattern: str | None = None
    """What of that column is the cluster: the first group of this expression."""
    one_to_one: bool = False
    """Whether each table names a thing once, so that a record has one partner at most."""
    chain: bool = True
    """Whether an unsure pair is one where pairs that are one join the two."""


class _Description(BaseModel):
    """What this needs of the file; what `flexspine send` needs may stand there as well."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    expression: str
    label: str | None = None
    evaluation: Evaluation = Evaluation()


@dataclass(frozen=True, slots=True)
class Sight:
    """A mapping, ready to see rows by; columns that it does not name are not seen."""

    expression: Jsonata
    label: str | None
    evaluation: Evaluation

    @classmethod
    def open(cls, name: str) -> "Sight":
        """A shipped mapping by its name, or any other by the path of its TOML file."""
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        try:
            description = _Description(**tomllib.loads(path.read_text(encoding="utf-8")))
            text = (path.parent / description.expression).read_text(encoding="utf-8")
            return cls(Jsonata(text), description.label, description.evaluation)
        except OSError as error:
            known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
            raise MappingError(
                f"expected a mapping out of {known}, or the path of a .toml file; got {name!r}: "
                f"{error.filename}: {error.strerror}."
            ) from error
        except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
            raise MappingError(f"expected the description of a mapping, got {error}.") from error
        except JException as error:
            raise MappingError(f"expected JSONata, got {error}.") from error

    def profiles(self, path: Path, label: str | None) -> dict[str, Profile]:
        """The profile of each record; rows of one record, each with a unit, are its units."""
        documents: dict[str, dict[str, Any]] = {}
        read = list(rows(path))
        label = label or self.label
        watched = track(read, path.name, console=Console(stderr=True), transient=True)
        for number, row in enumerate(watched, start=1):
            record = row.get(label, "") if label is not None else str(number)
            made = self._made(row, f"row {number} of {path.name}")
            if made is None:
                continue
            _add(documents, record or f"row {number}", made)
        return {record: _profile(document) for record, document in documents.items()}

    def _made(self, row: Row, where: str) -> dict[str, Any] | None:
        try:
            made = self.expression.evaluate(row)
        except JException as error:
            raise MappingError(
                f"expected a row that the mapping can read, {where}: {error}."
            ) from (error)
        if not isinstance(made, dict) or not made.keys() & {"user", "asset"}:
            return None
        kind = "user" if "user" in made else "asset"
        _check(kind, _document(made), where)
        _check("asset", made.get("unit") or {}, where)
        return made


def _check(kind: str, document: Mapping[str, Any], where: str) -> None:
    """Refuse what nothing would read: a field that is mistyped would make every figure worse."""
    if (found := unknown(kind, document)) is None:
        return
    name, fields = found
    raise MappingError(
        f"expected fields that a registration or a comparison has, got {name!r} in the {kind} of "
        f"{where}. Did you mean {fields[0]!r}? Nearest first there are {', '.join(fields)}. "
        "Correct the mapping: it would not be compared."
    )


def _add(documents: dict[str, dict[str, Any]], record: str, made: dict[str, Any]) -> None:
    """Keep a row; a further one of the same record adds its unit."""
    unit = made.get("unit")
    if record in documents and unit is None:
        raise MappingError(
            f"expected each record once, got {record!r} again. Name the column of the id as "
            "`label`, or let the mapping tell each row's `unit`."
        )
    document = documents.setdefault(record, _document(made))
    if unit is not None:
        document.setdefault("units", []).append(unit)


def _document(made: Mapping[str, Any]) -> dict[str, Any]:
    """What the mapping made, as a document; the owner of an asset by its name."""
    if "user" in made:
        user: dict[str, Any] = made["user"]
        return dict(user.get("data", user))
    document = dict(made["asset"])
    if "owner" in made:
        document["owner"] = made["owner"]["data"]["name"]
    return document


def _profile(document: dict[str, Any]) -> Profile:
    return of_user(document) if "kind" in document else of_asset(document)


def rows(path: Path) -> Iterator[Row]:
    """The rows of a table with commas, zipped or not; spaces around names and cells are none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MappingError(f"expected to read {path}, got: {error.strerror}.") from error
    plain = gzip.decompress(content) if content.startswith(ZIPPED) else content
    try:
        text = plain.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MappingError(f"expected a table in UTF-8, got {error} in {path}.") from error
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {
            name.strip(): value.strip()
            for name, value in row.items()
            if isinstance(name, str) and isinstance(value, str)
        }


def truth_of(path: Path, evaluation: Evaluation, label: str | None) -> Truth:
    """What is known: pairs, or clusters where a column names these."""
    found = list(rows(path))
    if evaluation.cluster is not None:
        needed = [label or "", evaluation.cluster]
        _has(found, needed, path)
        return clustered({row[needed[0]]: _cluster(row, evaluation) for row in found})
    left, right = evaluation.truth or tuple(found[0])[:2] if found else ("", "")
    _has(found, [left, right, *filter(None, [evaluation.relation])], path)
    same: list[Pair] = []
    part: list[Pair] = []
    for row in found:
        is_part = row.get(evaluation.relation or "") in evaluation.part_of
        (part if is_part else same).append((row[left], row[right]))
    return paired(same, part)


def _cluster(row: Row, evaluation: Evaluation) -> str:
    value = row[evaluation.cluster or ""]
    if evaluation.pattern is None:
        return value
    match = re.search(evaluation.pattern, value)
    return match[1] if match is not None else value


def _has(found: list[Row], columns: list[str], path: Path) -> None:
    absent = [one for one in columns if not found or one not in found[0]]
    if absent:
        raise MappingError(
            f"expected a truth with the columns {', '.join(map(repr, columns))}, got {path} "
            f"without {', '.join(map(repr, absent))}. Name them in [evaluation], or by "
            "--pair and --cluster."
        )
