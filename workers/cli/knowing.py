"""Rows of a table that were sent before under the same reference: changes, not registrations."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from contracts.assets import RegisterAsset, UpdateAsset
from contracts.links import TRANSLATED_MAX, TranslateAssetIds
from workers.cli.lines import Line, digest_of, written

COMMISSION: Final = "asset.commission.v1"
OWN: Final = "own"
"""The scheme of what a sender calls assets in its own list."""
CHANGEABLE: Final = frozenset(UpdateAsset.model_fields) - {"id", "expected_revision"}

Given = Mapping[str, Any]
"""Reference -> the data with which its row was sent last."""


def reference_of(line: Line) -> str | None:
    """What the sender of a registration calls the asset, None where it says nothing of it."""
    envelope = line.envelope or {}
    data = envelope.get("data")
    if envelope.get("type") != RegisterAsset.message_type or not isinstance(data, dict):
        return None
    reference = data.get("reference")
    return reference if isinstance(reference, str) else None


def questions(lines: Iterable[Line]) -> Iterator[Line]:
    """Which references of these lines are known already: a thousand of a sender at a time."""
    wanted: dict[str, dict[str, None]] = {}
    for line in lines:
        if (reference := reference_of(line)) is not None and line.envelope is not None:
            wanted.setdefault(line.envelope["source"], {})[reference] = None
    for source, references in wanted.items():
        asked = list(references)
        for begin in range(0, len(asked), TRANSLATED_MAX):
            data = {
                "external": [
                    {"scheme": OWN, "value": one} for one in asked[begin : begin + TRANSLATED_MAX]
                ]
            }
            scope = digest_of(written(data))
            envelope = {"source": source, "type": TranslateAssetIds.message_type, "data": data}
            yield Line(scope, 0, "question for what is known", envelope)


@dataclass(slots=True)
class Known:
    """What each sender has registered under which reference, and what it said of it last."""

    given: Given = field(default_factory=dict)
    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, question: Line, reply: bytes) -> None:
        """Remember what a question was answered with."""
        source = (question.envelope or {})["source"]
        for one in json.loads(reply).get("data", {}).get("external", ()):
            if (known := one.get("id")) is not None:
                self.ids[source, one["value"]] = known

    def lines(self, line: Line) -> Sequence[Line]:
        """The line itself, or the changes in its place where its asset is known."""
        reference, envelope = reference_of(line), line.envelope or {}
        asset = self.ids.get((envelope.get("source", ""), reference or ""))
        if asset is None:
            return [line]
        data, before = envelope["data"], self.given.get(reference or "", {})
        changes = []
        if before.get("lifecycle") == "planned" and data.get("lifecycle") == "operating":
            day = {"commissioned_on": data["commissioned_on"]} if "commissioned_on" in data else {}
            changes.append(_changed(line, COMMISSION, {"id": asset, **day}))
        patch = {name: value for name, value in data.items() if name in CHANGEABLE}
        gone = _gone({n: v for n, v in before.items() if n in CHANGEABLE}, patch)
        update = {"id": asset, **_with(patch, gone)}
        return [*changes, _changed(line, UpdateAsset.message_type, update)]


def given(lines: Iterable[Line]) -> dict[str, Any]:
    """What these lines say of each reference, to be compared with what comes next."""
    return {
        reference: line.envelope["data"]
        for line in lines
        if (reference := reference_of(line)) is not None and line.envelope is not None
    }


def _changed(line: Line, message_type: str, data: Mapping[str, Any]) -> Line:
    envelope = dict(line.envelope or {})
    verb = message_type.split(".")[1]
    envelope |= {"id": f"{envelope['id']}-{verb}", "type": message_type, "data": data}
    return replace(line, envelope=envelope, raw=None)


def _gone(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What this sender had given and gives no more, as nulls; what others gave is theirs."""
    nulls: dict[str, Any] = {}
    for name, was in before.items():
        if name not in after:
            nulls[name] = dict.fromkeys(was) if isinstance(was, dict) else None
        elif isinstance(was, dict) and isinstance(after[name], dict):
            if inner := _gone(was, after[name]):
                nulls[name] = inner
    return nulls


def _with(patch: Mapping[str, Any], nulls: Mapping[str, Any]) -> dict[str, Any]:
    laid = dict(patch)
    for name, value in nulls.items():
        inner = laid.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        laid[name] = _with(inner, value) if both and isinstance(inner, dict) else value
    return laid
