"""Boundaries as shapes in degrees, cut into cells; and which pieces of a cell hold a place."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from contracts.areas import Boundary, MultiPolygonBoundary, PolygonBoundary, Rings
from handlers.osgb import degrees
from handlers.polygons import GLOBE, PER_DEGREE, cells_of, corner_of

Piece = bytes | None
"""A part of an area as WKB; None where it is all of its cell."""
NATIONAL_GRID: Final = "EPSG:27700"
MARGIN: Final = 1e-6
"""Degrees, some centimetres: pieces overlap, so that no place lies between two of them."""
PIECES_KEPT: Final = 4096
"""How many shapes are kept unpacked; all of Great Britain has some thousands of pieces a kind."""


def polygons_of(boundary: Boundary) -> tuple[Rings, ...]:
    """The polygons of a boundary, each with its holes."""
    match boundary:
        case PolygonBoundary(coordinates=rings):
            return (rings,)
        case MultiPolygonBoundary(coordinates=polygons):
            return polygons


def merged_polygons(boundaries: Iterable[Boundary], crs: str) -> tuple[BaseGeometry, bool]:
    """All of an area as one shape in degrees, and whether it had to be made valid.

    What has no place on the globe is left out, and so is what has no inside.
    """
    corners = ([_ring(ring, crs) for ring in p] for one in boundaries for p in polygons_of(one))
    known = (rings for rings in corners if all(np.isfinite(ring).all() for ring in rings))
    shapes = [shapely.Polygon(rings[0], rings[1:]) for rings in known]
    valid = bool(np.all(shapely.is_valid(shapes)))
    return _areal(shapely.union_all(shapely.make_valid(shapes))), not valid


def _ring(ring: Iterable[tuple[float, ...]], crs: str) -> Any:
    corners = np.array([corner[:2] for corner in ring], dtype=float)
    if crs != NATIONAL_GRID:
        return corners
    return degrees(corners)


def _areal(shape: BaseGeometry) -> shapely.MultiPolygon:
    """The shape without points and lines, which making it valid or cutting it may leave."""
    parts = (part for one in shapely.get_parts(shape) for part in shapely.get_parts(one))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def centre_of(shape: BaseGeometry) -> tuple[float, float, float]:
    """Longitude and latitude of the middle, and how far from it the shape reaches, in metres."""
    west, south, east, north = shape.bounds
    longitude, latitude = (west + east) / 2, (south + north) / 2
    corners = shapely.get_coordinates(shape)
    count = len(corners)
    _, _, far = GLOBE.inv([longitude] * count, [latitude] * count, corners[:, 0], corners[:, 1])
    return longitude, latitude, float(np.ceil(np.max(far)))


def extent_km2(shape: BaseGeometry) -> float:
    """How large a shape is."""
    area, _ = GLOBE.geometry_area_perimeter(shape)
    return abs(float(area)) / 1e6


def cut(shape: BaseGeometry) -> Mapping[str, Piece]:
    """The pieces of a shape by the cells that it reaches into; row by row, which is quicker."""
    found: dict[str, Piece] = {}
    by_row: dict[str, list[str]] = {}
    for cell in cells_of(shape):
        by_row.setdefault(cell.partition(".")[0], []).append(cell)
    for cells in by_row.values():
        (west, south), (east, _) = corner_of(cells[0]), corner_of(cells[-1])
        side = 1 / PER_DEGREE
        strip = shapely.intersection(shape, _box(west, south, east + side, south + side))
        for cell in cells:
            box = _box(*corner_of(cell), *(one + side for one in corner_of(cell)))
            piece = _areal(shapely.intersection(strip, box))
            if piece.is_empty:
                continue
            whole = shapely.covers(piece, box)
            found[cell] = None if whole else shapely.to_wkb(shapely.normalize(piece))
    return found


def _box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(west - MARGIN, south - MARGIN, east + MARGIN, north + MARGIN)


@lru_cache(maxsize=PIECES_KEPT)
def _shape(wkb: bytes) -> BaseGeometry:
    shape = shapely.from_wkb(wkb)
    shapely.prepare(shape)
    return shape


def areas_at(cell: Mapping[str, Any] | None, latitude: float, longitude: float) -> list[str]:
    """The areas in which a place lies, by the document of its cell; on a border it lies in both."""
    return sorted(_holding((cell or {}).get("pieces", ()), latitude, longitude))


def _holding(
    pieces: Iterable[Mapping[str, Any]], latitude: float, longitude: float
) -> Iterator[str]:
    for piece in pieces:
        if piece["whole"] or shapely.intersects_xy(_shape(piece["wkb"]), longitude, latitude):
            yield f"{piece['kind']}/{piece['code']}"
