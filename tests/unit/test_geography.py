"""The country's outline: coarse, but no site of ours outside and no neighbour inside."""

import pytest

from handlers.geography import LAND, WATERS, in_gb, in_gb_waters

AT_HOME = {
    "Scilly": (49.92, -6.30),
    "Land's End": (50.066, -5.716),
    "Lizard": (49.959, -5.206),
    "Start Point": (50.222, -3.642),
    "Portland Bill": (50.515, -2.456),
    "Isle of Wight": (50.58, -1.30),
    "Dungeness": (50.913, 0.976),
    "Dover": (51.13, 1.31),
    "Lowestoft": (52.481, 1.762),
    "Spurn": (53.575, 0.115),
    "Peterhead": (57.50, -1.77),
    "Orkney": (58.98, -2.96),
    "North Ronaldsay": (59.38, -2.42),
    "Fair Isle": (59.53, -1.63),
    "Shetland": (60.15, -1.15),
    "Unst": (60.84, -0.87),
    "Foula": (60.13, -2.07),
    "Cape Wrath": (58.625, -5.0),
    "Lewis": (58.21, -6.39),
    "Butt of Lewis": (58.515, -6.26),
    "Barra": (56.95, -7.50),
    "St Kilda": (57.81, -8.57),
    "Islay": (55.67, -6.50),
    "Mull of Kintyre": (55.30, -5.78),
    "Portpatrick": (54.84, -5.12),
    "Holyhead": (53.31, -4.68),
    "St Davids": (51.88, -5.30),
    "Lundy": (51.18, -4.67),
    "Birmingham": (52.48, -1.90),
}
ABROAD = {
    "nowhere": (0.0, 0.0),
    "axes swapped": (-0.12, 51.5),
    "sign lost": (51.48, 3.18),
    "Dublin": (53.35, -6.26),
    "Belfast": (54.60, -5.93),
    "Donaghadee": (54.64, -5.53),
    "Torr Head": (55.20, -6.06),
    "Rathlin": (55.29, -6.20),
    "Isle of Man": (54.15, -4.48),
    "Jersey": (49.20, -2.10),
    "Calais": (50.95, 1.85),
    "Cap Gris-Nez": (50.87, 1.58),
    "Cherbourg": (49.64, -1.62),
    "sea off Cherbourg": (49.9, -1.0),
    "sea off Dieppe": (50.2, 0.3),
    "Le Havre": (49.5, 0.1),
    "sea off Brest": (48.5, -5.0),
}
AT_SEA = {
    "Dogger Bank": (54.77, 1.90),
    "Hornsea": (53.88, 1.79),
    "Hornsea Three": (53.87, 2.50),
    "East Anglia Three": (52.66, 2.85),
    "Celtic Sea": (51.30, -5.90),
}


@pytest.mark.parametrize("place", AT_HOME)
def test_site_on_land_is_inside(place: str) -> None:
    assert in_gb(*AT_HOME[place])
    assert in_gb_waters(*AT_HOME[place])


@pytest.mark.parametrize("place", ABROAD)
def test_site_abroad_is_outside(place: str) -> None:
    assert not in_gb(*ABROAD[place])
    assert not in_gb_waters(*ABROAD[place])


@pytest.mark.parametrize("place", AT_SEA)
def test_site_at_sea_is_in_the_waters_only(place: str) -> None:
    assert not in_gb(*AT_SEA[place])
    assert in_gb_waters(*AT_SEA[place])


def test_near_shore_wind_farm_is_in_the_waters() -> None:
    """Seagreen and Beatrice stand where the margin of the land ends: it may hold them or not."""
    assert in_gb_waters(56.60, -1.76)
    assert in_gb_waters(58.25, -2.89)


@pytest.mark.parametrize("ring", [LAND, WATERS])
def test_ring_does_not_cross_itself(ring: tuple[tuple[float, float], ...]) -> None:
    """A mistyped corner makes a bow tie, whose inside is outside."""

    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
        return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])

    edges = list(zip(ring, (*ring[1:], ring[0]), strict=True))
    crossing = [
        (first, second)
        for position, first in enumerate(edges)
        for second in edges[position + 2 :]
        if not set(first) & set(second)
        and side(*first, second[0]) != side(*first, second[1])
        and side(*second, first[0]) != side(*second, first[1])
    ]
    assert crossing == []
