"""The language of relations: who is what to an asset, for which service, and for which time."""

from datetime import datetime
from typing import Literal

from contracts.assets import PLATFORMS
from contracts.messages import Command, Contract, Event
from contracts.services import ServiceCode
from contracts.values import AnyUserId, AssetId, Line, Timestamp, UserId

RelationName = Literal["aggregator", "fsp", "so", "mo", "verifier"]


class Tie(Contract):
    """One relation of a party, for one service, for one time; the time is half-open."""

    relation: RelationName
    service: ServiceCode | None = None
    from_time: Timestamp
    until: Timestamp | None = None
    """When it ends; absent where no end is known."""


class RelationState(Contract):
    """What a party is to an asset from now on."""

    id: AssetId
    party: UserId
    revision: int
    """Of what is recorded between the asset and the party."""
    ties: tuple[Tie, ...]
    """All ties of this party to this asset that are not over."""


class RelateAsset(Command, type="asset.relate.v1", senders=PLATFORMS, accepted=RelationState):
    """Record that a user is something to an asset, and thereby what it may see and change.

    Sent by the asset's owner, its registrant, the owner's delegate or an operator; nobody relates
    itself by another right than these. The page on rights says what each relation may do.
    The time is half-open and begins now at the earliest: no right is given for the past.
    The same tie again is accepted and changes nothing.
    Errors: `asset.not-found`, `asset.retired`, `relation.not-yours`, `relation.party-unknown`,
    `consent.withdrawn`, `tie.period`, `tie.too-many`.
    Source: A1a, A4a, U6 of the requirement.
    """

    id: AssetId
    party: UserId
    """A registered user, who has the role of the same name as the relation."""
    relation: RelationName
    service: ServiceCode | None = None
    """For which service; a party may have a tie of its own for each."""
    brand: Line | None = None
    """Under which name the party offers the service to the owner."""
    from_time: Timestamp | None = None
    """When it begins; absent or in the past: now."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent: until it is ended."""


class UnrelateAsset(
    Command, type="asset.unrelate.v1", senders=PLATFORMS | {"verifier"}, accepted=RelationState
):
    """End what a user is to an asset; what it was stays on record with its time.

    Sent by whoever may relate, and by the party itself.
    A tie that is over already, or ends before the asked time, keeps its end: that is accepted and
    changes nothing.
    Errors: `asset.not-found`, `relation.not-yours`, `relation.none`.
    Source: A1a, A4a, U6 of the requirement.
    """

    id: AssetId
    party: UserId
    relation: RelationName
    service: ServiceCode | None = None
    """Only the tie for this service; absent: all ties of this relation."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent or in the past: now."""


class AssetRelated(Event, type="asset.related.v1"):
    """A user is something to an asset, or will be."""

    id: AssetId
    by: AnyUserId
    party: UserId
    relation: RelationName
    service: ServiceCode | None = None
    from_time: datetime
    until: datetime | None = None
    changed: tuple[str, ...] = ("relations",)
    """The group of which this tells: only parties who may read it are told, and the party."""


class AssetUnrelated(Event, type="asset.unrelated.v1"):
    """A user is something to an asset no more, or only until a time."""

    id: AssetId
    by: AnyUserId
    party: UserId
    relation: RelationName
    service: ServiceCode | None = None
    """Absent: whatever the service."""
    until: datetime
    changed: tuple[str, ...] = ("relations",)
    """The group of which this tells: only parties who may read it are told, and the party."""
