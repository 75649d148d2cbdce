"""The language of edits: another message in the place of a dead letter's, by an operator."""

from typing import Annotated, Any

from pydantic import Field

from contracts.dead_values import EditId, EditState, EditType, LetterId, Short
from contracts.messages import Command, Contract, Event
from contracts.values import Line


class DeadEdited(Contract):
    """Another message is sent in the place of a letter's, or waits for a second operator."""

    id: EditId
    letter: LetterId
    state: EditState
    """`proposed` waits for `dead.approve.v1` of another operator; `sent` is on its way."""
    message: str
    """Id of the message that is sent; its answer comes to the operator who has edited."""


class EditDead(Command, type="dead.edit.v1", senders={"operator"}, accepted=DeadEdited):
    """Send another message in the place of a letter's: with other data, in the operator's own name.

    A new id, the operator as its source, and the id of the letter's message as its `causationid`;
    it is decided like any other message of the operator, with the operator's rights, and the
    operator is answered. The letter is `edited` then, which is an end: it is neither replayed nor
    discarded any more, and its sender is told nothing. Of letters that are open or failed again,
    whose contents are there still; neither questions nor what the backbone itself says. What would
    be sent is looked at as if it had arrived: a command that the backbone takes, its contract kept,
    no larger than a message may be. Only where `FLEXSPINE_DEAD_EDIT` allows it; where that is
    `approved`, it is only proposed, and sent when another operator says `dead.approve.v1`, both
    with accounts of their own, not as `operator`. A later one takes its place.
    Errors: `dead.not-found`, `dead.not-editable`.
    Source: promise 1 of the architecture: an operator ends what could not be decided.
    """

    id: LetterId
    data: dict[str, Any]
    """All of the new data, not what differs."""
    type: EditType | None = None
    """Another type, where that was wrong: of a command."""
    why: Line


class ApproveDead(Command, type="dead.approve.v1", senders={"operator"}, accepted=DeadEdited):
    """Let what another operator wants to send in the place of a letter's message be sent.

    As `dead.get.v1` shows it. What is sent already is accepted again and sent once.
    Errors: `dead.not-found`, `dead.not-editable`, `dead.approve-own`.
    Source: promise 1 of the architecture; nobody changes a message alone.
    """

    id: EditId
    why: Line


class DeadEditSent(Event, type="dead.edit-sent.v1"):
    """Another message goes out in the place of a letter's; for the backbone itself."""

    id: EditId

    @property
    def entity(self) -> str:
        """They are gone through one after the other, as replays are."""
        return "dead-letters"


class DeadUnsent(Event, type="dead.unsent.v1"):
    """What was to be sent for a letter could not be sent at all; for the backbone itself."""

    id: LetterId
    message: Short | None = None
    """Of an edit: id of the message that was to take the place of the letter's."""
    exception: Short
    """Type of what was raised; no words of it, which may quote the message."""
    top: Annotated[str, Field(max_length=255)]
    """Where it was raised, as `folder/file.py:function`; empty where nothing was."""

    @property
    def entity(self) -> str:
        """The letter: others have nothing to do with it."""
        return self.id
