"""Lines of envelopes, as people and mappings write them, and how one becomes a message to send."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

from contracts.envelope import SPEC_VERSION, USER_URN, Finding, RejectedData, compose
from contracts.findings import shorten
from handlers.letters import UNREAD_TYPE

KEY_REFERENCE: Final = "$key"
"""As value of `account_key_hash`: the hash of a key that is made and kept for this command."""
REFERENCE_RULE: Final = "line.reference"
TYPE_RULE: Final = "message.unknown-type"
"""The register's own code: what is refused here is what it would refuse."""
_REPLY: Final = re.compile(r"\$reply:([A-Za-z0-9][A-Za-z0-9._:~-]{0,127})")
_SUBJECT_LENGTH_MAX: Final = 200
_NAMESPACE: Final = UUID("5b0f6b0e-6a0c-5a39-9a41-0f0d7c1f2b11")
"""Under it the ids of lines are derived; changing it would make every old file new."""

KeyHash = Callable[[str, str], str]
"""(sender, command id) -> hash of the account key that belongs to that registration."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was read; `envelope` is None where `fault` says why it is none."""

    scope: str
    """Digest of what the line belongs to: ids that are derived hold for it alone."""
    number: int
    label: str
    """Where a person finds it: `line 3`, `row 17`."""
    envelope: Mapping[str, Any] | None
    raw: bytes | None = None
    """Its bytes; None where a mapping made the envelope."""
    fault: str = ""

    def plain(self) -> dict[str, Any]:
        """The line as JSON values, for one that a mapping made; `Line(**plain)` is it again."""
        values = (self.scope, self.number, self.label, self.envelope, None, self.fault)
        return dict(zip(self.__slots__, values, strict=True))

    def derived(self, purpose: str = "") -> str:
        """A UUID that is the same for the same line of the same content."""
        return str(uuid5(_NAMESPACE, f"{self.scope}/{self.number}{purpose}"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message that is ready to go: these bytes, from this sender."""

    line: Line
    sender: str
    type: str
    id: str
    body: bytes
    references: Mapping[str, str] = field(default_factory=dict)
    """Command id -> what its reply issued, as it went into the bytes."""


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A line that cannot become a message, and why."""

    line: Line
    finding: Finding

    @property
    def sentence(self) -> str:
        """What was expected, what came and what to do."""
        finding = self.finding
        return f"expected {finding.expected}, got {finding.got or 'nothing'}. {finding.advice}"

    def reply(self, now: datetime) -> bytes:
        """The rejection as an envelope, so that a reader of replies needs no second format."""
        finding = self.finding
        given = (self.line.envelope or {}).get("id")
        message = f"{self.line.label}: {self.sentence}"
        return compose(
            id=self.line.derived("/rejected"),
            type=UNREAD_TYPE,
            time=now,
            data=RejectedData(code=finding.rule, message=message, findings=(finding,)),
            subject=self.line.label[:_SUBJECT_LENGTH_MAX],
            correlationid=given if isinstance(given, str) else None,
        )


@dataclass(slots=True)
class Answers:
    """What earlier replies have issued, for `$reply:<command id>`."""

    issued: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def note(self, command_id: str, reply: bytes) -> None:
        """Remember the id that a reply carries, or the code with which it has none."""
        data = json.loads(reply).get("data", {})
        if isinstance(issued := data.get("id"), str):
            self.issued[command_id] = issued
        else:
            self.refused[command_id] = str(data.get("code", "no id in the reply"))


def digest_of(content: bytes) -> str:
    """The scope of everything that is read from this content."""
    return sha256(content).hexdigest()


def read_lines(content: bytes) -> Iterator[Line]:
    """Read JSON Lines; empty lines are passed over but counted."""
    scope = digest_of(content)
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if raw := raw.strip():
            yield _line(scope, number, raw)


def _line(scope: str, number: int, raw: bytes) -> Line:
    label, fault = f"line {number}", ""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Line(scope, number, label, None, raw, str(error) or type(error).__name__)
    if not isinstance(value, dict):
        fault, value = "a JSON value that is no object", None
    return Line(scope, number, label, value, raw, fault)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is not JSON")


class _UnresolvedError(Exception):
    """A reference to a reply that has no id for it."""


def references(line: Line) -> frozenset[str]:
    """Everything in the line that may be a command id behind `$reply:`."""
    return frozenset(match for text in _texts(line.envelope) for match in _REPLY.findall(text))


def render(line: Line, answers: Answers, key_hash: KeyHash, now: datetime) -> Rendered | Unsendable:
    """Fill in what the line leaves to us; what it says itself is sent as it is."""
    if line.envelope is None:
        return _unsendable(line, "line.malformed", "", "one envelope as a JSON object", line.fault)
    used: dict[str, str] = {}
    try:
        envelope = _resolved(dict(line.envelope), answers, used)
    except _UnresolvedError as unresolved:
        expected = "an earlier command whose reply issued an id"
        return _unsendable(line, REFERENCE_RULE, "", expected, str(unresolved))
    source, message_type = envelope.get("source"), envelope.get("type")
    if not isinstance(source, str) or not source.removeprefix(USER_URN):
        return _unsendable(line, "line.sender", "source", f"{USER_URN}<user id>", source)
    if not source.startswith(USER_URN):
        return _unsendable(line, "line.sender", "source", f"{USER_URN}<user id>", source)
    if not isinstance(message_type, str) or not message_type:
        return _unsendable(line, "line.type", "type", "<register>.<verb>.v<major>", message_type)
    filled = _filled(envelope, line, now)
    sender, command_id = source.removeprefix(USER_URN), filled["id"]
    command_id = command_id if isinstance(command_id, str) else line.derived()
    data = filled.get("data")
    if isinstance(data, dict) and data.get("account_key_hash") == KEY_REFERENCE:
        filled["data"] = {**data, "account_key_hash": key_hash(sender, command_id)}
    unchanged = line.raw is not None and filled == line.envelope
    body = line.raw if unchanged and line.raw is not None else written(filled)
    return Rendered(line, sender, message_type, command_id, body, used)


def unserved(line: Line, types: Collection[str]) -> Unsendable | None:
    """Refuse a type that nobody serves by the nearest one, before it is a message to nobody.

    The broker would take it to the sender's events, where who waits for a reply does not see it.
    """
    given = (line.envelope or {}).get("type")
    if not isinstance(given, str) or not given or given in types:
        return None
    near = get_close_matches(given, types, n=1)
    expected = f"a type that is served, such as {near[0]}" if near else "a type that is served"
    return _unsendable(line, TYPE_RULE, "type", expected, given)


def written(envelope: Mapping[str, Any]) -> bytes:
    """An envelope's bytes; ASCII, so that a broken surrogate reaches the register's own rule."""
    return json.dumps(envelope, separators=(",", ":")).encode()


def _filled(envelope: dict[str, Any], line: Line, now: datetime) -> dict[str, Any]:
    """What is the same for every line, or made for it: an example is not too old next year."""
    missing: dict[str, Any] = {}
    if "specversion" not in envelope:
        missing["specversion"] = SPEC_VERSION
    if "id" not in envelope:
        missing["id"] = line.derived()
    if "time" not in envelope:
        missing["time"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return missing | envelope if missing else envelope


def _resolved(value: Any, answers: Answers, used: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _REPLY.sub(lambda match: _issued(match[1], answers, used), value)
    if isinstance(value, list):
        return [_resolved(inner, answers, used) for inner in value]
    if isinstance(value, dict):
        return {name: _resolved(inner, answers, used) for name, inner in value.items()}
    return value


def _issued(reference: str, answers: Answers, used: dict[str, str]) -> str:
    """The longest command id that the text begins with: what follows may look like one."""
    for end in range(len(reference), 0, -1):
        command_id = reference[:end]
        if (issued := answers.issued.get(command_id)) is not None:
            used[command_id] = issued
            return issued + reference[end:]
    refusal = answers.refused.get(reference)
    raise _UnresolvedError(
        f"$reply:{reference}, " + (f"answered with {refusal}" if refusal else "not answered before")
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


_ADVICE: Final = {
    "line.malformed": "Write each envelope on a line of its own, as JSON Lines.",
    REFERENCE_RULE: "Refer to the `id` of an earlier line that is accepted, or correct that one.",
    "line.sender": "Say who sends: `operator`, `front-desk` or the id of a registered user.",
    TYPE_RULE: "Correct the type; `flexspine schema` lists them.",
    "line.type": "Give the type of a command or query; `flexspine schema` lists them.",
}


def _unsendable(line: Line, rule: str, field_name: str, expected: str, got: Any) -> Unsendable:
    text = shorten(got) if got is not None else ""
    return Unsendable(
        line,
        Finding(rule=rule, field=field_name, expected=expected, got=text, advice=_ADVICE[rule]),
    )
