"""Broadcasts: whom they reach, once each, and what a preview tells."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
from pyproj import Transformer

from handlers.edges import recorded
from handlers.letters import Letter
from handlers.polygons import Corners
from handlers.reaching import counted
from tests.builders import NOW, OWNER, PLATFORM, asset, command, issued, user_document
from tests.decider import Decider, reply, rules, said
from tests.unit.test_polygons import SQUARE, closed

BROADCAST: Final = "notice.broadcast.v1"
CHECK: Final = "notice.broadcast.check.v1"
RECEIVED: Final = "notice.broadcast-received.v1"
DONE: Final = "notice.broadcast-done.v1"
SO: Final = issued("USR", 5000)
INSIDE: Final = {"latitude": 52.5, "longitude": 0.5}
TRANSFORMER: Final = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True)


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", SO] = user_document(SO, roles=["so"], status="confirmed")
    return made


def message(ring: Corners = SQUARE, **changes: Any) -> dict[str, Any]:
    polygon = {"type": "Polygon", "coordinates": [ring]}
    return {"polygon": polygon, "text": "Works on Sunday."} | changes


def broadcast(decider: Decider, sender: str = SO, **changes: Any) -> list[Letter]:
    """Everything that is told of one broadcast, to the end."""
    known = changes.pop("id", "broadcast")
    outcomes = decider.decide(command(BROADCAST, message(**changes), sender=sender, id=known))
    assert reply(outcomes[0])[0] == "notice.broadcast.accepted.v1", reply(outcomes[0])
    return decider.consequences(outcomes)


def previewed(decider: Decider, sender: str = SO, **changes: Any) -> Mapping[str, Any]:
    letter = decider.ask(command(CHECK, message(**changes), sender=sender, id="check"))
    return said(letter)[1]


def reached(letters: Iterable[Letter]) -> list[str]:
    return sorted(str(one.recipient) for one in letters if one.type == RECEIVED)


def opts_in(decider: Decider, *users: str) -> None:
    for user in users:
        row = {"_id": user, "revision": 1, "broadcasts": True}
        decider.documents["subscriptions", user] = row


def registered(decider: Decider, number: int, **changes: Any) -> str:
    given = asset(identity={"make": "Acme", "serial": f"N-{number}"})
    given |= {"location": {"point": INSIDE}} | changes
    (outcome,) = decider.decide(command(data=given, id=f"register-{number}"))
    assert "id" in reply(outcome)[1], reply(outcome)
    return str(reply(outcome)[1]["id"])


def related(decider: Decider, entity: str, party: str, relation: str, **times: Any) -> None:
    row = recorded(entity, party, [{"as": relation, "from": NOW, "until": None} | times])
    decider.documents["relations", row["_id"]] = row


def test_it_reaches_those_that_opted_in_once_each_and_not_its_sender(decider: Decider) -> None:
    aggregator, fsp, buyer, former, out = (issued("USR", 6000 + 50 * n) for n in range(5))
    assets = [registered(decider, n, owner=OWNER) for n in range(3)]
    for one in assets:
        related(decider, one, aggregator, "aggregator")
        related(decider, one, fsp, "fsp")
        related(decider, one, buyer, "mo")
        related(decider, one, SO, "fsp")
        related(decider, one, out, "fsp")
        related(decider, one, former, "fsp", until=NOW)
    opts_in(decider, OWNER, PLATFORM, aggregator, fsp, buyer, former, SO)
    letters = broadcast(decider)

    assert reached(letters) == sorted([OWNER, PLATFORM, aggregator, fsp])
    (done,) = [one for one in letters if one.type == DONE]
    assert (done.recipient, json.loads(done.body)["data"]["audience"]) == (SO, 0)
    content = json.loads(letters[0].body)["data"]
    assert (content["by"], content["text"]) == (SO, "Works on Sunday.")
    assert "ring" not in content


def test_type_size_and_place_decide(decider: Decider) -> None:
    owners = [issued("USR", 7000 + 50 * n) for n in range(6)]
    for owner in owners:
        decider.documents["users", owner] = user_document(owner, roles=["owner"])
    opts_in(decider, *owners)
    sized = {"capability": {"power_kw": 50}}
    outside = {"location": {"point": INSIDE | {"latitude": 53.2}}}
    registered(decider, 0, owner=owners[0], **sized)
    registered(decider, 1, owner=owners[1], **sized, asset_type="SOL")
    registered(decider, 2, owner=owners[2], capability={"power_kw": 49.9})
    registered(decider, 3, owner=owners[3])
    registered(decider, 4, owner=owners[4], **sized, **outside)
    registered(decider, 5, owner=owners[5], **sized, location={"postcode": "CB7 9AA"})
    batteries = broadcast(decider, asset_types=["BAT"], min_power_kw=50, max_power_kw=50)

    assert reached(batteries) == [owners[0]]
    assert reached(broadcast(decider, id="all")) == sorted(owners[:4])


def test_an_asset_that_moves_is_found_where_it_is(decider: Decider) -> None:
    opts_in(decider, OWNER)
    one = registered(decider, 0, owner=OWNER)
    there = {"id": one, "location": {"point": {"latitude": 54.9, "longitude": -2.1}}}
    decider.decide(command("asset.update.v1", there, id="move"))
    before = decider.documents["assets", one]
    gone = {"id": one, "location": {"point": None, "postcode": "CB7 9AA"}}
    moved = broadcast(decider)
    decider.decide(command("asset.update.v1", gone, id="lose"))

    assert reached(moved) == []
    assert before["cell"] == "579.0711"
    assert "cell" not in decider.documents["assets", one]


def test_where_a_person_lives_is_sealed_and_only_its_cell_in_clear(decider: Decider) -> None:
    decider.documents["users", OWNER] = user_document(OWNER, kind="person", roles=["owner"])
    opts_in(decider, OWNER)
    one = registered(decider, 0, owner=OWNER)
    document = decider.documents["assets", one]

    assert "52.5" not in repr(document)
    assert document["cell"] == "570.0722"
    assert reached(broadcast(decider)) == [OWNER]


def test_a_preview_counts_and_names_nobody(decider: Decider) -> None:
    owners = [issued("USR", 8000 + 50 * n) for n in range(6)]
    for number, owner in enumerate(owners):
        decider.documents["users", owner] = user_document(owner, roles=["owner"])
        registered(decider, number, owner=owner)
    opts_in(decider, *owners[:4])
    few = previewed(decider)
    opts_in(decider, *owners)
    many = previewed(decider)

    assert few == {"verdict": "acceptable", "audience": 0, "audience_is_whole": True}
    assert many == {"verdict": "acceptable", "audience": 5, "audience_is_whole": True}
    assert decider.of("broadcasts") == decider.of("broadcasters") == []


@pytest.mark.parametrize(
    ("count", "told"),
    [
        *[(0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (19, 10), (20, 20), (49, 20), (50, 50)],
        *[(99, 50), (100, 100), (199, 100), (651, 500), (999, 500), (1000, 1000), (4999, 2000)],
    ],
)
def test_a_count_is_rounded_down_to_a_coarse_step(count: int, told: int) -> None:
    """One asset more or less in the area is not seen in the number."""
    assert counted(count) == told


def test_ten_a_day(decider: Decider) -> None:
    for number in range(10):
        broadcast(decider, id=f"broadcast-{number}")
    (refused,) = decider.decide(command(BROADCAST, message(), sender=SO, id="eleventh"))
    decider.now = NOW + timedelta(hours=12)

    assert rules(reply(refused)[1]) == [("notice.broadcast-limit", "")]
    assert broadcast(decider, id="tomorrow")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ring": SQUARE[:-1]}, "notice.polygon-invalid"),
        ({"ring": closed([(-7.0, 50.0), (3.0, 50.0), (3.0, 58.0)])}, "notice.polygon-large"),
        ({"min_power_kw": 2, "max_power_kw": 1}, "notice.power-range"),
    ],
)
def test_what_cannot_be_broadcast_to_is_refused(
    decider: Decider, changes: dict[str, Any], rule: str
) -> None:
    (refused,) = decider.decide(command(BROADCAST, message(**changes), sender=SO))
    assert [name for name, _ in rules(reply(refused)[1])] == [rule]
    assert decider.of("broadcasts") == []


def test_many_assets_with_many_parties_are_worked_page_by_page(decider: Decider) -> None:
    """More assets in a cell, and more parties of an asset, than one portion holds."""
    crowd = [issued("USR", 20_000 + 50 * n) for n in range(650)]
    for number in range(450):
        # As the register would keep it; deciding each is another test's.
        one = issued("BAT", 1000 + 50 * number)
        decider.documents["assets", one] = {
            "_id": one, "revision": 1, "asset_type": "BAT", "lifecycle": "operating",
            "registrant": PLATFORM, "location": {"point": INSIDE}, "cell": "570.0722",
        }  # fmt: skip
        for party in (crowd[number], crowd[number + 1]):
            related(decider, one, party, "fsp")
    busy = issued("BAT", 1000 + 50 * 300)
    for party in crowd:
        related(decider, busy, party, "aggregator")
    opts_in(decider, *crowd, PLATFORM)
    letters = broadcast(decider)

    assert reached(letters) == sorted([*crowd, PLATFORM])
    assert {json.loads(one.body)["sequence"] for one in letters if one.type == RECEIVED} == {"1"}
    (done,) = [one for one in letters if one.type == DONE]
    assert json.loads(done.body)["data"]["audience"] == 500
    assert decider.documents["broadcasts", decider.of("broadcasts")[0]["_id"]]["state"] == "done"
