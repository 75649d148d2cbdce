"""What verifiers say of an asset, what confirms it, and what opens the question anew."""

import re
from typing import Any, Final, get_args

import pytest

from contracts.proofs import (
    ANY,
    EXPEDITED,
    OVERALL,
    PROOFS,
    SIGNIFICANT,
    SUBJECTS,
    AssetScheme,
    sets_for,
)
from contracts.taxonomy import ASSET_TYPES
from handlers.decision import Guard, Secret
from tests.builders import OWNER, PLATFORM, command
from tests.decider import reply
from tests.given import ROOT
from tests.life import BUYER, HEIR, THIRD, VERIFIER, Life, moment

MPAN: Final = "2000000000015"
PLACE: Final[dict[str, Any]] = {
    "connection": {"mpan_import": MPAN},
    "location": {"postcode": "SW1A 1AA"},
}
SAYS: Final = {"verdict": "match", "source": "An archive", "evidence_at": "2026-02-28T12:00:00Z"}


def scene(**data: Any) -> Life:
    """An asset with a verifier, a buyer of DC, and another one of DFS."""
    found = Life.of(**{"capability": {"power_kw": 5}, **PLACE, **data})
    found.relate(VERIFIER, "verifier")
    found.relate(BUYER, "so", "DC")
    found.relate(THIRD, "mo", "DFS")
    return found


@pytest.fixture
def life() -> Life:
    return scene()


def attest(life: Life, *schemes: str, sender: str = VERIFIER, **changes: Any) -> Any:
    """The state after the last of the schemes was attested."""
    state = {}
    for scheme in schemes:
        seen = {"expected_revision": life.document["revision"]}
        state = life.accept("asset.attest", sender, scheme=scheme, **(seen | SAYS | changes))
    return state


def cannot(life: Life, sender: str = VERIFIER, **changes: Any) -> Any:
    seen = {"expected_revision": life.document["revision"], "scheme": "identity"}
    return life.refuse("asset.attest", sender, **(seen | SAYS | changes))


def status(life: Life, service: str) -> str:
    return str(life.document["confirmations"][service]["status"])


# Evidence.


def test_matches_that_complete_the_proof_confirm_as_a_whole(life: Life) -> None:
    first = attest(life, "identity")
    assert (first["status"], life.document["revision"]) == ("provisional", 1)
    assert life.told_of("asset.attested").keys() == {PLATFORM, OWNER, BUYER}
    state = attest(life, "capability")
    assert (state["status"], state["revision"]) == ("confirmed", 2)
    assert life.document["status_at"] == life.decider.now
    (confirmed,) = [data for kind, data in life.facts if kind == "asset.confirmed.v1"]
    assert confirmed == {
        "id": life.id, "revision": 2, "status": "confirmed", "by": VERIFIER,
        "grounds": "evidence", "services": [], "overall": True,
        "parties": {"registrant": PLATFORM, "owner": OWNER},
    }  # fmt: skip
    assert life.told_of("asset.confirmed").keys() == {PLATFORM, OWNER, BUYER, THIRD}
    (row,) = [r for r in life.decider.of("proofs") if r["scheme"] == "identity"]
    assert row["source"] == Secret("An archive")


def test_what_is_attested_must_still_be_so(life: Life) -> None:
    given = {"id": life.id, "expected_revision": 1, "scheme": "identity"} | SAYS
    (outcome,) = life.decider.decide(command("asset.attest.v1", given, sender=VERIFIER, id="a"))
    assert reply(outcome)[0] == "asset.attest.accepted.v1"
    assert outcome.guards == (Guard("assets", life.document),)


def test_the_same_again_changes_nothing_and_another_takes_its_place(life: Life) -> None:
    attest(life, "identity")
    attest(life, "identity")
    assert life.facts == []
    attest(life, "identity", verdict="mismatch")
    assert [r["verdict"] for r in life.decider.of("proofs")] == ["mismatch"]
    attest(life, "capability")
    assert life.document["status"] == "provisional"


def test_a_mismatch_of_another_keeps_it_open(life: Life) -> None:
    life.relate(HEIR, "verifier")
    attest(life, "identity", sender=HEIR, verdict="mismatch")
    assert attest(life, "identity", "capability")["status"] == "provisional"
    assert attest(life, "connection")["status"] == "confirmed"


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"scheme": "technologies"}, ("evidence.no-value", "data.scheme")),
        ({"scheme": "test"}, ("evidence.no-service", "data.service")),
        ({"evidence_at": "2027-01-01T00:00:00Z"}, ("evidence.from-future", "data.evidence_at")),
        ({"expected_revision": 7}, ("asset.stale", "data.expected_revision")),
    ],
)
def test_what_cannot_be_attested_is_refused(life: Life, wish: Any, rule: Any) -> None:
    assert cannot(life, **wish) == [rule]


def test_only_a_verifier_of_the_asset_attests(life: Life) -> None:
    assert cannot(life, HEIR) == [("asset.not-found", "data.id")]
    assert cannot(life, BUYER) == [("asset.not-yours", "data.id")]
    assert cannot(life, OWNER) == [("asset.not-yours", "data.id")]
    life.relate(VERIFIER, "verifier", "DC")
    assert cannot(life, service="DFS") == [("asset.not-yours", "data.id")]
    attest(life, "identity", service="DC")


def test_nobody_vouches_for_what_it_speaks_for(life: Life) -> None:
    mine = Life.of(VERIFIER, capability={"power_kw": 5})
    mine.relate(VERIFIER, "verifier")
    assert cannot(mine) == [("asset.not-yours", "data.id")]


# By service.


def test_a_service_needs_what_its_rule_says(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 4}, "DFS": {"power_up_kw": 5}})
    attest(life, "connection")
    assert (status(life, "DFS"), "DC" in life.document["confirmations"]) == ("confirmed", False)
    told = {who: data["services"] for who, data in life.told_of("asset.confirmed").items()}
    assert told == {PLATFORM: ["DFS"], OWNER: ["DFS"], THIRD: ["DFS"]}
    attest(life, "capability")
    assert life.document["status"] == "confirmed"
    attest(life, "test", service="DC")
    assert status(life, "DC") == "confirmed"
    assert life.seen(BUYER)["confirmations"].keys() == {"DC"}
    assert life.seen(OWNER)["confirmations"]["DC"] == {
        "status": "confirmed", "at": moment(), "by": VERIFIER, "grounds": "evidence",
    }  # fmt: skip


def test_what_was_accepted_for_one_service_counts_for_the_next(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 4}})
    attest(life, "connection", "capability", "test", service="DC")
    assert status(life, "DC") == "confirmed"
    life.update(OWNER, service={"DM": {"power_up_kw": 4}, "SU": {"power_up_kw": 3}})
    life.update(OWNER, service={"OTHER": {"power_up_kw": 3}})
    attest(life, "location")
    assert [status(life, one) for one in ("DM", "SU")] == ["confirmed"] * 2
    assert "OTHER" not in life.document["confirmations"]


def test_confirmed_for_all_that_it_offers_is_confirmed_as_a_whole(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 4}, "DFS": {"power_up_kw": 5}})
    first = life.accept("asset.confirm", BUYER, service="DC")
    assert (first["status"], first["service_status"]) == ("provisional", "confirmed")
    second = life.accept("asset.confirm", THIRD, service="DFS")
    assert (second["status"], second["service_status"]) == ("confirmed", "confirmed")
    assert life.told_of("asset.confirmed")[BUYER]["services"] == []
    again = life.accept("asset.confirm", THIRD, service="DFS")
    assert (again["revision"], life.facts) == (second["revision"], [])


SEEN_LONG_AGO: Final = {"service": "DC", "expected_revision": 7}


@pytest.mark.parametrize(
    ("sender", "wish", "rule"),
    [
        (BUYER, {"service": "DFS"}, ("asset.not-yours", "data.service")),
        (BUYER, {}, ("asset.not-yours", "data.service")),
        (OWNER, {"service": "DC"}, ("asset.not-yours", "data.service")),
        (HEIR, {"service": "DC"}, ("asset.not-found", "data.id")),
        (BUYER, SEEN_LONG_AGO, ("asset.stale", "data.expected_revision")),
    ],
)  # fmt: skip
def test_a_buyer_confirms_its_own_service(life: Life, sender: str, wish: Any, rule: Any) -> None:
    assert life.refuse("asset.confirm", sender, **wish) == [rule]


def test_an_operator_confirms_whatever_there_is(life: Life) -> None:
    life.accept("asset.confirm", "operator", service="PR")
    assert (status(life, "PR"), life.document["status"]) == ("confirmed", "provisional")
    assert life.accept("asset.confirm", "operator")["status"] == "confirmed"
    assert life.facts[0][1]["grounds"] == "operator"


def test_a_planned_asset_is_confirmed_when_it_operates() -> None:
    life = scene(lifecycle="planned", expected_on="2026-06-01")
    assert attest(life, "connection", "capability")["status"] == "provisional"
    for sender, wish in (("operator", {}), (BUYER, {"service": "DC"})):
        assert life.refuse("asset.confirm", sender, **wish) == [("asset.not-operating", "data.id")]
    state = life.accept("asset.commission", OWNER, commissioned_on="2026-02-28")
    assert (state["status"], state["revision"]) == ("confirmed", 2)
    assert life.told_of("asset.confirmed").keys() == {PLATFORM, BUYER, THIRD, VERIFIER}


def test_what_is_no_more_is_neither_attested_nor_confirmed(life: Life) -> None:
    life.accept("asset.retire", OWNER, reason="other")
    life.relate(VERIFIER, "verifier")
    assert cannot(life) == [("asset.retired", "data.id")]
    assert life.refuse("asset.confirm", "operator") == [("asset.retired", "data.id")]


# Significant changes.


def confirmed(life: Life) -> Life:
    """The asset, confirmed by evidence as a whole and for DFS, and by its buyer for DC."""
    life.update(OWNER, service={"DC": {"power_up_kw": 4}, "DFS": {"power_up_kw": 5}})
    attest(life, "connection", "capability")
    life.accept("asset.confirm", BUYER, service="DC")
    assert life.document["status"] == status(life, "DC") == status(life, "DFS") == "confirmed"
    return life


@pytest.mark.parametrize(
    ("operation", "wish", "lost", "because"),
    [
        ("asset.update", {"capability": {"power_kw": 6}}, ["DC"], ["capability.power_kw"]),
        (
            "asset.move",
            {"connection": {"mpan_import": "1312345678907"}},
            ["DC", "DFS"],
            ["connection.mpan_import"],
        ),
        ("asset.move", {"location": {"postcode": "M1 1AA"}}, ["DC"], ["location.postcode"]),
        ("asset.transfer", {"owner": HEIR}, ["DC"], ["owner"]),
    ],
)
def test_a_significant_change_is_provisional_again_and_the_buyers_are_told(
    life: Life, operation: str, wish: Any, lost: list[str], because: list[str]
) -> None:
    confirmed(life)
    life.accept(operation, OWNER, **wish)
    is_whole = operation == "asset.transfer" or "location" in wish
    assert [status(life, one) for one in lost] == ["provisional"] * len(lost)
    assert life.document["confirmations"]["DC"]["grounds"] == "changed"
    # What evidence proves of the new values too stays.
    assert (status(life, "DFS") == "confirmed") is ("DFS" not in lost)
    assert (life.document["status"] == "confirmed") is is_whole
    told = life.told_of("asset.reopened")
    assert told[BUYER]["services"] == ["DC"]
    seen = {"capability", "connection", "location"}
    assert told[BUYER]["because"] == [n for n in because if n.partition(".")[0] in seen]
    if is_whole:
        assert THIRD not in told
    else:
        assert told[THIRD]["services"] == [one for one in lost if one == "DFS"]


@pytest.mark.parametrize("patch", [{"name": "Two"}, {"capability": {"flexible_connection": True}}])
def test_another_change_leaves_it_confirmed(life: Life, patch: Any) -> None:
    confirmed(life)
    life.update(OWNER, **patch)
    assert life.told_of("asset.reopened") == {}
    assert (life.document["status"], status(life, "DC")) == ("confirmed", "confirmed")


def test_what_is_offered_for_a_service_opens_that_service(life: Life) -> None:
    confirmed(life)
    life.update(OWNER, service={"DC": {"power_up_kw": 3}})
    assert (status(life, "DC"), life.document["status"]) == ("provisional", "confirmed")
    assert life.told_of("asset.reopened").keys() == {BUYER, PLATFORM, VERIFIER}
    assert life.told_of("asset.reopened")[BUYER]["because"] == ["service.DC.power_up_kw"]


def test_an_operator_s_word_does_not_outlast_what_it_was_given_for(life: Life) -> None:
    life.accept("asset.confirm", "operator")
    life.update(OWNER, capability={"power_kw": 6})
    assert life.document["status"] == "provisional"


def test_evidence_counts_again_when_the_value_is_back(life: Life) -> None:
    life.later(days=1)
    attest(life, "identity", "capability")
    life.update(OWNER, capability={"power_kw": 6})
    assert life.document["status"] == "provisional"
    life.update(OWNER, capability={"power_kw": 5})
    assert life.told_of("asset.confirmed")[BUYER]["overall"] is True
    assert life.document["status"] == "confirmed"


def test_a_service_that_is_offered_later_needs_no_more_evidence_than_there_is(life: Life) -> None:
    """What was accepted for one product is not asked for again for another: A2b."""
    attest(life, "connection", "capability")
    life.update(OWNER, service={"DFS": {"power_up_kw": 1}, "DM": {"power_up_kw": 1}})
    assert status(life, "DFS") == "confirmed"
    assert "DM" not in life.document["confirmations"]
    assert life.told_of("asset.confirmed")[THIRD]["services"] == ["DFS"]


def test_fewer_offers_confirm_nothing(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 1}, "DFS": {"power_up_kw": 1}})
    life.accept("asset.confirm", BUYER, service="DC")
    life.update(OWNER, service={"DFS": None})
    assert (life.document["status"], status(life, "DC")) == ("provisional", "confirmed")


def test_the_hours_of_an_offer_leave_it_confirmed(life: Life) -> None:
    confirmed(life)
    hours = [{"days": ["mo"], "from_time": "10:00", "until_time": "11:00"}]
    life.update(OWNER, service={"DC": {"available": hours}})
    assert (life.told_of("asset.reopened"), status(life, "DC")) == ({}, "confirmed")


def test_what_is_done_is_done_whatever_the_revision(life: Life) -> None:
    """The same message again, under another id, after it has made the asset another itself."""
    attest(life, "identity")
    before = life.document["revision"]
    attest(life, "capability")
    assert life.document["revision"] == before + 1
    attest(life, "capability", expected_revision=before)
    life.accept("asset.confirm", "operator", expected_revision=before)
    assert (life.document["revision"], life.facts) == (before + 1, [])


def test_of_a_person_s_asset_the_evidence_is_the_person_s(life: Life) -> None:
    person = {**(life.decider.documents["users", OWNER] or {}), "kind": "person"}
    life.decider.documents["users", OWNER] = person
    theirs = scene(identity={"make": "Acme", "serial": "SN-9"})
    theirs.decider.documents["users", HEIR] = {**person, "_id": HEIR}
    attest(theirs, "identity")
    theirs.accept("asset.transfer", OWNER, owner=HEIR)
    attest(theirs, "location")
    assert [row.get("person") for row in theirs.decider.of("proofs")] == [None, HEIR]


def test_an_event_of_before_says_again_what_may_still_be_known(life: Life) -> None:
    confirmed(life)
    life.update(OWNER, capability={"power_kw": 6})
    life.relate(BUYER, "so", "PR")
    life.later(seconds=10)
    life.send("event.replay", BUYER, from_sequence=1)
    told = [data for _, kind, data in life.told if kind == "asset.reopened.v1"]
    assert [data["services"] for data in told] == [[]]
    told = [data for _, kind, data in life.told if kind == "asset.confirmed.v1"]
    assert all(data["overall"] for data in told)


# The tables, and the page that has them.


def table(name: str) -> list[list[str]]:
    page = (ROOT / "docs" / "registers" / "assets.md").read_text(encoding="utf-8")
    part = page.partition(f"<!-- {name}: ")[2].partition("-->\n\n")[2].partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in part.splitlines()[2:]]


def test_the_page_has_every_scheme() -> None:
    found = table("schemes")
    rows = {one.strip("`"): re.findall(r"`([^`]+)`", paths) for one, paths in found}
    assert rows == {scheme: list(paths) for scheme, paths in SUBJECTS.items()}
    assert SUBJECTS.keys() == set(get_args(AssetScheme))


def test_the_page_has_every_rule_of_proof() -> None:
    wanted = []
    for service, rules in PROOFS.items():
        for asset_type, sets in rules.items():
            said = [" with ".join(f"`{s}`" for s in sorted(one)) for one in sets]
            proof = ", or ".join(said) or "nothing: an operator or a buyer decides"
            wanted.append([f"`{service}`", f"`{asset_type}`", proof])
    assert table("proofs") == wanted


def test_the_page_has_every_expedition() -> None:
    rows = {one.strip("`"): set(re.findall(r"`([^`]+)`", by)) for one, by in table("expedited")}
    assert rows == {service: set(by) for service, by in EXPEDITED.items()}


def test_every_type_has_a_rule_for_every_service() -> None:
    assert all(ANY in rules for rules in PROOFS.values())
    assert {t for rules in PROOFS.values() for t in rules} - {ANY} <= set(ASSET_TYPES)
    assert sets_for("EVC", "PR") == PROOFS["PR"]["EVC"]
    assert sets_for("BAT", "UNHEARD-OF") == PROOFS[ANY][ANY]
    assert OVERALL in PROOFS


def test_every_scheme_of_a_rule_rests_on_what_asks_the_question_anew() -> None:
    sets = [one for rules in PROOFS.values() for found in rules.values() for one in found]
    schemes: set[str] = set().union(*sets)
    assert schemes <= SUBJECTS.keys()
    assert all(set(SUBJECTS[s]) <= set(SIGNIFICANT) for s in SUBJECTS)
