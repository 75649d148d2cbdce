"""What users are told of, and how: one table over the types of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts.accounts import AccountChanged, AccountEnded
from contracts.agreements import (
    AgreementPublished,
    AgreementRevoked,
    AgreementSigned,
    AgreementSuperseded,
    AgreementWithdrawn,
)
from contracts.allocation import AllocationOverlapped
from contracts.assets import AssetConflicted, AssetDuplicateAttempted, AssetRegistered, AssetUpdated
from contracts.changes import ChangeAcknowledged, ChangeUnacknowledged
from contracts.confirmation import UserAttested, UserConfirmed, UserRejected
from contracts.consents import AssetConsented, AssetConsentWithdrawn
from contracts.duplicates import (
    AssetDuplicateDismissed,
    AssetDuplicateSuspected,
    CaseAssigned,
    CaseDecided,
    CaseDismissed,
    UserDuplicateDismissed,
    UserDuplicateSuspected,
)
from contracts.erasing import UserErased
from contracts.grants import UserRolesGranted
from contracts.interests import InterestAnswered, InterestExpressed, InterestWithdrawn
from contracts.lifecycle import (
    AssetCommissioned,
    AssetLapsed,
    AssetRedated,
    AssetReplaced,
    AssetRetired,
)
from contracts.mandates import MandateEnded, MandateGiven
from contracts.merging import (
    AssetAbsorbed,
    AssetDivided,
    AssetMerged,
    AssetRestored,
    UserAbsorbed,
    UserDivided,
    UserMerged,
    UserRestored,
)
from contracts.messages import Event, register_of_entity
from contracts.moves import AssetMoved, AssetTransferred
from contracts.notices import Choice
from contracts.portfolios import (
    PortfolioChanged,
    PortfolioJoined,
    PortfolioLeft,
    PortfolioProgressed,
)
from contracts.proofs import AssetAttested, AssetConfirmed, AssetReopened
from contracts.refreshes import AssetRefreshAsked, AssetRefreshed
from contracts.relations import AssetRelated, AssetUnrelated
from contracts.sharing import SharingExpired, SharingGranted, SharingRevoked
from contracts.updates import UserUpdated
from contracts.users import (
    UserDuplicateAttempted,
    UserRegistered,
    UserReinstated,
    UserRetired,
    UserSuspended,
)
from handlers.post import todo
from handlers.rights import Relation


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
    """Whether it stays open until what resolves it happens, or its recipient closes it."""
    asks_of: tuple[Relation, ...] = ()
    """Who alone is asked by it; empty: whoever is told."""
    asks_when: tuple[str, str] | None = None
    """Attribute and value with which alone it asks."""
    about: str | None = None
    """Attribute that says what the action is about; without it, the event's own entity."""
    not_of: frozenset[Relation] = frozenset()
    """Relations by which alone nobody is told."""
    hidden: tuple[str, ...] = ()
    """Attributes that no recipient learns."""
    is_last: bool = False
    """Whether the user whom it is about is there no more, and is told nothing."""
    names: str | None = None
    """Attribute that names one user more: told whatever it is to the entity, before and after."""
    ends: type[Event] | None = None
    """Of which type the notices about the same entity ask nothing more of whoever is told."""


ATTEMPT: Final = Kind(
    mandatory=True,
    once_in=timedelta(hours=1),
    asks=True,
    hidden=("by",),
    # Who reads some groups of a user has no part in who it is.
    not_of=frozenset({"reader"}),
)
"""The incumbent is told at once, of those that follow in sum, and of none who it was."""
SUSPICION: Final = Kind(
    mandatory=True,
    once_in=timedelta(hours=1),
    hidden=("by",),
    # Who reads some of a record, or buys of it, has no part in which record it is.
    not_of=frozenset({"reader", "so", "mo", "verifier"}),
)
"""Of a case those are told whose record it is, and neither who made it nor the other record."""

KINDS: Final[Mapping[type[Event], Kind]] = {
    AssetRegistered: Kind(is_first=True),
    AssetUpdated: Kind(),
    UserRegistered: Kind(is_first=True),
    AssetRelated: Kind(mandatory=True, names="party"),
    AssetUnrelated: Kind(mandatory=True, names="party"),
    AssetConsented: Kind(mandatory=True, names="party"),
    AssetConsentWithdrawn: Kind(mandatory=True, names="party"),
    MandateGiven: Kind(mandatory=True, names="delegate"),
    MandateEnded: Kind(mandatory=True, names="delegate"),
    AssetDuplicateAttempted: ATTEMPT,
    UserDuplicateAttempted: ATTEMPT,
    UserSuspended: Kind(mandatory=True),
    UserReinstated: Kind(mandatory=True),
    UserRetired: Kind(mandatory=True),
    UserUpdated: Kind(mandatory=True, asks=True, asks_of=("reader",)),
    UserAttested: Kind(mandatory=True),
    UserConfirmed: Kind(mandatory=True),
    UserRejected: Kind(mandatory=True),
    UserRolesGranted: Kind(mandatory=True),
    UserErased: Kind(mandatory=True, is_last=True),
    # An account is its user's own business: no relation is looked for.
    AccountChanged: Kind(mandatory=True, is_first=True),
    AccountEnded: Kind(mandatory=True, is_first=True),
    # What two users share, and what one wants of another, is theirs alone.
    SharingGranted: Kind(mandatory=True, is_first=True, names="party"),
    SharingRevoked: Kind(mandatory=True, is_first=True, names="party"),
    SharingExpired: Kind(mandatory=True, is_first=True, names="party"),
    InterestExpressed: Kind(mandatory=True, is_first=True, names="to", asks=True),
    InterestAnswered: Kind(
        mandatory=True, is_first=True, asks=True, asks_when=("answer", "more-information"),
        about="by",
    ),
    InterestWithdrawn: Kind(mandatory=True, is_first=True, names="to"),
    ChangeAcknowledged: Kind(usual="digest", is_first=True),
    ChangeUnacknowledged: Kind(mandatory=True, is_first=True),
    AgreementPublished: Kind(),
    AgreementSuperseded: Kind(mandatory=True, asks=True),
    AgreementWithdrawn: Kind(mandatory=True, ends=AgreementSuperseded),
    # Of a signature its publisher is told, and no other signer.
    AgreementSigned: Kind(is_first=True, names="publisher"),
    AgreementRevoked: Kind(is_first=True, names="publisher"),
    PortfolioChanged: Kind(),
    PortfolioProgressed: Kind(),
    # Of the asset its owner alone is told: whose portfolios it is in is nobody else's business.
    PortfolioJoined: Kind(mandatory=True, is_first=True),
    PortfolioLeft: Kind(mandatory=True, is_first=True),
    AssetConflicted: Kind(mandatory=True),
    AssetCommissioned: Kind(),
    AssetLapsed: Kind(mandatory=True, asks=True, asks_of=("registrant", "owner")),
    AssetRedated: Kind(mandatory=True),
    AssetRetired: Kind(mandatory=True),
    AssetReplaced: Kind(mandatory=True),
    AssetMoved: Kind(mandatory=True),
    # Whoever asks, it is between the two.
    AssetRefreshAsked: Kind(mandatory=True, is_first=True, names="of", asks=True, about="about"),
    AssetRefreshed: Kind(),
    AssetAttested: Kind(mandatory=True),
    AssetConfirmed: Kind(mandatory=True),
    AssetReopened: Kind(mandatory=True),
    AssetTransferred: Kind(mandatory=True, names="former"),
    AssetDuplicateSuspected: SUSPICION,
    UserDuplicateSuspected: SUSPICION,
    AssetDuplicateDismissed: SUSPICION,
    UserDuplicateDismissed: SUSPICION,
    AssetMerged: Kind(mandatory=True),
    AssetAbsorbed: Kind(mandatory=True),
    AssetRestored: Kind(mandatory=True),
    AssetDivided: Kind(mandatory=True),
    # Who reads some of a user's data is told of the alias too: what is shared is the alias's.
    UserMerged: Kind(mandatory=True),
    UserAbsorbed: Kind(mandatory=True),
    UserRestored: Kind(mandatory=True),
    UserDivided: Kind(mandatory=True),
    # Each of the two is told for itself, and neither of the other.
    AllocationOverlapped: Kind(mandatory=True, is_first=True, names="party"),
    # A case is between operators: it has no parties of its own.
    CaseAssigned: Kind(mandatory=True, is_first=True, names="assignee", asks=True),
    CaseDismissed: Kind(mandatory=True, is_first=True, names="assignee"),
    CaseDecided: Kind(mandatory=True, is_first=True, names="assignee"),
}  # fmt: skip
"""Type of event -> how it is told; of a type that is not here nobody is told."""
NAMES: Final[Mapping[str, str]] = {
    event.message_type: kind.names for event, kind in KINDS.items() if kind.names is not None
}
"""Type of event -> the attribute that names one user more."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an event of one type makes needless: a notice of a type, whose and what about."""

    of: type[Event]
    recipient: str
    """Attribute of the resolving event that names whose notice it is; `parties`: each of them."""
    about: str
    """Attribute that names what the notice is about."""
    unless: str | None = None
    """Attribute that leaves the notice open as long as it holds something."""


RESOLVES: Final[Mapping[type[Event], tuple[Resolution, ...]]] = {
    # Whoever says more has answered the question for it.
    InterestExpressed: (Resolution(InterestAnswered, "id", "to"),),
    InterestAnswered: (
        Resolution(InterestExpressed, "by", "id"),
        Resolution(InterestAnswered, "id", "by"),
    ),
    InterestWithdrawn: (
        Resolution(InterestExpressed, "to", "id"),
        Resolution(InterestAnswered, "id", "to"),
        Resolution(UserUpdated, "to", "id", unless="left"),
    ),
    ChangeAcknowledged: (Resolution(UserUpdated, "by", "id"),),
    # Only the current version can be signed.
    AgreementSigned: (Resolution(AgreementSuperseded, "by", "id"),),
    # What one may not read any more is not to be taken over.
    SharingRevoked: (Resolution(UserUpdated, "party", "id", unless="left"),),
    AgreementRevoked: (Resolution(AgreementSuperseded, "by", "id"),),
    AssetCommissioned: (Resolution(AssetLapsed, "parties", "id"),),
    AssetRedated: (Resolution(AssetLapsed, "parties", "id"),),
    AssetRetired: (Resolution(AssetLapsed, "parties", "id"),),
    AssetRefreshed: (Resolution(AssetRefreshAsked, "of", "about"),),
    AssetTransferred: (
        Resolution(AssetLapsed, "parties", "id"),
        Resolution(AssetLapsed, "former", "id"),
    ),
    CaseAssigned: (Resolution(CaseAssigned, "former", "id"),),
    CaseDismissed: (Resolution(CaseAssigned, "assignee", "id"),),
    CaseDecided: (Resolution(CaseAssigned, "assignee", "id"),),
}
"""Type of event -> the open notices that it closes."""


def resolved(fact: Event) -> tuple[str, ...]:
    """Ids of the notices that a fact resolves."""
    return tuple(
        todo(recipient, one.of.message_type, getattr(fact, one.about))
        for one in RESOLVES.get(type(fact), ())
        if one.unless is None or not getattr(fact, one.unless)
        for recipient in _whose(fact, one)
    )


def _whose(fact: Event, one: Resolution) -> tuple[str, ...]:
    """Whose notices it closes: of the user whom an attribute names, or of all parties."""
    named = getattr(fact, one.recipient) or {}
    return (named,) if isinstance(named, str) else tuple(sorted(set(named.values())))


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
