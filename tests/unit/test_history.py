"""A user's history: two times, what the asker may see now, and what is left of an erased one."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.history import CHANGES_MAX
from handlers.decision import Secret
from handlers.documents import history_id
from handlers.edges import edge, recorded
from handlers.history import REVISIONS_MAX
from tests.builders import NOW, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import Decider, reply, rules, said

HISTORY = "user.history.v1"
SUBJECT = issued("USR", 8000)
DAY = timedelta(days=1)
BANK = {"account_name": "Ada", "account_number": "12345678"}


def day(number: int) -> datetime:
    return NOW - (30 - number) * DAY


def row(revision: int, recorded: int, valid: int, **values: Any) -> dict[str, Any]:
    """A change that was recorded on a day and holds from another one on; None takes out."""
    kept = {name: value for name, value in values.items() if value is not None}
    return {
        "_id": history_id(SUBJECT, revision),
        "entity": SUBJECT,
        "revision": revision,
        "at": day(recorded),
        "valid_from": day(valid),
        "by": PLATFORM if revision == 1 else SUBJECT,
        "command": f"c{revision}",
        "values": kept,
        "removed": sorted(values.keys() - kept.keys()),
    }


FIRST: dict[str, Any] = {
    "kind": "organisation", "status": "provisional", "roles": ["fsp"], "roles_requested": [],
    "registrant": PLATFORM, "name": "One Ltd", "status_at": day(1),
}  # fmt: skip
ROWS = (
    row(1, 1, 1, **FIRST, bank=Secret(BANK)),
    row(2, 5, 5, name="Two Ltd"),
    row(3, 10, 3, address={"town": "Exampleton"}),  # known late: it held since the third day
    row(4, 15, 15, bank=None, status="confirmed"),
)


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    found.documents["users", SUBJECT] = {
        **user_document(SUBJECT, name="Two Ltd", registrant=PLATFORM, status="confirmed"),
        "revision": 4,
        "address": {"town": "Exampleton"},
    }
    for one in ROWS:
        found.documents["history", one["_id"]] = one
    return found


def ask(decider: Decider, sender: str = SUBJECT, **query: Any) -> Any:
    data = {"id": SUBJECT} | query
    return said(decider.ask(command(HISTORY, data, sender=sender, id=str(uuid4()))))[1]


def at(number: float) -> str:
    return (day(0) + number * DAY).isoformat()


@pytest.mark.parametrize(
    ("as_of", "known_at", "name", "town"),
    [
        (None, None, "Two Ltd", "Exampleton"),
        (0.5, None, None, None),
        (2, None, "One Ltd", None),
        (4, None, "One Ltd", "Exampleton"),  # by what is known today
        (4, 6, "One Ltd", None),  # by what was known on the sixth day
        (None, 6, "Two Ltd", None),
        (None, 10, "Two Ltd", "Exampleton"),  # known from the moment on at which it was recorded
        (5, 20, "Two Ltd", "Exampleton"),
    ],
)
def test_what_was_so_and_what_was_known(
    decider: Decider,
    as_of: float | None,
    known_at: float | None,
    name: str | None,
    town: str | None,
) -> None:
    moments = {"as_of": as_of, "known_at": known_at}
    found = ask(decider, **{n: at(m) for n, m in moments.items() if m is not None})
    was = found.get("was", {})
    assert (was.get("name"), was.get("address", {}).get("town")) == (name, town)
    assert bool(was) is (name is not None)


def test_before_its_registration_there_was_no_record(decider: Decider) -> None:
    """A sender's clock, or its wish, may date a change before it; that is no record yet."""
    early = row(5, 20, 0, name="Five Ltd")
    decider.documents["history", early["_id"]] = early
    document = decider.documents["users", SUBJECT]
    decider.documents["users", SUBJECT] = {**document, "revision": 5, "name": "Five Ltd"}
    found = ask(decider, as_of=at(0.5))
    assert "was" not in found
    assert found["changes"][-1]["valid_from"] < found["changes"][0]["valid_from"]
    assert ask(decider, as_of=at(2))["was"]["name"] == "Five Ltd"


def test_a_group_that_was_taken_out_was_there_before(decider: Decider) -> None:
    was = ask(decider, as_of=at(14))["was"]
    assert (was["bank"], was["revision"], was["status"]) == (BANK, 3, "provisional")
    now = ask(decider, as_of=at(16))["was"]
    assert ("bank" in now, now["revision"], now["status"]) == (False, 4, "confirmed")


def test_changes_have_both_times(decider: Decider) -> None:
    changes = ask(decider)["changes"]
    assert [change["revision"] for change in changes] == [1, 2, 3, 4]
    assert changes[0]["by"] == PLATFORM
    assert changes[2] == {
        "revision": 3,
        "recorded_at": day(10).isoformat().replace("+00:00", "Z"),
        "valid_from": day(3).isoformat().replace("+00:00", "Z"),
        "by": SUBJECT,
        "changed": ["address"],
        "values": {"address": {"town": "Exampleton"}},
    }
    assert changes[3]["changed"] == ["bank", "status"]
    assert changes[3]["values"] == {"status": "confirmed"}
    known = ask(decider, known_at=at(6))["changes"]
    assert [change["revision"] for change in known] == [1, 2]
    assert ask(decider, changes=False)["changes"] == []


@pytest.mark.parametrize(
    ("relation", "seen", "bank"),
    [
        (
            "registrant",
            [
                ["kind", "name", "registrant", "roles", "roles_requested", "status", "status_at"],
                ["name"],
                ["status"],
            ],
            None,
        ),
        ("operator", None, {"account_name": "***", "account_number": "*****678"}),
        ("delegate", None, {"account_name": "***", "account_number": "*****678"}),
    ],
)  # fmt: skip
def test_of_the_past_too_each_sees_what_it_may_now(
    decider: Decider, relation: str, seen: Any, bank: Any
) -> None:
    sender = {"registrant": PLATFORM, "operator": "operator", "delegate": STRANGER}[relation]
    if relation == "delegate":
        tie = {"as": "delegate", "from": NOW - DAY, "until": None}
        decider.documents["relations", edge(SUBJECT, STRANGER)] = recorded(SUBJECT, sender, [tie])
    found = ask(decider, sender, as_of=at(14))
    assert found["was"].get("bank") == bank
    assert ("bank" in found["was"].get("masked", ())) is (bank is not None)
    told = [change["changed"] for change in found["changes"]]
    assert "bank" not in str(told)
    assert "12345678" not in str(found)
    if seen is not None:
        assert told == seen
        assert "Exampleton" not in str(found)


def test_who_may_not_see_the_user_learns_nothing(decider: Decider) -> None:
    unknown = issued("USR", 9_000_000)
    hidden = ask(decider, STRANGER, as_of=at(2))
    missing = ask(decider, STRANGER, as_of=at(2), id=unknown)
    assert rules(hidden) == rules(missing) == [("user.not-found", "data.id")]
    assert str(hidden).replace(SUBJECT, "") == str(missing).replace(unknown, "")
    assert rules(ask(decider, unknown)) == [("sender.unknown", "source")]
    assert rules(ask(decider, "front-desk")) == [("sender.role", "type")]


def long(decider: Decider, count: int) -> None:
    document = decider.documents["users", SUBJECT]
    decider.documents["users", SUBJECT] = {**document, "revision": count}
    for revision in range(5, count + 1):
        one = row(revision, 20, 20, name=f"Name {revision}")
        decider.documents["history", one["_id"]] = one


def test_changes_come_page_by_page(decider: Decider) -> None:
    count = 2 * CHANGES_MAX + 5
    long(decider, count)
    first = ask(decider, as_of=at(25))
    assert first["was"]["name"] == f"Name {count}"
    pages, cursor = [first], first["cursor"]
    while cursor is not None:
        pages.append(ask(decider, as_of=at(25), cursor=cursor))
        cursor = pages[-1].get("cursor")
    assert [len(page["changes"]) for page in pages] == [CHANGES_MAX, CHANGES_MAX, 5]
    assert ["was" in page for page in pages] == [True, False, False]
    revisions = [change["revision"] for page in pages for change in page["changes"]]
    assert revisions == list(range(1, count + 1))
    assert rules(ask(decider, PLATFORM, as_of=at(25), cursor=first["cursor"])) == [
        ("cursor.foreign", "data.cursor")
    ]
    assert rules(ask(decider, cursor=first["cursor"])) == [("cursor.foreign", "data.cursor")]


def test_of_too_many_changes_no_record_is_put_together(decider: Decider) -> None:
    document = decider.documents["users", SUBJECT]
    decider.documents["users", SUBJECT] = {**document, "revision": REVISIONS_MAX + 1}
    assert rules(ask(decider, as_of=at(2))) == [("user.history-too-long", "data.as_of")]
    assert len(ask(decider)["changes"]) == len(ROWS)


def test_of_an_erased_user_there_are_names_of_groups_and_no_values(decider: Decider) -> None:
    """At once, though the rows are gone through afterwards."""
    document = decider.documents["users", SUBJECT]
    decider.documents["users", SUBJECT] = {**document, "status": "retired"}
    data = {"id": SUBJECT, "confirm_id": SUBJECT}
    (outcome,) = decider.decide(command("user.erase.v1", data, sender="operator"))
    assert reply(outcome)[0] == "user.erase.accepted.v1"
    found = ask(decider, "operator", as_of=at(14))
    for word in ("Ltd", "Exampleton", "Ada", "345678"):
        assert word not in str(found)
    assert "name" in found["changes"][0]["changed"]
    assert found["changes"][0]["values"]["kind"] == "organisation"
    assert all("erased_at" in change for change in found["changes"])
    assert found["was"]["status"] == "provisional"


def test_before_its_registration_there_was_no_record_whatever_a_change_says(
    decider: Decider,
) -> None:
    early = row(5, 20, -5, address={"town": "Earlier"})
    decider.documents["history", early["_id"]] = early
    decider.documents["users", SUBJECT] |= {"revision": 5}  # type: ignore[operator]
    before, after = ask(decider, as_of=at(-3)), ask(decider, as_of=at(2))
    assert "was" not in before
    assert after["was"]["address"] == {"town": "Earlier"}
    assert [one["revision"] for one in before["changes"]][-1] == 5
