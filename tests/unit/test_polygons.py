"""Areas and cells, judged by shapely; the National Grid, judged by pyproj."""

from math import cos, pi, radians, sin
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely.geometry import Point, Polygon

from handlers.geography import is_inside
from handlers.osgb import wgs84
from handlers.polygons import CELLS_MAX, Corners, area_km2, cell_of, cells, fault_of

GEOD: Final = Geod(ellps="WGS84")
TRANSFORMER: Final = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True)
LONGITUDES: Final = st.floats(-8, 3.9)
LATITUDES: Final = st.floats(49.5, 60.9)
CORNERS: Final = st.lists(st.tuples(LONGITUDES, LATITUDES), min_size=3, max_size=12, unique=True)
SQUARE: Final[Corners] = ((0.0, 52.0), (1.0, 52.0), (1.0, 53.0), (0.0, 53.0), (0.0, 52.0))


def closed(corners: list[tuple[float, float]]) -> Corners:
    return (*corners, corners[0])


def star(longitude: float, latitude: float, reach: float, corners: int = 60) -> Corners:
    """A ring that goes in and out, so that it is anything but convex."""
    turns = [2 * pi * n / corners for n in range(corners)]
    reaches = [reach if n % 2 else reach / 2 for n in range(corners)]
    return closed(
        [
            (longitude + r * cos(t) / cos(radians(latitude)), latitude + r * sin(t))
            for t, r in zip(turns, reaches, strict=True)
        ]
    )


@given(CORNERS)
def test_a_ring_is_simple_where_shapely_says_so(corners: list[tuple[float, float]]) -> None:
    ring = closed(corners)
    polygon = Polygon(ring)
    # Nearly flat ones are a matter of the last digit.
    assume(polygon.area > 1e-3)
    assert (fault_of(ring) is None) == polygon.is_valid


@st.composite
def rings(draw: st.DrawFn) -> tuple[Corners, tuple[float, float]]:
    """A ring of any shape that can be seen whole from its middle, and the middle."""
    longitude, latitude = draw(st.floats(-6, 1)), draw(st.floats(51, 58))
    count = draw(st.integers(4, 12))
    corners = []
    for number in range(count):
        turn = 2 * pi * (number + draw(st.floats(0, 0.9))) / count
        reach = draw(st.floats(0.01, 1.5))
        corners.append((longitude + reach * cos(turn), latitude + reach * sin(turn)))
    return closed(corners), (longitude, latitude)


@given(rings(), st.floats(-1.6, 1.6), st.floats(-1.6, 1.6))
def test_a_point_is_inside_where_shapely_says_so(
    found: tuple[Corners, tuple[float, float]], east: float, north: float
) -> None:
    ring, (x, y) = found
    polygon, point = Polygon(ring), Point(x + east, y + north)
    assume(polygon.exterior.distance(point) > 1e-9)
    assert is_inside(ring, y + north, x + east) == polygon.contains(point)


@given(rings(), st.integers(0, 11), st.floats(0, 0.99))
def test_whoever_is_inside_is_in_one_of_the_cells(
    found: tuple[Corners, tuple[float, float]], corner: int, share: float
) -> None:
    ring, (x, y) = found
    to = ring[corner % (len(ring) - 1)]
    longitude, latitude = x + share * (to[0] - x), y + share * (to[1] - y)
    asset = {"location": {"point": {"latitude": latitude, "longitude": longitude}}}
    area = cells(ring)
    assert cell_of(asset)["cell"] in area
    assert area == sorted(set(area))


def test_cells_are_few_beside_the_area() -> None:
    found = cells(star(0.3, 52.3, 0.8))
    assert len(found) <= 7 * 12
    assert len(cells(star(-2, 54, 2))) < CELLS_MAX


@pytest.mark.parametrize("ring", [SQUARE, star(0.3, 52.3, 0.8), star(-4, 57, 1.5)])
def test_the_area_is_right_to_some_percent(ring: Corners) -> None:
    measured = abs(GEOD.geometry_area_perimeter(Polygon(ring))[0]) / 1e6
    assert area_km2(ring) == pytest.approx(measured, rel=0.03)


@pytest.mark.parametrize(
    "ring",
    [
        SQUARE[:-1],
        ((0.0, 52.0), (1.0, 53.0), (1.0, 52.0), (0.0, 53.0), (0.0, 52.0)),
        ((0.0, 52.0), (1.0, 52.0), (0.5, 52.0), (0.5, 53.0), (0.0, 52.0)),
        ((0.0, 52.0), (0.0, 52.0), (1.0, 52.0), (0.5, 53.0), (0.0, 52.0)),
        ((52.0, 0.0), (52.0, 1.0), (53.0, 1.0), (52.0, 0.0)),
    ],
    ids=["open", "bow tie", "spike", "corner twice", "axes swapped"],
)
def test_what_is_no_area_is_said_in_words(ring: Corners) -> None:
    assert fault_of(ring) is not None
    assert fault_of(SQUARE) is None


@given(st.floats(80_000, 655_000), st.floats(5_000, 1_200_000))
def test_the_grid_is_converted_to_within_five_metres(easting: float, northing: float) -> None:
    longitude, latitude = TRANSFORMER.transform(easting, northing)
    ours = wgs84(easting, northing)
    assert GEOD.inv(longitude, latitude, ours[1], ours[0])[2] < 5


def test_the_cell_tells_of_no_point() -> None:
    """A quarter of a degree: two places some kilometres apart cannot be told from each other."""
    one = {"location": {"point": {"latitude": 52.01, "longitude": 0.01}}}
    other = {"location": {"grid": {"easting_m": 554_000, "northing_m": 247_000}}}
    assert cell_of(one) == cell_of(other) == {"cell": "568.0720"}
    assert cell_of({"location": {"postcode": "CB7 9AA"}}) == {}
