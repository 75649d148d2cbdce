"""What users are told of, and how: one table over the types of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts.accounts import AccountChanged, AccountEnded
from contracts.assets import AssetRegistered, AssetUpdated
from contracts.messages import Event
from contracts.notices import Choice
from contracts.users import UserRegistered, UserReinstated, UserRetired, UserSuspended


@dataclass(frozen=True, slots=True)
class Kind:
    """How events of one type reach the parties of what they are about."""

    mandatory: bool = False
    """Whether it comes at once, whatever a user has chosen."""
    usual: Choice = "now"
    """How it comes to a user who has not chosen."""
    once_in: timedelta | None = None
    """Within this time of the first one about the same thing, the rest are summed up."""
    is_first: bool = False
    """Whether nobody can have been related to its entity before: then no relation is looked for."""
    asks: bool = False
    """Whether it stays open until its recipient, or what follows, resolves it."""
    resolves: tuple[type[Event], ...] = ()
    """Types of open notices about the same entity that it resolves."""
    hidden: tuple[str, ...] = ()
    """Attributes that no recipient learns."""


KINDS: Final[Mapping[type[Event], Kind]] = {
    AssetRegistered: Kind(is_first=True),
    AssetUpdated: Kind(),
    UserRegistered: Kind(is_first=True),
    UserSuspended: Kind(mandatory=True),
    UserReinstated: Kind(mandatory=True),
    UserRetired: Kind(mandatory=True),
    # An account is its user's own business: no relation is looked for.
    AccountChanged: Kind(mandatory=True, is_first=True),
    AccountEnded: Kind(mandatory=True, is_first=True),
}
"""Type of event -> how it is told; of a type that is not here nobody is told."""
