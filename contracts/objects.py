"""The language of objects: payloads over the size of a message, in chunks under one digest."""

from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from contracts.agreements import Sha256
from contracts.messages import EVERYBODY, Command, Contract, Event
from contracts.values import AnyUserId, Timestamp

OBJECT_URN: Final = "urn:flexspine:object:"
OBJECT_BYTES_MAX: Final = 32 * 1024 * 1024
CHUNKS_MAX: Final = 1000
CHUNK_LENGTH_MAX: Final = 240_000
"""Of its base64, so that it fits into a message of 256 KiB."""


class ObjectState(Contract):
    """What is there of an object by now."""

    id: str
    """What a command names in `dataref`: `urn:flexspine:object:<sha256>`."""
    state: Literal["partial", "complete"]
    have: int
    """How many chunks have come."""
    chunks: int
    expires_at: Timestamp
    """Then it is deleted, whole or not; a command that has used it keeps what it wrote."""
    revision: int


class PutObject(Command, type="object.put.v1", senders=EVERYBODY, accepted=ObjectState):
    """Put one chunk of an object; the chunks come in any order, and again without harm.

    When all have come their digest is compared, and the object is complete.
    A command of yours whose type says so may then name it in `dataref` (the extension of
    CloudEvents) and leave `data` out: its data is the object, a JSON value as `data` would be.
    Nobody else's commands find it. It is kept encrypted, and deleted a day after its first chunk.
    You may keep 50 objects of 64 MiB altogether; one has at most 32 MiB.
    Errors: `object.chunk`, `object.digest`, `object.quota`.
    Source: the claim check of the architecture.
    """

    sha256: Sha256
    """Of the whole."""
    media_type: Literal["application/json"] = "application/json"
    size: Annotated[StrictInt, Field(ge=1, le=OBJECT_BYTES_MAX)]
    """Bytes of the whole."""
    chunk: Annotated[StrictInt, Field(ge=1, le=CHUNKS_MAX)]
    """Which one this is, from 1."""
    chunks: Annotated[StrictInt, Field(ge=1, le=CHUNKS_MAX)]
    """How many there are."""
    content: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            min_length=4,
            max_length=CHUNK_LENGTH_MAX,
            description="The chunk, in base64 (RFC 4648).",
        ),
    ]


class ObjectStored(Event, type="object.stored.v1"):
    """An object is complete."""

    id: str
    by: AnyUserId
    size: int
