"""Interest: who says it to whom, what goes with it, how it is answered and withdrawn."""

from datetime import timedelta
from typing import Any, Final

import pytest

from handlers.decision import Secret
from handlers.edges import edge
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, issued, user_document
from tests.decider import Decider, events, reply, rules
from tests.unit.test_sharing import (
    BANK,
    HOUR,
    NOBODY,
    ask,
    check,
    personal,
    read,
    refused,
    unchanged,
    who,
)

EXPRESS: Final = "interest.express.v1"
WITHDRAW: Final = "interest.withdraw.v1"
ANSWER: Final = "interest.answer.v1"
LIST: Final = "interest.list.v1"
MARKET: Final = issued("USR", 5000)
SYSTEM: Final = issued("USR", 5100)
SECOND: Final = issued("USR", 5200)
NOTE: Final = "Four batteries in the harbour from May on."


@pytest.fixture
def decider() -> Decider:
    """An FSP with data, two MOs and an SO, all of them confirmed."""
    made = Decider()
    made.documents["users", PLATFORM] = user_document(
        PLATFORM, bank=Secret(BANK), address={"town": "Exampleton"}
    )
    for user, role in ((MARKET, "mo"), (SECOND, "mo"), (SYSTEM, "so")):
        made.documents["users", user] = user_document(user, roles=[role], status="confirmed")
    return made


def express(decider: Decider, *to: str, **data: Any) -> Any:
    given = {"to": list(to or (MARKET,)), "services": ["DFS"], "note": NOTE} | data
    return ask(decider, EXPRESS, PLATFORM, **given)


def listed(decider: Decider, asker: str, side: str, **more: Any) -> Any:
    return check(decider, LIST, asker, side=side, **more)[1]


def todos(decider: Decider, user: str) -> list[tuple[str, str]]:
    page = check(decider, "notice.list.v1", user)[1]
    return [(one["type"], one["subject"]) for one in page["notices"]]


def told(decider: Decider, outcome: Any) -> list[tuple[str, str]]:
    return who(decider.consequences([outcome]))


def test_the_addressed_see_it_are_asked_and_read_what_goes_with_it(decider: Decider) -> None:
    before = read(decider, MARKET, PLATFORM)
    outcome = express(decider, MARKET, SYSTEM, areas=["_A"], groups=["bank"])
    heard = told(decider, outcome)

    assert before[0] == "user.get.rejected.v1"
    assert [(i["to"], i["status"]) for i in reply(outcome)[1]["interests"]] == sorted(
        [(MARKET, "expressed"), (SYSTEM, "expressed")]
    )
    assert heard == sorted((to, "interest.expressed.v1") for to in (MARKET, SYSTEM))
    for to in (MARKET, SYSTEM):
        assert todos(decider, to) == [("interest.expressed.v1", PLATFORM)]
        _, shown = read(decider, to, PLATFORM)
        assert (shown["bank"], "address" in shown) == (BANK, False)
        (seen,) = listed(decider, to, "received")["interests"]
        assert (seen["services"], seen["areas"], seen["note"]) == (["DFS"], ["_A"], NOTE)
    assert read(decider, SECOND, PLATFORM)[0] == "user.get.rejected.v1"
    assert listed(decider, SECOND, "received") == {"interests": []}
    row = decider.documents["interests", edge(PLATFORM, MARKET)]
    assert isinstance(row["note"], Secret)
    assert NOTE not in str(events(outcome))


def test_who_is_addressed_may_write_back(decider: Decider) -> None:
    closed = ask(decider, "channel.send.v1", MARKET, to=PLATFORM, text="Hello.")
    express(decider)
    opened = ask(decider, "channel.send.v1", MARKET, to=PLATFORM, text="Hello.")
    assert rules(reply(closed)[1]) == [("channel.closed", "data.to")]
    assert reply(opened)[0] == "channel.send.accepted.v1"


@pytest.mark.parametrize("to", [NOBODY, OWNER, STRANGER, PLATFORM])
def test_whom_one_may_not_address_is_no_answer_to_whether_it_exists(
    decider: Decider, to: str
) -> None:
    outcome = express(decider, MARKET, to)
    assert refused(outcome) == [("interest.not-addressable", "data.to.1")]
    (one,) = reply(outcome)[1]["findings"]
    (none,) = reply(express(decider, MARKET, issued("USR", 78)))[1]["findings"]
    assert one | {"got": ""} == none | {"got": ""}
    assert decider.of("interests") == [], "all are addressed, or none"


def test_who_has_left_is_not_addressed(decider: Decider) -> None:
    decider.documents["users", MARKET] = user_document(MARKET, roles=["mo"], status="retired")
    assert refused(express(decider)) == [("interest.not-addressable", "data.to.0")]


def test_what_goes_with_it_must_be_shareable_and_to_come(decider: Decider) -> None:
    outcome = express(decider, groups=["relations"], until=NOW.isoformat())
    assert refused(outcome) == [
        ("sharing.group-unknown", "data.groups.0"),
        ("tie.period", "data.until"),
    ]


def test_the_same_again_changes_nothing_and_another_word_asks_anew(decider: Decider) -> None:
    express(decider)
    same, more = express(decider), express(decider, services=["DC", "DFS"])
    assert unchanged(same)
    assert [i["revision"] for i in reply(same)[1]["interests"]] == [1]
    assert [i["revision"] for i in reply(more)[1]["interests"]] == [2]
    assert [kind for kind, _ in events(more)] == ["interest.expressed.v1"]


def test_an_answer_resolves_what_asked_for_it(decider: Decider) -> None:
    told(decider, express(decider))
    outcome = ask(decider, ANSWER, MARKET, id=PLATFORM, answer="accepted", text="Welcome.")
    assert told(decider, outcome) == [(PLATFORM, "interest.answered.v1")]
    assert "Welcome." not in str(events(outcome))
    assert (todos(decider, MARKET), todos(decider, PLATFORM)) == ([], [])
    (closed,) = check(decider, "notice.list.v1", MARKET, state="closed")[1]["notices"]
    assert closed["resolved_by"] == "interest.answered.v1"
    (mine,) = listed(decider, PLATFORM, "expressed")["interests"]
    assert (mine["status"], mine["text"], mine["revision"]) == ("accepted", "Welcome.", 2)
    again = ask(decider, ANSWER, MARKET, id=PLATFORM, answer="accepted", text="Welcome.")
    assert unchanged(again)
    assert reply(again)[1]["revision"] == 2


def test_what_is_asked_back_stays_open_until_more_is_said(decider: Decider) -> None:
    for to in (MARKET, SECOND):
        told(decider, express(decider, to))
        more = ask(decider, ANSWER, to, id=PLATFORM, answer="more-information", text="How big?")
        told(decider, more)
    asked = [("interest.answered.v1", to) for to in sorted((MARKET, SECOND))]
    assert todos(decider, PLATFORM) == asked, "one for each who asks"
    told(decider, express(decider, note="Four times 10 MW."))
    assert todos(decider, PLATFORM) == [("interest.answered.v1", SECOND)]
    assert todos(decider, MARKET) == [("interest.expressed.v1", PLATFORM)], "it opens again"
    told(decider, ask(decider, ANSWER, SECOND, id=PLATFORM, answer="declined"))
    assert todos(decider, PLATFORM) == []


def test_who_is_being_erased_is_not_answered(decider: Decider) -> None:
    """The text would be archived under the key of what is said of it afterwards."""
    express(decider, MARKET)
    ask(decider, "user.retire.v1", "operator", id=PLATFORM)
    ask(decider, "user.erase.v1", "operator", id=PLATFORM, confirm_id=PLATFORM)
    answer = {"answer": "declined", "text": "Not with Ada."}
    assert decider.of("interests") != []
    erased = refused(ask(decider, ANSWER, MARKET, id=PLATFORM, **answer))
    assert erased == refused(ask(decider, ANSWER, MARKET, id=NOBODY, **answer))
    assert erased == [("interest.none", "data.id")]


def test_a_stale_answer_is_refused(decider: Decider) -> None:
    express(decider)
    express(decider, note="Another word.")
    answer = {"id": PLATFORM, "answer": "accepted"}
    stale = ask(decider, ANSWER, MARKET, **answer, expected_revision=1)
    assert refused(stale) == [("interest.stale", "data.expected_revision")]
    assert reply(ask(decider, ANSWER, MARKET, **answer, expected_revision=2))[0].endswith(
        "accepted.v1"
    )


def test_withdrawing_ends_what_goes_with_it_and_nothing_else(decider: Decider) -> None:
    told(decider, express(decider, groups=["bank", "name"]))
    ask(decider, "sharing.grant.v1", PLATFORM, party=MARKET, groups=["name"])
    decider.now += HOUR
    outcome = ask(decider, WITHDRAW, PLATFORM, to=MARKET)
    assert told(decider, outcome) == [(MARKET, "interest.withdrawn.v1")]
    _, shown = read(decider, MARKET, PLATFORM)
    assert ("name" in shown, "bank" in shown) == (True, False)
    assert todos(decider, MARKET) == []
    assert unchanged(ask(decider, WITHDRAW, PLATFORM, to=MARKET))
    late = ask(decider, ANSWER, MARKET, id=PLATFORM, answer="accepted")
    assert refused(late) == [("interest.withdrawn", "data.id")]
    assert reply(express(decider))[1]["interests"][0]["status"] == "expressed"
    ties = decider.documents["relations", edge(PLATFORM, MARKET)]["ties"]
    assert [one["until"] for one in ties if one["via"] == "interest"] == [NOW + HOUR] * 2


@pytest.mark.parametrize("to", [NOBODY, SECOND])
def test_what_was_never_expressed_is_not_withdrawn(decider: Decider, to: str) -> None:
    express(decider)
    assert refused(ask(decider, WITHDRAW, PLATFORM, to=to)) == [("interest.none", "data.to")]


def test_what_is_left_out_is_not_shared_any_more(decider: Decider) -> None:
    express(decider, groups=["bank", "address"])
    decider.now += HOUR
    express(decider, groups=["address", "name"])
    _, shown = read(decider, MARKET, PLATFORM)
    assert shown.keys() & {"bank", "address", "name"} == {"address", "name"}


def test_what_goes_with_it_runs_out(decider: Decider) -> None:
    express(decider, groups=["bank"], until=(NOW + HOUR).isoformat())
    decider.now += HOUR
    assert who(personal(decider.due())) == sorted(
        (side, "sharing.expired.v1") for side in (PLATFORM, MARKET)
    )
    assert read(decider, MARKET, PLATFORM)[0] == "user.get.rejected.v1"


def test_interests_come_in_pages_of_the_wanted_status(decider: Decider) -> None:
    for number in range(PAGE + 2):
        user = issued("USR", 200_000 + 50 * number)
        row = {
            "_id": edge(user, MARKET), "revision": 1, "user": user, "to": MARKET,
            "status": "expressed" if number else "withdrawn", "services": [], "areas": [],
            "note": Secret(None), "groups": [], "until": None, "expressed_at": NOW,
        }  # fmt: skip
        decider.documents["interests", row["_id"]] = row
    first = listed(decider, MARKET, "received", status="expressed")
    second = listed(decider, MARKET, "received", status="expressed", cursor=first["cursor"])
    foreign = listed(decider, MARKET, "received", cursor=first["cursor"])
    found = [one["id"] for page in (first, second) for one in page["interests"]]
    assert (len(set(found)), "cursor" in second) == (PAGE + 1, False)
    assert rules(foreign) == [("cursor.foreign", "data.cursor")]


def test_interest_is_not_forgotten_with_time(decider: Decider) -> None:
    express(decider)
    decider.now += timedelta(days=900)
    assert unchanged(express(decider))
