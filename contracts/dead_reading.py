"""The language of dead letters: what operators read of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.dead import Which
from contracts.dead_values import (
    DeadReason,
    DeadState,
    EditId,
    EditState,
    Fingerprint,
    LetterId,
    RunId,
)
from contracts.messages import Contract, Query
from contracts.values import AnyUserId

LETTERS_MAX = 100
"""How many letters a page has at most."""
GROUPS_MAX = 500
"""How many groups are told at most, those with the most letters first."""
PART_BYTES = 96 * 1024
"""How much of a body one answer has at most."""


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
    """Of a resolved one: what became of it. `accepted` or `rejected`; `duplicate`: its sender had
    been answered before, and the first answer holds; `reused`: its id is that of another message;
    `refused`: it could not be read; `handled` or `idle`: what the backbone itself had said."""
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
    outcomes: dict[str, int]
    """Of the resolved ones: how many by what became of them, as `outcome` of a letter says it."""
    oldest: LetterId
    newest: LetterId


class DeadRunProgress(Contract):
    """How far a replay or a discard is."""

    state: Literal["running", "ended"]
    """Ended when all letters were gone through; those that are replayed may be on their way."""
    matched: int
    done: int
    """Letters that were sent, or given up."""
    left_out: int
    """Letters that it passed over: ended meanwhile, erased, or kept in part."""


class DeadGroups(Contract):
    """Groups, those with the most letters first."""

    groups: tuple[DeadGroup, ...]
    counts: dict[DeadState, int]
    """Over all groups that are told."""
    outcomes: dict[str, int]
    """The same of what became of the resolved ones."""
    run: DeadRunProgress | None = None
    """Where a run was asked for, and there is one."""


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
    """The last hundred, and why it was replayed or discarded last; the oldest first."""
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
