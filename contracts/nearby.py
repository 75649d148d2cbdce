"""The language of finding assets by where they stand."""

from typing import Annotated, Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from contracts.areas import AreaId
from contracts.assets import PLATFORMS, AssetStatus, Lifecycle
from contracts.broadcasts import Polygon
from contracts.messages import Contract, Query
from contracts.values import AnyUserId, AssetId, AssetType, Point

RADIUS_M_MAX = 300_000
Radius = Annotated[
    StrictFloat | StrictInt, Field(gt=0, le=RADIUS_M_MAX, description="Radius in metres.")
]


class NearAsset(Contract):
    """An asset that was found; `asset.get.v1` tells more of it."""

    id: AssetId
    asset_type: AssetType
    status: AssetStatus
    lifecycle: Lifecycle
    distance_m: int
    """From the point that was asked for, or the middle of the polygon or the area."""
    areas: tuple[AreaId, ...] = ()


class AssetsNear(Contract):
    """A page of what was found; it may have fewer assets than `limit`, or none, and go on."""

    assets: tuple[NearAsset, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent at the end."""


class FindAssetsNear(
    Query,
    type="asset.near.v1",
    senders=PLATFORMS | {"special", "verifier"},
    accepted=AssetsNear,
):
    """Find assets whose `location` you may read, by a point and a radius, a polygon or an area.

    Found are assets with a point or a grid reference, that are not retired, and that you
    registered, own, or are a party of; with `owner`, those of a user whose mandate you have.
    First come those whose place is known to the index, by distance and then by id.
    Then come those of persons, whose place is sealed, by coarse cells and then by id, each with its
    distance; nobody but who may read the place finds them by it.
    Errors: `near.place`, `near.polygon`, `near.area-unknown`, `cursor.foreign`.
    Source: A6 and U5 of the requirement.
    """

    point: Point | None = None
    radius_m: Radius | None = None
    polygon: Polygon | None = None
    area: AreaId | None = None
    """Kind and code, such as `gsp-group/_A`."""
    asset_types: tuple[AssetType, ...] | None = Field(default=None, min_length=1, max_length=50)
    """Absent: all."""
    owner: AnyUserId | None = None
    """Look among the assets of this user, whose mandate you have; absent: among your own."""
    limit: Annotated[StrictInt, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=300)] | None = None

    @model_validator(mode="after")
    def _with_radius(self) -> Self:
        if (self.point is None) != (self.radius_m is None):
            raise ValueError("point and radius_m together")
        return self
