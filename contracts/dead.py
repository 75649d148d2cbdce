"""The language of dead letters: which are meant, and what operators do with them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.dead_values import (
    DeadReason,
    DeadState,
    Fingerprint,
    LetterId,
    RunId,
    Short,
)
from contracts.messages import Command, Contract, Event
from contracts.values import Line, Timestamp

REPLAYS_PER_SECOND = 10
"""How fast letters are replayed where nothing is said: live commands hardly notice."""
REPLAYS_PER_SECOND_MAX = 200
"""What is written faster than this would take the lane from those who are told of things."""
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
    per_second: Annotated[int, Field(strict=True, ge=1, le=REPLAYS_PER_SECOND_MAX)] = (
        REPLAYS_PER_SECOND
    )
    """Letters a second at most. Live traffic notices also the default; in the quiet hours a replay
    may go faster."""


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


class DeadRunAsked(Event, type="dead.run-asked.v1"):
    """Letters are to be gone through; for the backbone itself."""

    id: RunId

    @property
    def entity(self) -> str:
        """Runs do not wait for each other: a letter is with one at a time, by its state."""
        return f"dead-letters/{self.id}"


class DeadStopped(Event, type="dead.stopped.v1"):
    """The broker gave a message up since it came back too often; for the backbone itself."""

    id: LetterId

    @property
    def entity(self) -> str:
        """All of them are about the same: one is replayed after the other."""
        return "dead-by-limit"
