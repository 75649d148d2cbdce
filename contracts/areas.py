"""The language of areas: boundaries that are loaded, and in which an asset's place lies."""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictFloat, StrictInt

from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, Line

AREA_CODE: Final = r"[A-Za-z0-9_.&()' -]{1,60}"
AreaKind = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{1,39}$",
        description="What the areas are, such as `dno-licence-area`, `gsp-group`, `gsp-region`.",
    ),
]
AreaId = Annotated[
    str,
    Field(
        pattern=rf"^[a-z][a-z0-9-]{{1,39}}/{AREA_CODE}$",
        max_length=101,
        description="Kind and code of an area, such as `gsp-group/_A`.",
    ),
]
PropertyName = Annotated[str, Field(min_length=1, max_length=100)]
Coordinate = StrictFloat | StrictInt
Position = Annotated[tuple[Coordinate, ...], Field(min_length=2, max_length=3)]
"""Longitude and latitude, or easting and northing; a height is not looked at."""
LinearRing = Annotated[tuple[Position, ...], Field(min_length=4)]
Rings = Annotated[tuple[LinearRing, ...], Field(min_length=1)]
"""The edge of an area, then its holes."""


class PolygonBoundary(Contract):
    """A GeoJSON polygon, with its holes."""

    type: Literal["Polygon"]
    coordinates: Rings


class MultiPolygonBoundary(Contract):
    """GeoJSON polygons that are one area, such as islands."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[tuple[Rings, ...], Field(min_length=1)]


def _as_json_schema_has_it(schema: dict[str, Any]) -> None:
    """Without the keyword of OpenAPI, which AsyncAPI has another meaning for."""
    schema.pop("discriminator", None)


Boundary = Annotated[
    PolygonBoundary | MultiPolygonBoundary,
    Field(discriminator="type", json_schema_extra=_as_json_schema_has_it),
]


class AreaFeature(Contract):
    """A GeoJSON feature: one area or a part of one; parts have the same code."""

    type: Literal["Feature"]
    id: str | int | None = None
    bbox: tuple[float, ...] | None = None
    properties: dict[str, Any]
    geometry: Boundary


class AreaCollection(Contract):
    """A GeoJSON feature collection; `name`, `bbox` and `crs` are not looked at."""

    type: Literal["FeatureCollection"]
    name: str | None = None
    bbox: tuple[float, ...] | None = None
    crs: dict[str, Any] | None = None
    features: Annotated[tuple[AreaFeature, ...], Field(min_length=1, max_length=5000)]


class AreaState(Contract):
    """What is loaded of a kind of area by now."""

    id: AreaKind
    revision: int
    """Which load of this kind it is."""
    areas: int
    cells: int
    """How many cells of a quarter of a degree they reach into."""
    repaired: tuple[str, ...] = ()
    """Codes of the areas whose boundary crossed itself and was made valid."""


class LoadArea(Command, type="area.load.v1", senders={"operator"}, accepted=AreaState):
    """Load the boundaries of all areas of a kind; they take the place of those before.

    The file's own GeoJSON goes into `boundaries`, unchanged; features with one code are one area.
    A boundary that crosses itself is made valid, and named in the reply.
    Each asset with a point or a grid reference then gets its areas; `area.assigned.v1` says when
    all have them.
    Errors: `area.code`, `area.outside`, `area.empty`, `area.corners`, `area.kinds`.
    Source: the architecture's reference sets; A1 of the requirement.
    """

    by_reference: ClassVar[bool] = True

    kind: AreaKind
    edition: Line
    """What the publisher calls this edition, such as its date."""
    crs: Literal["EPSG:27700", "OGC:CRS84"]
    """The National Grid in metres, easting first; or WGS84 in degrees, longitude first."""
    code_property: PropertyName
    """Which property of a feature is the area's code: text or a whole number."""
    name_property: PropertyName | None = None
    boundaries: AreaCollection


class AssignState(Contract):
    """The places are being gone through."""

    id: str


class AssignAreas(Command, type="area.assign.v1", senders={"operator"}, accepted=AssignState):
    """Go through the places of all assets and write those that are missing or not as they should.

    It is done after each load by itself; this is for a register that was restored.
    Source: the architecture's reference sets.
    """


class AreaLoaded(Event, type="area.loaded.v1"):
    """The boundaries of a kind of area have changed."""

    id: AreaKind
    revision: int
    by: AnyUserId
    edition: str
    areas: int


class AreaAssignAsked(Event, type="area.assign-asked.v1"):
    """The places of all assets are to be gone through; for the backbone itself."""

    id: str
    by: AnyUserId


class AreaAssigned(Event, type="area.assigned.v1"):
    """All assets have been gone through after a load."""

    id: str
    """The kind of area that was loaded; `areas` where it was asked for."""
    assets: int
    """How many have a place now that is another than before."""
