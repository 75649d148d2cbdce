"""Who may act for a user, since when, until when, and how a provisional mandate ends."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from handlers.edges import edge
from tests.builders import (
    NOW,
    OWNER,
    PLATFORM,
    STRANGER,
    asset,
    command,
    issued,
    user,
    user_document,
)
from tests.decider import Decider, events, reply, rules, said

HOUR: Final = timedelta(hours=1)
GIVE: Final = "mandate.give.v1"
END: Final = "mandate.end.v1"
OTHER: Final = issued("USR", 5000)


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    found.documents["users", OTHER] = user_document(OTHER)
    return found


def ask(decider: Decider, kind: str, sender: str, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return outcome


def refused(outcome: Any) -> list[tuple[str, str]]:
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def gets(decider: Decider, kind: str, key: str, sender: str) -> Any:
    return said(decider.ask(command(kind, {"id": key}, sender=sender, id="get")))[0]


def householder(decider: Decider) -> str:
    """A user whom the platform has registered."""
    data = user(kind="person", name="Ada Example", roles=["owner"])
    (outcome,) = decider.decide(
        command("user.register.v1", data, id="householder", onbehalfof="customer 7")
    )
    return str(reply(outcome)[1]["id"])


def test_a_delegate_sees_its_user_and_the_assets_that_it_owns(decider: Decider) -> None:
    (made,) = decider.decide(command(data=asset(owner=OWNER), id="register"))
    battery = str(reply(made)[1]["id"])
    outcome = ask(decider, GIVE, OWNER, delegate=STRANGER)
    told = decider.consequences([outcome])

    kind, data = reply(outcome)
    assert (kind, data["id"], data["delegate"]) == ("mandate.give.accepted.v1", OWNER, STRANGER)
    assert data["mandates"] == [{"from_time": "2026-03-01T12:00:00.000Z", "provisional": False}]
    assert gets(decider, "user.get.v1", OWNER, STRANGER) == "user.get.accepted.v1"
    assert gets(decider, "asset.get.v1", battery, STRANGER) == "asset.get.accepted.v1"
    update = ask(decider, "asset.update.v1", STRANGER, id=battery, name="One")
    assert reply(update)[0] == "asset.update.accepted.v1"
    assert [(letter.recipient, letter.type) for letter in told] == [(STRANGER, "mandate.given.v1")]


@pytest.mark.parametrize(
    ("sender", "side", "recipient"),
    [(OWNER, {"delegate": STRANGER}, STRANGER), (STRANGER, {"user": OWNER}, OWNER)],
)
def test_either_side_ends_it_and_the_other_one_is_told(
    decider: Decider, sender: str, side: dict[str, str], recipient: str
) -> None:
    ask(decider, GIVE, OWNER, delegate=STRANGER)
    ask(decider, GIVE, OWNER, delegate=OTHER)
    decider.now += HOUR
    outcome = ask(decider, END, sender, **side)
    told = decider.consequences([outcome])

    assert reply(outcome)[1]["mandates"] == []
    assert gets(decider, "user.get.v1", OWNER, STRANGER) == "user.get.rejected.v1"
    assert [(letter.recipient, letter.type) for letter in told] == [(recipient, "mandate.ended.v1")]
    (tie,) = decider.documents["relations", edge(OWNER, STRANGER)]["ties"]
    assert (tie["from"], tie["until"]) == (NOW, NOW + HOUR)


def test_nobody_ends_what_is_between_two_others(decider: Decider) -> None:
    ask(decider, GIVE, OWNER, delegate=STRANGER)
    assert refused(ask(decider, END, OTHER, user=OWNER)) == [("mandate.none", "data.user")]
    assert refused(ask(decider, END, OTHER, delegate=STRANGER)) == [
        ("mandate.none", "data.delegate")
    ]
    assert refused(ask(decider, END, "operator", user=OWNER)) == [("sender.role", "type")]


def test_who_asks_for_a_mandate_of_nobody_learns_as_much_as_of_somebody(decider: Decider) -> None:
    found = [ask(decider, END, OTHER, user=name) for name in (OWNER, issued("USR", 77))]
    one, none = ([f | {"got": ""} for f in reply(o)[1]["findings"]] for o in found)
    assert one == none


def test_what_a_registration_made_is_confirmed_by_giving(decider: Decider) -> None:
    ada = householder(decider)
    before = decider.documents["relations", edge(ada, PLATFORM)]["ties"]
    decider.now += HOUR
    outcome = ask(decider, GIVE, ada, delegate=PLATFORM)
    after = decider.documents["relations", edge(ada, PLATFORM)]["ties"]

    assert [(t["from"], t["until"], t["provisional"]) for t in before] == [(NOW, None, True)]
    assert [(t["from"], t["until"], t.get("provisional", False)) for t in after] == [
        (NOW, NOW + HOUR, True),
        (NOW + HOUR, None, False),
    ]
    assert [m["provisional"] for m in reply(outcome)[1]["mandates"]] == [False]
    assert gets(decider, "user.get.v1", ada, PLATFORM) == "user.get.accepted.v1"


def test_what_a_registration_made_is_ended_by_ending(decider: Decider) -> None:
    ada = householder(decider)
    (made,) = decider.decide(command(data=asset(owner=ada), sender=PLATFORM, id="register"))
    battery = str(reply(made)[1]["id"])
    decider.documents["assets", battery] |= {"registrant": "operator"}  # type: ignore[operator]
    assert gets(decider, "asset.get.v1", battery, PLATFORM) == "asset.get.accepted.v1"
    outcome = ask(decider, END, ada, delegate=PLATFORM)
    assert reply(outcome)[0] == "mandate.end.accepted.v1"
    assert gets(decider, "asset.get.v1", battery, PLATFORM) == "asset.get.rejected.v1"


def test_what_is_shared_with_a_user_is_no_mandate(decider: Decider) -> None:
    ask(decider, "sharing.grant.v1", OWNER, party=STRANGER, groups=["address"])
    assert refused(ask(decider, END, STRANGER, user=OWNER)) == [("mandate.none", "data.user")]
    given = ask(decider, GIVE, OWNER, delegate=STRANGER)
    assert [kind for kind, _ in events(given)] == ["mandate.given.v1"]
    assert len(reply(given)[1]["mandates"]) == 1
    held = decider.documents["relations", edge(OWNER, STRANGER)]["ties"]
    assert sorted(tie["as"] for tie in held) == ["delegate", "reader"]
    ended = ask(decider, END, OWNER, delegate=STRANGER)
    assert reply(ended)[1]["mandates"] == []


@pytest.mark.parametrize("delegate", [issued("USR", 77), OWNER])
def test_a_delegate_is_another_registered_user(decider: Decider, delegate: str) -> None:
    outcome = ask(decider, GIVE, OWNER, delegate=delegate)
    assert refused(outcome) == [("mandate.party-unknown", "data.delegate")]


def test_a_time_is_neither_empty_nor_held_twice(decider: Decider) -> None:
    past, later = (NOW - HOUR).isoformat(), (NOW + HOUR).isoformat()
    empty = ask(decider, GIVE, OWNER, delegate=STRANGER, until=past)
    ask(decider, GIVE, OWNER, delegate=STRANGER, until=later)
    twice = ask(decider, GIVE, OWNER, delegate=STRANGER)
    after = ask(decider, GIVE, OWNER, delegate=STRANGER, from_time=later)
    assert refused(empty) == [("tie.period", "data.until")]
    assert refused(twice) == [("tie.period", "data.from_time")]
    assert len(reply(after)[1]["mandates"]) == 2


@pytest.mark.parametrize("sides", [{}, {"user": OWNER, "delegate": STRANGER}])
def test_one_side_is_named_and_the_other_one_is_the_sender(
    decider: Decider, sides: dict[str, str]
) -> None:
    assert refused(ask(decider, END, OTHER, **sides)) == [("field.type", "data")]


def test_a_delegate_passes_nothing_on(decider: Decider) -> None:
    ask(decider, GIVE, OWNER, delegate=STRANGER)
    ask(decider, GIVE, STRANGER, delegate=OTHER)
    assert gets(decider, "user.get.v1", OWNER, OTHER) == "user.get.rejected.v1"


def test_the_front_desk_registers_on_nobody_s_behalf(decider: Decider) -> None:
    """Its account is everybody's: as a delegate everybody would be one."""
    given = command(
        "user.register.v1", user(), sender="front-desk", id=str(uuid4()), onbehalfof="customer 7"
    )
    (outcome,) = decider.decide(given)
    assert refused(outcome) == [("envelope.unsupported", "onbehalfof")]


def test_whom_the_operator_registers_has_no_delegate(decider: Decider) -> None:
    given = command("user.register.v1", user(), sender="operator", id="one", onbehalfof="row 7")
    (outcome,) = decider.decide(given)
    assert reply(outcome)[0] == "user.register.accepted.v1"
    assert "relations" not in [write.collection for write in outcome.writes]


@pytest.mark.parametrize("until", [None, NOW + HOUR], ids=["without end", "until a moment"])
def test_what_is_shared_with_a_delegate_is_no_mandate(
    decider: Decider, until: datetime | None
) -> None:
    """Both are kept in one document: neither is taken for the other, nor in the other's way."""
    end = {} if until is None else {"until": until.isoformat()}
    ask(decider, "sharing.grant.v1", OWNER, party=STRANGER, groups=["bank"], **end)
    assert refused(ask(decider, END, OWNER, delegate=STRANGER)) == [
        ("mandate.none", "data.delegate")
    ]
    given = ask(decider, GIVE, OWNER, delegate=STRANGER)
    assert [name for name, _ in events(given)] == ["mandate.given.v1"]
    assert len(reply(given)[1]["mandates"]) == 1
    ended = ask(decider, END, OWNER, delegate=STRANGER)
    assert [name for name, _ in events(ended)] == ["mandate.ended.v1"]
    assert reply(ended)[1]["mandates"] == []
    shared = said(decider.ask(command("sharing.list.v1", {}, sender=OWNER, id="shared")))[1]
    assert [one["group"] for one in shared["shared"][0]["groups"]] == ["bank"]
