"""What senders and subscribers saw and what the database holds, as plain values for the checker."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal, Self

Known = tuple[str, str]
"""A command by its sender and id; by its property `message_id` where no id can be read."""
Kind = Literal[
    "register",
    "update",
    "behalf",
    "again",
    "reuse",
    "broken",
    "missing",
    "undecodable",
    "unknown",
    "map",
]
"""What a sender meant by it; `again` are the bytes of an earlier message, `reuse` its id only."""
EXPECTED: Final[Mapping[Kind, str]] = {
    "register": "accepted",
    "update": "accepted",
    "behalf": "accepted",
    "again": "as before",
    "reuse": "rejected",
    "broken": "rejected",
    "missing": "rejected",
    "undecodable": "rejected",
    "unknown": "rejected",
    "map": "accepted",
}
UNREMEMBERED: Final[frozenset[Kind]] = frozenset({"undecodable", "unknown"})
"""What leaves no row in the inbox, so that its answer may be made twice, at two times."""
UNRECORDED: Final[frozenset[Kind]] = frozenset({"map"})
"""What changes nothing of which there is a history."""
ID_REUSED: Final = "message.id-reused"


@dataclass(slots=True)
class Sent:
    """A message as its sender published it, in the order in which senders began to."""

    user: str
    id: str
    type: str
    kind: Kind
    digest: bytes
    entity: str | None = None
    """The asset that an update changes."""
    value: int | None = None
    """What the update sets, never the same twice for one asset."""
    serial: str | None = None
    confirmed: bool = False
    """Whether the broker has said that it has the message."""

    @property
    def known(self) -> Known:
        return self.user, self.id


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that answers a command, as a sender received it."""

    user: str
    id: str
    """The id of the command that it answers."""
    message: str
    """Its own id."""
    type: str
    code: str | None
    entity: str | None
    revision: int | None
    digest: bytes
    timeless: bytes
    """The digest of everything but its time."""

    @classmethod
    def read(cls, user: str, body: bytes) -> Self:
        envelope = json.loads(body)
        data = envelope["data"]
        rest = {name: value for name, value in envelope.items() if name != "time"}
        return cls(
            user=user,
            id=envelope.get("correlationid", ""),
            message=envelope["id"],
            type=envelope["type"],
            code=data.get("code"),
            entity=data.get("id"),
            revision=data.get("revision"),
            digest=sha256(body).digest(),
            timeless=sha256(json.dumps(rest, sort_keys=True).encode()).digest(),
        )

    @property
    def known(self) -> Known:
        return self.user, self.id

    @property
    def outcome(self) -> str:
        """`accepted`, `rejected`, or `held`, which is none."""
        return self.type.split(".")[-2]


@dataclass(frozen=True, slots=True)
class Event:
    """A domain event as the operator received it."""

    id: str
    type: str
    entity: str
    revision: int
    by: str
    command: str
    digest: bytes

    @classmethod
    def read(cls, body: bytes) -> Self:
        envelope = json.loads(body)
        data = envelope["data"]
        return cls(
            id=envelope["id"],
            type=envelope["type"],
            entity=data["id"],
            revision=data["revision"],
            by=data["by"],
            command=envelope["causationid"],
            digest=sha256(body).digest(),
        )


@dataclass(frozen=True, slots=True)
class Asset:
    """A stored asset."""

    revision: int
    registrant: str
    serial: str | None
    value: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the history."""

    entity: str
    revision: int
    by: str
    command: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row of the inbox: digests of the command and of its reply."""

    command: bytes
    reply: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row of the dead letters."""

    account: str | None
    digest: bytes
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database and the broker hold when all is settled."""

    assets: Mapping[str, Asset] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    """The revision of each user."""
    claims: Sequence[str] = ()
    """Who holds them."""
    history: Sequence[Change] = ()
    inbox: Mapping[Known, Remembered] = field(default_factory=dict)
    archive: Sequence[Known] = ()
    """The decided commands of all batches."""
    dead: Sequence[DeadLetter] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    """How much is left in each place where nothing should be: the outbox, the queues."""


@dataclass(slots=True)
class Observed:
    """Everything that the checker knows."""

    sent: list[Sent] = field(default_factory=list)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    """Digest -> what was sent: with its bytes, and with them alone, a rejection opens."""
    replies: list[Reply] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    stored: Stored = field(default_factory=Stored)


def plain(envelope: Mapping[str, Any]) -> bytes:
    """The bytes of an envelope."""
    return json.dumps(envelope).encode()
