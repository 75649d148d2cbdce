"""Areas that a broadcast is for, and the coarse cells by which the assets in them are found."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import cos, floor, radians
from typing import Any, Final

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
DEGREE_KM: Final = 111.32


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
    return {"cell": _cell(_row(place[0]), _column(place[1]))} if place is not None else {}


def _row(latitude: float) -> int:
    return floor((latitude + 90) * PER_DEGREE)


def _column(longitude: float) -> int:
    return floor((longitude + 180) * PER_DEGREE)


def _cell(row: int, column: int) -> str:
    return f"{row:03d}.{column:04d}"


def cells(ring: Corners) -> list[str]:
    """Every cell that a ring may reach into, in order: row by row, from its west to its east."""
    latitudes = [latitude for _, latitude in ring]
    found: list[str] = []
    for row in range(_row(min(latitudes)), _row(max(latitudes)) + 1):
        south = row / PER_DEGREE - 90
        reach = [x for edge in pairwise(ring) for x in _within(edge, south, south + 1 / PER_DEGREE)]
        if reach:
            columns = range(_column(min(reach)), _column(max(reach)) + 1)
            found += [_cell(row, column) for column in columns]
    return found


def _within(edge: tuple[Corner, Corner], south: float, north: float) -> Iterator[float]:
    """Longitudes between which the part of an edge lies that is in a band of latitudes."""
    (west, low), (east, high) = edge if edge[0][1] <= edge[1][1] else (edge[1], edge[0])
    if high < south or low > north:
        return
    for latitude in (max(low, south), min(high, north)):
        share = (latitude - low) / (high - low) if high > low else 0.0
        yield west + share * (east - west)
    if high == low:
        yield east


def area_km2(ring: Corners) -> float:
    """About how large it is; right to a percent for what may be broadcast to."""
    doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring))
    middle = sum(latitude for _, latitude in ring) / len(ring)
    return abs(doubled) / 2 * DEGREE_KM**2 * cos(radians(middle))


def fault_of(ring: Corners) -> str | None:
    """What keeps a ring from being the edge of an area, in words; None where nothing does."""
    if ring[0] != ring[-1]:
        return "a ring whose last corner is its first"
    if not all(WEST <= x <= EAST and SOUTH <= y <= NORTH for x, y in ring):
        return f"corners between {WEST} and {EAST} east, {SOUTH} and {NORTH} north"
    edges = list(pairwise(ring))
    if any(begin == end for begin, end in edges):
        return "no corner twice in a row"
    if _crosses(edges):
        return "a ring that neither crosses nor touches itself"
    return None


def _crosses(edges: list[tuple[Corner, Corner]]) -> bool:
    last = len(edges) - 1
    for n, (a, b) in enumerate(edges):
        for m in range(n + 1, len(edges)):
            c, d = edges[m]
            if m == n + 1 or (n == 0 and m == last):
                # Neighbours share a corner; they may not run back over each other.
                shared, one, other = (b, a, d) if m == n + 1 else (a, b, c)
                if _turn(shared, one, other) == 0 and _ahead(shared, one, other):
                    return True
            elif _meet(a, b, c, d):
                return True
    return False


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """Whether a, b, c turn left (1), right (-1) or not at all."""
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (cross > 0) - (cross < 0)


def _ahead(shared: Corner, one: Corner, other: Corner) -> bool:
    x, y = shared
    return (one[0] - x) * (other[0] - x) + (one[1] - y) * (other[1] - y) > 0


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two edges have a point in common."""
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    # On one line, the boxes that overlap say it.
    return _turn(a, b, c) * _turn(a, b, d) <= 0 and _turn(c, d, a) * _turn(c, d, b) <= 0
