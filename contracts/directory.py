"""The directory's language: who takes part in the market, found by name, role, area or service."""

from typing import Annotated, Final

from pydantic import Field, StrictInt

from contracts.messages import EVERYBODY, Command, Contract, Query, Role
from contracts.services import ServiceCode
from contracts.users import UserKind, UserStatus
from contracts.values import GspGroup, Line, UserId

ENTRIES_MAX: Final = 100
"""Entries of a page at most."""


class DirectoryEntry(Contract):
    """One user as the directory lists it."""

    id: UserId
    kind: UserKind
    name: str | None = None
    """Absent where it was erased."""
    roles: tuple[Role, ...]
    status: UserStatus
    areas: tuple[str, ...] = ()
    """GSP groups in which the user says that it is active."""
    services: tuple[str, ...] = ()
    """Codes of the services that the user says it offers or buys."""


class DirectoryPage(Contract):
    """Users in the order of their ids."""

    entries: tuple[DirectoryEntry, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class SearchDirectory(Query, type="directory.search.v1", senders=EVERYBODY, accepted=DirectoryPage):
    """Find users; whoever is listed fits everything that is asked for.

    Organisations that take part are listed to everybody. A person is listed to those alone who may
    read its name, and not before they are confirmed themselves; who is suspended, rejected or
    retired to operators alone.
    The order is that of the ids, which never change: who reads page after page, changing nothing
    but the cursor, gets nobody twice and misses nobody who was listed all the time.
    Errors: `cursor.foreign`, `directory.no-word`.
    Source: U5 of the requirement.
    """

    text: Line | None = None
    """Words, each of which is a word of the name or at least 3 characters with which one begins.
    Case, accents and signs do not matter."""
    role: Role | None = None
    area: GspGroup | None = None
    service: ServiceCode | None = None
    status: UserStatus | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=ENTRIES_MAX)] = 50
    """Entries of a page at most; one that has fewer need not be the last."""
    cursor: Annotated[str, Field(max_length=100)] | None = None


class DirectoryRebuilt(Contract):
    """How far a rebuild has come."""

    written: int
    """Entries that were missing or not as they should be."""
    after: UserId | None = None
    """Where to go on; absent when every user was looked at."""


class RebuildDirectory(
    Command, type="directory.rebuild.v1", senders={"operator"}, accepted=DirectoryRebuilt
):
    """Make the directory's entries anew of a portion of the users, in the order of their ids.

    Sent again with the `after` of the answer until that is absent; `flexspine directory rebuild`
    does that. Entries that are as they should be stay untouched.
    Source: the page of the user register.
    """

    after: UserId | None = None
    """The user behind whom to begin; absent: the first one."""
