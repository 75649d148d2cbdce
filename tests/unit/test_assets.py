"""The asset register: what becomes an asset, how its data changes, and who may see it."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from contracts.taxonomy import ASSET_TYPES
from handlers.admission import Arrival
from handlers.cells import home
from handlers.decision import Drop, Put, Secret
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said

REGISTER = "asset.register.v1"
UPDATE = "asset.update.v1"
GET = "asset.get.v1"
MPAN = "2000000000015"
DEVICE = {"make": "Acme", "serial": "SN-4711"}
LONDON = {"latitude": 51.5, "longitude": -0.12}
DOGGER_BANK = {"latitude": 54.77, "longitude": 1.90}
CALAIS = {"latitude": 50.95, "longitude": 1.85}


@pytest.fixture
def decider() -> Decider:
    return Decider()


def new(sender: str = PLATFORM, message_type: str = REGISTER, **data: Any) -> Any:
    """A registration under an id of its own."""
    return command(message_type, asset(**data), sender=sender, id=str(uuid4()))


def changed(asset_id: str, sender: str = PLATFORM, message_type: str = UPDATE, **data: Any) -> Any:
    """An update under an id of its own."""
    return command(message_type, {"id": asset_id} | data, sender=sender, id=str(uuid4()))


def accept(decider: Decider, given: Any) -> Any:
    """The data of an acceptance."""
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    assert ".accepted." in kind, data
    return data


def register(decider: Decider, given: Any = None) -> str:
    """The id of a new asset."""
    return str(accept(decider, new() if given is None else given)["id"])


def refused(decider: Decider, given: Any) -> list[tuple[str, str]]:
    """Rules and fields of a rejection, which writes nothing but the memory of it."""
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def finding(decider: Decider, given: Any) -> Any:
    (outcome,) = decider.decide(given)
    (only,) = reply(outcome)[1]["findings"]
    return only


def document(decider: Decider, asset_id: str) -> Any:
    return decider.documents["assets", asset_id]


# Registration.


def test_registration_issues_an_id_of_the_type_and_is_provisional(decider: Decider) -> None:
    (outcome,) = decider.decide(new(owner=OWNER, capability={"power_kw": 3.60}))
    kind, state = reply(outcome)
    asset_id = state["id"]
    assert asset_id.startswith("BAT-")
    assert (kind, state) == (
        "asset.register.accepted.v1",
        {"id": asset_id, "status": "provisional", "lifecycle": "operating", "revision": 1},
    )
    named = {"registrant": PLATFORM, "owner": OWNER}
    told = {**state, "by": PLATFORM, "parties": named}
    assert events(outcome) == [("asset.registered.v1", told)]
    assert isinstance(outcome.arrival, Arrival)
    assert document(decider, asset_id) == {
        "_id": asset_id,
        "revision": 1,
        "status": "provisional",
        "status_at": NOW,
        "registrant": PLATFORM,
        "registered_at": NOW,
        "asset_type": "BAT",
        "lifecycle": "operating",
        "identity": DEVICE,
        "capability": {"power_kw": Decimal("3.6")},
        "owner": OWNER,
        "home": home("BAT", None, PLATFORM, outcome.arrival.id),
    }
    assert outcome.keyed_to == OWNER


@pytest.mark.parametrize("asset_type", ASSET_TYPES)
def test_every_type_gets_ids_of_its_own(decider: Decider, asset_type: str) -> None:
    assert register(decider, new(asset_type=asset_type)).startswith(f"{asset_type}-")


@pytest.mark.parametrize(
    "known",
    [
        {"identity": DEVICE},
        {"connection": {"mpan_import": MPAN}},
        {"connection": {"mpan_export": MPAN}},
        {"location": {"uprn": "100023336956"}},
        {"location": {"point": LONDON}},
        {"location": {"grid": {"easting_m": 530000, "northing_m": 180000}}},
        {"location": {"postcode": "SW1A 1AA"}},
    ],
    ids=str,
)
def test_one_thing_that_says_which_it_is_suffices(decider: Decider, known: Any) -> None:
    assert register(decider, new(**{"identity": None} | known))


@pytest.mark.parametrize(
    "unknown",
    [
        {},
        {"identity": {"make": "Acme"}},
        {"identity": {"serial": "SN-4711"}},
        {"identity": {"make": "Acme", "serial": "1234"}},
        {"identity": {"make": "Acme", "serial": "N/A"}},
        {"identity": {"make": "unknown", "serial": "SN-4711"}},
        {"identity": {"model": "X", "mac": "001A2B3C4D5E"}},
        {"connection": {"mpan_import": "TBC", "gsp_group": "_A"}},
        {"location": {"town": "Exampleton", "postcode": "Redacted"}},
        {"name": "The big one", "capability": {"power_kw": 5}},
    ],
    ids=str,
)
def test_asset_that_cannot_be_recognised_again_is_refused(decider: Decider, unknown: Any) -> None:
    given = new(**{"identity": None} | unknown)
    assert refused(decider, given) == [("asset.unidentifiable", "")]


def test_portfolio_is_known_by_its_members(decider: Decider) -> None:
    assert register(decider, new(asset_type="PFL", identity=None)).startswith("PFL-")


@pytest.mark.parametrize("name", ["mpan_import", "mpan_export"])
def test_gsp_group_must_be_that_of_the_mpan(decider: Decider, name: str) -> None:
    given = new(connection={name: MPAN, "gsp_group": "_A"})
    assert refused(decider, given) == [("connection.gsp-group", "data.connection.gsp_group")]
    assert register(decider, new(connection={name: MPAN, "gsp_group": "_H"}))


def test_both_mpans_are_compared(decider: Decider) -> None:
    both = {"mpan_import": MPAN, "mpan_export": "1312345678907", "gsp_group": "_A"}
    assert (
        refused(decider, new(connection=both))
        == [("connection.gsp-group", "data.connection.gsp_group")] * 2
    )


def test_independent_network_lies_in_any_group(decider: Decider) -> None:
    independent = {"mpan_import": "2400000000013", "gsp_group": "_A"}
    assert register(decider, new(connection=independent))


@pytest.mark.parametrize(
    ("asset_type", "point"),
    [
        ("BAT", LONDON),
        ("WND", LONDON),
        ("WND", DOGGER_BANK),
        ("TID", DOGGER_BANK),
        ("IFC", DOGGER_BANK),
        ("OTH", DOGGER_BANK),
    ],
)
def test_point_in_the_country_or_its_waters_is_taken(
    decider: Decider, asset_type: str, point: Any
) -> None:
    assert register(decider, new(asset_type=asset_type, location={"point": point}))


@pytest.mark.parametrize(
    ("asset_type", "point"),
    [
        ("BAT", DOGGER_BANK),
        ("BAT", CALAIS),
        ("BAT", {"latitude": -0.12, "longitude": 51.5}),
        ("BAT", {"latitude": 0, "longitude": 0}),
        ("WND", CALAIS),
    ],
)
def test_point_elsewhere_is_refused(decider: Decider, asset_type: str, point: Any) -> None:
    given = new(asset_type=asset_type, location={"point": point})
    assert refused(decider, given) == [("location.outside", "data.location.point")]


@pytest.mark.parametrize(
    ("dates", "field"),
    [
        ({"lifecycle": "planned", "expected_on": "2027-01-01"}, None),
        ({"lifecycle": "planned"}, None),
        ({"lifecycle": "planned", "commissioned_on": "2020-01-01"}, "commissioned_on"),
        ({"lifecycle": "operating", "commissioned_on": "2020-01-01"}, None),
        ({"commissioned_on": "2020-01-01"}, None),
        ({"lifecycle": "operating", "expected_on": "2027-01-01"}, "expected_on"),
        ({"expected_on": "2027-01-01"}, "expected_on"),
    ],
    ids=str,
)
def test_dates_fit_the_lifecycle(decider: Decider, dates: Any, field: str | None) -> None:
    if field is None:
        assert register(decider, new(**dates))
    else:
        assert refused(decider, new(**dates)) == [("lifecycle.dates", f"data.{field}")]


def test_everything_that_is_wrong_is_said_at_once(decider: Decider) -> None:
    register(decider)
    given = new(
        connection={"mpan_import": MPAN, "gsp_group": "_A"},
        location={"point": CALAIS},
        expected_on="2027-01-01",
        owner=issued("USR", 9000),
    )
    assert refused(decider, given) == [
        ("connection.gsp-group", "data.connection.gsp_group"),
        ("location.outside", "data.location.point"),
        ("lifecycle.dates", "data.expected_on"),
        ("asset.owner-unknown", "data.owner"),
    ]


def test_claim_of_another_is_not_told_beside_other_faults(decider: Decider) -> None:
    """A command that cannot be accepted anyway would ask for it at no cost."""
    register(decider)
    assert refused(decider, new(location={"point": CALAIS})) == [
        ("location.outside", "data.location.point")
    ]


# Claims.


@pytest.mark.parametrize(
    ("make", "serial"),
    [("ACME", "sn-4711"), ("Acme ", "SN 4711"), ("A.C.M.E.", "SN4711"), ("acme", "sn/47-11")],
)
def test_spellings_of_one_device_are_one(decider: Decider, make: str, serial: str) -> None:
    register(decider)
    given = new(identity={"make": make, "serial": serial})
    assert refused(decider, given) == [("asset.duplicate", "data.identity.serial")]


@pytest.mark.parametrize(
    "identity",
    [
        {"make": "Acme", "serial": "SN-04711"},
        {"make": "Acme", "serial": "SN-4712"},
        {"make": "Acme Power", "serial": "SN-4711"},
    ],
    ids=str,
)
def test_other_device_is_another(decider: Decider, identity: Any) -> None:
    assert register(decider) != register(decider, new(identity=identity))


@pytest.mark.parametrize("serial", ["1234", "12345678", "000", "XXXX", "test", "N/A", "TBC"])
def test_placeholder_serial_makes_no_claim(decider: Decider, serial: str) -> None:
    given: Any = {
        "identity": {"make": "Acme", "serial": serial},
        "connection": {"mpan_import": MPAN},
    }
    assert register(decider, new(**given)) != register(decider, new(**given))
    assert decider.of("claims") == []


def test_two_assets_stand_behind_one_mpan(decider: Decider) -> None:
    given: Any = {"identity": None, "connection": {"mpan_export": MPAN}}
    assert register(decider, new(**given)) != register(decider, new(**given))


def test_two_in_one_batch_cannot_both_have_a_device(decider: Decider) -> None:
    outcomes = decider.decide(new(), new())
    assert [outcome.kind for outcome in outcomes] == ["accepted", "rejected"]


@pytest.mark.parametrize("asker", [PLATFORM, OWNER, "operator"])
def test_parties_are_told_which_asset_holds_the_device(decider: Decider, asker: str) -> None:
    holder = register(decider, new(owner=OWNER))
    assert finding(decider, new(asker))["got"] == f"held by {holder}"


def test_stranger_is_told_that_the_device_is_held_and_no_more(decider: Decider) -> None:
    holder = register(decider, new(owner=OWNER))
    (outcome,) = decider.decide(new(STRANGER))
    data = reply(outcome)[1]
    assert (data["code"], data["findings"][0]["got"]) == ("asset.duplicate", "")
    assert holder not in str(data)


# Updates.


def test_update_merges_groups_field_by_field_and_names_what_changed(decider: Decider) -> None:
    asset_id = register(decider, new(capability={"power_kw": 3, "energy_kwh": 10}, name="One"))
    update = changed(asset_id, capability={"power_kw": 5}, connection={"mpan_import": MPAN})
    (outcome,) = decider.decide(update)
    state = {"id": asset_id, "status": "provisional", "lifecycle": "operating", "revision": 2}
    assert reply(outcome) == ("asset.update.accepted.v1", state)
    assert events(outcome) == [
        (
            "asset.updated.v1",
            {
                "id": asset_id,
                "revision": 2,
                "status": "provisional",
                "by": PLATFORM,
                "changed": ["capability.power_kw", "connection"],
                "parties": {"registrant": PLATFORM},
                "area": "_H",
            },
        )
    ]
    now = document(decider, asset_id)
    assert now["capability"] == {"power_kw": Decimal(5), "energy_kwh": Decimal(10)}
    assert (now["connection"], now["name"]) == ({"mpan_import": MPAN}, "One")
    assert (now["revision"], now["updated_at"]) == (2, NOW)


def test_history_keeps_new_values_and_removed_names(decider: Decider) -> None:
    asset_id = register(decider, new(name="One", capability={"power_kw": 3}))
    accept(decider, changed(asset_id, name=None, capability={"power_kw": 5}))
    first, second = decider.of("history")
    assert first["_id"] < second["_id"]
    assert second["values"] == {"capability": {"power_kw": Decimal(5)}}
    assert (second["removed"], second["revision"], second["by"]) == (["name"], 2, PLATFORM)


@pytest.mark.parametrize(
    ("patch", "gone"),
    [
        ({"name": None}, "name"),
        ({"capability": None}, "capability"),
        ({"capability": {"power_kw": None}}, "capability"),
        ({"technologies": None}, "technologies"),
        ({"technologies": []}, "technologies"),
        ({"location": {"point": None}}, "location"),
        ({"commissioned_on": None}, "commissioned_on"),
    ],
    ids=str,
)
def test_null_clears(decider: Decider, patch: Any, gone: str) -> None:
    whole: Any = {
        "name": "One",
        "capability": {"power_kw": 3},
        "technologies": [{"source": "sun"}],
        "location": {"point": LONDON},
        "commissioned_on": "2020-01-01",
    }
    asset_id = register(decider, new(**whole))
    before = document(decider, asset_id)
    accept(decider, changed(asset_id, **patch))
    after = document(decider, asset_id)
    # The cell is no field of its own: it goes with the point.
    assert {name for name in before if name not in after} - {"cell"} == {gone}
    assert after["revision"] == 2


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"name": "One"},
        {"name": "  One "},
        {"identity": {}},
        {"identity": DEVICE},
        {"identity": {"serial": "not available", "mac": "n/a"}},
        {"capability": {"power_kw": 3.0, "energy_kwh": 10}},
        {"capability": {"ramp_kw_per_min": None}},
        {"connection": None},
        {"connection": {"mpan_import": "Redacted"}},
        {"location": {"postcode": "0"}},
        {"technologies": [{"source": "sun", "power_kw": 3}]},
        {"technologies": [{"source": "sun", "conversion": "N/A", "power_kw": 3.0}]},
        {"technologies": [{"source": "sun", "conversion": None, "power_kw": 3}]},
    ],
    ids=str,
)
def test_update_that_changes_nothing_is_accepted_and_makes_no_event(
    decider: Decider, patch: Any
) -> None:
    asset_id = register(
        decider,
        new(
            name="One",
            capability={"power_kw": 3, "energy_kwh": 10},
            technologies=[{"source": "sun", "power_kw": 3}],
        ),
    )
    before = document(decider, asset_id)
    (outcome,) = decider.decide(changed(asset_id, **patch))
    assert reply(outcome)[1]["revision"] == 1
    assert (events(outcome), [w.collection for w in outcome.writes]) == ([], ["inbox"])
    assert document(decider, asset_id) is before


def test_list_that_was_empty_stays_empty(decider: Decider) -> None:
    asset_id = register(decider)
    (outcome,) = decider.decide(changed(asset_id, technologies=[]))
    assert (events(outcome), document(decider, asset_id)["revision"]) == ([], 1)


def test_update_on_the_current_revision_is_taken_and_on_an_older_one_stale(
    decider: Decider,
) -> None:
    asset_id = register(decider)
    accept(decider, changed(asset_id, name="Two", expected_revision=1))
    stale = changed(asset_id, name="Three", expected_revision=1)
    only = finding(decider, stale)
    assert (only["rule"], only["field"]) == ("asset.stale", "data.expected_revision")
    assert (only["expected"], only["got"]) == (
        "the current revision, 2 (changed since yours: name)",
        "1",
    )
    accept(decider, changed(asset_id, name="Three", expected_revision=2))


def test_no_op_on_a_stale_revision_is_stale(decider: Decider) -> None:
    asset_id = register(decider, new(name="One"))
    accept(decider, changed(asset_id, name="Two"))
    same = changed(asset_id, name="Two", expected_revision=1)
    assert refused(decider, same) == [("asset.stale", "data.expected_revision")]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"identity": None}, ("asset.unidentifiable", "")),
        ({"identity": {"serial": None}}, ("asset.unidentifiable", "")),
        (
            {"connection": {"mpan_import": MPAN, "gsp_group": "_A"}},
            ("connection.gsp-group", "data.connection.gsp_group"),
        ),
        ({"location": {"point": CALAIS}}, ("location.outside", "data.location.point")),
        ({"expected_on": "2027-01-01"}, ("lifecycle.dates", "data.expected_on")),
    ],
    ids=str,
)
def test_update_keeps_the_rules_of_the_registration(
    decider: Decider, patch: Any, expected: Any
) -> None:
    asset_id = register(decider)
    assert refused(decider, changed(asset_id, **patch)) == [expected]


def test_group_is_judged_with_the_mpan_that_is_there_already(decider: Decider) -> None:
    asset_id = register(decider, new(connection={"mpan_import": MPAN}))
    assert refused(decider, changed(asset_id, connection={"gsp_group": "_A"})) == [
        ("connection.gsp-group", "data.connection.gsp_group")
    ]


@pytest.mark.parametrize("sender", [PLATFORM, OWNER, "operator"])
def test_parties_may_update(decider: Decider, sender: str) -> None:
    asset_id = register(decider, new(owner=OWNER))
    assert accept(decider, changed(asset_id, sender, name="Two"))["revision"] == 2


# Claims that move.


def holders(decider: Decider) -> list[str]:
    return [claim["holder"] for claim in decider.of("claims")]


def test_claim_moves_with_the_serial_and_the_old_one_is_free(decider: Decider) -> None:
    asset_id = register(decider)
    (outcome,) = decider.decide(changed(asset_id, identity={"serial": "SN-4712"}))
    claims = [write for write in outcome.writes if write.collection == "claims"]
    assert [type(write) for write in claims] == [Drop, Put]
    assert holders(decider) == [asset_id]
    other = register(decider)
    assert holders(decider) == [asset_id, other]


def test_claim_moves_with_the_make(decider: Decider) -> None:
    asset_id = register(decider)
    accept(decider, changed(asset_id, identity={"make": "Zenith"}))
    assert register(decider)
    taken = new(identity={"make": "Zenith", "serial": "SN-4711"})
    assert refused(decider, taken) == [("asset.duplicate", "data.identity.serial")]


def test_claim_is_freed_when_the_device_is_no_longer_known(decider: Decider) -> None:
    asset_id = register(decider, new(connection={"mpan_import": MPAN}))
    accept(decider, changed(asset_id, identity={"serial": None}))
    assert holders(decider) == []


def test_other_spelling_keeps_the_claim(decider: Decider) -> None:
    asset_id = register(decider)
    (outcome,) = decider.decide(changed(asset_id, identity={"serial": "sn 4711"}))
    assert [w.collection for w in outcome.writes] == ["assets", "history", "inbox"]
    assert holders(decider) == [asset_id]


def test_update_cannot_take_what_another_holds(decider: Decider) -> None:
    register(decider)
    other = register(decider, new(STRANGER, identity={"make": "Acme", "serial": "SN-4712"}))
    take = changed(other, STRANGER, identity={"serial": "SN-4711"})
    only = finding(decider, take)
    assert (only["rule"], only["got"]) == ("asset.duplicate", "")


def test_device_changes_hands_within_one_batch(decider: Decider) -> None:
    one = register(decider)
    move = changed(one, identity={"serial": "SN-4712"})
    outcomes = decider.decide(move, new(), changed(one, identity={"serial": "SN-4711"}))
    assert [outcome.kind for outcome in outcomes] == ["accepted", "accepted", "rejected"]
    assert sorted(holders(decider)) == sorted([one, reply(outcomes[1])[1]["id"]])


# Checks and queries.


def test_check_of_a_registration_tells_no_id_and_writes_nothing(decider: Decider) -> None:
    before = dict(decider.documents)
    answer = said(decider.ask(new(message_type="asset.register.check.v1")))
    assert answer == ("asset.register.check.accepted.v1", {"verdict": "acceptable"})
    assert decider.documents == before


def test_check_of_an_update_names_the_asset(decider: Decider) -> None:
    asset_id = register(decider)
    asked = changed(asset_id, message_type="asset.update.check.v1", name="Two")
    answer = said(decider.ask(asked))
    assert answer == (
        "asset.update.check.accepted.v1",
        {"id": asset_id, "verdict": "acceptable"},
    )
    assert document(decider, asset_id)["revision"] == 1


def test_check_is_no_oracle_for_a_strangers_device(decider: Decider) -> None:
    register(decider)
    asked = new(STRANGER, "asset.register.check.v1")
    assert said(decider.ask(asked))[0] == "asset.register.check.accepted.v1"
    own = register(decider, new(STRANGER, identity={"make": "Acme", "serial": "SN-4712"}))
    take = changed(own, STRANGER, "asset.update.check.v1", identity=DEVICE)
    assert said(decider.ask(take))[0] == "asset.update.check.accepted.v1"


def test_check_compares_with_what_one_may_see(decider: Decider) -> None:
    register(decider)
    kind, data = said(decider.ask(new(message_type="asset.register.check.v1")))
    assert kind == "asset.register.check.rejected.v1"
    assert rules(data) == [("asset.duplicate", "data.identity.serial")]


@pytest.mark.parametrize("viewer", [PLATFORM, OWNER, "operator"])
def test_parties_see_the_whole_asset_as_it_was_given(decider: Decider, viewer: str) -> None:
    given: Any = {
        "identity": DEVICE | {"model": "Tower", "mac": "00:1A:2B:3C:4D:5E"},
        "connection": {"mpan_import": MPAN, "voltage_kv": 0.4, "gsp_group": "_H"},
        "location": {"postcode": "SW1A 1AA", "point": LONDON},
        "capability": {"power_kw": 3.6, "energy_kwh": 10, "flexible_connection": True},
        "technologies": [{"source": "sun", "asset_type": "SOL", "power_kw": 3.6}],
        "owner": OWNER,
        "name": "One",
        "commissioned_on": "2020-01-01",
    }
    asset_id = register(decider, new(**given))
    kind, data = said(decider.ask(command(GET, {"id": asset_id}, sender=viewer)))
    assert data["given"].keys() == given.keys()
    assert (kind, {n: v for n, v in data.items() if n != "given"}) == (
        "asset.get.accepted.v1",
        given
        | {
            "id": asset_id,
            "status": "provisional",
            "status_at": "2026-03-01T12:00:00Z",
            "lifecycle": "operating",
            "revision": 1,
            "asset_type": "BAT",
            "registrant": PLATFORM,
        },
    )


def test_place_and_connection_of_a_person_s_asset_are_secret(decider: Decider) -> None:
    person = {"kind": "person", "name": Secret("A. Person")}
    decider.documents["users", OWNER] = user_document(OWNER, **person)
    place, wires = {"postcode": "SW1A 1AA"}, {"mpan_import": MPAN}
    asset_id = register(decider, new(owner=OWNER, location=place, connection=wires, name="Home"))
    stored = decider.documents["assets", asset_id]
    assert stored["location"] == Secret(place)
    assert (stored["connection"], stored["name"]) == (Secret(wires), Secret("Home"))

    moved = command("asset.update.v1", {"id": asset_id, "location": {"town": "London"}})
    assert events(decider.decide(moved)[0])[0][1]["changed"] == ["location.town"]
    stored = decider.documents["assets", asset_id]
    assert stored["location"] == Secret({"postcode": "SW1A 1AA", "town": "London"})
    history = decider.documents["history", f"{asset_id}/00000002"]
    assert history["values"] == {"location": stored["location"]}
