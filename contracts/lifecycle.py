"""The language of an asset's life: it is commissioned, lapses, is retired, and is replaced."""

from datetime import datetime
from typing import Literal

from contracts.assets import PLATFORMS, AssetState, AssetStatus, Lifecycle
from contracts.messages import Command, Event
from contracts.patches import Revision
from contracts.values import AnyUserId, AssetId, Date

RetirementReason = Literal["decommissioned", "wrong-type", "registered-in-error", "other"]
"""Why an asset is retired, in a word that is told to everybody concerned."""


class CommissionAsset(Command, type="asset.commission.v1", senders=PLATFORMS, accepted=AssetState):
    """Say that a planned asset operates, and since when.

    Sent by whoever may write `commissioned_on`. Its `expected_on` is over with it.
    Commissioning what operates since the same day is accepted and changes nothing.
    Errors: `asset.not-found`, `asset.not-yours`, `asset.stale`, `asset.retired`,
    `asset.not-planned`, `lifecycle.dates`.
    Source: A2c of the requirement.
    """

    id: AssetId
    commissioned_on: Date
    """Today at the latest."""
    expected_revision: Revision | None = None


class AssetCommissioned(Event, type="asset.commissioned.v1"):
    """A planned asset operates."""

    id: AssetId
    revision: int
    status: AssetStatus
    lifecycle: Lifecycle
    by: AnyUserId
    area: str | None = None
    """GSP group, as far as it is known."""
    changed: tuple[str, ...] = ("commissioned_on",)
    """The group of which this tells."""


class RetireAsset(Command, type="asset.retire.v1", senders=PLATFORMS, accepted=AssetState):
    """Take an asset out for good; its id is never used again, and its history can be read.

    Sent by its registrant, its owner, the owner's delegate or an operator.
    Make and serial are free with it: whoever has the device may register it anew, and whoever
    registers it under another type says so by `replaces`.
    All relations to it end, and their parties are told. Nothing of it changes afterwards.
    Retiring what is retired is accepted and changes nothing.
    Errors: `asset.not-found`, `asset.not-yours`, `asset.stale`.
    Source: the states of an asset, on the page of the asset register.
    """

    id: AssetId
    reason: RetirementReason
    expected_revision: Revision | None = None


class AssetRetired(Event, type="asset.retired.v1"):
    """An asset is no more; every relation to it ends."""

    id: AssetId
    revision: int
    status: AssetStatus
    lifecycle: Lifecycle
    by: AnyUserId
    reason: RetirementReason


class AssetReplaced(Event, type="asset.replaced.v1"):
    """Another asset was registered in the place of a retired one."""

    id: AssetId
    """The retired one."""
    revision: int
    by: AnyUserId
    replaced_by: AssetId


class AssetLapsed(Event, type="asset.lapsed.v1"):
    """A planned asset was not commissioned in time: commission it, give it another date, or retire.

    The notice stays open until one of the three has happened.
    """

    id: AssetId
    revision: int
    expected_on: Date | None = None
    """When it was expected; absent where no date was given."""
    overdue_since: datetime
    """When the time after the expected date, which depends on the type, was over."""


class AssetRedated(Event, type="asset.redated.v1"):
    """An asset that was overdue is expected for another day."""

    id: AssetId
    revision: int
    by: AnyUserId
    changed: tuple[str, ...] = ("expected_on",)
    """The group of which this tells."""
