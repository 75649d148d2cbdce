"""Whether a point can be an asset's in Great Britain: on land, or in the waters around it."""

from functools import lru_cache
from typing import Final

import shapely

Ring = tuple[tuple[float, float], ...]
"""Corners as (longitude, latitude), WGS84; the last is joined to the first."""

LAND: Final[Ring] = (
    # Isles of Scilly, Cornwall, Lundy
    (-6.65, 49.80), (-6.60, 50.05), (-5.95, 50.25), (-5.50, 50.45), (-5.20, 50.70),
    (-4.80, 50.95), (-4.90, 51.30),
    # Wales
    (-5.10, 51.50), (-5.85, 51.62), (-5.85, 51.85), (-5.40, 52.10), (-4.80, 52.35),
    (-5.05, 52.62), (-5.05, 52.90), (-4.75, 53.08), (-4.95, 53.25), (-4.90, 53.48),
    (-4.30, 53.58), (-3.60, 53.52),
    # Irish Sea, east of the Isle of Man, which is not Great Britain
    (-3.35, 53.65), (-3.40, 53.90), (-3.50, 54.00), (-3.80, 54.40), (-4.00, 54.60),
    (-4.40, 54.52), (-4.90, 54.48), (-5.28, 54.62),
    # North Channel, half-way to Northern Ireland
    (-5.40, 54.95), (-5.60, 55.12), (-5.90, 55.23), (-6.02, 55.40),
    # Inner Hebrides
    (-6.35, 55.47), (-6.75, 55.62), (-6.70, 56.00), (-6.90, 56.20), (-7.35, 56.22),
    (-7.40, 56.55),
    # Outer Hebrides, St Kilda
    (-7.95, 56.68), (-7.90, 57.50), (-8.85, 57.68), (-8.85, 57.98), (-7.85, 58.20),
    (-7.80, 58.42), (-6.90, 58.50), (-6.30, 58.68), (-5.90, 58.58),
    # the north coast and Orkney
    (-5.20, 58.76), (-4.50, 58.76), (-3.70, 58.78), (-3.65, 59.15), (-3.25, 59.43),
    (-2.80, 59.55),
    # Fair Isle, Shetland
    (-2.00, 59.50), (-1.90, 59.70), (-2.38, 60.00), (-2.38, 60.27), (-1.90, 60.60),
    (-1.30, 60.98), (-0.65, 61.00), (-0.42, 60.75), (-0.42, 60.33), (-0.85, 60.00),
    (-1.00, 59.75), (-1.30, 59.42),
    # back to the mainland, the Moray Firth
    (-2.10, 59.25), (-2.30, 58.90), (-2.75, 58.60), (-2.85, 58.40), (-3.40, 58.05),
    (-3.30, 57.85), (-2.00, 57.83), (-1.60, 57.75), (-1.48, 57.45),
    # the east coast
    (-1.80, 57.10), (-2.00, 56.75), (-2.25, 56.45), (-2.25, 56.15), (-1.85, 56.00),
    (-1.60, 55.82), (-1.30, 55.65), (-1.28, 55.30), (-1.15, 55.05), (-0.95, 54.80),
    (-0.55, 54.70), (-0.15, 54.45), (0.15, 54.25), (0.20, 54.00), (0.10, 53.85),
    (0.35, 53.65), (0.52, 53.40), (0.65, 53.10), (1.35, 53.07), (1.75, 52.95),
    (1.98, 52.70), (2.00, 52.40), (1.80, 52.05), (1.60, 51.80), (1.50, 51.60), (1.68, 51.45),
    # Dover Strait and the Channel, short of the middle
    (1.62, 51.20), (1.50, 51.06), (1.20, 50.85), (1.00, 50.75), (0.60, 50.68), (0.25, 50.58),
    (-0.50, 50.65), (-0.80, 50.56), (-1.30, 50.42), (-1.95, 50.45), (-2.45, 50.36),
    (-3.00, 50.45), (-3.35, 50.28), (-3.60, 50.07), (-4.30, 50.07), (-4.75, 50.05),
    (-5.15, 49.80), (-5.70, 49.85), (-6.30, 49.70),
)  # fmt: skip
"""Great Britain and its islands with 10 to 20 km of sea around them.

Drawn by hand and coarse on purpose: it is there to catch swapped axes, a lost minus and sites in
other countries, not to say who owns a beach.
A true coastline has tens of thousands of corners, changes with the tide, and would refuse piers,
tidal turbines in a sound and every postcode centroid that falls into a harbour.
"""

WATERS: Final[Ring] = (
    # Channel and western approaches, the median with France
    (1.50, 51.02), (1.30, 50.80), (0.90, 50.55), (0.40, 50.30), (-0.50, 50.17), (-1.30, 50.12),
    (-2.00, 50.10), (-3.00, 49.90), (-4.00, 49.60), (-5.20, 49.25), (-6.50, 48.90),
    (-8.00, 48.60), (-10.00, 48.20),
    # Celtic Sea and St George's Channel, the median with Ireland
    (-10.00, 48.60), (-8.90, 49.40), (-7.60, 50.20), (-6.90, 50.90), (-6.40, 51.50),
    (-5.85, 52.05), (-5.45, 52.60), (-5.35, 53.00), (-5.40, 53.40), (-5.20, 53.70),
    # round the Isle of Man, which has waters of its own
    (-4.20, 53.80), (-4.00, 54.10), (-4.05, 54.45), (-4.50, 54.52), (-5.00, 54.48),
    (-5.35, 54.62), (-5.45, 54.95), (-5.65, 55.12), (-5.92, 55.23), (-6.02, 55.40),
    # north of Ireland, Rockall
    (-6.50, 55.43), (-7.60, 55.60), (-10.00, 56.40), (-14.50, 56.60), (-15.00, 58.00),
    (-12.50, 59.60),
    # the medians with the Faroes and Norway
    (-7.50, 60.10), (-4.20, 60.80), (-1.00, 63.20), (0.20, 63.30), (1.55, 61.73), (1.90, 60.50),
    (2.07, 59.90), (1.70, 59.28), (1.48, 58.43), (1.97, 57.90), (2.60, 56.58), (3.25, 56.08),
    # the medians with Denmark, Germany, the Netherlands and Belgium
    (3.40, 55.83), (3.35, 55.75), (2.88, 54.62), (2.75, 54.37), (2.87, 53.95), (3.05, 53.30),
    (3.20, 52.78), (3.05, 52.42), (2.72, 52.10), (2.48, 51.80), (2.23, 51.55), (1.95, 51.27),
)  # fmt: skip
"""The waters in which Great Britain lets sites: about the exclusive economic zone.

Coarse by some 10 km: offshore projects are hundreds of megawatts and known to everybody, so a finer
line would refuse no more mistakes.
"""


def in_gb(latitude: float, longitude: float) -> bool:
    """Whether the point is in Great Britain or within 10 to 20 km of its coast."""
    return is_inside(LAND, latitude, longitude)


def in_gb_waters(latitude: float, longitude: float) -> bool:
    """Whether the point is in Great Britain or in the waters around it.

    For wind, tidal and interconnectors, which may stand at sea.
    """
    return in_gb(latitude, longitude) or is_inside(WATERS, latitude, longitude)


def is_inside(ring: Ring, latitude: float, longitude: float) -> bool:
    """Whether a point is inside a ring; on its edge it is not."""
    return bool(shapely.contains_xy(_polygon(ring), longitude, latitude))


@lru_cache(maxsize=64)
def _polygon(ring: Ring) -> shapely.Polygon:
    """Prepared once: thousands of points are asked for of one ring."""
    polygon = shapely.Polygon(ring)
    shapely.prepare(polygon)
    return polygon
