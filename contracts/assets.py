"""The asset register's language: registration, update, reading, and what they are answered with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from contracts.areas import AreaId
from contracts.asset_groups import (
    AssetGroups,
    Capability,
    Connection,
    Given,
    Identity,
    Location,
    Technologies,
    Technology,
)
from contracts.capacity import Members
from contracts.messages import Command, Contract, Event, Query, Role
from contracts.metering import MeasurementPoints, Signposts
from contracts.patches import Revision, without_placeholders
from contracts.services import ServiceCode, ServiceOffer
from contracts.values import AnyUserId, AssetId, AssetType, Date, Details, Name, UserId

AssetStatus = Literal["provisional", "confirmed"]
Lifecycle = Literal["planned", "operating", "retired"]


class AssetState(Contract):
    """What an accepted command on an asset is answered with."""

    id: AssetId
    status: AssetStatus
    """Of the data: `provisional` until evidence confirms it."""
    lifecycle: Lifecycle
    revision: int


PLATFORMS = {"owner", "aggregator", "fsp", "mpp", "so", "mo", "operator"}


class Confirmation(Contract):
    """Whether an asset is confirmed for a service, since when, and by what."""

    status: AssetStatus
    at: datetime
    by: AnyUserId
    """Who decided, or whose message completed the evidence or changed what was confirmed."""
    grounds: Literal["evidence", "operator", "buyer", "changed"]


class RegisterAsset(Command, type="asset.register.v1", senders=PLATFORMS, accepted=AssetState):
    """Register a device, a site or a plant and get its id at once; its data is provisional.

    At least one of make with serial, an MPAN, a UPRN, a point, a grid reference or a postcode must
    say which it is.
    Rejected with `asset.duplicate` if another asset holds the same make and serial; the answer
    names the existing id only to its registrant, its owner and operators.
    A planned asset that is not commissioned in time lapses: see `asset.lapsed.v1`.
    Errors: `asset.duplicate`, `asset.unidentifiable`, `asset.owner-unknown`,
    `asset.not-replaceable`, `connection.gsp-group`, `location.outside`, `lifecycle.dates`,
    `asset-type.unknown`, `details.undefined`, `details.invalid`, `link.taken`, every rule of a
    value.
    Source: A1, A2 of the requirement.
    """

    asset_type: AssetType
    reference: Name | None = None
    """What you call it in your own list: linked at once, under the scheme `own`."""
    name: Name | None = None
    """What its people call it, such as the site's name."""
    lifecycle: Literal["planned", "operating"] = "operating"
    expected_on: Date | None = None
    """For a planned asset: when it is expected to operate."""
    commissioned_on: Date | None = None
    identity: Identity | None = None
    connection: Connection | None = None
    location: Location | None = None
    capability: Capability | None = None
    technologies: Technologies = ()
    details: Details | None = None
    """What only assets of this type have."""
    meters: MeasurementPoints = ()
    """Where it is measured, and what each of these measures."""
    signposts: Signposts = ()
    """Where heavier data of it is held."""
    owner: UserId | None = None
    """The registered user who owns it."""
    replaces: AssetId | None = None
    """A retired asset of the same owner in whose place this one is registered, such as under
    another type."""


class UpdateAsset(Command, type="asset.update.v1", senders=PLATFORMS, accepted=AssetState):
    """Change an asset's data: what is absent stays, null clears, a placeholder counts as absent.

    Groups are merged field by field (RFC 7396); `technologies`, `meters` and `signposts` are
    replaced whole, and so are lists within `details`.
    `service` is merged by service: who is related for one service alone writes that one.
    With `expected_revision` an update that has not seen the latest revision is rejected; without it
    the last in arrival order wins, and whoever had given an overwritten value not long before is
    told by `asset.conflicted.v1`.
    An update that changes nothing is accepted and makes no event.
    Errors: `asset.not-found` (also where the sender may not see it), `asset.not-yours`,
    `asset.stale`, `asset.retired`, `service.too-many`, `asset.unidentifiable`,
    `asset.duplicate`, `connection.gsp-group`, `location.outside`, `lifecycle.dates`,
    `asset-type.unknown`, `details.undefined`, `details.invalid`, every rule of a value.
    Source: A4, A4a, A7 of the requirement.
    """

    id: AssetId
    expected_revision: Revision | None = None
    name: Name | None = None
    expected_on: Date | None = None
    commissioned_on: Date | None = None
    identity: Identity | None = None
    connection: Connection | None = None
    location: Location | None = None
    capability: Capability | None = None
    technologies: Technologies | None = None
    details: Details | None = None
    meters: MeasurementPoints | None = None
    signposts: Signposts | None = None
    service: Annotated[dict[ServiceCode, ServiceOffer | None], Field(max_length=50)] | None = None
    """By service what the asset offers for it; null takes a service out."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_placeholders(cls, value: Any) -> Any:
        return without_placeholders(value, _GROUPS)


_GROUPS: Final[Mapping[str, type[Contract]]] = {
    "identity": Identity,
    "connection": Connection,
    "location": Location,
}


class AssetView(AssetState, AssetGroups):
    """An asset as the asker may see it."""

    asset_type: AssetType
    technologies: tuple[Technology, ...] = ()
    members: Members | None = None
    """Of a portfolio: what its members can do together."""
    areas: tuple[AreaId, ...] | None = None
    """Areas in which its point or grid reference lies, such as `gsp-group/_A`; for those who may
    read `location`."""
    overdue_since: datetime | None = None
    """Of a planned asset that was not commissioned in time: since when it is overdue."""
    replaces: AssetId | None = None
    replaced_by: AssetId | None = None
    retired_at: datetime | None = None
    retirement: str | None = None
    """Why it was retired."""
    status_at: datetime | None = None
    """Since when the data as a whole is what `status` says."""
    confirmations: dict[ServiceCode, Confirmation] | None = None
    """By service whether the asset is confirmed for it, since when, and by what."""
    given: dict[str, Given] | None = None
    """By group, such as `location` or `service.DFS`, when and by whom it was last given."""


class GetAsset(
    Query, type="asset.get.v1", senders=PLATFORMS | {"special", "verifier"}, accepted=AssetView
):
    """Read one asset: what one registered, owns or is related to, or any as operator.

    Errors: `asset.not-found`, also for assets that the asker may not see.
    Source: A6 of the requirement.
    """

    id: AssetId

    def upgrade(self) -> "GetAssets":
        """One of the many that the next major takes."""
        return GetAssets(ids=(self.id,))

    @classmethod
    def answered(cls, reply: Contract) -> Contract:
        """The one that was found."""
        if not isinstance(reply, AssetsView):
            raise TypeError(f"expected AssetsView, got {type(reply).__name__}")
        return reply.assets[0]

    @classmethod
    def field_here(cls, path: str) -> str:
        """All of the many are the one."""
        return path.replace("data.ids", "data.id")


class AssetsView(Contract):
    """Assets as the asker may see them, each once, in the order in which they were asked for."""

    assets: tuple[AssetView, ...]
    unknown: tuple[AssetId, ...] = ()
    """Those of which there is none, or none that the asker may see."""
    left: tuple[AssetId, ...] = ()
    """Those for which there was no room; ask for them next."""


class GetAssets(
    Query,
    type="asset.get.v2",
    senders=PLATFORMS | {"special", "verifier"},
    accepted=AssetsView,
    older=GetAsset,
):
    """Read up to 1,000 assets: what one registered, owns or is related to, or any as operator.

    An answer holds as many as fit into 1 MB, and at most 50 portfolios, whose sums are the dearest.
    Errors: `asset.not-found`, where the asker may see none of them.
    Source: A6 of the requirement.
    """

    ids: Annotated[tuple[AssetId, ...], Field(min_length=1, max_length=1000)]


class AssetRegistered(Event, type="asset.registered.v1"):
    """An asset is in the register."""

    id: AssetId
    revision: int
    status: AssetStatus
    lifecycle: Lifecycle
    by: AnyUserId
    """Who registered it."""
    area: str | None = None
    """GSP group, as far as it is known."""


class AssetUpdated(Event, type="asset.updated.v1"):
    """An asset's data has changed; ask for it to see the values."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    changed: tuple[str, ...]
    """Names of the changed fields, such as `connection.mpan_export`; on a personal event those of
    groups that the recipient may read."""
    area: str | None = None
    """GSP group, as far as it is known."""


class AssetConflicted(Event, type="asset.conflicted.v1"):
    """A value that you gave not long ago was overwritten by somebody who had not seen it.

    Told to whoever gave it, as far as it may still see the groups; the values that it sees are
    those of the fields in `changed`.
    """

    id: AssetId
    revision: int
    """In which it was overwritten."""
    by: AnyUserId
    """Who has overwritten it."""
    of: AnyUserId
    """Whose values they were."""
    changed: tuple[str, ...]
    """Names of the overwritten fields."""
    given_in: Mapping[str, int] | None = None
    """By group the revision that holds the value of before; for the backbone itself."""
    before: AssetGroups | None = None
    """What you had given; on a personal event only."""
    after: AssetGroups | None = None
    """What it is now; on a personal event only."""


class AssetDuplicateAttempted(Event, type="asset.duplicate-attempted.v1"):
    """Somebody tried to register the device of this asset once more, and was refused.

    Told to those with an interest in the asset; who tried is said to the backbone's operators only.
    """

    id: AssetId
    """The asset that holds the make and serial."""
    roles: tuple[Role, ...]
    """What the applicant does in the market."""
    by: AnyUserId | None = None
    """Who tried; never on a personal event."""
