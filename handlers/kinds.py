"""What users are told of, and how: one table over the types of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts.accounts import AccountChanged, AccountEnded
from contracts.assets import AssetDuplicateAttempted, AssetRegistered, AssetUpdated
from contracts.erasing import UserErased
from contracts.mandates import MandateEnded, MandateGiven
from contracts.messages import Event, register_of_entity
from contracts.notices import Choice
from contracts.relations import AssetRelated, AssetUnrelated
from contracts.users import (
    UserDuplicateAttempted,
    UserRegistered,
    UserReinstated,
    UserRetired,
    UserSuspended,
)


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
    """Whether it stays open until its recipient closes it."""
    hidden: tuple[str, ...] = ()
    """Attributes that no recipient learns."""
    is_last: bool = False
    """Whether the user whom it is about is there no more, and is told nothing."""
    names: str | None = None
    """Attribute that names one user more: told whatever it is to the entity, before and after."""


ATTEMPT: Final = Kind(mandatory=True, once_in=timedelta(hours=1), asks=True, hidden=("by",))
"""The incumbent is told at once, of those that follow in sum, and of none who it was."""

KINDS: Final[Mapping[type[Event], Kind]] = {
    AssetRegistered: Kind(is_first=True),
    AssetUpdated: Kind(),
    UserRegistered: Kind(is_first=True),
    AssetRelated: Kind(mandatory=True, names="party"),
    AssetUnrelated: Kind(mandatory=True, names="party"),
    MandateGiven: Kind(mandatory=True, names="delegate"),
    MandateEnded: Kind(mandatory=True, names="delegate"),
    AssetDuplicateAttempted: ATTEMPT,
    UserDuplicateAttempted: ATTEMPT,
    UserSuspended: Kind(mandatory=True),
    UserReinstated: Kind(mandatory=True),
    UserRetired: Kind(mandatory=True),
    UserErased: Kind(mandatory=True, is_last=True),
    # An account is its user's own business: no relation is looked for.
    AccountChanged: Kind(mandatory=True, is_first=True),
    AccountEnded: Kind(mandatory=True, is_first=True),
}
"""Type of event -> how it is told; of a type that is not here nobody is told."""
NAMES: Final[Mapping[str, str]] = {
    event.message_type: kind.names for event, kind in KINDS.items() if kind.names is not None
}
"""Type of event -> the attribute that names one user more."""


def concerns_nobody_else(fact: Event) -> bool:
    """Whether nobody but its actor can have to do with a new entity, so that nobody is told."""
    kind, actor = KINDS.get(type(fact)), getattr(fact, "by", None)
    if kind is None or not kind.is_first or kind.names is not None or fact.parties is None:
        return False
    return (
        fact.entity != actor
        and set(fact.parties.values()) == {actor}
        and register_of_entity(fact.entity) == "assets"
    )
