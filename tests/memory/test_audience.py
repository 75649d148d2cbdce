"""Broadcasts over real assets, judged by shapely and pyproj, which know nothing of our cells."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest
from pyproj import Transformer
from shapely.geometry import Point, Polygon

from handlers.reaching import counted
from tests.builders import NOW, PLATFORM, command, issued, user_document
from tests.decider import Decider, reply
from tests.given import data
from tests.unit.test_broadcasts import SO, broadcast, opts_in, previewed, reached, related
from tests.unit.test_polygons import SQUARE, closed, star
from workers.cli.lines import Line
from workers.cli.mappings import TableMapping

REGISTER: Final = "asset.register.v1"
TRANSFORMER: Final = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True)


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", SO] = user_document(SO, roles=["so"], status="confirmed")
    return made


AREAS: Final[Mapping[str, dict[str, Any]]] = {
    "a square": {"ring": SQUARE},
    "a star": {"ring": star(0.35, 52.2, 0.45)},
    "solar of a star": {"ring": star(0.9, 52.3, 0.9, 200), "asset_types": ["SOL", "BAT"]},
    "large ones of a coast": {
        "ring": closed([(0.5, 51.4), (1.9, 51.9), (1.8, 52.9), (1.0, 52.1)]),
        "min_power_kw": 5000,
    },
    "middling ones of the whole": {
        "ring": closed([(-0.9, 51.3), (2.0, 51.3), (2.0, 53.1), (-0.9, 53.1)]),
        "min_power_kw": 1000,
        "max_power_kw": 20000,
    },
}


@pytest.fixture(scope="module")
def lines() -> Sequence[Line]:
    content = data("ecr_ukpn_epn/ecr_ukpn_epn.csv").read_bytes()
    return TableMapping.open("ecr").lines(content)


@pytest.mark.timeout(600)  # the mapping is slow, and the register in a dictionary no database
@pytest.mark.parametrize("by", ["point", "grid"])
def test_the_audience_over_the_real_assets_equals_an_independent_calculation(
    decider: Decider, lines: Sequence[Line], by: str
) -> None:
    """The audience of a broadcast over the 691 real assets equals a calculation with shapely."""
    rows = [one for one in lines if one.envelope and one.envelope["type"] == REGISTER]
    registered = _registered(decider, rows, by)
    fsps = [issued("USR", 90_000 + 50 * n) for n in range(7)]
    for number, one in enumerate(registered):
        ends = {"until": NOW} if number % 3 == 0 else {}
        related(decider, one, fsps[number % 7], "fsp", **ends)
    owners = sorted({str(given["owner"]) for given in registered.values() if "owner" in given})
    willing = {*owners[::2], *fsps[:5]}
    opts_in(decider, *willing)
    sizes = {}
    for name, wanted in AREAS.items():
        expected = _expected(registered, wanted, fsps) & willing
        assert reached(broadcast(decider, id=name.replace(" ", "-"), **wanted)) == sorted(expected)
        preview = previewed(decider, **wanted)
        assert preview["audience"] == counted(len(expected))
        assert preview["audience_is_whole"]
        sizes[name] = len(expected)
    shown = f"{len(rows)} rows, {len(registered)} assets by {by}: {sizes}"
    sys.stderr.write(f"\n{shown}\n")
    assert len(rows) == 691
    assert len(registered) == 684
    assert min(sizes.values()) > 5


def _registered(decider: Decider, rows: Sequence[Line], by: str) -> dict[str, dict[str, Any]]:
    """Every real asset that the register takes, with what was sent of it."""
    found: dict[str, dict[str, Any]] = {}
    owners: dict[str, str] = {}
    for number, line in enumerate(rows):
        assert line.envelope is not None
        given = dict(line.envelope["data"])
        if by == "grid":
            place = {n: v for n, v in given.get("location", {}).items() if n != "point"}
            given["location"] = place
        if "owner" in given:
            owner = owners.setdefault(given["owner"], issued("USR", 200_000 + 50 * len(owners)))
            decider.documents["users", owner] = user_document(owner, roles=["owner"])
            given["owner"] = owner
        (outcome,) = decider.decide(command(data=given, id=f"row-{number}"))
        if (asset_id := reply(outcome)[1].get("id")) is not None:
            found[asset_id] = given
    return found


def _expected(
    registered: Mapping[str, dict[str, Any]], wanted: Mapping[str, Any], fsps: list[str]
) -> set[str]:
    """By shapely and pyproj alone, from what was sent."""
    polygon = Polygon(wanted["ring"])
    users: set[str] = set()
    for number, given in enumerate(registered.values()):
        power = given.get("capability", {}).get("power_kw")
        least, most = wanted.get("min_power_kw"), wanted.get("max_power_kw")
        bounded = least is not None or most is not None
        if bounded and (power is None or not _between(power, least, most)):
            continue
        types = wanted.get("asset_types")
        if types is not None and given["asset_type"] not in types:
            continue
        place = _place(given.get("location", {}))
        if place is None or not polygon.contains(Point(*place)):
            continue
        users |= {PLATFORM, given.get("owner", PLATFORM)}
        users |= set() if number % 3 == 0 else {fsps[number % 7]}
    return users


def _between(power: float, least: int | None, most: int | None) -> bool:
    size = Decimal(str(power))
    return (least is None or size >= least) and (most is None or size <= most)


def _place(location: Mapping[str, Any]) -> tuple[float, float] | None:
    if point := location.get("point"):
        return point["longitude"], point["latitude"]
    if grid := location.get("grid"):
        longitude, latitude = TRANSFORMER.transform(grid["easting_m"], grid["northing_m"])
        return longitude, latitude
    return None
