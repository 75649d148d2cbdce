"""Changes of the interface: announced to everybody who has an account, and said with each reply."""

import itertools
import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.taxonomy import OPERATOR
from handlers.accounts import first_accounts
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued
from tests.decider import Decider, events, reply, rules, said
from tests.golden.test_asyncapi import payload

ANNOUNCE: Final = "interface.announce.v1"
OLD: Final = "notice.close.v1"
SOON: Final = (NOW + timedelta(days=90)).isoformat()
SUNSET: Final = "2026-05-30T12:00:00.000Z"
COUNT: Final = itertools.count()


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    for user in (PLATFORM, STRANGER):
        give_account(made, user)
    return made


def give_account(decider: Decider, user: str) -> None:
    for account in first_accounts(user, "A" * 48):
        decider.documents["accounts", account["_id"]] = account


def announce(decider: Decider, *, sender: str = OPERATOR, **changes: Any) -> Any:
    data = {"id": OLD, "change": "deprecated", "effective": SOON, "text": "Use v2."} | changes
    (outcome,) = decider.decide(command(ANNOUNCE, data, sender=sender, id=f"a-{next(COUNT)}"))
    return outcome


def told(decider: Decider, outcome: Any) -> list[tuple[str | None, str]]:
    return [(one.recipient, one.type) for one in decider.consequences([outcome])]


def close(decider: Decider, kind: str = OLD, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data or {"id": "none"}, id=f"c-{next(COUNT)}"))
    return json.loads(outcome.letters[-1].body)


def test_every_user_with_an_account_is_told_once(decider: Decider) -> None:
    outcome = announce(decider)
    kind, data = reply(outcome)
    assert kind == "interface.announce.accepted.v1"
    assert (data["change"], data["sunset"]) == ("deprecated", SUNSET)
    assert [kind for kind, _ in events(outcome)] == ["interface.announced.v1"]
    letters = decider.consequences([outcome])
    assert [one.recipient for one in letters] == sorted([PLATFORM, STRANGER])
    assert OWNER not in {one.recipient for one in letters}
    for one in letters:
        content = json.loads(one.body)
        payload("interface.announced.v1").validate(content)
        assert (content["sequence"], content["data"]["text"]) == ("1", "Use v2.")


def test_it_is_told_again_to_whom_it_was_told(decider: Decider) -> None:
    told(decider, announce(decider))
    (outcome,) = decider.decide(command("event.replay.v1", {"from_sequence": 1}, id="again"))
    kinds = [kind for _, kind in told(decider, outcome)]
    assert kinds == ["interface.announced.v1", "event.replay-ended.v1"]


def test_hundreds_are_told_page_by_page_and_each_once(decider: Decider) -> None:
    """Three accounts each: a user of whom one page has the first is not told by the next."""
    users = sorted({issued("USR", 10_000 + 100 * n) for n in range(PAGE)})
    for user in users:
        give_account(decider, user)
        account = {**first_accounts(user, "A" * 48)[0], "_id": f"{user}/night"}
        decider.documents["accounts", account["_id"]] = account
    ended = users.pop()
    for key in (ended, f"{ended}/bulk", f"{ended}/night"):
        found = decider.documents["accounts", key]
        decider.documents["accounts", key] = {**found, "state": "ended"}
    recipients = [recipient for recipient, _ in told(decider, announce(decider))]
    assert sorted(map(str, recipients)) == sorted([*users, PLATFORM, STRANGER])


def test_the_same_again_tells_nobody_and_another_does(decider: Decider) -> None:
    announce(decider)
    again = announce(decider)
    assert [write.collection for write in again.writes] == ["inbox"]
    assert events(again) == []
    later = announce(decider, effective=(NOW + timedelta(days=180)).isoformat())
    assert len(told(decider, later)) == 2


def test_replies_to_a_deprecated_type_say_until_when(decider: Decider) -> None:
    assert "sunset" not in close(decider)
    announce(decider)
    rejected = close(decider)
    assert (rejected["type"], rejected["sunset"]) == ("notice.close.rejected.v1", SUNSET)
    payload("notice.close.rejected.v1").validate(rejected)
    row = f"{PLATFORM}/1"
    decider.documents["notices", row] = {
        "_id": row,
        "revision": 1,
        "recipient": PLATFORM,
        "state": "open",
    }
    assert close(decider, id=row)["sunset"] == SUNSET
    letter = decider.ask(command("notice.close.check.v1", {"id": row}, id="check"))
    assert letter is not None
    assert json.loads(letter.body)["sunset"] == SUNSET
    assert said(letter)[0] == "notice.close.check.accepted.v1"
    assert "sunset" not in close(decider, "notice.close.v2", ids=[row])


def test_a_query_s_answer_says_it_too(decider: Decider) -> None:
    announce(decider, id="user.get.v1", change="withdrawn")
    letter = decider.ask(command("user.get.v1", {"id": PLATFORM}, id="q"))
    assert letter is not None
    assert json.loads(letter.body)["sunset"] == SUNSET


def test_an_extended_enum_is_told_with_its_values_and_ends_nothing(decider: Decider) -> None:
    wish: dict[str, Any] = {"change": "enum-extended", "field": "data.state", "values": ["snoozed"]}
    outcome = announce(decider, id="notice.list.v1", **wish)
    assert "sunset" not in reply(outcome)[1]
    (_, fact), *_ = events(outcome)
    assert (fact["field"], fact["values"]) == ("data.state", ["snoozed"])
    letter = decider.ask(command("notice.list.v1", {}, id="q"))
    assert letter is not None
    assert "sunset" not in json.loads(letter.body)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"id": "asset.vanish.v1"}, [("interface.type-unknown", "data.id")]),
        ({"effective": NOW.isoformat()}, [("interface.past", "data.effective")]),
        ({"field": "data.x"}, [("field.type", "data")]),
        ({"change": "enum-extended"}, [("field.type", "data")]),
        ({"change": "better"}, [("field.choice", "data.change")]),
    ],
)
def test_what_is_wrong_with_an_announcement(
    decider: Decider, changes: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    outcome = announce(decider, **changes)
    assert rules(reply(outcome)[1]) == found
    assert [write.collection for write in outcome.writes] == ["inbox"]


def test_an_event_may_be_announced(decider: Decider) -> None:
    outcome = announce(decider, id="asset.updated.v1")
    assert reply(outcome)[0] == "interface.announce.accepted.v1"
