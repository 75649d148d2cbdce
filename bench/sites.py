"""Where made-up assets stand: most in and around towns, some anywhere in between."""

from random import Random
from typing import Final
from zlib import crc32

TOWNS: Final = (
    (52.48, -1.90), (53.48, -2.24), (53.80, -1.55), (53.38, -1.47), (52.95, -1.15),
    (52.63, -1.13), (52.41, -1.51), (51.51, -0.13), (51.45, -0.97), (51.75, -1.26),
    (52.04, -0.76), (52.24, -0.90), (52.57, -0.24), (52.20, 0.12), (51.88, -0.42),
    (51.56, -1.78), (51.86, -2.24), (52.19, -2.22), (52.71, -2.75), (53.00, -2.18),
    (53.19, -2.89), (53.52, -1.13), (53.96, -1.08), (54.53, -1.55), (54.78, -1.58),
    (54.97, -1.61), (55.86, -4.25), (55.95, -3.19), (56.40, -3.43), (51.28, -0.75),
)  # fmt: skip
"""Latitude and longitude of thirty towns; the first ones are the larger."""
SPREAD: Final = 0.08
"""Degrees in which most of a town's assets stand."""
IN_TOWN: Final = 0.8
COUNTRY: Final = ((51.3, 53.3), (-2.5, -0.1))


def site(name: str) -> tuple[float, float]:
    """Latitude and longitude of something, always the same of one name."""
    chance = Random(crc32(name.encode()))  # noqa: S311  the same for all runs
    if chance.random() > IN_TOWN:
        (south, north), (west, east) = COUNTRY
        latitude, longitude = chance.uniform(south, north), chance.uniform(west, east)
    else:
        number = min(int(chance.expovariate(1 / 8)), len(TOWNS) - 1)
        latitude, longitude = TOWNS[number]
        latitude += max(-0.2, min(0.2, chance.gauss(0, SPREAD)))
        longitude += max(-0.3, min(0.3, chance.gauss(0, SPREAD * 1.6)))
    return round(latitude, 6), round(longitude, 6)
