"""The common register of who represents an asset: whether another does so already, and when."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from contracts.assets import PLATFORMS
from contracts.messages import Contract, Event, Query
from contracts.relations import RelationName
from contracts.services import ServiceCode
from contracts.values import AssetId, Timestamp, UserId


class Allocated(Contract):
    """One time for which somebody else represents the asset."""

    relation: RelationName | None = None
    """Absent: by the owner's verified consent, with no relation recorded for that service."""
    service: ServiceCode | None = None
    """Absent: whatever the service."""
    from_time: Timestamp
    until: Timestamp | None = None
    party: UserId | None = None
    """Who that is; only for who may read the asset's relations."""


class AssetAllocation(Contract):
    """Who represents one asset, besides the asker."""

    id: AssetId
    allocated: tuple[Allocated, ...]
    """Empty: nobody else does, for this service and time."""


class Allocation(Contract):
    """Who represents the assets that were asked for, in the order of their ids."""

    assets: tuple[AssetAllocation, ...]
    cursor: str | None = None
    """By owner: ask with it for the next page; absent on the last one."""


class CheckAllocation(Query, type="allocation.check.v1", senders=PLATFORMS, accepted=Allocation):
    """Ask whether an asset, or what an owner has, is represented by another already.

    An aggregator or FSP that may see an asset learns whether, for which service and when another
    one represents it, and not who. Who may read its relations learns who, too.
    By `owner` ask the owner itself, whoever acts for it by mandate, and operators. A page looks at
    200 assets and tells those with somebody else, so that it may hold few or none and not be the
    last one.
    Errors: `asset.not-found`, `user.not-found`, `allocation.what`, `tie.period`, `cursor.foreign`.
    Source: the common register of flexibility owners and providers of the requirement.
    """

    id: AssetId | None = None
    """One asset …"""
    owner: UserId | None = None
    """… or all that this one owns."""
    service: ServiceCode | None = None
    """For which service; absent: whichever."""
    from_time: Timestamp | None = None
    """Absent: now."""
    until: Timestamp | None = None
    """Absent: without end."""
    cursor: Annotated[str, Field(max_length=400)] | None = None
    """Of the page before, where that has one; all else as it was asked then."""


class AllocationOverlapped(Event, type="allocation.overlapped.v1"):
    """Two represent one asset for the same service at the same time; each of the two is told."""

    id: AssetId
    party: UserId
    """Who is told; the other one is not named."""
    service: ServiceCode | None = None
    """Absent: one of the two does so whatever the service."""
    from_time: datetime
    until: datetime | None = None
