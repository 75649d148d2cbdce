"""The language of an owner's consent, and of who represents an asset."""

from typing import Literal, Self

from pydantic import model_validator

from contracts.agreements import AgreementName, Sha256
from contracts.asset_lists import Cursor
from contracts.assets import PLATFORMS
from contracts.messages import Command, Contract, Event, Query
from contracts.relations import RelationName
from contracts.services import ServiceCode
from contracts.values import AnyUserId, AssetId, Line, Timestamp, UserId

ConsentPlace = Literal["asserted", "verified", "withdrawn"]
Method = Literal["by-owner", "signature", "electronic", "recorded-call", "in-person", "other"]
"""How a consent was given to whoever asserts it; `by-owner`: by the owner's own message."""


class ConsentState(Contract):
    """How it stands with the consent of an asset's owner to one party."""

    id: AssetId
    party: UserId
    service: ServiceCode | None = None
    """Absent: whatever the service."""
    state: ConsentPlace
    revision: int


class GiveConsent(
    Command,
    type="asset.consent.v1",
    senders=PLATFORMS | {"verifier"},
    accepted=ConsentState,
):
    """Record that an asset's owner consents to what a party does with it, for a service or for all.

    From the owner, or its delegate, it is `verified` at once.
    The party itself asserts it and says how it was given: `asserted`, until the owner or a verifier
    of the asset says the same.
    A consent that was withdrawn comes back by the owner alone.
    The same again changes nothing.
    Errors: `asset.not-found`, `consent.no-owner`, `consent.not-yours`, `consent.withdrawn`,
    `consent.from-future`, `consent.too-many`, `relation.party-unknown`.
    Source: assumption 8 of BUC.2.
    """

    id: AssetId
    party: UserId
    """Who may act: an aggregator or an FSP."""
    service: ServiceCode | None = None
    method: Method
    given_at: Timestamp | None = None
    """When the owner gave it; absent: now."""
    agreement: AgreementName | None = None
    """The text that was consented to, by its name …"""
    sha256: Sha256 | None = None
    """… or its hash, for a text that is no agreement of the register."""


class WithdrawConsent(
    Command,
    type="asset.withdraw-consent.v1",
    senders=PLATFORMS,
    accepted=ConsentState,
):
    """Take the consent to a party back; what that stops is a table on the page of the assets.

    Sent by the owner, its delegate, or an operator at the owner's wish.
    It stops at once what the party is to the asset for that service; without `service`, all that
    it is by consent.
    Errors: `asset.not-found`, `consent.no-owner`, `consent.not-yours`, `consent.none`,
    `consent.too-many`.
    Source: assumption 8 of BUC.2.
    """

    id: AssetId
    party: UserId
    service: ServiceCode | None = None


class AssetConsented(Event, type="asset.consented.v1"):
    """An owner's consent to a party is asserted or verified."""

    id: AssetId
    by: AnyUserId
    party: UserId
    service: ServiceCode | None = None
    state: ConsentPlace
    changed: tuple[str, ...] = ("relations",)
    """The group of which this tells: only parties who may read it are told, and the party."""


class AssetConsentWithdrawn(Event, type="asset.consent-withdrawn.v1"):
    """An owner's consent to a party is taken back, and what the party was by it has ended."""

    id: AssetId
    by: AnyUserId
    party: UserId
    service: ServiceCode | None = None
    """Absent: whatever the service."""
    stopped: tuple[RelationName, ...]
    """What the party is to the asset no more."""
    changed: tuple[str, ...] = ("relations",)


class Consent(Contract):
    """A consent as it stands beside what a party is to an asset."""

    service: ServiceCode | None = None
    state: ConsentPlace
    since: Timestamp
    method: Method | None = None
    """Absent where it was taken back without having been on record."""
    agreement: AgreementName | None = None
    sha256: Sha256 | None = None


class Representative(Contract):
    """One thing that a party is to an asset, for one service and one time."""

    party: UserId
    relation: RelationName
    service: ServiceCode | None = None
    brand: Line | None = None
    """Under which name the party offers the service."""
    from_time: Timestamp
    until: Timestamp | None = None
    recorded_by: AnyUserId
    consent: Consent | None = None
    """The owner's, for this service or for all; absent where none is on record."""


class Represented(Contract):
    """Who represents one asset."""

    id: AssetId
    parties: tuple[Representative, ...]


class RepresentationPage(Contract):
    """Assets in the order of their ids, each with its parties."""

    assets: tuple[Represented, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class AskRepresentation(
    Query,
    type="asset.representation.v1",
    senders=PLATFORMS,
    accepted=RepresentationPage,
):
    """Read who represents an asset, for which service, under which name, and since when.

    Without `id`: of all that the asker owns, some assets at a time. For whoever may read the
    asset's relations: its owner, its registrant, a delegate of the owner, and operators.
    Of one asset the first 200 parties are told.
    Errors: `asset.not-found`, `relation.not-yours`, `cursor.foreign`.
    Source: A6, and the note on owners of BUC.2.
    """

    id: AssetId | None = None
    at: Timestamp | None = None
    """As of a moment that is past; absent: now, with what is to come."""
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _one_asset_has_one_page(self) -> Self:
        if self.id is not None and self.cursor is not None:
            raise ValueError("no cursor with an id")
        return self
