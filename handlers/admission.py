"""What becomes of a delivery before anybody decides: who sent it, and can it be read.

The table of the architecture's promises in code.
A delivery is either an Arrival (it has a sender and an id, so its outcome is remembered) or a
Refusal (it has not; the sender is told where there is one, a dead letter is kept where it says).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from contracts.dead_values import DeadReason
from contracts.envelope import Envelope, Finding, Header, user_urn
from contracts.findings import FINDINGS_MAX, findings_of, shorten, unstorable, unstorable_findings
from contracts.messages import Event, Message, Request
from contracts.taxonomy import BACKBONE
from contracts.trace import Trace, trace_of
from contracts.values import CommandId, user_of

REPLY_DIRECT: Final = "amq.rabbitmq.reply-to."
UNREADABLE_HEADERS: Final = "x-unreadable-headers"
"""Mark in the place of headers that the driver cannot read; whoever sends it is refused as well."""
_REFERRING: Final[TypeAdapter[Header]] = TypeAdapter(Header)
_COMMAND_ID: Final[TypeAdapter[str]] = TypeAdapter(CommandId)


_Reason = DeadReason | Literal["oversized", "unknown-type"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message may be."""

    body_bytes_max: int = 256 * 1024
    header_bytes_max: int = 8 * 1024


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a message that had to wait comes back with: its row, and how often it was tried."""

    id: str
    revision: int
    attempt: int
    keys: frozenset[str]
    """What it was known to touch when it was put down: its place is held by these."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as the broker hands it over, or as it was parked."""

    body: bytes
    type: str
    """The routing key."""
    account: str | None
    """The broker's validated `user_id`."""
    message_id: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, Any] | None = None
    content_encoding: str | None = None
    redelivered: bool = False
    """Whether somebody may have had it before."""
    ticket: Ticket | None = None
    cursor: str | None = None
    """Of a fact whose consequences come in portions: where the next one begins."""

    @property
    def trace(self) -> Trace:
        """The sender's trace context, as far as it is well-formed (W3C Trace Context)."""
        return trace_of(self.headers or {})

    @property
    def user(self) -> str | None:
        """The user of the account: further accounts of a user are named `<user>/<name>`."""
        return user_of(self.account) if self.account else None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of a known sender with a readable id."""

    user: str
    id: str
    type: str
    digest: bytes
    delivery: Delivery
    message: Request | Event | None
    """The parsed data; None where `findings` say why not."""
    header: Header | None
    findings: tuple[Finding, ...] = ()

    @property
    def is_fact(self) -> bool:
        """Whether the backbone itself says it: nobody is answered, and nobody's rights count."""
        return self.user == BACKBONE


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that nobody can be made accountable for, or that cannot be read."""

    delivery: Delivery
    reason: _Reason
    finding: Finding
    dead: bool
    """Whether a dead letter is kept."""
    tell: str | None
    """The user who is told, None where there is none to be trusted."""
    held_id: str | None = None
    """The id of a message whose outcome is still to come, as far as it can be read."""
    died_in: str = ""
    """Where the broker has dead-lettered it: in which queue."""
    tries: int = 0
    """Of that: how often the broker had delivered it."""
    is_held: bool = False
    """Whether its outcome is still to come: it is neither accepted nor rejected."""

    @property
    def correlation(self) -> str | None:
        """What the sender can recognise the message by."""
        return self.held_id or self.delivery.message_id


def admit(
    delivery: Delivery, contracts: Mapping[str, type[Request]], limits: Limits
) -> Arrival | Refusal:
    """Say what a delivery is; never raises for anything that a sender can send."""
    if (refusal := _refuse_unread(delivery, limits)) is not None:
        return refusal
    contract = contracts.get(delivery.type)
    if contract is None:
        return refuse(delivery, "unknown-type", "a type that this mailbox serves", delivery.type)
    try:
        envelope = adapter(contract).validate_json(delivery.body)
    except ValidationError as error:
        return _admit_referring(delivery, contract) or _admit_broken(delivery, error)
    except RecursionError:
        return refuse(delivery, "undecodable", "JSON that is not nested so deep", "")
    return _admit_read(delivery, envelope)


@lru_cache(maxsize=1024)
def adapter(contract: type[Message]) -> TypeAdapter[Envelope[Any]]:
    """What reads a message whose data is of this model; made once."""
    return TypeAdapter(Envelope[contract])  # type: ignore[valid-type]  # a class of this moment


def _refuse_unread(delivery: Delivery, limits: Limits) -> Refusal | None:
    headers = delivery.headers or {}
    if not delivery.user:
        return refuse(delivery, "identity", "the property `user_id`, set to the account's name", "")
    if copied := [name for name in headers if name.upper() in {"CC", "BCC"}]:
        return refuse(delivery, "identity", "no CC or BCC headers", ", ".join(copied))
    if UNREADABLE_HEADERS in headers:
        return refuse(delivery, "undecodable", "headers of known types, named in UTF-8", "")
    if (refusal := refuse_oversized(delivery, limits)) is not None:
        return refusal
    header_size = sum(len(str(name)) + len(str(value)) for name, value in headers.items())
    if header_size > limits.header_bytes_max:
        expected = f"headers of at most {limits.header_bytes_max} bytes"
        return refuse(delivery, "oversized", expected, f"{header_size}")
    if delivery.content_encoding not in {None, "", "utf-8", "identity"}:
        expected = "a body without content encoding"
        return refuse(delivery, "undecodable", expected, str(delivery.content_encoding))
    return None


def refuse_oversized(delivery: Delivery, limits: Limits) -> Refusal | None:
    """What is said of a body that is too large; None for one that is not."""
    size, most = len(delivery.body), limits.body_bytes_max
    return (
        refuse(delivery, "oversized", f"at most {most} bytes", f"{size}") if size > most else None
    )


def _admit_read(delivery: Delivery, envelope: Header) -> Arrival | Refusal:
    user = str(delivery.user)
    if envelope.source != user_urn(user):
        return refuse(delivery, "source", user_urn(user), envelope.source)
    return Arrival(
        user=user,
        id=envelope.id,
        type=delivery.type,
        digest=sha256(delivery.body).digest(),
        delivery=delivery,
        message=envelope.data if isinstance(envelope, Envelope) else None,
        header=envelope,
        findings=_type_findings(delivery, envelope.type),
    )


def _admit_referring(delivery: Delivery, contract: type[Request]) -> Arrival | Refusal | None:
    """A command whose data is an object of its sender's; None where it is none of the kind."""
    if not contract.by_reference:
        return None
    try:
        header = _REFERRING.validate_json(delivery.body)
    except (ValidationError, RecursionError):
        return None
    return _admit_read(delivery, header) if header.dataref is not None else None


def _admit_broken(delivery: Delivery, error: ValidationError) -> Arrival | Refusal:
    """The slow way: find out what can still be trusted of a message that does not fit."""
    try:
        # As text, since bytes would be taken for UTF-16 or UTF-32 where they look like it.
        raw = json.loads(delivery.body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return refuse(delivery, "undecodable", "a JSON object in UTF-8", delivery.body[:60])
    if not isinstance(raw, dict):
        return refuse(delivery, "undecodable", "a JSON object in UTF-8", delivery.body[:60])
    user = str(delivery.user)
    try:
        command_id = _COMMAND_ID.validate_python(raw.get("id"))
    except ValidationError:
        return refuse(delivery, "undecodable", "an envelope with a readable `id`", raw.get("id"))
    source = raw.get("source")
    if isinstance(source, str) and source != user_urn(user):
        return refuse(delivery, "source", user_urn(user), source)
    try:
        unstorables = list(islice(unstorable(raw), FINDINGS_MAX))
    except RecursionError:
        return refuse(delivery, "undecodable", "JSON that is not nested so deep", "")
    findings = _all_findings(unstorables, error)
    if not findings:
        return refuse(delivery, "undecodable", "JSON that is not nested so deep", "")
    return Arrival(
        user=user,
        id=command_id,
        type=delivery.type,
        digest=sha256(delivery.body).digest(),
        delivery=delivery,
        message=None,
        header=None,
        findings=_type_findings(delivery, raw.get("type")) + findings,
    )


def _all_findings(
    unstorables: list[tuple[str, Any]], error: ValidationError
) -> tuple[Finding, ...]:
    """What no store can hold, then what breaks the contract where the text could be read at all."""
    findings = unstorable_findings(unstorables)
    if any(d["type"] == "json_invalid" for d in error.errors(include_input=False)):
        return findings
    named = {finding.field for finding in findings}
    return findings + tuple(f for f in findings_of(error) if f.field not in named)


def _type_findings(delivery: Delivery, given: Any) -> tuple[Finding, ...]:
    if given == delivery.type or not isinstance(given, str):
        return ()
    advice = "Publish with the envelope's type as routing key."
    return (
        Finding(
            rule="envelope.type-mismatch",
            field="type",
            expected=delivery.type,
            got=shorten(given),
            advice=advice,
        ),
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"expected a JSON number, got {name}")


_ADVICE: Final = {
    "identity": "Connect with your own account, set `user_id`, send no copies.",
    "undecodable": "Send a structured-mode CloudEvents 1.0 message as UTF-8 JSON.",
    "source": "Set `source` to the user of the account that publishes.",
    "oversized": "Send less, or put the payload into an object and refer to it.",
    "unknown-type": "Use a type of the published list, with its version.",
}


def refuse(delivery: Delivery, reason: _Reason, expected: str, got: Any) -> Refusal:
    """Say why a message is not read, and who is told."""
    fields = {"source": "source", "unknown-type": "type"}
    return Refusal(
        delivery=delivery,
        reason=reason,
        finding=Finding(
            rule=f"message.{reason}",
            field=fields.get(reason, ""),
            expected=expected,
            got=shorten(got.decode(errors="replace") if isinstance(got, bytes) else got),
            advice=_ADVICE[reason],
        ),
        dead=reason in {"identity", "undecodable", "source"},
        tell=None if reason == "identity" or delivery.account == BACKBONE else delivery.user,
    )
