"""The language of dead letters: what operators ask of what could not be decided, and do with it."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from contracts.dead_values import (
    DeadReason,
    DeadState,
    EditId,
    EditState,
    Fingerprint,
    LetterId,
    RunId,
    Short,
)
from contracts.messages import Command, Contract, Event, Query
from contracts.values import AnyUserId, Line, Timestamp

LETTERS_MAX = 100
"""How many letters a page has at most."""
GROUPS_MAX = 500
"""How many groups are told at most, those with the most letters first."""
PART_BYTES = 96 * 1024
"""How much of a body one answer has at most."""

REPLAYS_PER_SECOND = 20
"""How fast letters are replayed where nothing is said."""
REPLAYED = "x-flexspine-replay"
"""Header of a letter that is replayed: which one it is."""


class Which(Contract):
    """Which letters are meant: all that fit everything that is given."""

    id: LetterId | None = None
    """One letter; nothing else need be given."""
    fingerprint: Fingerprint | None = None
    """A group: those that failed in the same way."""
    type: Short | None = None
    reason: DeadReason | None = None
    account: Short | None = None
    queue: Short | None = None
    state: DeadState | None = None
    run: RunId | None = None
    """What one replay or discard has gone through."""
    since: Timestamp | None = None
    """Those that died at this moment or later."""
    until: Timestamp | None = None
    """Those that died before this moment."""


class Chosen(Which):
    """The same, of which something must be given: nobody means all of them by saying nothing."""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("something that says which letters are meant")
        return self


class DeadRun(Contract):
    """A replay or a discard of several letters, as it begins; `dead.groups.v1` says how it goes."""

    id: RunId
    matched: int
    """How many letters fit and have no end yet; `since` and `until` are not looked at. Those that
    are being replayed are left out later, unless they are stuck."""


class ReplayDead(Command, type="dead.replay.v1", senders={"operator"}, accepted=DeadRun):
    """Send letters again: to where they were sent, in their senders' names, under the same ids.

    Those that are open or failed again; never questions (their asker waits no more), nor what is
    erased or was kept in part. In the order in which they died, so many a second, and no faster
    than `FLEXSPINE_REPLAY_PER_SECOND`. Each is `replaying` until it has an outcome: `resolved` when
    its sender is answered, whatever by, `failed-again` when it is dead again, or cannot be sent.
    What was refused may be replayed too: its sender then gets a second answer.
    `dead.replay.check.v1` counts and does nothing.
    Errors: `dead.not-found`.
    Source: promise 1 of the architecture: an outcome follows a replay or a discard.
    """

    which: Chosen
    why: Line
    per_second: int = Field(default=REPLAYS_PER_SECOND, ge=1, le=10_000)
    """Letters a second. The default is what live traffic hardly notices; a replay in the quiet
    hours may go faster."""


class DiscardDead(Command, type="dead.discard.v1", senders={"operator"}, accepted=DeadRun):
    """Give letters up: they stay as they are, and nobody is told.

    Those that are open or failed again. `dead.discard.check.v1` counts and does nothing.
    Errors: `dead.not-found`.
    Source: promise 1 of the architecture: an outcome follows a replay or a discard.
    """

    which: Chosen
    why: Line


class DeadNoted(Contract):
    """A letter has so many notes now."""

    id: LetterId
    notes: int


class NoteDead(Command, type="dead.note.v1", senders={"operator"}, accepted=DeadNoted):
    """Write a note on a letter, for other operators; at most 1,000 on one.

    Errors: `dead.not-found`, `dead.notes-full`.
    Source: promise 1 of the architecture.
    """

    id: LetterId
    note: Line


class DeadChange(Contract):
    """When a letter got into a state, and by whom; by nobody where it came of itself."""

    at: datetime
    by: str
    state: DeadState


class DeadLetter(Contract):
    """A message that could not be decided, as far as it is kept in clear."""

    id: LetterId
    state: DeadState
    reason: DeadReason
    fingerprint: Fingerprint
    exception: str
    """Type of the exception, or code of the finding."""
    top: str
    """Where it was raised, as `folder/file.py:function`; empty where nothing was."""
    type: str
    """Of one that nobody knows a fingerprint, since it may say anything."""
    account: str | None = None
    queue: str
    """Where it was when it died."""
    first_at: datetime
    last_at: datetime
    times: int
    """How often the same message died."""
    attempts: int
    """How often it was tried in all."""
    size: int
    """Bytes of its body."""
    version: str
    """Of the worker that failed on it last."""
    notes: int
    run: RunId | None = None
    outcome: str | None = None
    """Of a resolved one: what became of it."""
    edit: EditId | None = None
    """What another message was made of it by, or is to be."""
    edited_to: str | None = None
    """Id of the message that was sent in its place."""
    history: tuple[DeadChange, ...]


class DeadPage(Contract):
    """Letters in the order in which they died."""

    letters: tuple[DeadLetter, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListDead(Query, type="dead.list.v1", senders={"operator"}, accepted=DeadPage):
    """List dead letters.

    A page may hold fewer than there is room for where `until` is given.
    Errors: `cursor.foreign`.
    Source: promise 1 of the architecture.
    """

    which: Which = Which()
    limit: Annotated[int, Field(strict=True, ge=1, le=LETTERS_MAX)] = LETTERS_MAX
    cursor: Annotated[str, Field(max_length=400)] | None = None


class DeadGroup(Contract):
    """Letters that failed in the same way."""

    fingerprint: Fingerprint
    reason: DeadReason
    exception: str
    top: str
    type: str
    counts: dict[DeadState, int]
    """How many there are in each state."""
    oldest: LetterId
    newest: LetterId


class DeadGroups(Contract):
    """Groups, those with the most letters first."""

    groups: tuple[DeadGroup, ...]
    counts: dict[DeadState, int]
    """Over all groups that are told."""


class GroupDead(Query, type="dead.groups.v1", senders={"operator"}, accepted=DeadGroups):
    """Count dead letters by what they failed by; `since`, `until` and `id` are not looked at.

    Errors: none of its own.
    Source: promise 1 of the architecture.
    """

    which: Which = Which()


class DeadNote(Contract):
    """What an operator wrote."""

    at: datetime
    by: AnyUserId
    note: str | None = None
    """Absent where it cannot be read any more."""


class DeadEdit(Contract):
    """What an operator wants to send, or has sent, in the place of a letter's message."""

    id: EditId
    state: EditState
    by: AnyUserId
    at: datetime
    approved_by: AnyUserId | None = None
    message: str
    """Id of the message that is sent."""
    type: str
    data: dict[str, Any] | None = None
    """Absent where it was erased, and so is the reason."""
    why: str | None = None


class DeadDetail(Contract):
    """A letter with its contents; they are absent where they were erased."""

    letter: DeadLetter
    fault: dict[str, str] | None = None
    """The exception with message and stack, or the finding."""
    properties: dict[str, str | None] | None = None
    """What the broker said of it: account, type, message_id, reply_to, content_encoding, headers;
    the type also where the letter has only a fingerprint of it."""
    body: str | None = None
    """A part of the bytes, in base64."""
    next: int | None = None
    """At which byte the next part begins; absent at the end."""
    notes: tuple[DeadNote, ...] = ()
    """The last hundred."""
    edit: DeadEdit | None = None
    """The last one of it."""


class GetDead(Query, type="dead.get.v1", senders={"operator"}, accepted=DeadDetail):
    """Read one dead letter with its contents: original bytes, properties, failure and notes.

    Errors: `dead.not-found`.
    Source: promise 1 of the architecture.
    """

    id: LetterId
    offset: Annotated[int, Field(strict=True, ge=0)] = 0
    """At which byte the part of the body begins."""


class DeadRunAsked(Event, type="dead.run-asked.v1"):
    """Letters are to be gone through; for the backbone itself."""

    id: RunId

    @property
    def entity(self) -> str:
        """All runs are about the same: one is gone through after the other."""
        return "dead-letters"


class DeadStopped(Event, type="dead.stopped.v1"):
    """The broker gave a message up since it came back too often; for the backbone itself."""

    id: LetterId

    @property
    def entity(self) -> str:
        """All of them are about the same: one is replayed after the other."""
        return "dead-by-limit"
