"""How an asset comes to another place or another owner, and who keeps what."""

from typing import Any, Final

import pytest

from handlers.decision import Secret
from handlers.edges import edge, recorded
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import reply
from tests.life import BUYER, HEIR, THIRD, Life, users

MPAN: Final = "2000000000015"
OTHER: Final = "1312345678907"
FIRST: Final = {"address": "1 Example Row", "town": "Exampleton", "postcode": "SW1A 1AA"}
PERSON: Final = issued("USR", 8100)


@pytest.fixture
def life() -> Life:
    found = Life.of(location=FIRST, connection={"mpan_import": MPAN, "gsp": "One"}, name="One")
    found.relate(STRANGER, "fsp", "DC")
    found.relate(BUYER, "so")
    return found


# Another place.


def test_a_move_replaces_the_place_as_a_whole_and_keeps_the_id(life: Life) -> None:
    state = life.accept("asset.move", OWNER, location={"postcode": "M1 1AA"})
    assert (state["id"], state["revision"]) == (life.id, 2)
    assert life.document["location"] == {"postcode": "M1 1AA"}
    assert life.document["connection"] == {"mpan_import": MPAN, "gsp": "One"}
    told = {who: data["changed"] for who, data in life.told_of("asset.moved").items()}
    changed = ["location.address", "location.postcode", "location.town"]
    assert told == dict.fromkeys((PLATFORM, STRANGER, BUYER), changed)
    assert life.seen(OWNER)["given"]["location"]["by"] == OWNER
    again = life.accept("asset.move", OWNER, location={"postcode": "M1 1AA"})
    assert (again["revision"], life.facts) == (2, [])


def test_a_new_mpan_brings_its_area(life: Life) -> None:
    life.accept("asset.move", OWNER, connection={"mpan_import": OTHER})
    assert life.document["connection"] == {"mpan_import": OTHER}
    assert life.told_of("asset.moved")[STRANGER]["area"] == "_D"


@pytest.mark.parametrize(
    ("sender", "groups", "denied"),
    [
        (STRANGER, ("location", "connection"), ["connection", "location"]),
        (BUYER, ("location", "connection"), ["location"]),
        (BUYER, ("connection",), []),
    ],
)
def test_each_group_of_a_move_has_its_writers(
    life: Life, sender: str, groups: Any, denied: list[str]
) -> None:
    places = {"location": {"postcode": "M1 1AA"}, "connection": {"mpan_export": OTHER}}
    wish = {group: places[group] for group in groups}
    if denied:
        found = life.refuse("asset.move", sender, **wish)
        assert found == [("asset.not-yours", f"data.{group}") for group in denied]
    else:
        life.accept("asset.move", sender, **wish)


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"location": {"town": "Elsewhere"}}, ("move.nowhere", "data.location")),
        ({"connection": {"mpan_import": "N/A"}}, ("move.nowhere", "data.connection")),
        (
            {"connection": {"mpan_import": MPAN, "gsp_group": "_A"}},
            ("connection.gsp-group", "data.connection.gsp_group"),
        ),
        (
            {"location": {"point": {"latitude": 50.95, "longitude": 1.85}}},
            ("location.outside", "data.location.point"),
        ),
        (
            {"location": {"postcode": "M1 1AA"}, "expected_revision": 7},
            ("asset.stale", "data.expected_revision"),
        ),
    ],
)
def test_a_move_leads_somewhere(life: Life, wish: Any, rule: Any) -> None:
    assert life.refuse("asset.move", OWNER, **wish) == [rule]


def test_a_move_names_a_place_or_a_connection(life: Life) -> None:
    assert life.send("asset.move", OWNER)[0] == "asset.move.rejected.v1"


def test_whose_place_is_overwritten_unseen_is_told(life: Life) -> None:
    life.accept("asset.move", OWNER, location={"postcode": "M1 1AA"})
    ((who, data),) = life.told_of("asset.conflicted").items()
    assert (who, data["before"]["location"]) == (PLATFORM, FIRST)
    assert data["after"]["location"] == {"postcode": "M1 1AA"}


# Another owner.


def test_both_sides_are_told_and_the_rights_go_over(life: Life) -> None:
    rows = life.decider.documents
    tie = {"as": "delegate", "from": NOW, "until": None}
    rows["relations", edge(OWNER, THIRD)] = recorded(OWNER, THIRD, [tie])
    assert life.seen(THIRD) is not None
    life.accept("asset.transfer", OWNER, owner=HEIR)
    told = life.told_of("asset.transferred")
    assert told.keys() == {HEIR, PLATFORM, STRANGER}
    assert told[HEIR] == {
        "id": life.id, "revision": 2, "status": "provisional", "by": OWNER, "owner": HEIR,
        "former": OWNER, "changed": ["owner"],
    }  # fmt: skip
    assert [life.seen(who) is None for who in (OWNER, THIRD, PLATFORM, HEIR, STRANGER)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert life.refuse("asset.update", OWNER, name="Mine") == [("asset.not-found", "data.id")]
    life.update(HEIR, name="Two")
    assert life.told_of("asset.updated").keys() == {STRANGER, BUYER}
    assert life.seen(HEIR)["given"]["owner"]["by"] == OWNER


def test_an_operator_gives_it_too_and_the_former_owner_is_told(life: Life) -> None:
    life.accept("asset.transfer", "operator", owner=HEIR)
    assert life.told_of("asset.transferred").keys() == {OWNER, HEIR, PLATFORM, STRANGER}
    life.accept("asset.transfer", HEIR, owner=OWNER)
    assert life.told_of("asset.transferred").keys() == {OWNER, STRANGER}
    assert life.seen(PLATFORM) is None
    ties = life.decider.documents["relations", edge(life.id, HEIR)]["ties"]
    assert [(t["as"], t["from"], t["until"]) for t in ties] == [("owner", NOW, NOW)]


@pytest.mark.parametrize(
    ("sender", "owner", "rule"),
    [
        (PLATFORM, HEIR, ("asset.not-yours", "data.id")),
        (STRANGER, HEIR, ("asset.not-yours", "data.id")),
        (THIRD, HEIR, ("asset.not-found", "data.id")),
        (OWNER, issued("USR", 9900), ("asset.owner-unknown", "data.owner")),
    ],
)
def test_only_its_owner_gives_it_to_a_registered_user(
    life: Life, sender: str, owner: str, rule: Any
) -> None:
    assert life.refuse("asset.transfer", sender, owner=owner) == [rule]


def test_who_has_left_owns_nothing_new(life: Life) -> None:
    life.decider.documents["users", HEIR] = user_document(HEIR, status="retired")
    found = life.refuse("asset.transfer", OWNER, owner=HEIR)
    assert found == [("asset.owner-unknown", "data.owner")]
    assert life.accept("asset.transfer", OWNER, owner=OWNER)["revision"] == 1
    life.accept("asset.retire", OWNER, reason="other")
    assert life.refuse("asset.transfer", OWNER, owner=THIRD) == [("asset.retired", "data.id")]


def test_the_registrant_names_the_first_owner_and_stays_its_registrant() -> None:
    life = Life.of(owner=None)
    life.accept("asset.transfer", PLATFORM, owner=HEIR)
    assert life.seen(PLATFORM)["owner"] == HEIR
    assert life.refuse("asset.transfer", PLATFORM, owner=OWNER) == [("asset.not-yours", "data.id")]


def with_person() -> Life:
    life = Life(users())
    person = user_document(PERSON, kind="person", roles=["owner"], name=Secret("Ada"))
    life.decider.documents["users", PERSON] = person
    return life


def test_the_seal_goes_over_to_the_new_owner_s_key() -> None:
    life = with_person()
    given = {"asset_type": "BAT", "location": FIRST, "name": "Home"}
    life.id = life.accept("asset.register", PLATFORM, **given, owner=OWNER)["id"]
    assert life.document["location"] == FIRST
    assert outcome_of(life, OWNER, PERSON).keyed_to == PERSON
    assert life.document["location"] == Secret(FIRST)
    assert outcome_of(life, PERSON, HEIR).keyed_to == HEIR
    assert life.document["location"] == FIRST
    assert "is_personal" not in life.document


def outcome_of(life: Life, sender: str, owner: str) -> Any:
    """A transfer as the fold leaves it."""
    data = {"id": life.id, "owner": owner}
    (outcome,) = life.decider.decide(
        command("asset.transfer.v1", data, sender=sender, id=f"to-{owner}")
    )
    assert reply(outcome)[0] == "asset.transfer.accepted.v1"
    return outcome


def test_the_place_of_a_person_s_asset_is_sealed_though_it_comes_later() -> None:
    life = with_person()
    given = {"asset_type": "BAT", "identity": {"make": "Acme", "serial": "S-9"}}
    life.id = life.accept("asset.register", PLATFORM, **given, owner=PERSON)["id"]
    life.update(PLATFORM, location=FIRST)
    assert life.document["location"] == Secret(FIRST)
    (row,) = [r for r in life.decider.of("history") if r["_id"] == f"{life.id}/00000002"]
    assert row["values"]["location"] == Secret(FIRST)


def test_attempts_on_the_device_are_told_to_the_new_owner(life: Life) -> None:
    life.accept("asset.transfer", OWNER, owner=HEIR)
    device = {"asset_type": "BAT", "identity": {"make": "Acme", "serial": "SN-4711"}}
    ((rule, _),) = life.refuse("asset.register", THIRD, **device)
    assert rule == "asset.duplicate"
    assert life.told_of("asset.duplicate-attempted").keys() == {HEIR, STRANGER, BUYER}
