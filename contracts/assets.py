"""The asset register's language: registration, update, reading, and what they are answered with."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictBool, model_validator

from contracts.messages import Command, Contract, Event, Query, Role
from contracts.metering import MeasurementPoints, Signposts
from contracts.patches import Revision, without_placeholders
from contracts.values import (
    AnyUserId,
    AssetId,
    AssetType,
    Date,
    Details,
    Grid,
    GspGroup,
    Kilovolt,
    Kilowatt,
    KilowattHour,
    KilowattPerMinute,
    Line,
    MacAddress,
    Mpan,
    Name,
    OrNotGiven,
    Point,
    Postcode,
    Seconds,
    Uprn,
    UserId,
)

AssetStatus = Literal["provisional", "confirmed"]
Lifecycle = Literal["planned", "operating", "retired"]


class Identity(Contract):
    """What tells one device from another; make and serial together belong to one asset only.

    Placeholders ("N/A", "TBC" …) are read as not given and make no claim.
    """

    make: OrNotGiven[Line] = None
    model: OrNotGiven[Line] = None
    serial: OrNotGiven[Line] = None
    mac: OrNotGiven[MacAddress] = None


class Connection(Contract):
    """How the asset is connected; several assets may stand behind one MPAN."""

    mpan_import: OrNotGiven[Mpan] = None
    mpan_export: OrNotGiven[Mpan] = None
    voltage_kv: Kilovolt | None = None
    gsp: OrNotGiven[Line] = None
    """Name of the grid supply point."""
    bsp: OrNotGiven[Line] = None
    """Name of the bulk supply point."""
    primary: OrNotGiven[Line] = None
    """Name of the primary substation."""
    gsp_group: GspGroup | None = None
    dno: OrNotGiven[Line] = None
    """Licence area of the network operator."""


class Location(Contract):
    """Where the asset stands."""

    address: OrNotGiven[Line] = None
    town: OrNotGiven[Line] = None
    county: OrNotGiven[Line] = None
    postcode: OrNotGiven[Postcode] = None
    uprn: OrNotGiven[Uprn] = None
    point: Point | None = None
    """WGS84; inside Great Britain, or its waters for wind, tidal and interconnectors."""
    grid: Grid | None = None
    """EPSG:27700."""


class Capability(Contract):
    """What the asset can do; no quantity is negative, the direction is in the name."""

    power_kw: Kilowatt | None = None
    """Registered capacity."""
    power_up_kw: Kilowatt | None = None
    """More generation or less consumption."""
    power_down_kw: Kilowatt | None = None
    """Less generation or more consumption."""
    export_max_kw: Kilowatt | None = None
    import_max_kw: Kilowatt | None = None
    energy_kwh: KilowattHour | None = None
    ramp_kw_per_min: KilowattPerMinute | None = None
    response_s: Seconds | None = None
    duration_s: Seconds | None = None
    flexible_connection: StrictBool | None = None
    """Whether the network operator may curtail it."""


class Technology(Contract):
    """One of the technologies behind the connection; the first is the one that gives the type."""

    source: Line
    """Energy source, in the registrant's words."""
    conversion: OrNotGiven[Line] = None
    asset_type: AssetType | None = None
    power_kw: Kilowatt | None = None
    energy_kwh: KilowattHour | None = None


class AssetState(Contract):
    """What an accepted command on an asset is answered with."""

    id: AssetId
    status: AssetStatus
    """Of the data: `provisional` until evidence confirms it."""
    lifecycle: Lifecycle
    revision: int


Technologies = Annotated[tuple[Technology, ...], Field(max_length=10)]
PLATFORMS = {"owner", "aggregator", "fsp", "mpp", "so", "mo", "operator"}


class RegisterAsset(Command, type="asset.register.v1", senders=PLATFORMS, accepted=AssetState):
    """Register a device, a site or a plant and get its id at once; its data is provisional.

    At least one of make with serial, an MPAN, a UPRN, a point, a grid reference or a postcode must
    say which it is.
    Rejected with `asset.duplicate` if another asset holds the same make and serial; the answer
    names the existing id only to its registrant, its owner and operators.
    Errors: `asset.duplicate`, `asset.unidentifiable`, `asset.owner-unknown`,
    `connection.gsp-group`, `location.outside`, `lifecycle.dates`, `asset-type.unknown`,
    `details.undefined`, `details.invalid`, `link.taken`, every rule of a value.
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


class UpdateAsset(Command, type="asset.update.v1", senders=PLATFORMS, accepted=AssetState):
    """Change an asset's data: what is absent stays, null clears, a placeholder counts as absent.

    Groups are merged field by field (RFC 7396); `technologies`, `meters` and `signposts` are
    replaced whole, and so are lists within `details`.
    With `expected_revision` an update that has not seen the latest revision is rejected; without it
    the last in arrival order wins. An update that changes nothing is accepted and makes no event.
    Errors: `asset.not-found` (also where the sender may not see it), `asset.stale`, and the rules
    of the registration.
    Source: A4, A7 of the requirement.
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

    @model_validator(mode="before")
    @classmethod
    def _leave_out_placeholders(cls, value: Any) -> Any:
        return without_placeholders(value, _GROUPS)


_GROUPS: Final[Mapping[str, type[Contract]]] = {
    "identity": Identity,
    "connection": Connection,
    "location": Location,
}


class AssetView(AssetState):
    """An asset as the asker may see it."""

    asset_type: AssetType
    registrant: AnyUserId | None = None
    owner: UserId | None = None
    name: str | None = None
    expected_on: Date | None = None
    commissioned_on: Date | None = None
    identity: Identity | None = None
    connection: Connection | None = None
    location: Location | None = None
    capability: Capability | None = None
    technologies: tuple[Technology, ...] = ()
    details: Details | None = None
    meters: MeasurementPoints | None = None
    signposts: Signposts | None = None


class GetAsset(
    Query, type="asset.get.v1", senders=PLATFORMS | {"special", "verifier"}, accepted=AssetView
):
    """Read one asset: what one registered or owns, or any as operator.

    Errors: `asset.not-found`, also for assets that the asker may not see.
    Source: A6 of the requirement.
    """

    id: AssetId


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
