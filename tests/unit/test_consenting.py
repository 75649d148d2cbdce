"""The owner's consent: who may say that it was given, what its end stops, and who represents."""

from datetime import timedelta
from typing import Any, Final, get_args
from uuid import uuid4

import pytest

from contracts.relations import RelationName
from handlers.consenting import KEPT_MAX, STOPS
from handlers.edges import edge
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said

CONSENT: Final = "asset.consent.v1"
WITHDRAW: Final = "asset.withdraw-consent.v1"
THIRD: Final = issued("USR", 6000)


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    found.documents["users", THIRD] = user_document(THIRD, roles=["verifier"], status="confirmed")
    return found


@pytest.fixture
def battery(decider: Decider) -> str:
    return register(decider, owner=OWNER)


def register(decider: Decider, **changes: Any) -> str:
    given = asset(identity={"make": "Acme", "serial": str(uuid4())}, **changes)
    return str(reply(ask(decider, "asset.register.v1", PLATFORM, **given))[1]["id"])


def ask(decider: Decider, kind: str, sender: str, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return outcome


def relate(decider: Decider, battery: str, sender: str = OWNER, **changes: Any) -> Any:
    given = {"id": battery, "party": STRANGER, "relation": "fsp"} | changes
    return ask(decider, "asset.relate.v1", sender, **given)


def consent(decider: Decider, battery: str, sender: str, **changes: Any) -> Any:
    given = {"id": battery, "party": STRANGER, "method": "signature"} | changes
    return ask(decider, CONSENT, sender, **given)


def withdraw(decider: Decider, battery: str, sender: str = OWNER, **changes: Any) -> Any:
    return ask(decider, WITHDRAW, sender, **{"id": battery, "party": STRANGER} | changes)


def refused(outcome: Any) -> list[tuple[str, str]]:
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def question(decider: Decider, kind: str, sender: str, **data: Any) -> tuple[str, Any]:
    return said(decider.ask(command(kind, data, sender=sender, id=str(uuid4()))))


def represented(decider: Decider, sender: str = OWNER, **data: Any) -> Any:
    kind, answer = question(decider, "asset.representation.v1", sender, **data)
    assert kind == "asset.representation.accepted.v1", answer
    return answer["assets"]


def test_the_owner_s_own_word_is_verified_and_the_party_is_told(
    decider: Decider, battery: str
) -> None:
    outcome = consent(decider, battery, OWNER, method="by-owner", service="DFS")
    kind, data = reply(outcome)
    assert (kind, data["state"], data["service"]) == (
        "asset.consent.accepted.v1",
        "verified",
        "DFS",
    )
    told = {one.recipient: one.type for one in decider.consequences([outcome])}
    assert told == dict.fromkeys([PLATFORM, STRANGER], "asset.consented.v1")


def test_the_party_s_word_is_asserted_until_the_owner_or_a_verifier_says_the_same(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery)
    relate(decider, battery, party=THIRD, relation="verifier")
    assert reply(consent(decider, battery, STRANGER))[1]["state"] == "asserted"
    assert not events(consent(decider, battery, STRANGER))
    assert reply(consent(decider, battery, THIRD))[1]["state"] == "verified"
    again = consent(decider, battery, STRANGER)
    assert reply(again)[1]["state"] == "verified"
    assert not events(again)


def test_who_acts_for_the_owner_does_not_consent_to_itself(decider: Decider, battery: str) -> None:
    ask(decider, "mandate.give.v1", OWNER, delegate=STRANGER)
    assert reply(consent(decider, battery, STRANGER))[1]["state"] == "asserted"
    other = consent(decider, battery, STRANGER, party=PLATFORM)
    assert reply(other)[1]["state"] == "verified"


def test_a_withdrawal_ends_what_the_table_says_and_nothing_else(
    decider: Decider, battery: str
) -> None:
    held = user_document(STRANGER, roles=["fsp", "aggregator", "so", "mo", "verifier"])
    decider.documents["users", STRANGER] = held
    for relation in STOPS:
        assert reply(relate(decider, battery, relation=relation))[0].endswith("accepted.v1")
    outcome = withdraw(decider, battery)
    (event,) = events(outcome)
    assert event[1]["stopped"] == sorted(name for name, stops in STOPS.items() if stops)
    row = decider.documents["relations", edge(battery, STRANGER)]
    assert {tie["as"] for tie in row["ties"] if tie["until"] is None} == {"so", "mo", "verifier"}
    assert set(STOPS) == set(get_args(RelationName))
    assert not events(withdraw(decider, battery))


def test_one_service_is_withdrawn_alone(decider: Decider, battery: str) -> None:
    for service in ("DFS", "DC"):
        relate(decider, battery, service=service)
    assert reply(withdraw(decider, battery, service="DFS"))[1]["state"] == "withdrawn"
    (one,) = represented(decider, id=battery)
    assert [(row["service"], "consent" in row) for row in one["parties"]] == [("DC", False)]
    assert refused(relate(decider, battery, PLATFORM, service="DFS")) == [
        ("consent.withdrawn", "data.party")
    ]
    assert reply(relate(decider, battery, PLATFORM, service="SU"))[0].endswith("accepted.v1")
    assert reply(relate(decider, battery, OWNER, service="DFS"))[0].endswith("accepted.v1")


def test_who_registered_it_is_nobody_any_more(decider: Decider, battery: str) -> None:
    get = {"id": battery}
    assert question(decider, "asset.get.v1", PLATFORM, **get)[0] == "asset.get.accepted.v1"
    withdraw(decider, battery, party=PLATFORM)
    assert question(decider, "asset.get.v1", PLATFORM, **get)[0] == "asset.get.rejected.v1"
    assert refused(ask(decider, "asset.update.v1", PLATFORM, id=battery, name="Mine")) == [
        ("asset.not-found", "data.id")
    ]
    assert refused(consent(decider, battery, PLATFORM, party=PLATFORM)) == [
        ("asset.not-found", "data.id")
    ]
    consent(decider, battery, OWNER, party=PLATFORM, method="by-owner")
    assert question(decider, "asset.get.v1", PLATFORM, **get)[0] == "asset.get.accepted.v1"


def test_only_the_owner_takes_a_withdrawal_back(decider: Decider, battery: str) -> None:
    relate(decider, battery)
    withdraw(decider, battery)
    assert refused(consent(decider, battery, PLATFORM)) == [("consent.withdrawn", "data.party")]
    assert reply(consent(decider, battery, OWNER))[1]["state"] == "verified"


def test_strangers_and_parties_withdraw_nothing(decider: Decider, battery: str) -> None:
    assert refused(withdraw(decider, battery, STRANGER)) == [("asset.not-found", "data.id")]
    relate(decider, battery)
    assert refused(withdraw(decider, battery, STRANGER)) == [("consent.not-yours", "data.party")]
    assert refused(withdraw(decider, battery, PLATFORM)) == [("consent.not-yours", "data.party")]
    assert refused(withdraw(decider, battery, party=THIRD)) == [("consent.none", "data.party")]


def test_what_cannot_be_consented(decider: Decider, battery: str) -> None:
    ownerless = register(decider)
    later = (NOW + timedelta(hours=1)).isoformat()
    assert refused(consent(decider, ownerless, PLATFORM)) == [("consent.no-owner", "data.id")]
    assert refused(withdraw(decider, ownerless, PLATFORM)) == [("consent.no-owner", "data.id")]
    assert refused(consent(decider, battery, OWNER, party=OWNER)) == [
        ("relation.party-unknown", "data.party")
    ]
    assert refused(consent(decider, battery, OWNER, given_at=later)) == [
        ("consent.from-future", "data.given_at")
    ]
    relate(decider, battery)
    assert refused(consent(decider, battery, STRANGER, party=PLATFORM)) == [
        ("consent.not-yours", "data.party")
    ]


def test_consents_have_a_limit(decider: Decider, battery: str) -> None:
    consent(decider, battery, OWNER)
    key = ("relations", edge(battery, STRANGER))
    row = decider.documents[key]
    decider.documents[key] = {**row, "consents": list(row["consents"]) * KEPT_MAX}
    assert refused(withdraw(decider, battery)) == [("consent.too-many", "data.party")]
    assert refused(consent(decider, battery, OWNER, sha256="0" * 64)) == [
        ("consent.too-many", "data.party")
    ]


def test_the_owner_reads_who_represents_what_it_owns(decider: Decider, battery: str) -> None:
    other = register(decider, owner=OWNER)
    register(decider, owner=STRANGER)
    relate(decider, battery, service="DFS", brand="Cosy Evenings")
    consent(decider, battery, STRANGER, service="DFS", agreement="cosy-terms")
    page = represented(decider)
    assert [one["id"] for one in page] == sorted([battery, other])
    (party,) = next(one["parties"] for one in page if one["id"] == battery)
    assert (party["party"], party["service"], party["brand"]) == (STRANGER, "DFS", "Cosy Evenings")
    assert party["recorded_by"] == OWNER
    assert party["consent"]["state"] == "asserted"
    assert party["consent"]["agreement"] == "cosy-terms"


def test_it_is_told_as_it_was(decider: Decider, battery: str) -> None:
    relate(decider, battery, service="DFS")
    consent(decider, battery, OWNER, service="DFS", method="by-owner")
    decider.now = NOW + timedelta(hours=2)
    withdraw(decider, battery, service="DFS")
    assert represented(decider, id=battery) == [{"id": battery, "parties": []}]
    (then,) = represented(decider, id=battery, at=(NOW + timedelta(hours=1)).isoformat())
    assert [row["consent"]["state"] for row in then["parties"]] == ["verified"]


def test_only_who_may_read_the_relations_reads_who_represents(
    decider: Decider, battery: str
) -> None:
    kind, data = question(decider, "asset.representation.v1", STRANGER, id=battery)
    assert (kind, rules(data)) == (
        "asset.representation.rejected.v1",
        [("asset.not-found", "data.id")],
    )
    relate(decider, battery)
    _, data = question(decider, "asset.representation.v1", STRANGER, id=battery)
    assert rules(data) == [("relation.not-yours", "data.id")]
    assert represented(decider, "operator", id=battery)


def test_a_page_of_what_one_owns_has_its_cursor(decider: Decider) -> None:
    owned = sorted(register(decider, owner=OWNER) for _ in range(45))
    found: list[str] = []
    _, answer = question(decider, "asset.representation.v1", OWNER)
    while True:
        found += [one["id"] for one in answer["assets"]]
        if "cursor" not in answer:
            break
        _, answer = question(decider, "asset.representation.v1", OWNER, cursor=answer["cursor"])
    assert found == owned
    _, data = question(decider, "asset.representation.v1", OWNER, cursor="a~b")
    assert rules(data) == [("cursor.foreign", "data.cursor")]
