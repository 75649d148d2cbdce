"""The notices' language: what a user is told of, what it was told before, and what waits for it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, StrictInt, model_validator

from contracts.messages import EVERYBODY, Command, Contract, Event, Query
from contracts.values import AnyUserId, AssetId, GspGroup, Timestamp

Choice = Literal["now", "digest", "off"]
"""How a user is told: at once, summed up from time to time, or not at all."""
Sequence = Annotated[StrictInt, Field(ge=1, lt=2**53)]


class SubscriptionState(Contract):
    """What a user has chosen; what it has not chosen goes by the table of kinds."""

    id: AnyUserId
    revision: int
    kinds: dict[str, Choice]
    assets: dict[str, Choice]
    areas: dict[str, Choice]
    digest_minutes: int
    access: tuple[str, ...]
    broadcasts: bool


class SetSubscription(
    Command, type="subscription.set.v1", senders=EVERYBODY, accepted=SubscriptionState
):
    """Choose what you are told and how; what is absent stays as it is, and null withdraws a choice.

    An asset's choice goes before that of its area, and that before the kind's.
    Kinds that are mandatory cannot be switched off; the page on notices lists them.
    Errors: `notice.kind-unknown`, `notice.mandatory`, `subscription.too-many`,
    `subscription.access-unknown`, `subscription.access-crowded`.
    Source: U5, A6a of the requirement.
    """

    kinds: dict[str, Choice | None] | None = Field(default=None, max_length=100)
    """By type of event, such as `asset.updated.v1`."""
    assets: dict[AssetId, Choice | None] | None = Field(default=None, max_length=1000)
    """By asset or portfolio."""
    areas: dict[GspGroup, Choice | None] | None = Field(default=None, max_length=20)
    """By GSP group, such as `_A`."""
    digest_minutes: Annotated[StrictInt, Field(ge=1, le=10_080)] | None = None
    """How long a digest gathers, in minutes."""
    access: tuple[AssetId, ...] | None = Field(default=None, max_length=200)
    """Assets that you own, operate or registered and of which you want to be told who reads them;
    always as a digest. The list replaces the one before."""
    broadcasts: StrictBool | None = None
    """Whether broadcasts to an area may reach you."""


class ReplayState(Contract):
    """What will be told again."""

    id: AnyUserId
    from_sequence: int
    upto: int
    """Sequence of the last event that comes again."""


class ReplayEvents(Command, type="event.replay.v1", senders=EVERYBODY, accepted=ReplayState):
    """Be told again what you were told before, filtered by what you may see now.

    The events come to your queue marked `replayed`, with the id, time and sequence that they had;
    those that you may not see any more are left out. Behind them comes `event.replay-ended.v1`:
    what is missing up to its `upto` will not come any more. One replay at a time.
    Errors: `event.replay-running`, `event.replay-too-soon`, `event.replay-range`.
    Source: the requirement's assumption that a participant may be offline.
    """

    from_sequence: Sequence | None = None
    from_time: Timestamp | None = None
    upto: Sequence | None = None
    """The last one that you want; absent: all that there is."""

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.from_sequence is None) == (self.from_time is None):
            raise ValueError("either from_sequence or from_time")
        return self


class ReplayAsked(Event, type="event.replay-asked.v1", apart=True):
    """A user is to be told again; for the backbone itself."""

    id: AnyUserId
    by: AnyUserId
    run: int
    """Number of this replay among all of the user's; a later one ends those before it."""
    from_sequence: int
    from_time: datetime | None = None
    upto: int


class ReplayEnded(Event, type="event.replay-ended.v1"):
    """A replay is over: what has not come of it by now may not be seen any more."""

    id: AnyUserId
    """The recipient."""
    from_sequence: int
    """Sequence from which on it was told again; above `upto` where there was nothing."""
    upto: int
    """Everything from there up to this has come, unless it may not be seen any more."""
    told: int
    """How many events came again."""


class NoticeDue(Event, type="notice.due.v1"):
    """The time of something that waited has come; for the backbone itself."""

    id: str
    """Whose it is."""
    timer: str
    kind: str = "gathered"
    """What waited: a pot of notices, a grant that ends, a change that is to be acknowledged, or
    who has retired itself and is to be let in no more."""


class AccessNoted(Event, type="access.noted.v1", apart=True):
    """An asset that somebody watches was read by somebody else; gathered for its watchers."""

    id: AssetId
    by: AnyUserId
    """Who read it."""


class NoticeDigest(Event, type="notice.digest.v1"):
    """What happened meanwhile, summed up."""

    id: AnyUserId
    """The recipient."""
    kinds: dict[str, int]
    """Type of event -> how often."""
    subjects: tuple[str, ...]
    """The users and assets concerned, the first hundred."""
    readers: dict[AssetId, tuple[AnyUserId, ...]] | None = None
    """Of the assets of which you want to be told who reads them: by whom each was read; the first
    hundred."""
    first_at: datetime
    last_at: datetime


class Notice(Contract):
    """Something that waits for the recipient's action; one for a type of event and a subject."""

    id: str
    type: str
    subject: str
    state: Literal["open", "closed"]
    opened_at: datetime
    closed_at: datetime | None = None
    resolved_by: str | None = None
    """Type of the event that resolved it; absent where its recipient has closed it."""
    sequence: int
    """Of the latest event that asked for it."""


class NoticePage(Contract):
    """Notices in the order of the types and of the subjects."""

    notices: tuple[Notice, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListNotices(Query, type="notice.list.v1", senders=EVERYBODY, accepted=NoticePage):
    """Read what waits for your action.

    Errors: `cursor.foreign`.
    Source: U7 of the requirement.
    """

    state: Literal["open", "closed", "all"] = "open"
    cursor: Annotated[str, Field(max_length=400)] | None = None


class NoticeState(Contract):
    """What a notice is by now."""

    id: str
    state: Literal["open", "closed"]


NoticeId = Annotated[str, Field(min_length=1, max_length=120)]


class CloseNotice(Command, type="notice.close.v1", senders=EVERYBODY, accepted=NoticeState):
    """Say that a notice needs no action any more.

    Closing what is closed is accepted and changes nothing.
    Errors: `notice.not-found`.
    Source: U7 of the requirement.
    """

    id: NoticeId

    def upgrade(self) -> "CloseNotices":
        """One of the many that the next major takes."""
        return CloseNotices(ids=(self.id,))

    @classmethod
    def answered(cls, reply: Contract) -> Contract:
        """What became of the one."""
        if not isinstance(reply, NoticesState):
            raise TypeError(f"expected NoticesState, got {type(reply).__name__}")
        return NoticeState(id=reply.ids[0], state=reply.state)

    @classmethod
    def field_here(cls, path: str) -> str:
        """The first of the many is the one."""
        return path.replace("data.ids.0", "data.id")


class NoticesState(Contract):
    """What several notices are by now."""

    ids: tuple[str, ...]
    state: Literal["open", "closed"]
    closed: tuple[str, ...]
    """Those that were open until now."""


class CloseNotices(
    Command,
    type="notice.close.v2",
    senders=EVERYBODY,
    accepted=NoticesState,
    older=CloseNotice,
):
    """Say that notices need no action any more: a hundred with one command, all of them or none.

    Closing what is closed is accepted and changes nothing.
    Errors: `notice.not-found`, once for each that is not yours.
    Source: U7 of the requirement.
    """

    ids: tuple[NoticeId, ...] = Field(min_length=1, max_length=100)


class Again(Contract):
    """The data of an event that is told again; its type says what shape it has."""

    model_config = ConfigDict(frozen=True, extra="allow")


class AlarmRaised(Event, type="alarm.raised.v1"):
    """Something of the backbone itself has to be looked at; for operators, on their domain queue.

    What to do is in the runbook, under the alarm's name.
    """

    id: str
    """Name of the alarm, such as `outbox-old`."""
    about: str
    """Which queue, server or number it is about; may be empty."""


class AlarmEnded(Event, type="alarm.ended.v1"):
    """What an alarm was about is well again; for operators, on their domain queue.

    After a start it is said once of every alarm that does not stand, also of one that never did:
    whoever opens and closes by these events closes what was cured meanwhile.
    """

    id: str
    """Name of the alarm."""
    about: str
    """What it was about when it was raised; empty where it is said after a start."""
