"""The envelope: structured-mode CloudEvents 1.0 in JSON, and what every reply says."""

from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from pydantic import Field
from pydantic_core import to_json

from contracts.messages import Contract
from contracts.values import CommandId, Name, Timestamp

CONTENT_TYPE: Final = "application/cloudevents+json"
SPEC_VERSION: Final = "1.0"
USER_URN: Final = "urn:flexspine:user:"
BACKBONE_URN: Final = "urn:flexspine:backbone"

DataT = TypeVar("DataT")


class Header(Contract):
    """The attributes of a message that are not its data (CloudEvents 1.0 and five extensions)."""

    specversion: Literal["1.0"]
    """Version of CloudEvents; always `1.0`."""
    id: CommandId
    """The sender's own id of this message; the same id with the same bytes is the same message."""
    source: str = Field(min_length=1, max_length=200)
    """Who sends: `urn:flexspine:user:<user id>`; must agree with the broker's account."""
    type: str = Field(min_length=1, max_length=200)
    """`<register>.<verb>.v<major>`, equal to the routing key."""
    subject: str | None = Field(default=None, max_length=200)
    """Id of the user or asset that the message is about, where there is one."""
    time: Timestamp
    """When the sender made the message (RFC 3339 with an offset)."""
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = Field(default=None, max_length=500)
    correlationid: str | None = Field(default=None, max_length=200)
    """On a reply: the id of the command that it answers."""
    causationid: str | None = Field(default=None, max_length=200)
    """The id of the message that led to this one."""
    expirytime: Timestamp | None = None
    """After this moment the command is not to be decided any more."""
    sequence: str | None = Field(default=None, max_length=30)
    """On a personal event: its number in the order of all that its recipient is told, without
    gaps; a recipient that misses one asks for it with `event.replay.v1`."""
    replayed: Literal["true"] | None = None
    """On a personal event that was asked for again: it has the id, the time and the sequence that
    it had at first."""
    onbehalfof: Name | None = None
    """For whom the sender acts: a registered user's id or, at registration, the sender's own
    reference of that party, which is an external id like any other."""
    dataref: str | None = Field(default=None, max_length=500)
    sunset: Timestamp | None = None
    """On the reply to a type that will go: until when it is taken (as in RFC 8594)."""


class Envelope(Header, Generic[DataT]):
    """One message: the attributes and its data."""

    data: DataT


class Finding(Contract):
    """One thing that is wrong with a message, and what to do about it."""

    rule: str
    """Stable key of the rule, such as `mpan.check-digit`; programs may rely on it."""
    field: str
    """Path of the field from the envelope's root, such as `data.connection.mpan_export`;
    empty where it is the message as a whole."""
    expected: str
    """What the rule accepts."""
    got: str
    """What came, shortened; empty where nothing came or the sender may not see it."""
    advice: str
    """What to do."""


class RejectedData(Contract):
    """Why a message was not accepted; nothing has changed."""

    code: str
    """Rule of the first finding by a fixed order."""
    message: str
    """One sentence for a person."""
    findings: tuple[Finding, ...]
    """All findings at once."""


class HeldData(Contract):
    """A notice, not an outcome: the backbone kept the message and its operators look at it."""

    code: str
    message: str


class CheckPassed(Contract):
    """The answer of a dry run where nothing speaks against the command; nothing has changed.

    Whether a stranger holds the same identifiers is decided at registration only.
    """

    id: str | None = None
    """The existing entity that the command would change, where there is one."""
    verdict: Literal["acceptable"] = "acceptable"
    missing: dict[str, tuple[str, ...]] | None = None
    """Of a registration: for each of its roles what evidence would find missing, such as
    `address.postcode`; it is accepted without."""
    audience: int | None = None
    """Of a broadcast: how many users it would reach, rounded down to 5, 10, 20, 50, 100, 200 and so
    on; fewer than 5 are counted as 0. So nobody is found by comparing areas."""
    audience_is_whole: bool | None = None
    """Of a broadcast: false where the area is too full to be counted to the end."""
    matched: int | None = None
    """Of a replay or discard of dead letters: how many letters it would take."""


def user_urn(user: str) -> str:
    """The `source` of a user: `urn:flexspine:user:<id>`."""
    return USER_URN + user


def compose(
    *,
    id: str,  # noqa: A002  the attribute's name in CloudEvents
    type: str,  # noqa: A002
    time: datetime,
    data: Contract,
    subject: str | None = None,
    correlationid: str | None = None,
    causationid: str | None = None,
    sequence: int | None = None,
    replayed: bool = False,
    sunset: datetime | None = None,
) -> bytes:
    """The bytes of a message that the backbone sends: UTF-8 JSON, absent attributes left out."""
    envelope = {
        "specversion": SPEC_VERSION,
        "id": id,
        "source": BACKBONE_URN,
        "type": type,
        "subject": subject,
        "time": _text(time),
        "datacontenttype": "application/json",
        "correlationid": correlationid,
        "causationid": causationid,
        "sequence": None if sequence is None else str(sequence),
        "replayed": "true" if replayed else None,
        "sunset": None if sunset is None else _text(sunset),
        "data": data,
    }
    present = {name: value for name, value in envelope.items() if value is not None}
    return to_json(present, exclude_none=True)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
