"""Cases of duplicates: opened once for a pair, told without the other record, decided for good."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from contracts.taxonomy import OPERATOR
from handlers.decision import Context, View
from handlers.duplicates import CASES, FIRST_LEVEL, suspect
from handlers.matching.verdict import Comparison, Reason
from handlers.senders import Sender
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import RULEBOOK, Decider, events, reply, said

NUMBERS = count()
SERVED = issued("USR", 6000)


@pytest.fixture
def decider() -> Decider:
    return Decider()


def register(decider: Decider, sender: str = PLATFORM, **changes: Any) -> str:
    number = next(NUMBERS)
    device = {"make": "Acme", "serial": f"SN-{number}"}
    data = asset(identity=device, **changes)
    return str(decided(decider, "asset.register.v1", data, sender)["id"])


def decided(
    decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR
) -> Mapping[str, Any]:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"c-{next(NUMBERS)}"))
    answered, content = reply(outcome)
    assert answered.endswith(".accepted.v1"), content
    return content


def opened(decider: Decider, *pair: str, **changes: Any) -> Mapping[str, Any]:
    compared = {"id": pair[0], "other": pair[1], "verdict": "unsure", "score": 0.83}
    given = {key: changes.pop(key) for key in ("score", "cluster") if key in changes}
    data = {"pairs": [compared | given], "model": "analysis-1"} | changes
    return decided(decider, "duplicates.open.v1", data)


def asked(decider: Decider, what: str, **data: Any) -> Mapping[str, Any]:
    answered, content = said(decider.ask(command(f"duplicates.{what}.v1", data, sender=OPERATOR)))
    assert answered == f"duplicates.{what}.accepted.v1", content
    return content


def twins(decider: Decider) -> tuple[str, str]:
    return register(decider), register(decider, STRANGER)


def test_a_pair_has_one_case_whichever_of_the_two_is_named_first(decider: Decider) -> None:
    one, other = twins(decider)
    (case,) = opened(decider, one, other)["opened"]
    assert opened(decider, other, one)["unchanged"] == [case]
    assert len(decider.of(CASES)) == 1


def test_another_model_scores_an_open_case_anew(decider: Decider) -> None:
    one, other = twins(decider)
    (case,) = opened(decider, one, other, cluster="c/1")["opened"]
    assert opened(decider, one, other, score=0.4, model="analysis-2")["opened"] == [case]
    found = asked(decider, "get", id=case)
    assert (found["score"], found["model"], found["revision"]) == (0.4, "analysis-2", 2)


def test_what_is_dismissed_stays_so_unless_another_model_says_again(decider: Decider) -> None:
    one, other = twins(decider)
    (case,) = opened(decider, one, other)["opened"]
    decided(decider, "duplicates.dismiss.v1", {"id": case, "reason": "same-place"})
    for changes in ({}, {"model": "analysis-2"}, {"again": True}):
        assert opened(decider, one, other, **changes)["unchanged"] == [case]
    assert asked(decider, "get", id=case)["status"] == "dismissed"
    assert opened(decider, one, other, model="analysis-2", again=True)["opened"] == [case]
    found = asked(decider, "get", id=case)
    assert found["status"] == "open"
    assert "reason" not in found


def test_a_pair_of_which_one_is_gone_is_left_out(decider: Decider) -> None:
    one, other = twins(decider)
    nothing = issued("BAT", 9000)
    pair = {"verdict": "same", "score": 0.9}
    data = {
        "pairs": [
            {"id": one, "other": nothing} | pair,
            {"id": one, "other": other} | pair,
            {"id": other, "other": one} | pair,
        ],
        "model": "m",
    }
    done = decided(decider, "duplicates.open.v1", data)
    assert (done["left"], len(done["opened"])) == ([0], 1)
    assert done["unchanged"] == done["opened"]


def test_each_learns_of_its_own_record_and_nothing_of_the_other(decider: Decider) -> None:
    one, other = register(decider, owner=OWNER), register(decider, STRANGER)
    data = {"id": one, "other": other, "verdict": "unsure", "score": 0.7}
    (outcome,) = decider.decide(
        command("duplicates.open.v1", {"pairs": [data], "model": "m"}, sender=OPERATOR)
    )
    told = {letter.recipient: said(letter)[1] for letter in decider.consequences([outcome])}
    assert told.keys() == {PLATFORM, OWNER, STRANGER}
    assert {told[PLATFORM]["id"], told[OWNER]["id"]} == {one}
    assert told[STRANGER]["id"] == other
    assert all(content.keys() == {"id", "case"} for content in told.values())


def test_what_is_dismissed_is_told_to_those_who_were_told_of_it(decider: Decider) -> None:
    one, other = twins(decider)
    (case,) = opened(decider, one, other)["opened"]
    data = {"id": case, "reason": "different-things"}
    (outcome,) = decider.decide(command("duplicates.dismiss.v1", data, sender=OPERATOR))
    told = {letter.recipient: letter.type for letter in decider.consequences([outcome])}
    assert told == dict.fromkeys((PLATFORM, STRANGER), "asset.duplicate-dismissed.v1")


def test_whose_case_it_is_has_it_among_its_notices_until_it_is_decided(decider: Decider) -> None:
    clerk = user_document(SERVED, roles=["operator"], status="confirmed")
    decider.documents["users", SERVED] = clerk
    one, other = twins(decider)
    (case,) = opened(decider, one, other)["opened"]
    to_clerk = command("duplicates.assign.v1", {"id": case, "to": SERVED}, sender=OPERATOR, id="a")
    decider.consequences(decider.decide(to_clerk))
    assert [(n["recipient"], n["state"]) for n in decider.of("notices")] == [(SERVED, "open")]
    assert [c["id"] for c in asked(decider, "list", assignee=SERVED)["cases"]] == [case]
    data = {"id": case, "reason": "other"}
    (outcome,) = decider.decide(command("duplicates.dismiss.v1", data, sender=OPERATOR, id="b"))
    decider.consequences([outcome])
    assert [n["state"] for n in decider.of("notices")] == ["closed"]


def test_cases_are_listed_by_any_filter_page_by_page(decider: Decider) -> None:
    first = register(decider)
    cases = {}
    for score in (0.35, 0.61, 0.88, 0.95):
        (case,) = opened(decider, first, register(decider), score=score)["opened"]
        cases[case] = score
    best = max(cases, key=lambda one: cases[one])
    decided(decider, "duplicates.dismiss.v1", {"id": best, "reason": "other"})
    for minimum in (0.0, 0.35, 0.6, 0.62, 0.9, 1.0):
        found = asked(decider, "list", kind="assets", status="open", score_min=minimum)["cases"]
        wanted = {c for c, score in cases.items() if score >= minimum and c != best}
        assert {row["id"] for row in found} == wanted
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = asked(decider, "list", limit=1, **cursor)
        seen += [row["id"] for row in page["cases"]]
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == sorted(cases)


def test_a_registration_opens_its_case_in_its_own_decision(decider: Decider) -> None:
    incumbent = register(decider, owner=OWNER)
    newcomer = {**decider.documents["assets", register(decider, STRANGER)]}
    judged = Comparison("unsure", 0.6, (Reason("place", "near", 3.5),))
    sender = Sender(STRANGER, frozenset({"fsp"}), "confirmed")
    context = Context(NOW, sender, "c", RULEBOOK.identity)
    view = View({"assets": {incumbent: decider.documents["assets", incumbent]}})
    put, told = suspect(newcomer, incumbent, judged, view, context)
    assert put.document["reasons"] == [{"field": "place", "agreement": "near", "weight": 3.5}]
    assert (put.document["model"], put.document["found_by"]) == (FIRST_LEVEL, "registration")
    assert [(event.entity, event.parties) for event in told] == [
        (newcomer["_id"], {"registrant": STRANGER}),
        (incumbent, {"registrant": PLATFORM, "owner": OWNER}),
    ]
    decider.documents[CASES, put.document["_id"]] = put.document
    assert asked(decider, "get", id=put.document["_id"])["score"] == 0.6
    assert opened(decider, incumbent, newcomer["_id"])["opened"] == [put.document["_id"]]


def test_two_users_have_a_case_as_well(decider: Decider) -> None:
    (case,) = opened(decider, PLATFORM, STRANGER)["opened"]
    assert asked(decider, "get", id=case)["kind"] == "users"
    assert asked(decider, "list", kind="assets")["cases"] == []


def test_whoever_is_no_operator_is_given_nothing(decider: Decider) -> None:
    one, other = twins(decider)
    (case,) = opened(decider, one, other)["opened"]
    question = command("duplicates.get.v1", {"id": case})
    kind, content = said(decider.ask(question))
    assert (kind, content["code"]) == ("duplicates.get.rejected.v1", "sender.role")
    (outcome,) = decider.decide(command("duplicates.open.v1", {"pairs": [], "model": "m"}))
    assert events(outcome) == []
