"""Areas that a broadcast is for, and the coarse cells by which the assets in them are found."""

from collections.abc import Mapping
from itertools import pairwise
from math import floor
from typing import Any, Final

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from handlers.documents import said_by
from handlers.osgb import wgs84

Corner = tuple[float, float]
"""Longitude and latitude, WGS84."""
Corners = tuple[Corner, ...]
"""A closed ring: the first corner again at the end."""

PER_DEGREE: Final = 4
"""Cells are a quarter of a degree: about 28 by 17 km, so that one tells of no house where it is."""
CELLS_MAX: Final = 1000
AREA_KM2_MAX: Final = 100_000
WEST, EAST, SOUTH, NORTH = -16, 4, 48, 64
"""The degrees in which Great Britain and its waters lie."""
GLOBE: Final = Geod(ellps="WGS84")


def place_of(asset: Mapping[str, Any]) -> tuple[float, float] | None:
    """Latitude and longitude of an asset: its point, else its grid reference, else nothing."""
    location = said_by(asset.get("location")) or {}
    if (point := location.get("point")) is not None:
        return float(point["latitude"]), float(point["longitude"])
    if (grid := location.get("grid")) is not None:
        return wgs84(float(grid["easting_m"]), float(grid["northing_m"]))
    return None


def cell_of(asset: Mapping[str, Any]) -> dict[str, str]:
    """The field by which an asset is found, none where nobody knows its place."""
    place = place_of(asset)
    return {"cell": cell_at(*place)} if place is not None else {}


def cell_at(latitude: float, longitude: float, per_degree: int = PER_DEGREE) -> str:
    """The cell in which a place lies."""
    return _cell(floor((latitude + 90) * per_degree), floor((longitude + 180) * per_degree))


def _cell(row: int, column: int) -> str:
    return f"{row:03d}.{column:04d}"


def corner_of(cell: str, per_degree: int = PER_DEGREE) -> Corner:
    """The south-west corner of a cell: longitude and latitude."""
    row, _, column = cell.partition(".")
    return int(column) / per_degree - 180, int(row) / per_degree - 90


def cells(ring: Corners) -> list[str]:
    """Every cell that a ring reaches into, in order: row by row, from its west to its east."""
    return cells_of(shapely.Polygon(ring))


def cells_of(shape: BaseGeometry, per_degree: int = PER_DEGREE) -> list[str]:
    """Every cell that a shape reaches into, in order."""
    west, south, east, north = shape.bounds
    rows, columns = (
        np.arange(floor((low + add) * per_degree), floor((high + add) * per_degree) + 1)
        for low, high, add in ((south, north, 90), (west, east, 180))
    )
    ys, xs = np.meshgrid(rows / per_degree - 90, columns / per_degree - 180, indexing="ij")
    shapely.prepare(shape)
    reached = shapely.intersects(
        shape, shapely.box(xs, ys, xs + 1 / per_degree, ys + 1 / per_degree)
    )
    return [_cell(rows[n], columns[m]) for n, m in np.argwhere(reached)]


def area_km2(ring: Corners) -> float:
    """How large it is."""
    xs, ys = zip(*ring, strict=True)
    area, _ = GLOBE.polygon_area_perimeter(xs, ys)
    return abs(area) / 1e6


def fault_of(ring: Corners) -> str | None:
    """What keeps a ring from being the edge of an area, in words; None where nothing does."""
    if ring[0] != ring[-1]:
        return "a ring whose last corner is its first"
    if not all(WEST <= x <= EAST and SOUTH <= y <= NORTH for x, y in ring):
        return f"corners between {WEST} and {EAST} east, {SOUTH} and {NORTH} north"
    if any(begin == end for begin, end in pairwise(ring)):
        return "no corner twice in a row"
    if not shapely.is_valid(shapely.Polygon(ring)):
        return "a ring that neither crosses nor touches itself"
    return None
