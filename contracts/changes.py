"""The language of changes: corporate data is changed once, and everyone who shares it says so."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictInt

from contracts.messages import MARKET, Command, Contract, Event, Query
from contracts.sharing import Cursor
from contracts.values import UserId


class ChangeState(Contract):
    """Up to which revision of a user's data its reader has taken it over."""

    id: UserId
    """Whose data it is."""
    party: UserId
    """Who has taken it over."""
    revision: int
    """The revision that was acknowledged."""


class AcknowledgeChange(
    Command, type="change.acknowledge.v1", senders=MARKET, accepted=ChangeState
):
    """Say that you have taken over the data of a user who shares it with you, as of a revision.

    That is the `revision` with which `user.get.v1` has shown it to you; it covers all changes of
    all groups up to then, and resolves the notice that asked for it.
    The same revision again is accepted and changes nothing.
    Errors: `change.not-shared` (also where there is no such user), `change.revision-old`,
    `change.revision-ahead`.
    Source: U9 of the requirement.
    """

    id: UserId
    revision: Annotated[StrictInt, Field(ge=1, lt=2**53)]


class Pending(Contract):
    """What one party has not acknowledged yet."""

    party: UserId
    groups: tuple[str, ...]
    """Groups that have changed since it last acknowledged."""
    since: datetime
    """When the first of them did."""
    revision: int
    """The revision that acknowledges all of them."""


class PendingPage(Contract):
    """Who has not acknowledged a change, in the order of their ids."""

    pending: tuple[Pending, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one. A page may be empty."""


class ListPending(Query, type="change.pending.v1", senders=MARKET, accepted=PendingPage):
    """Read who has not acknowledged which changes of your data yet, and since when.

    Errors: `cursor.foreign`.
    Source: U9 of the requirement.
    """

    cursor: Cursor | None = None


class ChangeAcknowledged(Event, type="change.acknowledged.v1"):
    """A party has taken over what it may read of a user's data."""

    id: UserId
    """Whose data it is."""
    by: UserId
    revision: int


class ChangeUnacknowledged(Event, type="change.unacknowledged.v1"):
    """Changes of your data wait to be acknowledged for long; `change.pending.v1` says by whom."""

    id: UserId
    """Whose data it is."""
    count: int
    """How many parties have not acknowledged."""
    days: int
    """For at least so many days."""
    since: datetime
    """When the first change that waits was made."""
