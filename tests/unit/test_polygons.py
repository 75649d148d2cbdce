"""Areas and cells; the National Grid, judged by the full definition of EPSG:27700."""

from math import cos, pi, radians, sin
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from handlers.osgb import wgs84
from handlers.polygons import CELLS_MAX, Corners, area_km2, cell_of, cells, fault_of

GEOD: Final = Geod(ellps="WGS84")
TRANSFORMER: Final = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True)
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


def test_the_area_of_a_degree_is_known() -> None:
    """Of a cell of one degree between 52 and 53 north; by the sphere of the same surface."""
    sphere = 2 * pi * 6371.0072**2 * (sin(radians(53)) - sin(radians(52))) / 360
    assert area_km2(SQUARE) == pytest.approx(sphere, rel=0.005)


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
