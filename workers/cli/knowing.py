"""Rows of a table that were sent before under the same reference: changes, not registrations."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from contracts.assets import RegisterAsset, UpdateAsset
from contracts.links import TRANSLATED_MAX, TranslateAssetIds
from contracts.values import Name
from workers.cli.lines import Line, digest_of, written
from workers.cli.spool import Spool

COMMISSION: Final = "asset.commission.v1"
OWN: Final = "own"
"""The scheme of what a sender calls assets in its own list."""
CHANGEABLE: Final = frozenset(UpdateAsset.model_fields) - {"id", "expected_revision"}
LIFECYCLES: Final = ("planned", "operating")
_DIGEST_LENGTH: Final = 12
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)

Data = Mapping[str, Any]
Given = Mapping[str, Data]
"""Reference -> the data with which its row was accepted last."""


def reference_of(line: Line) -> str | None:
    """What the mapping calls the asset of a row, None where there is nothing to look up.

    A registration that somebody has written as such is sent as it is.
    """
    envelope = line.envelope or {}
    data = envelope.get("data")
    if line.raw is not None or envelope.get("type") != RegisterAsset.message_type:
        return None
    try:
        return _NAME.validate_python(data.get("reference")) if isinstance(data, dict) else None
    except ValidationError:
        return None


def questions(lines: Iterable[Line]) -> Iterator[Line]:
    """Which references of these lines are known already, a thousand at a time."""
    named = {reference: line for line in lines if (reference := reference_of(line)) is not None}
    asked = list(named)
    for begin in range(0, len(asked), TRANSLATED_MAX):
        some = asked[begin : begin + TRANSLATED_MAX]
        data = {"external": [{"scheme": OWN, "value": one} for one in some]}
        envelope = {
            "source": (named[some[0]].envelope or {})["source"],
            "type": TranslateAssetIds.message_type,
            "data": data,
        }
        yield Line(digest_of(written(data)), 0, "question for what is known", envelope)


def ids_of(reply: bytes) -> dict[str, str] | None:
    """Reference -> id of what is known, as a question was answered; None if it was refused."""
    external = json.loads(reply).get("data", {}).get("external")
    if external is None:
        return None
    return {one["value"]: one["id"] for one in external if one.get("id") is not None}


def changes(line: Line, asset: str, before: Data | None) -> Sequence[Line]:
    """What is sent in the place of a row whose asset is known: an update, and what goes before it.

    What no change can say, such as another type, goes as the registration that it is, and is
    refused with the id that the reference has. A commissioning without its day is refused as well:
    nobody invents one, and it is tried again with the next issue.
    """
    data = (line.envelope or {})["data"]
    was, now = (before or {}).get("lifecycle"), data.get("lifecycle", "operating")
    moves = was is not None and was != now and (was, now) != LIFECYCLES
    if now not in LIFECYCLES or moves or not asset.startswith(f"{data.get('asset_type')}-"):
        return [line]
    made = []
    day = {name: data[name] for name in ("commissioned_on",) if name in data}
    # Where nothing is on record here, it may have been planned: the same day again is no change.
    if (was, now) == LIFECYCLES or (before is None and now == "operating" and day):
        made.append(_changed(line, COMMISSION, {"id": asset, **day}))
    patch = _changeable(data)
    update = {"id": asset, **_with(patch, _gone(_changeable(before or {}), patch))}
    return [*made, _changed(line, UpdateAsset.message_type, update)]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, and what is sent for it."""

    line: Line
    sent: Sequence[Line]

    def plain(self) -> list[Any]:
        """The row as JSON values; a row that is sent as it is says so by nothing."""
        made = None if list(self.sent) == [self.line] else [one.plain() for one in self.sent]
        return [self.line.plain(), made]

    @classmethod
    def of(cls, plain: Sequence[Any]) -> "Row":
        """The row of its JSON values."""
        line = Line(**plain[0])
        return cls(line, [line] if plain[1] is None else [Line(**one) for one in plain[1]])


@dataclass(slots=True)
class Known:
    """What one sender has said of its assets before, and what becomes of its table now.

    What a table was turned into is kept: sent again, it leaves as the same bytes.
    """

    spool: Spool
    sender: str
    table: Sequence[Line]
    rows: Sequence[Row] = ()
    accepted: dict[str, bool] = field(default_factory=dict)
    """By command id, as far as there are outcomes."""

    def kept(self) -> bool:
        """Whether this table was turned into changes before, and is again."""
        plain = self.spool.table(self._key())
        if plain is not None:
            self.rows = [Row.of(one) for one in plain]
        return plain is not None

    def turn(self, ids: Mapping[str, str], *, sure: bool) -> None:
        """Turn rows of known references into changes; kept where all references were looked up."""
        self.rows = rows_of(self.table, ids, self._given())
        if sure:
            self.spool.keep_table(self._key(), [row.plain() for row in self.rows])

    def sent(self) -> Iterator[Line]:
        """What leaves, in order."""
        return (line for row in self.rows for line in row.sent)

    def take(self, line: Line, *, accepted: bool) -> None:
        """Note an outcome."""
        if line.envelope is not None:
            self.accepted[str(line.envelope.get("id"))] = accepted

    def keep(self) -> None:
        """Remember what was accepted: the next issue is compared with that."""
        said = {
            reference: row.line.envelope["data"]
            for row in self.rows
            if (reference := reference_of(row.line)) is not None
            and row.line.envelope is not None
            and all(self.accepted.get(str((one.envelope or {})["id"])) for one in row.sent)
        }
        if said:
            self.spool.keep_table(f"given/{self.sender}", {**self._given(), **said})

    def _given(self) -> Given:
        given: Given = self.spool.table(f"given/{self.sender}") or {}
        return given

    def _key(self) -> str:
        plain = json.dumps([line.plain() for line in self.table], sort_keys=True)
        return f"changes/{self.sender}/{digest_of(plain.encode())}"


def rows_of(lines: Iterable[Line], ids: Mapping[str, str], given: Given) -> list[Row]:
    """What is sent for each row; the second row of one reference is refused as what it is."""
    rows, seen = [], set[str]()
    for line in lines:
        reference = reference_of(line)
        asset = ids.get(reference) if reference is not None and reference not in seen else None
        if reference is None or asset is None:
            rows.append(Row(line, [line]))
        else:
            rows.append(Row(line, changes(line, asset, given.get(reference))))
        seen |= {reference} if reference is not None else set()
    return rows


def _changed(line: Line, message_type: str, data: Data) -> Line:
    """The id says what is said: compared with something else, the same row is another command."""
    envelope = dict(line.envelope or {})
    mark = f"{message_type.split('.')[1]}-{digest_of(written(data))[:_DIGEST_LENGTH]}"
    envelope |= {"id": f"{envelope['id']}-{mark}", "type": message_type, "data": data}
    return replace(line, envelope=envelope)


def _changeable(data: Data) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in CHANGEABLE}


def _gone(before: Data, after: Data) -> dict[str, Any]:
    """What this sender had given and gives no more, as nulls; what others gave is theirs."""
    nulls: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    # A group is cleared field by field: in it may be what others gave.
    groups = {name: was for name, was in before.items() if isinstance(was, dict)}
    inner = {name: _cleared(was, after.get(name, {})) for name, was in groups.items()}
    return {n: v for n, v in (nulls | inner).items() if v is None or v}


def _cleared(was: Data, now: Any) -> dict[str, Any]:
    if not isinstance(now, dict):
        return {}
    nulls: dict[str, Any] = dict.fromkeys(was.keys() - now.keys())
    both = [name for name in was.keys() & now.keys() if isinstance(was[name], dict)]
    inner = {name: _cleared(was[name], now[name]) for name in both}
    return nulls | {name: value for name, value in inner.items() if value}


def _with(patch: Data, nulls: Data) -> dict[str, Any]:
    laid = dict(patch)
    for name, value in nulls.items():
        inner = laid.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        laid[name] = _with(inner, value) if both and isinstance(inner, dict) else value
    return laid
