"""The language of sharing: which groups of a user's data who else may read, and until when."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import MARKET, Command, Contract, Event, Query
from contracts.values import AnyUserId, Timestamp, UserId

GroupName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+(_[a-z]+)*$",
        max_length=40,
        description="Name of a group of a user's data, such as contacts; which ones can be shared "
        "is the column `reader` on the page on rights.",
        examples=["contacts"],
    ),
]
Cursor = Annotated[str, Field(max_length=400)]


class SharedGroup(Contract):
    """One group that is shared, for one time; the time is half-open."""

    group: str
    from_time: Timestamp
    until: Timestamp | None = None
    """When it ends; absent where no end is known."""
    via: Literal["grant", "interest"]
    """Whether it was granted by itself, or with an interest that ends with it."""


class SharingState(Contract):
    """What one user shares with another from now on."""

    id: UserId
    """The user whose data it is."""
    party: UserId
    """Who may read it, once its registration is confirmed."""
    revision: int
    """Of what is recorded between the two."""
    groups: tuple[SharedGroup, ...]
    """All that are not over."""


class GrantSharing(Command, type="sharing.grant.v1", senders=MARKET, accepted=SharingState):
    """Let another user read groups of your own record, until a time or without end.

    It begins now at the earliest, and at its end both of you are told.
    The other user reads nothing by it before its own registration is confirmed.
    A group that is granted for that time already is left as it is.
    Errors: `sharing.party-unknown`, `sharing.group-unknown`, `tie.period`, `tie.too-many`.
    Source: U6 of the requirement.
    """

    party: UserId
    groups: tuple[GroupName, ...] = Field(min_length=1, max_length=20)
    from_time: Timestamp | None = None
    """When it begins; absent or in the past: now."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent: until it is revoked."""


class RevokeSharing(Command, type="sharing.revoke.v1", senders=MARKET, accepted=SharingState):
    """Let another user read groups of your own record no more, however they came to be shared.

    What was stays on record with its time. What is over already is accepted and changes nothing.
    Errors: `sharing.none`.
    Source: U6 of the requirement.
    """

    party: UserId
    groups: tuple[GroupName, ...] = Field(default=(), max_length=20)
    """Which ones; absent: all."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent or in the past: now."""


class SharingPage(Contract):
    """Who shares what with whom; what is over is left out."""

    shared: tuple[SharingState, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListSharing(Query, type="sharing.list.v1", senders=MARKET, accepted=SharingPage):
    """Read what you share with others, or what others share with you.

    Errors: `cursor.foreign`.
    Source: U6 of the requirement.
    """

    side: Literal["given", "received"] = "given"
    cursor: Cursor | None = None


class SharingGranted(Event, type="sharing.granted.v1"):
    """A user lets another read groups of its data."""

    id: UserId
    """The user whose data it is."""
    by: AnyUserId
    party: UserId
    groups: tuple[str, ...]
    from_time: datetime
    until: datetime | None = None


class SharingRevoked(Event, type="sharing.revoked.v1"):
    """A user lets another read groups of its data no more, or only until a time."""

    id: UserId
    """The user whose data it is."""
    by: AnyUserId
    party: UserId
    groups: tuple[str, ...]
    until: datetime
    left: tuple[str, ...] = ()
    """Groups that the party may still read."""


class SharingExpired(Event, type="sharing.expired.v1"):
    """The time for which groups were shared is over; told to both."""

    id: UserId
    """The user whose data it is."""
    party: UserId
    groups: tuple[str, ...]
    at: datetime
