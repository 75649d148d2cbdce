"""How an asset is confirmed: by whose evidence or word, for which service, and until when."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args
from uuid import uuid4

import pytest

from contracts.proofs import (
    ANY,
    EXPEDITED,
    OFFERED,
    OVERALL,
    PROOFS,
    SIGNIFICANT,
    SUBJECTS,
    AssetScheme,
    sets_for,
)
from handlers.decision import Guard, Secret
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued
from tests.decider import Decider, events, reply, rules, said
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.proofs import BUYER, VERIFIER
from tests.unit.operations.table import confirmed, tied

OTHER: Final = issued("USR", 6300)
"""Another verifier."""
SO: Final = issued("USR", 6400)
"""A system operator that buys DFS."""
HOME: Final = {"postcode": "SW1A 1AA"}
METER: Final = {"mpan_import": "2000000000015"}
DC: Final = {"power_up_kw": 5, "response_s": 1}
PAGE: Final = Path(__file__).resolve().parents[2] / "docs/registers/assets.md"


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    people = {
        VERIFIER: ["verifier"],
        OTHER: ["verifier"],
        BUYER: ["mo"],
        SO: ["so"],
        PLATFORM: ["fsp"],
        OWNER: ["owner"],
        STRANGER: ["mo", "so", "verifier", "owner"],
    }
    for one, roles in people.items():
        found.documents["users", one] = confirmed(one, roles=roles)
    given = battery(
        capability={"power_kw": 5},
        connection=METER,
        location=HOME,
        service={"DC": DC, "DFS": {"power_down_kw": 1}},
    )
    ties = (
        tied(BATTERY, VERIFIER, "verifier"),
        tied(BATTERY, OTHER, "verifier"),
        tied(BATTERY, BUYER, "mo", service="DC"),
        tied(BATTERY, SO, "so", service="DFS"),
    )
    for name, row in (given, *ties):
        found.documents[name, row["_id"]] = row
    return found


def send(decider: Decider, kind: str, sender: str, **data: Any) -> Any:
    given = {"id": BATTERY} | data
    (outcome,) = decider.decide(command(f"asset.{kind}.v1", given, sender=sender, id=str(uuid4())))
    return outcome


def now(decider: Decider) -> Any:
    return decider.documents["assets", BATTERY]


def attest(decider: Decider, scheme: str, sender: str = VERIFIER, **changes: Any) -> Any:
    data = {
        "expected_revision": now(decider)["revision"],
        "scheme": scheme,
        "verdict": "match",
        "source": "Archive, as read by Bo Clerk",
        "evidence_at": "2026-02-28T12:00:00Z",
    }
    return send(decider, "attest", sender, **data | changes)


def status(decider: Decider, service: str | None = None) -> str:
    if service is None:
        return str(now(decider)["status"])
    return str(now(decider).get("confirmations", {}).get(service, {}).get("status"))


def told(decider: Decider, outcome: Any, kind: str) -> dict[str, Any]:
    """Who is told an event of this type, and what."""
    letters = decider.consequences([outcome])
    return {str(one.recipient): said(one)[1] for one in letters if one.type == kind}


def change(decider: Decider, **fields: Any) -> None:
    decider.documents["assets", BATTERY] = {**now(decider), **fields}


def test_the_same_evidence_serves_every_service_for_which_it_is_enough(decider: Decider) -> None:
    """What was looked at for one product counts for the others: A2b."""
    decider.now += timedelta(days=1)
    outcome = attest(decider, "connection", service="DC")
    assert {**reply(outcome)[1], "evidence_at": ""} == {
        "id": BATTERY,
        "scheme": "connection",
        "service": "DC",
        "verdict": "match",
        "evidence_at": "",
        "status": "provisional",
        "revision": 2,
    }
    assert [kind for kind, _ in events(outcome)] == ["asset.attested.v1", "asset.confirmed.v1"]
    assert (status(decider, "DFS"), status(decider, "DC"), status(decider)) == (
        "confirmed",
        "None",
        "provisional",
    )
    entry = now(decider)["confirmations"]["DFS"]
    assert entry == {
        "status": "confirmed",
        "at": NOW + timedelta(days=1),
        "by": VERIFIER,
        "grounds": "evidence",
    }
    assert now(decider)["status_at"] == NOW


def test_the_last_piece_of_evidence_confirms_the_whole(decider: Decider) -> None:
    attest(decider, "connection")
    decider.now += timedelta(days=1)
    outcome = attest(decider, "capability", OTHER)
    (_, (kind, data)) = events(outcome)
    assert (kind, data["services"], data["overall"], data["status"], data["grounds"]) == (
        "asset.confirmed.v1",
        [],
        True,
        "confirmed",
        "evidence",
    )
    assert (status(decider), now(decider)["status_at"]) == ("confirmed", decider.now)
    # Dynamic containment needs a technical test.
    assert status(decider, "DC") == "None"
    attest(decider, "test", service="DC")
    assert status(decider, "DC") == "confirmed"


def test_a_test_counts_for_its_service_and_those_of_the_table(decider: Decider) -> None:
    change(decider, service={"DC": DC, "DM": DC, "SU": DC, "QQ": DC})
    for scheme in ("connection", "capability"):
        attest(decider, scheme)
    assert status(decider, "SU") == "confirmed"
    attest(decider, "test", service="DC")
    found = {one: status(decider, one) for one in ("DC", "DM", "SU", "QQ", "DR")}
    assert found == {
        "DC": "confirmed",
        "DM": "confirmed",
        "SU": "confirmed",
        "QQ": "None",
        "DR": "None",
    }
    assert "DC" in EXPEDITED["DM"]


def test_a_service_that_is_offered_later_needs_no_more_evidence_than_there_is(
    decider: Decider,
) -> None:
    change(decider, service={"DC": DC})
    attest(decider, "connection")
    attest(decider, "capability")
    assert status(decider, "DFS") == "None"
    outcome = send(decider, "update", PLATFORM, service={"DFS": DC, "DM": DC})
    assert [kind for kind, _ in events(outcome)] == ["asset.updated.v1", "asset.confirmed.v1"]
    assert (status(decider, "DFS"), status(decider, "DM")) == ("confirmed", "None")


def test_one_mismatch_outweighs_any_match(decider: Decider) -> None:
    attest(decider, "capability", OTHER, verdict="mismatch")
    attest(decider, "capability")
    attest(decider, "connection")
    assert status(decider) == "provisional"
    # Whoever said so takes it back by saying otherwise.
    attest(decider, "capability", OTHER, verdict="unknown")
    assert status(decider) == "confirmed"


def test_the_same_attestation_again_is_nothing_new_whatever_the_revision(decider: Decider) -> None:
    attest(decider, "capability")
    first = attest(decider, "connection")
    assert reply(first)[1]["revision"] == 2
    again = attest(decider, "connection", expected_revision=1)
    assert (reply(again)[0], events(again)) == ("asset.attest.accepted.v1", [])
    assert [write.collection for write in again.writes] == ["inbox"]


def test_nothing_is_attested_that_nobody_has_compared(decider: Decider) -> None:
    send(decider, "update", PLATFORM, connection={"mpan_import": "1312345678907"})
    stale = attest(decider, "connection", expected_revision=1)
    assert rules(reply(stale)[1]) == [("asset.stale", "data.expected_revision")]
    # And what changes while it is decided is not attested either.
    outcome = attest(decider, "location")
    assert outcome.guards == (Guard("assets", now(decider)),)


def test_evidence_ends_with_the_value_that_was_looked_at(decider: Decider) -> None:
    attest(decider, "capability")
    send(decider, "update", PLATFORM, capability={"power_kw": 6})
    attest(decider, "connection")
    assert (status(decider), status(decider, "DFS")) == ("provisional", "confirmed")
    # And holds again for the value of before.
    outcome = send(decider, "update", PLATFORM, capability={"power_kw": 5})
    assert [kind for kind, _ in events(outcome)] == ["asset.updated.v1", "asset.confirmed.v1"]
    assert status(decider) == "confirmed"


def test_fewer_offers_confirm_nothing(decider: Decider) -> None:
    send(decider, "confirm", BUYER, service="DC")
    send(decider, "update", PLATFORM, service={"DFS": None})
    assert (status(decider), status(decider, "DC")) == ("provisional", "confirmed")


@pytest.mark.parametrize(
    "relation", ["owner", "registrant", "delegate", "aggregator", "fsp", "so", None]
)
def test_only_an_assets_verifier_that_speaks_for_nobody_attests(
    decider: Decider, relation: str | None
) -> None:
    if relation in {"owner", "registrant"}:
        change(decider, **{relation: VERIFIER})
    elif relation == "delegate":
        name, row = tied(OWNER, VERIFIER, "delegate")
        decider.documents[name, row["_id"]] = row
    elif relation is not None:
        name, row = tied(BATTERY, VERIFIER, relation)
        also = {"as": "verifier", "from": NOW, "until": None} if relation != "so" else None
        row = {**row, "ties": [*row["ties"], *([also] if also else [])]}
        decider.documents[name, row["_id"]] = row
    else:
        del decider.documents["relations", f"{BATTERY}/{VERIFIER}"]
    code = "asset.not-found" if relation is None else "asset.not-yours"
    assert rules(reply(attest(decider, "connection"))[1]) == [(code, "data.id")]
    assert not decider.of("proofs")


def test_a_verifier_for_one_service_tests_no_other(decider: Decider) -> None:
    name, row = tied(BATTERY, VERIFIER, "verifier", service="DFS")
    decider.documents[name, row["_id"]] = row
    refused = attest(decider, "test", service="DC")
    assert rules(reply(refused)[1]) == [("asset.not-yours", "data.id")]
    assert reply(attest(decider, "test", service="DFS"))[0] == "asset.attest.accepted.v1"


def test_the_source_stays_sealed_and_the_value_is_a_fingerprint(decider: Decider) -> None:
    outcome = attest(decider, "location")
    (row,) = decider.of("proofs")
    assert row["source"] == Secret("Archive, as read by Bo Clerk")
    assert "SW1A" not in str(row)
    assert "person" not in row
    assert all(b"Clerk" not in letter.body for letter in outcome.letters)
    # Of a person's asset it goes with the person.
    change(decider, is_personal=True, location=Secret(HOME))
    attest(decider, "location", OTHER)
    assert [one.get("person") for one in decider.of("proofs")] == [None, OWNER]


def test_who_may_read_the_group_is_told_of_evidence(decider: Decider) -> None:
    outcome = attest(decider, "location", verdict="mismatch")
    got = told(decider, outcome, "asset.attested.v1")
    # The verifier itself is the actor; a market operator reads no location.
    assert got.keys() == {OWNER, PLATFORM, OTHER, SO}
    assert got[OWNER]["verdict"] == "mismatch"
    tested = attest(decider, "test", service="DC")
    assert told(decider, tested, "asset.attested.v1").keys() == {OWNER, PLATFORM, OTHER, BUYER}


def test_planned_assets_are_attested_and_confirmed_when_they_operate(decider: Decider) -> None:
    """A2c: evidence may come before the asset does."""
    change(decider, lifecycle="planned", expected_on="2026-02-20")
    attest(decider, "connection")
    attest(decider, "capability")
    assert (status(decider), now(decider)["revision"]) == ("provisional", 1)
    refused = send(decider, "confirm", "operator")
    assert rules(reply(refused)[1]) == [("asset.not-operating", "data.id")]
    outcome = send(decider, "commission", PLATFORM, commissioned_on="2026-02-28")
    assert [kind for kind, _ in events(outcome)] == ["asset.commissioned.v1", "asset.confirmed.v1"]
    assert reply(outcome)[1]["status"] == "confirmed"
    assert (status(decider), status(decider, "DFS")) == ("confirmed", "confirmed")


# By a buyer's or an operator's word.


def test_a_buyer_confirms_what_it_buys_and_no_more(decider: Decider) -> None:
    decider.now += timedelta(days=1)
    outcome = send(decider, "confirm", BUYER, service="DC")
    assert reply(outcome)[1] == {
        "id": BATTERY,
        "status": "provisional",
        "service": "DC",
        "service_status": "confirmed",
        "revision": 2,
    }
    assert now(decider)["confirmations"]["DC"] == {
        "status": "confirmed",
        "at": decider.now,
        "by": BUYER,
        "grounds": "buyer",
    }
    for service in ("DFS", None):
        more = {"service": service} if service else {}
        refused = send(decider, "confirm", BUYER, **more)
        assert rules(reply(refused)[1]) == [("asset.not-yours", "data.service")]
    again = send(decider, "confirm", BUYER, service="DC", expected_revision=1)
    assert (reply(again)[1]["revision"], events(again)) == (2, [])


def test_confirmed_for_all_that_it_is_offered_for_is_confirmed(decider: Decider) -> None:
    send(decider, "confirm", BUYER, service="DC")
    assert status(decider) == "provisional"
    outcome = send(decider, "confirm", SO, service="DFS")
    ((_, data),) = events(outcome)
    assert (data["services"], data["overall"]) == (["DFS"], True)
    assert status(decider) == "confirmed"
    # The other buyer learns that the whole is confirmed, and not what for.
    got = told(decider, outcome, "asset.confirmed.v1")
    assert (got[BUYER]["services"], got[BUYER]["overall"]) == ([], True)
    assert got[OWNER]["services"] == ["DFS"]


def test_of_another_service_alone_a_buyer_is_told_nothing(decider: Decider) -> None:
    outcome = send(decider, "confirm", BUYER, service="DC")
    assert told(decider, outcome, "asset.confirmed.v1").keys() == {OWNER, PLATFORM, VERIFIER, OTHER}


def test_an_operator_confirms_the_whole(decider: Decider) -> None:
    outcome = send(decider, "confirm", "operator")
    ((_, data),) = events(outcome)
    assert (data["grounds"], data["overall"], data["services"]) == ("operator", True, [])
    assert (status(decider), status(decider, "DC")) == ("confirmed", "None")
    assert reply(send(decider, "confirm", "operator", service="DC"))[1]["service"] == "DC"


def test_nobody_confirms_what_it_speaks_for_as_a_buyer(decider: Decider) -> None:
    change(decider, owner=BUYER)
    refused = send(decider, "confirm", BUYER, service="DC")
    assert rules(reply(refused)[1]) == [("asset.not-yours", "data.service")]


def test_a_retired_asset_is_confirmed_no_more(decider: Decider) -> None:
    send(decider, "retire", PLATFORM, reason="decommissioned")
    for sender, more in (("operator", {}), (BUYER, {"service": "DC"})):
        refused = send(decider, "confirm", sender, **more)
        assert rules(reply(refused)[1]) == [("asset.retired", "data.id")]


def test_the_view_shows_each_service_to_whom_it_concerns(decider: Decider) -> None:
    send(decider, "confirm", BUYER, service="DC")
    send(decider, "confirm", SO, service="DFS")
    seen = {}
    for viewer in (OWNER, BUYER, SO):
        asked = command("asset.get.v1", {"id": BATTERY}, sender=viewer, id=str(uuid4()))
        _, data = said(decider.ask(asked))
        assert data["status"] == "confirmed"
        assert data["status_at"] == "2026-03-01T12:00:00Z"
        seen[viewer] = sorted(data["confirmations"])
    assert seen == {OWNER: ["DC", "DFS"], BUYER: ["DC"], SO: ["DFS"]}


# Significant changes.


@pytest.fixture
def whole(decider: Decider) -> Decider:
    """Confirmed for both services, and so as a whole."""
    send(decider, "confirm", BUYER, service="DC")
    send(decider, "confirm", SO, service="DFS")
    decider.now += timedelta(days=1)
    return decider


@pytest.mark.parametrize(
    ("kind", "sender", "data", "because"),
    [
        ("update", PLATFORM, {"capability": {"power_kw": 6}}, ["capability.power_kw"]),
        ("update", PLATFORM, {"identity": {"model": "Two"}}, ["identity.model"]),
        ("update", PLATFORM, {"technologies": [{"source": "sun"}]}, ["technologies"]),
        ("move", PLATFORM, {"location": {"postcode": "N1 1AA"}}, ["location.postcode"]),
        ("move", PLATFORM, {"connection": {"mpan_import": "1312345678907"}},
         ["connection.mpan_import"]),
        ("transfer", OWNER, {"owner": STRANGER}, ["owner"]),
    ],
)  # fmt: skip
def test_a_significant_change_opens_all_anew_in_the_same_decision(
    whole: Decider, kind: str, sender: str, data: Any, because: list[str]
) -> None:
    outcome = send(whole, kind, sender, **data)
    (_, (event, facts)) = events(outcome)
    assert (event, facts["because"], facts["services"], facts["overall"]) == (
        "asset.reopened.v1",
        because,
        ["DC", "DFS"],
        True,
    )
    assert (status(whole), now(whole)["status_at"]) == ("provisional", whole.now)
    assert now(whole)["confirmations"]["DC"] == {
        "status": "provisional",
        "at": whole.now,
        "by": sender,
        "grounds": "changed",
    }
    assert reply(outcome)[1]["status"] == "provisional"
    got = told(whole, outcome, "asset.reopened.v1")
    # The buyers are told, each of what is its own.
    assert (got[BUYER]["services"], got[SO]["services"]) == (["DC"], ["DFS"])
    assert got[BUYER]["overall"]
    readable = {"capability.power_kw", "technologies"}
    assert got[BUYER]["because"] == [one for one in because if one in readable]


@pytest.mark.parametrize(
    "data",
    [
        {"name": "Another"},
        {"identity": {"mac": "00:11:22:33:44:55"}},
        {"connection": {"voltage_kv": 11}},
        {"location": {"town": "London"}},
        {"service": {"DC": {"available": [
            {"days": ["mo"], "from_time": "10:00", "until_time": "11:00"}
        ]}}},
    ],
)  # fmt: skip
def test_what_is_not_significant_leaves_confirmed_what_is(whole: Decider, data: Any) -> None:
    outcome = send(whole, "update", PLATFORM, **data)
    assert [kind for kind, _ in events(outcome)] == ["asset.updated.v1"]
    assert (status(whole), status(whole, "DC")) == ("confirmed", "confirmed")


def test_another_offer_concerns_its_own_service(whole: Decider) -> None:
    outcome = send(whole, "update", PLATFORM, service={"DC": {"power_up_kw": 4}})
    (_, (event, facts)) = events(outcome)
    assert (event, facts["because"], facts["services"], facts["overall"]) == (
        "asset.reopened.v1",
        ["service.DC.power_up_kw"],
        ["DC"],
        False,
    )
    assert (status(whole), status(whole, "DC"), status(whole, "DFS")) == (
        "confirmed",
        "provisional",
        "confirmed",
    )
    assert SO not in told(whole, outcome, "asset.reopened.v1")


def test_what_evidence_proves_of_the_new_value_stays_confirmed(decider: Decider) -> None:
    attest(decider, "connection")
    attest(decider, "capability")
    assert status(decider) == "confirmed"
    outcome = send(decider, "move", PLATFORM, location={"postcode": "N1 1AA"})
    assert [kind for kind, _ in events(outcome)] == ["asset.moved.v1"]
    assert (status(decider), status(decider, "DFS")) == ("confirmed", "confirmed")


def test_buyers_cannot_switch_it_off(decider: Decider) -> None:
    chosen = command(
        "subscription.set.v1",
        {"kinds": {"asset.reopened.v1": "off"}},
        sender=BUYER,
        id=str(uuid4()),
    )
    assert rules(reply(decider.decide(chosen)[0])[1])[0][0] == "notice.mandatory"


def test_a_change_before_anything_is_confirmed_asks_for_no_evidence(decider: Decider) -> None:
    """What nobody has confirmed costs nothing more to change."""
    outcome = send(decider, "update", PLATFORM, capability={"power_kw": 6})
    assert [kind for kind, _ in events(outcome)] == ["asset.updated.v1"]
    assert status(decider) == "provisional"


# The tables.


def test_the_tables_speak_of_what_there_is() -> None:
    schemes = set(get_args(AssetScheme))
    assert schemes == SUBJECTS.keys()
    for of_service in PROOFS.values():
        assert ANY in of_service
        assert {one for sets in of_service.values() for enough in sets for one in enough} <= schemes
    assert sets_for("PFL", OVERALL) == ()
    assert sets_for("BAT", "NEW") == sets_for("BAT", "OTHER")
    assert set(EXPEDITED) <= PROOFS.keys()
    assert "connection.mpan_export" in SIGNIFICANT
    assert "power_up_kw" in OFFERED


def rows(name: str) -> list[list[str]]:
    part = PAGE.read_text().partition(f"<!-- {name}: ")[2].partition("\n\n")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
    return cells[2:]


def codes_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_lists_what_is_attested() -> None:
    listed = {codes_in(name)[0]: tuple(codes_in(paths)) for name, paths in rows("schemes")}
    assert listed == {
        name: paths if name != "test" else (*paths, *(f"service.{one}" for one in OFFERED))
        for name, paths in SUBJECTS.items()
    }


def test_the_page_lists_which_evidence_confirms() -> None:
    listed = {
        (codes_in(service)[0], codes_in(of)[0]): {
            frozenset(codes_in(one)) for one in enough.split(" or ") if codes_in(one)
        }
        for service, of, enough in rows("proofs")
    }
    assert listed == {
        (service, of): set(sets)
        for service, of_service in PROOFS.items()
        for of, sets in of_service.items()
    }


def test_the_page_lists_whose_test_counts_for_others() -> None:
    listed = {codes_in(service)[0]: set(codes_in(others)) for service, others in rows("expedited")}
    assert listed == {service: set(others) for service, others in EXPEDITED.items()}
