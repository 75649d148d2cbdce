"""Assets by where they stand: what is found, by whom, and in which order."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from handlers.circles import Circle, distance_m
from handlers.decision import Drop, Put, View
from handlers.nearby import SEALED_AT_ONCE
from handlers.placing import place_writes
from handlers.polygons import cell_at, cells_of
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, user_document
from tests.decider import VAULT, Decider, reply, rules, said
from tests.unit.test_areas import EAST, at, load, register
from tests.unit.test_polygons import closed

HERE: Final = (52.3, 0.0)
CELLS: Final = {cell_at(*HERE): None}
ROUND: Final = {"point": {"latitude": 52.3, "longitude": 0.0}, "radius_m": 5000}


def ask(decider: Decider, query: Mapping[str, Any], sender: str = PLATFORM) -> Any:
    return said(decider.ask(command("asset.near.v1", query, sender=sender, id="q")))


def pages(
    decider: Decider, query: Mapping[str, Any], sender: str = PLATFORM
) -> list[Mapping[str, Any]]:
    """All assets of all pages, in the order in which they come."""
    found: list[Mapping[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(200):
        kind, page = ask(decider, {**query, **cursor}, sender)
        assert kind == "asset.near.accepted.v1", page
        assert len(page["assets"]) <= query.get("limit", 50)
        found += page["assets"]
        if "cursor" not in page:
            return found
        cursor = {"cursor": page["cursor"]}
    raise AssertionError("the pages do not end")


def ids(decider: Decider, query: Mapping[str, Any] = ROUND, sender: str = PLATFORM) -> list[str]:
    return [one["id"] for one in pages(decider, query, sender)]


def polygon(ring: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {"polygon": {"type": "Polygon", "coordinates": [ring]}}


def north(metres: float) -> tuple[float, float]:
    return 52.3 + metres / 111_319, 0.0


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", OWNER] = user_document(OWNER, kind="person", roles=["owner"])
    made.documents["users", STRANGER] = user_document(STRANGER, roles=["so"])
    return made


def tie(decider: Decider, asset: str, relation: str = "so", **more: Any) -> None:
    data = {"id": asset, "party": STRANGER, "relation": relation, **more}
    sent = command("asset.relate.v1", data, id=f"tie-{len(decider.of('inbox'))}")
    assert reply(decider.decide(sent)[0])[0] == "asset.relate.accepted.v1"


def test_the_nearest_come_first_and_of_those_at_one_place_the_smaller_id(
    decider: Decider,
) -> None:
    far, near = register(decider, at(north(3000))), register(decider, at(north(10)))
    here = sorted(register(decider, at(HERE)) for _ in range(5))
    register(decider, at(north(5100)))
    assert ids(decider) == [*here, near, far]
    for limit in range(1, 8):
        assert ids(decider, {**ROUND, "limit": limit}) == [*here, near, far]
    found = pages(decider, ROUND)
    assert [one["distance_m"] for one in found] == [0] * 5 + [10, 3000]
    assert found[0] == {
        "id": here[0], "asset_type": "BAT", "status": "provisional",
        "lifecycle": "operating", "distance_m": 0, "areas": [],
    }  # fmt: skip


def test_a_polygon_finds_what_is_inside(decider: Decider) -> None:
    inside, outside = register(decider, at((52.3, 0.5))), register(decider, at(HERE))
    assert ids(decider, polygon(EAST)) == [inside]
    assert outside not in ids(decider, polygon(EAST))
    assert ids(decider, {**polygon(EAST), "limit": 1}) == [inside]


def test_an_area_finds_those_that_lie_in_it(decider: Decider) -> None:
    load(decider)
    west = [register(decider, at(place)) for place in ((52.3, 0.0), (52.1, -0.9), (52.5, -0.4))]
    register(decider, at((52.3, 0.3)))
    found = pages(decider, {"area": "gsp-group/_W"})
    assert {one["id"] for one in found} == set(west)
    distances = [one["distance_m"] for one in found]
    assert distances == sorted(distances)
    assert found[0]["areas"] == ["gsp-group/_W"]


def test_a_type_is_asked_for(decider: Decider) -> None:
    register(decider, at(HERE))
    solar = register(decider, at(north(100)), asset_type="SOL")
    assert ids(decider, {**ROUND, "asset_types": ["SOL", "WND"]}) == [solar]


def test_only_those_come_that_the_asker_may_see(decider: Decider) -> None:
    one, other = register(decider, at(HERE)), register(decider, at(north(50)))
    assert ids(decider, sender=STRANGER) == []
    tie(decider, other)
    assert ids(decider, sender=STRANGER) == [other]
    assert ids(decider, sender="operator") == [one, other]


def test_a_party_finds_an_asset_while_its_tie_holds(decider: Decider) -> None:
    asset = register(decider, at(HERE))
    begin, until = NOW + timedelta(days=1), NOW + timedelta(days=2)
    tie(decider, asset, from_time=begin.isoformat(), until=until.isoformat())
    for moment, found in ((NOW, []), (begin, [asset]), (until, [])):
        decider.now = moment
        query = command("asset.near.v1", ROUND, sender=STRANGER, id="q", time=moment.isoformat())
        assert [one["id"] for one in said(decider.ask(query))[1]["assets"]] == found


def test_who_may_not_read_the_location_finds_nothing_by_it(decider: Decider) -> None:
    decider.documents["users", STRANGER] = user_document(STRANGER, roles=["mo"])
    tie(decider, register(decider, at(HERE)), "mo")
    assert ids(decider, sender=STRANGER) == []


def test_a_persons_asset_is_found_by_its_exact_place(decider: Decider) -> None:
    load(decider)
    inside = sorted(register(decider, at(north(n)), owner=OWNER) for n in (10, 2000))
    register(decider, at(north(9000)), owner=OWNER)
    plain = register(decider, at(HERE))
    found = pages(decider, ROUND)
    assert found[0]["id"] == plain
    assert {one["id"]: one["distance_m"] for one in found[1:]}.keys() == set(inside)
    assert {one["distance_m"] for one in found[1:]} == {10, 2000}
    assert {*ids(decider, sender=OWNER)} == {*inside}
    wide = {**ROUND, "radius_m": 60_000}
    assert len(ids(decider, wide, OWNER)) == 3
    assert len(ids(decider, {"area": "gsp-group/_W"}, OWNER)) == 3
    assert ids(decider, sender=STRANGER) == []


def test_many_of_persons_come_in_pages_whole(decider: Decider) -> None:
    count = SEALED_AT_ONCE + 30
    made = sorted(register(decider, at(north(n)), owner=OWNER) for n in range(count))
    for query in ({**ROUND, "limit": 7}, {**ROUND, "radius_m": 60_000, "limit": 200}):
        assert sorted(ids(decider, query)) == made
        assert len(ids(decider, query)) == count


def test_who_has_a_mandate_looks_among_the_owners_assets(decider: Decider) -> None:
    asset = register(decider, at(HERE), owner=OWNER)
    theirs = {**ROUND, "owner": OWNER}
    assert ids(decider, theirs, STRANGER) == []
    data = {"delegate": STRANGER}
    given_ = command("mandate.give.v1", data, sender=OWNER, id="m")
    (outcome,) = decider.decide(given_)
    assert reply(outcome)[0] == "mandate.give.accepted.v1", reply(outcome)
    assert ids(decider, theirs, STRANGER) == [asset]
    assert ids(decider, ROUND, STRANGER) == []


def test_the_row_of_what_is_retired_goes_with_the_change(decider: Decider) -> None:
    asset = register(decider, at(HERE))
    was = decider.documents["assets", asset]
    put = Put("assets", {**was, "lifecycle": "retired", "revision": 2}, was)
    view = View({"places": {asset: decider.documents["places", asset]}, "area_cells": CELLS})
    (drop,) = place_writes([put], view, VAULT)
    assert isinstance(drop, Drop)
    assert (drop.collection, drop.was["_id"]) == ("places", asset)


@pytest.mark.parametrize(
    ("query", "rule", "where"),
    [
        ({}, "near.place", ""),
        ({**ROUND, "area": "gsp-group/_A"}, "near.place", ""),
        ({"area": "gsp-group/_A"}, "near.area-unknown", "data.area"),
        (
            polygon([(0, 52), (1, 53), (1, 52), (0, 53), (0, 52)]),
            "near.polygon",
            "data.polygon.coordinates",
        ),
        (
            polygon(closed([(-9, 49), (3, 49), (3, 61), (-9, 61)])),
            "near.polygon",
            "data.polygon.coordinates",
        ),
        ({**ROUND, "cursor": "p|0|x~0"}, "cursor.foreign", "data.cursor"),
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(
    decider: Decider, query: Mapping[str, Any], rule: str, where: str
) -> None:
    kind, data = ask(decider, query)
    assert (kind, rules(data)[0]) == ("asset.near.rejected.v1", (rule, where))


def test_a_cursor_fits_its_asker_and_its_question_alone(decider: Decider) -> None:
    for number in range(3):
        register(decider, at(north(number)))
    query = {**ROUND, "limit": 1}
    cursor = ask(decider, query)[1]["cursor"]
    assert ask(decider, {**query, "cursor": cursor}, "operator")[1]["code"] == "cursor.foreign"
    other = {**query, "radius_m": 4000, "cursor": cursor}
    assert ask(decider, other)[1]["code"] == "cursor.foreign"


@given(
    st.floats(50, 59), st.floats(-6, 1.5), st.floats(1, 250_000), st.floats(0, 360),
    st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=200)
def test_whatever_is_in_a_circle_is_in_one_of_its_cells(
    latitude: float, longitude: float, radius_m: float, bearing: float, share: float
) -> None:
    sphere = Geod(a=6_378_100, b=6_378_100)
    east, up, _ = sphere.fwd(longitude, latitude, bearing, radius_m * share)
    circle = Circle(latitude, longitude, radius_m)
    assert distance_m((latitude, longitude), (up, east)) == pytest.approx(
        radius_m * share, abs=0.01
    )
    for per_degree in (4, 32):
        if per_degree == 4 or radius_m < 20_000:
            cells = cells_of(circle.polygon, per_degree)
            assert cell_at(up, east, per_degree) in cells
            assert len(cells) <= circle.cells_max(per_degree)


def test_an_area_that_is_drawn_by_hand_finds_what_brute_force_does(decider: Decider) -> None:
    """Of a grid of places, whatever the page size."""
    placed: dict[str, tuple[float, float]] = {}
    for n in range(10):
        for m in range(10):
            place = (52.0 + n / 20, -0.25 + m / 20)
            placed[register(decider, at(place))] = place
    wanted = sorted(
        (round(distance_m(HERE, place), 2), asset)
        for asset, place in placed.items()
        if distance_m(HERE, place) <= 25_000
    )
    for limit in (3, 10, 200):
        query = {**ROUND, "radius_m": 25_000, "limit": limit}
        assert ids(decider, query) == [asset for _, asset in wanted]
