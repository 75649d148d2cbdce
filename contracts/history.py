"""The language of a user's history: what its record was, and who changed what when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StrictBool

from contracts.messages import EVERYBODY, Contract, Query
from contracts.users import UserView
from contracts.values import AnyUserId, Timestamp, UserId

CHANGES_MAX = 100
"""How many changes a page has at most."""


class UserChange(Contract):
    """One change of a user's record, as far as the asker may see it now."""

    revision: int
    """What the record's revision was from then on."""
    recorded_at: datetime
    """When the backbone decided it: from then on it was known."""
    valid_from: datetime
    """When its sender says that it is so from: the `time` of its command."""
    by: AnyUserId
    """Who changed it."""
    changed: tuple[str, ...]
    """Names of the groups that changed."""
    values: Mapping[str, Any]
    """What they were from then on; of a group that is not here it was taken out, or erased."""
    erased_at: datetime | None = None
    """When the values were erased; then only the names are left."""


class UserHistory(Contract):
    """What was known of a user at a moment, and a page of its changes, the oldest first."""

    id: UserId
    was: UserView | None = None
    """The record as of the moment that was asked for; absent where there was none yet."""
    changes: tuple[UserChange, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ReadUserHistory(
    Query,
    type="user.history.v1",
    senders=EVERYBODY,
    accepted=UserHistory,
):  # fmt: skip
    """Read what a user's record was, and how it came to be what it is.

    Two times count. A change holds from its `valid_from` on, and is known from its `recorded_at`
    on: `as_of` asks by the first, `known_at` by the second. What was true in May by what is known
    today is `as_of` May; what was believed in May is `known_at` May.
    Shown is what the asker may see now, of the past as well. A page may hold fewer changes than
    there is room for, since those of which nothing may be seen are left out.
    Errors: `user.not-found`, `cursor.foreign`, `user.history-too-long`.
    Source: U8 of the requirement.
    """

    id: UserId
    as_of: Timestamp | None = None
    """As it held at this moment; absent: now."""
    known_at: Timestamp | None = None
    """As it was known at this moment; absent: now. Changes that were recorded later are left
    out."""
    cursor: Annotated[str, Field(max_length=400)] | None = None
    """From the page before. Pages that follow the first have no `was`."""
    changes: StrictBool = True
    """Whether the changes are wanted too."""
