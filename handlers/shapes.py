"""What is asked for by its place: a circle, a polygon or an area, and the cells of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

from contracts.nearby import FindAssetsNear
from handlers.circles import Circle
from handlers.cutting import centre_of
from handlers.decision import Document
from handlers.polygons import cells_of, fault_of

FINE: Final = 32
"""Cells to a degree, some 3.5 by 2 km, by whose fingerprints places of persons are found."""
FINE_CELLS_MAX: Final = 64
"""Where more fine cells than this would be looked at, coarse ones are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for: a circle about it, and what is inside besides."""

    circle: Circle
    polygon: BaseGeometry | None = None
    area: str | None = None
    cells: Sequence[str] | None = None
    """Of an area: the cells that it reaches into."""

    def holds(self, latitude: float, longitude: float, areas: Sequence[str]) -> bool:
        """Whether a place lies inside, which is in these areas."""
        if self.area is not None:
            return self.area in areas
        if self.polygon is not None:
            return bool(shapely.intersects_xy(self.polygon, longitude, latitude))
        return self.circle.distance_m(latitude, longitude) <= self.circle.radius_m

    @property
    def needs_more(self) -> bool:
        """Whether not all of the circle is inside."""
        return self.area is not None or self.polygon is not None

    def searched(self) -> tuple[Sequence[str], bool]:
        """The cells in which a place inside may lie, in their order, and whether they are fine."""
        if self.cells is not None:
            return self.cells, False
        drawn = self.polygon or self.circle.polygon
        if self.circle.cells_max(FINE) <= FINE_CELLS_MAX:
            return cells_of(drawn, FINE), True
        return cells_of(drawn), False


def drawn(query: FindAssetsNear) -> Shape | None:
    """What a question says by itself; None where it says too little, or nothing that holds."""
    if query.point is not None and query.radius_m is not None:
        place = (query.point.latitude, query.point.longitude)
        return Shape(Circle(*place, float(query.radius_m)))
    if query.polygon is not None and fault_of(query.polygon.coordinates[0]) is None:
        polygon = shapely.Polygon(query.polygon.coordinates[0])
        shapely.prepare(polygon)
        longitude, latitude, reach_m = centre_of(polygon)
        return Shape(Circle.about(latitude, longitude, reach_m), polygon)
    return None


def of_area(area: Document) -> Shape:
    """An area that is loaded."""
    longitude, latitude = area["centre"]
    circle = Circle.about(latitude, longitude, area["reach_m"])
    code = f"{area['kind']}/{area['code']}"
    return Shape(circle, area=code, cells=area["cells"])
