"""Level one of users: an organisation that may be in the register, and its case from end to end."""

from collections.abc import Mapping
from itertools import count
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.taxonomy import OPERATOR
from handlers.case import Outcome
from handlers.decision import Context, View
from handlers.duplicates import CASES
from handlers.namesakes import USERS, is_compared, namesakes, tokens_of
from handlers.neighbours import CASES_MAX, SHARED_MAX, TOKENS
from handlers.senders import Sender
from tests.builders import NOW, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import RULEBOOK, Decider, events, reply, rules, said

NUMBERS = count()
LEEDS: Final = {"line_1": "12 High Street", "town": "Leeds", "postcode": "LS1 4AB"}
TRURO: Final = {"line_1": "3 Quay Road", "town": "Truro", "postcode": "TR1 2AA"}
FIRM: Final[dict[str, Any]] = {
    "name": "Marlow Tidal Power Ltd",
    "address": LEEDS,
    "claims": {"mpid": "MARL"},
}
LIKE: Final[dict[str, Any]] = {
    "name": "Marlow Tidal Powr",
    "claims": {"lei": "213800WSGIIZCXF1P572"},
}


@pytest.fixture
def decider() -> Decider:
    return Decider()


def firm(sender: str = PLATFORM, message_type: str = "user.register.v1", **changes: Any) -> Any:
    reference = str(uuid4())
    given = user(**(FIRM | changes))
    return command(message_type, given, sender=sender, id=reference, onbehalfof=reference)


def registered(decider: Decider, given: Any) -> tuple[str, Outcome]:
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    assert kind == "user.register.accepted.v1", data
    return data["id"], outcome


def decided(decider: Decider, kind: str, sender: str = OPERATOR, **data: Any) -> Outcome:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"c-{next(NUMBERS)}"))
    answered, content = reply(outcome)
    assert answered == kind.replace(".v1", ".accepted.v1"), content
    return outcome


def asked(decider: Decider, what: str, **data: Any) -> Mapping[str, Any]:
    answered, content = said(decider.ask(command(f"duplicates.{what}.v1", data, sender=OPERATOR)))
    assert answered == f"duplicates.{what}.accepted.v1", content
    return content


def rows_of(decider: Decider, one: str) -> list[str]:
    """In which rows of tokens a user is."""
    return sorted(row["_id"] for row in decider.of(TOKENS) if one in row["users"])


def told(decider: Decider, outcome: Outcome) -> dict[str, list[Mapping[str, Any]]]:
    """By recipient what it is told of a case."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for letter in decider.consequences([outcome]):
        if ".duplicate-" in letter.type:
            found.setdefault(letter.recipient or "", []).append(said(letter)[1])
    return found


def test_one_that_may_be_the_same_is_registered_and_a_person_decides(decider: Decider) -> None:
    first, _ = registered(decider, firm())
    second, outcome = registered(decider, firm(STRANGER, **LIKE))
    (case,) = decider.of(CASES)
    assert (case["kind"], case["records"]) == ("users", sorted((first, second)))
    assert (case["status"], case["found_by"]) == ("open", "registration")
    assert {one["field"] for one in case["reasons"]} == {"name", "place"}
    assert [(kind, data["id"]) for kind, data in events(outcome)] == [
        ("user.registered.v1", second),
        ("user.duplicate-suspected.v1", second),
        ("user.duplicate-suspected.v1", first),
    ]


def test_each_side_learns_that_there_is_a_case_and_nothing_of_the_other(decider: Decider) -> None:
    """Whoever sends the registration has done it itself, and is told nothing."""
    first, _ = registered(decider, firm())
    second, outcome = registered(decider, firm(STRANGER, **LIKE))
    assert first not in str(reply(outcome))
    heard = told(decider, outcome)
    assert heard.keys() == {PLATFORM, first, second}
    for recipient, own in ((PLATFORM, first), (first, first), (second, second)):
        assert [(one["id"], sorted(one)) for one in heard[recipient]] == [(own, ["case", "id"])]


def test_the_very_same_name_with_no_address_is_a_case(decider: Decider) -> None:
    registered(decider, firm(address=None))
    registered(decider, firm(STRANGER, name="The Marlow Tidal Power PLC", claims={}))
    assert [case["verdict"] for case in decider.of(CASES)] == ["same"]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Harbour Wind Ltd"},
        {"address": TRURO, "name": "Marlow Solar"},
        {"claims": {"mpid": "ZULU"}},
    ],
    ids=["another name", "another name elsewhere", "another identifier of the scheme"],
)
def test_another_organisation_is_another(decider: Decider, other: dict[str, Any]) -> None:
    registered(decider, firm())
    registered(decider, firm(STRANGER, **(LIKE | other)))
    assert decider.of(CASES) == []


@pytest.mark.parametrize(
    ("again", "field"),
    [({}, "data.claims.mpid"), ({"claims": {}}, "data.name")],
    ids=["the same identifier", "no identifier, and its name at its postcode"],
)
def test_what_is_claimed_is_refused_as_before(
    decider: Decider, again: dict[str, Any], field: str
) -> None:
    registered(decider, firm())
    (outcome,) = decider.decide(firm(STRANGER, **again))
    assert rules(reply(outcome)[1]) == [("user.duplicate", field)]
    assert decider.of(CASES) == []


def test_persons_are_compared_by_nobody(decider: Decider) -> None:
    """That there is a case would tell a stranger that the person is registered."""
    person: dict[str, Any] = {
        "kind": "person",
        "name": "A. Person",
        "claims": {},
        "roles": ["owner"],
    }
    first, _ = registered(decider, firm(**person))
    registered(decider, firm(STRANGER, **person))
    registered(decider, firm(STRANGER, **person | {"kind": "organisation"}))
    assert rows_of(decider, first) == []
    assert decider.of(CASES) == []


def test_a_telephone_is_nothing_that_one_finds_out_by_trying(decider: Decider) -> None:
    contacts = [{"name": "Desk", "phone": "0113 496 0001", "email": "desk@marlow-tidal.co.uk"}]
    registered(decider, firm(contacts=contacts))
    registered(decider, firm(STRANGER, **LIKE | {"name": "Harbour", "contacts": contacts}))
    assert decider.of(CASES) == []


def test_a_check_compares_nobody_and_reads_nobody(decider: Decider) -> None:
    registered(decider, firm())
    letter = decider.ask(firm(STRANGER, "user.register.check.v1", **LIKE))
    assert said(letter)[0] == "user.register.check.accepted.v1"
    assert decider.of(CASES) == []


def test_rows_follow_a_user_and_hold_no_word_of_it(decider: Decider) -> None:
    first, _ = registered(decider, firm())
    before = rows_of(decider, first)
    assert len(before) == 3
    assert not any(word in str(decider.of(TOKENS)).lower() for word in ("marl", "leeds", "ls1"))
    decided(decider, "user.update.v1", first, id=first, address=TRURO)
    after = rows_of(decider, first)
    assert len(set(before) & set(after)) == 1
    found_by = USERS.kept(decider.documents["users", first])
    assert found_by is not None
    assert after == sorted(tokens_of(found_by, RULEBOOK.identity))


@pytest.mark.parametrize("ending", ["user.suspend.v1", "user.retire.v1", "user.reject.v1"])
def test_who_takes_no_part_is_compared_with_nobody(decider: Decider, ending: str) -> None:
    """Nobody is shown that there is such a user: nor is it told by a case."""
    first, _ = registered(decider, firm())
    reason = {} if ending == "user.retire.v1" else {"reason": "other"}
    decided(decider, ending, id=first, **reason)
    assert not is_compared(decider.documents["users", first])
    assert rows_of(decider, first) == []
    registered(decider, firm(STRANGER, **LIKE))
    assert decider.of(CASES) == []


def test_who_comes_back_is_compared_again(decider: Decider) -> None:
    first, _ = registered(decider, firm())
    before = rows_of(decider, first)
    decided(decider, "user.suspend.v1", id=first, reason="other")
    decided(decider, "user.reinstate.v1", id=first)
    assert rows_of(decider, first) == before


def test_an_erased_organisation_is_in_no_row(decider: Decider) -> None:
    first, _ = registered(decider, firm())
    decided(decider, "user.retire.v1", id=first)
    decided(decider, "user.erase.v1", id=first, confirm_id=first)
    assert decider.of(TOKENS) == []


def test_a_name_that_many_have_says_nothing(decider: Decider) -> None:
    bare: dict[str, Any] = {"address": None, "claims": {}}
    for number in range(SHARED_MAX + 1):
        registered(decider, firm(**bare))
        assert len(decider.of(CASES)) == sum(min(one, CASES_MAX) for one in range(number + 1))
    assert all(row["full"] and row["users"] == {} for row in decider.of(TOKENS))
    before = len(decider.of(CASES))
    registered(decider, firm(**bare))
    assert len(decider.of(CASES)) == before


def test_two_in_one_batch_see_each_other(decider: Decider) -> None:
    outcomes = decider.decide(firm(), firm(STRANGER, **LIKE))
    assert [outcome.kind for outcome in outcomes] == ["accepted", "accepted"]
    assert len(decider.of(CASES)) == 1


def test_the_order_of_the_store_plays_no_part(decider: Decider) -> None:
    for number in range(3):
        registered(decider, firm(claims={"mpid": f"AAA{number}"}, name=f"Marlow Tidal {number}"))
    newcomer = user_document("USR-NONE", **FIRM | {"name": "Marlow Tidal", "claims": {}})
    found_by = USERS.kept(newcomer)
    assert found_by is not None
    sender = Sender(STRANGER, frozenset({"fsp"}), "confirmed")
    context = Context(NOW, sender, "c", RULEBOOK.identity)
    rows = {k: decider.documents.get((TOKENS, k)) for k in tokens_of(found_by, context.identity)}
    turned = {
        key: row and {**row, "users": dict(reversed(row["users"].items()))}
        for key, row in reversed(rows.items())
    }
    known = {one["_id"]: one for one in decider.of("users")}
    found = namesakes(newcomer, View({TOKENS: rows, "users": known}), context)
    assert found == namesakes(newcomer, View({TOKENS: turned, "users": known}), context)
    assert len(found) == 3


# Cases of users in operators' hands.


@pytest.fixture
def pair(decider: Decider) -> tuple[str, str, str]:
    """Two users and their case."""
    first, _ = registered(decider, firm())
    second, _ = registered(decider, firm(STRANGER, **LIKE))
    (case,) = decider.of(CASES)
    return first, second, str(case["_id"])


def test_a_case_of_users_is_listed_beside_those_of_assets(
    decider: Decider, pair: tuple[str, str, str]
) -> None:
    first, second, case = pair
    found = {
        kind: [row["id"] for row in asked(decider, "list", kind=kind)["cases"]]
        for kind in ("users", "assets")
    }
    assert found == {"users": [case], "assets": []}
    (row,) = asked(decider, "list", status="open", score_min=0.1)["cases"]
    assert (row["kind"], row["records"]) == ("users", sorted((first, second)))
    shown = asked(decider, "get", id=case)
    assert (shown["kind"], shown["found_by"], shown["model"]) == (
        "users",
        "registration",
        "registration-1",
    )
    assert "Marlow" not in str(shown)


def test_a_case_of_users_is_somebodys_and_is_dismissed(
    decider: Decider, pair: tuple[str, str, str]
) -> None:
    first, second, case = pair
    decided(decider, "duplicates.assign.v1", id=case, to=OPERATOR)
    assert [c["id"] for c in asked(decider, "list", assignee=OPERATOR)["cases"]] == [case]
    outcome = decided(decider, "duplicates.dismiss.v1", id=case, reason="different-things")
    shown = asked(decider, "get", id=case)
    assert (shown["status"], shown["reason"]) == ("dismissed", "different-things")
    told_so = [(kind, data["id"]) for kind, data in events(outcome)[1:]]
    both = sorted((first, second))
    assert told_so == [("user.duplicate-dismissed.v1", one) for one in both]
    heard = told(decider, outcome)
    assert heard.keys() == {PLATFORM, STRANGER, first, second}
    assert all(sorted(one) == ["case", "id"] for each in heard.values() for one in each)
    for sender in (PLATFORM, STRANGER):
        request = command("duplicates.get.v1", {"id": case}, sender=sender)
        assert said(decider.ask(request))[0] == "duplicates.get.rejected.v1"


def test_an_analysis_opens_a_case_of_users_too(decider: Decider) -> None:
    one, other = (registered(decider, firm(name=n, claims={}))[0] for n in ("Alpha", "Beta"))
    found = {"id": one, "other": other, "verdict": "unsure", "score": 0.7}
    outcome = decided(decider, "duplicates.open.v1", pairs=[found], model="analysis-1")
    assert [kind for kind, _ in events(outcome)] == ["user.duplicate-suspected.v1"] * 2
    assert told(decider, outcome).keys() == {PLATFORM, one, other}
    (case,) = asked(decider, "list", kind="users")["cases"]
    again: dict[str, Any] = {
        "pairs": [found | {"verdict": "same", "score": 0.99}],
        "model": "analysis-2",
    }
    decided(decider, "duplicates.open.v1", **again)
    shown = asked(decider, "get", id=case["id"])
    assert (shown["score"], shown["revision"]) == (0.99, 2)


def test_a_pair_of_a_user_and_an_asset_is_none(decider: Decider) -> None:
    one, _ = registered(decider, firm())
    found = {"id": one, "other": issued("BAT", 1), "verdict": "same", "score": 0.9}
    request = command(
        "duplicates.open.v1", {"pairs": [found], "model": "m"}, sender=OPERATOR, id="mixed"
    )
    (outcome,) = decider.decide(request)
    assert rules(reply(outcome)[1]) == [("duplicates.pair", "data.pairs.0.other")]
