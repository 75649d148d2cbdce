"""The language of interest: a provider says to market and system operators what it is ready for."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from contracts.messages import Command, Contract, Event, Query
from contracts.services import ServiceCode
from contracts.sharing import Cursor, GroupName
from contracts.values import AnyUserId, GspGroup, Timestamp, UserId

INTERESTED: Final = {"fsp", "aggregator"}
ASKED: Final = {"mo", "so"}
"""Roles towards whom interest is expressed, and who answer it."""
InterestStatus = Literal["expressed", "accepted", "declined", "more-information", "withdrawn"]
Verdict = Literal["accepted", "declined", "more-information"]
Words = Annotated[str, Field(min_length=1, max_length=2000)]


class InterestState(Contract):
    """How it stands with the interest of one user in another's market."""

    id: UserId
    """Who is interested."""
    to: UserId
    status: InterestStatus
    revision: int
    """Of this interest; an answer may name it as `expected_revision`."""


class Interests(Contract):
    """How it stands with each of those that were named."""

    id: UserId
    """Who is interested."""
    interests: tuple[InterestState, ...]


class ExpressInterest(
    Command,
    type="interest.express.v1",
    senders=INTERESTED,
    accepted=Interests,
    addressed="to",
):
    """Say to one or several MOs or SOs that you are interested, and let them read what they need.

    Each of them is asked for an answer, and from then on may write to you by `channel.send.v1`.
    The groups that you name are shared with each of them as by `sharing.grant.v1`, and end when you
    withdraw. Whatever differs from what you said before takes its place and asks anew; the same
    again is accepted and changes nothing. All are addressed, or none.
    Errors: `interest.not-addressable`, `sharing.group-unknown`, `tie.period`, `tie.too-many`.
    Source: U5, U6 of the requirement.
    """

    to: tuple[UserId, ...] = Field(min_length=1, max_length=20)
    services: tuple[ServiceCode, ...] = Field(default=(), max_length=50)
    """Services that you could deliver."""
    areas: tuple[GspGroup, ...] = Field(default=(), max_length=20)
    """GSP groups in which you could."""
    note: Words | None = None
    """In your own words; kept sealed, and read by those that you address alone."""
    groups: tuple[GroupName, ...] = Field(default=(), max_length=20)
    """Groups of your own record that they may read as long as the interest stands."""
    until: Timestamp | None = None
    """Until when they may; absent: until you withdraw or revoke."""


class WithdrawInterest(
    Command, type="interest.withdraw.v1", senders=INTERESTED, accepted=InterestState
):
    """Withdraw an interest; what was shared with it is shared no more.

    One that is withdrawn already is accepted and changes nothing.
    Errors: `interest.none`.
    Source: U5 of the requirement.
    """

    to: UserId


class AnswerInterest(Command, type="interest.answer.v1", senders=ASKED, accepted=InterestState):
    """Answer an interest: accept it, decline it, or ask for more information.

    The answer may be changed by another one; the same again is accepted and changes nothing.
    Errors: `interest.none`, `interest.withdrawn`, `interest.stale`.
    Source: U5, U7 of the requirement.
    """

    id: UserId
    """Who is interested."""
    answer: Verdict
    text: Words | None = None
    """In your own words; kept sealed, and read by the one who is interested alone."""
    expected_revision: Annotated[StrictInt, Field(ge=1, lt=2**53)] | None = None
    """The revision of the interest that you answer; another one is rejected."""


class InterestView(Contract):
    """An interest as both of its sides may read it."""

    id: UserId
    """Who is interested."""
    to: UserId
    status: InterestStatus
    revision: int
    services: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    note: str | None = None
    groups: tuple[str, ...] = ()
    """Groups that were shared with it; which ones still are says `sharing.list.v1`."""
    until: datetime | None = None
    expressed_at: datetime
    text: str | None = None
    """What the answer says besides."""
    answered_at: datetime | None = None
    withdrawn_at: datetime | None = None


class InterestPage(Contract):
    """Interests in the order of those who have them and of those who are addressed."""

    interests: tuple[InterestView, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListInterests(
    Query, type="interest.list.v1", senders=INTERESTED | ASKED, accepted=InterestPage
):
    """Read the interests that you have expressed, or those that were expressed to you.

    Errors: `cursor.foreign`.
    Source: U5, U7 of the requirement.
    """

    side: Literal["expressed", "received"]
    status: InterestStatus | None = None
    """Only those that stand so; absent: all."""
    cursor: Cursor | None = None


class InterestExpressed(Event, type="interest.expressed.v1"):
    """A user is interested in what another one buys, and asks for an answer."""

    id: UserId
    """Who is interested."""
    by: AnyUserId
    to: UserId
    revision: int
    groups: tuple[str, ...] = ()
    """Groups of its record that the addressed user may read as long as it stands."""
    until: datetime | None = None


class InterestAnswered(Event, type="interest.answered.v1"):
    """An interest was answered."""

    id: UserId
    """Who is interested."""
    by: AnyUserId
    """Who answered."""
    revision: int
    answer: Verdict


class InterestWithdrawn(Event, type="interest.withdrawn.v1"):
    """An interest was withdrawn, with what was shared for it; or one of the two has left."""

    id: UserId
    """Who was interested."""
    by: AnyUserId
    """Who withdrew it, or let the one who has left go."""
    to: UserId
    revision: int
    left: tuple[str, ...] = ()
    """Groups that the addressed user may still read."""
