"""The field groups of an asset: what is said of it, and who said each last."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from contracts.messages import Contract
from contracts.metering import MeasurementPoints, Signposts
from contracts.services import ServiceCode, ServiceOffer
from contracts.values import (
    AnyUserId,
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
    OrNotGiven,
    Point,
    Postcode,
    Seconds,
    Uprn,
    UserId,
)


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


Technologies = Annotated[tuple[Technology, ...], Field(max_length=10)]


class AssetGroups(Contract):
    """Groups of an asset, as far as they may be seen."""

    registrant: AnyUserId | None = None
    owner: UserId | None = None
    name: str | None = None
    expected_on: Date | None = None
    commissioned_on: Date | None = None
    identity: Identity | None = None
    connection: Connection | None = None
    location: Location | None = None
    capability: Capability | None = None
    technologies: tuple[Technology, ...] | None = None
    details: Details | None = None
    meters: MeasurementPoints | None = None
    signposts: Signposts | None = None
    service: dict[ServiceCode, ServiceOffer] | None = None
    """By service what the asset offers for it."""


class Given(Contract):
    """When and by whom a group was last given."""

    by: AnyUserId
    at: datetime
    revision: int
    """The revision of the asset in which it was given."""
    stale: bool
    """Whether that is longer ago than the group keeps."""
