"""Circles on the globe, by the sphere on which the store measures."""

from dataclasses import dataclass
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Final

import shapely

GLOBE_M: Final = 6_378_100.0
"""The radius of the globe as MongoDB has it, so that both measure alike."""
MORE: Final = 1.005
"""A circle about something that was measured on the ellipsoid is a little larger on the sphere."""
CORNERS: Final = 16
"""Of a quarter of the polygon about a circle."""


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far two places are from each other: latitude and longitude of each, in degrees."""
    (south, west), (north, east) = (tuple(map(radians, place)) for place in (one, other))
    flat = sin((north - south) / 2) ** 2
    turned = cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * GLOBE_M * asin(sqrt(min(1.0, flat + turned)))


@dataclass(frozen=True, slots=True)
class Circle:
    """A middle and a radius."""

    latitude: float
    longitude: float
    radius_m: float

    @classmethod
    def about(cls, latitude: float, longitude: float, reach_m: float) -> "Circle":
        """One that holds everything which reaches so far."""
        return cls(latitude, longitude, reach_m * MORE + 1)

    def distance_m(self, latitude: float, longitude: float) -> float:
        """How far a place is from the middle."""
        return distance_m((self.latitude, self.longitude), (latitude, longitude))

    @property
    def polygon(self) -> shapely.Polygon:
        """A polygon in degrees that holds the circle."""
        up, across = self._degrees
        round_it = shapely.Point(0, 0).buffer(1, quad_segs=CORNERS)
        # Its corners lie on the circle: the edges between them are taken outside of it.
        outside = shapely.transform(round_it, lambda xy: xy * [across * MORE, up * MORE])
        middle = [self.longitude, self.latitude]
        return shapely.transform(outside, lambda xy: xy + middle)

    def cells_max(self, per_degree: int) -> int:
        """How many cells of such a size it can reach into at most."""
        up, across = self._degrees
        return (int(2 * up * per_degree) + 2) * (int(2 * across * per_degree) + 2)

    @property
    def _degrees(self) -> tuple[float, float]:
        """How far it reaches to the north and to the east."""
        up = degrees(self.radius_m / GLOBE_M)
        poleward = min(89.0, abs(self.latitude) + up)
        return up, min(180.0, up / cos(radians(poleward)))
