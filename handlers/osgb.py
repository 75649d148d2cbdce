"""From the National Grid (EPSG:27700) to WGS84, in metres right to about five.

The Ordnance Survey's own formulae and its seven parameters for Great Britain as a whole ("A guide
to coordinate systems in Great Britain", annexes B and C). The grid of corrections (OSTN15) would be
right to centimetres, is 20 MB, and decides nothing here.
"""

from math import atan2, cos, hypot, pi, radians, sin, sqrt, tan
from typing import Final

AIRY: Final = (6_377_563.396, 6_356_256.909)
"""Semi-major and semi-minor axis of Airy 1830."""
GRS80: Final = (6_378_137.000, 6_356_752.3141)
SCALE: Final = 0.9996012717
"""On the central meridian."""
ORIGIN: Final = (radians(49), radians(-2))
FALSE: Final = (400_000.0, -100_000.0)
"""Easting and northing of the true origin."""
NEAR_M: Final = 1e-5
TURNS_MAX: Final = 20
SHIFT_M: Final = (446.448, -125.157, 542.060)
TURN: Final = tuple(radians(seconds / 3600) for seconds in (0.1502, 0.2470, 0.8421))
GROWTH: Final = 1 - 20.4894e-6


def wgs84(easting: float, northing: float) -> tuple[float, float]:
    """Latitude and longitude in degrees of a position on the National Grid."""
    latitude, longitude = _unprojected(easting, northing)
    x, y, z = _shifted(*_cartesian(latitude, longitude))
    latitude, longitude = _geodetic(x, y, z)
    return latitude * 180 / pi, longitude * 180 / pi


def _meridian_arc(latitude: float) -> float:
    """Length along the meridian from the true origin."""
    a, b = AIRY
    n = (a - b) / (a + b)
    less, more = latitude - ORIGIN[0], latitude + ORIGIN[0]
    return (
        b
        * SCALE
        * (
            (1 + n + 5 / 4 * n**2 + 5 / 4 * n**3) * less
            - (3 * n + 3 * n**2 + 21 / 8 * n**3) * sin(less) * cos(more)
            + (15 / 8 * n**2 + 15 / 8 * n**3) * sin(2 * less) * cos(2 * more)
            - 35 / 24 * n**3 * sin(3 * less) * cos(3 * more)
        )
    )


def _unprojected(easting: float, northing: float) -> tuple[float, float]:
    """Latitude and longitude on Airy's ellipsoid; the names are those of the guide."""
    a, b = AIRY
    e2 = 1 - b**2 / a**2
    latitude = ORIGIN[0]
    for _ in range(TURNS_MAX):
        missing = northing - FALSE[1] - _meridian_arc(latitude)
        if abs(missing) < NEAR_M:
            break
        latitude += missing / (a * SCALE)
    t, c, s2 = tan(latitude), 1 / cos(latitude), sin(latitude) ** 2
    nu = a * SCALE / sqrt(1 - e2 * s2)
    rho = a * SCALE * (1 - e2) * (1 - e2 * s2) ** -1.5
    eta2 = nu / rho - 1
    vii = t / (2 * rho * nu)
    viii = t / (24 * rho * nu**3) * (5 + 3 * t**2 + eta2 - 9 * t**2 * eta2)
    ix = t / (720 * rho * nu**5) * (61 + 90 * t**2 + 45 * t**4)
    x = c / nu
    xi = c / (6 * nu**3) * (nu / rho + 2 * t**2)
    xii = c / (120 * nu**5) * (5 + 28 * t**2 + 24 * t**4)
    xiia = c / (5040 * nu**7) * (61 + 662 * t**2 + 1320 * t**4 + 720 * t**6)
    d = easting - FALSE[0]
    return (
        latitude - vii * d**2 + viii * d**4 - ix * d**6,
        ORIGIN[1] + x * d - xi * d**3 + xii * d**5 - xiia * d**7,
    )


def _cartesian(latitude: float, longitude: float) -> tuple[float, float, float]:
    a, b = AIRY
    e2 = 1 - b**2 / a**2
    nu = a / sqrt(1 - e2 * sin(latitude) ** 2)
    flat = nu * cos(latitude)
    return flat * cos(longitude), flat * sin(longitude), (1 - e2) * nu * sin(latitude)


def _shifted(x: float, y: float, z: float) -> tuple[float, float, float]:
    """The Helmert transformation from OSGB36 to WGS84."""
    rx, ry, rz = TURN
    return (
        SHIFT_M[0] + GROWTH * x - rz * y + ry * z,
        SHIFT_M[1] + rz * x + GROWTH * y - rx * z,
        SHIFT_M[2] - ry * x + rx * y + GROWTH * z,
    )


def _geodetic(x: float, y: float, z: float) -> tuple[float, float]:
    a, b = GRS80
    e2 = 1 - b**2 / a**2
    flat = hypot(x, y)
    latitude = atan2(z, flat * (1 - e2))
    for _ in range(TURNS_MAX):
        nu = a / sqrt(1 - e2 * sin(latitude) ** 2)
        latitude, before = atan2(z + e2 * nu * sin(latitude), flat), latitude
        if abs(latitude - before) < NEAR_M / a:
            break
    return latitude, atan2(y, x)
