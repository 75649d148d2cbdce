"""Erasure: what goes with the commit, what is gone through afterwards, and what remains."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.taxonomy import BACKBONE
from handlers.bookkeeping import unattributed
from handlers.decision import Put, Secret
from handlers.documents import history_id
from handlers.edges import edge, recorded
from handlers.post import shelf, todo
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, delivery, issued, user
from tests.decider import Decider, events, reply, rules, said

ERASE = "user.erase.v1"
BATTERY = issued("BAT", 1000)
WORDS = ("Zebedee", "Marmalade", "zebedee@", "31926819", "EELC", "our 7", "a note")
FULL: dict[str, Any] = {
    "name": "Zebedee Quillfeather",
    "address": {"line_1": "77 Marmalade Yard"},
    "contacts": [{"name": "Zebedee", "email": "zebedee@example.org"}],
    "bank": {"account_name": "Zebedee", "account_number": "31926819"},
    "claims": {"mpid": "EELC"},
}


@pytest.fixture
def decider() -> Decider:
    return Decider()


def register(decider: Decider, kind: str = "organisation", **data: Any) -> str:
    given = user(kind=kind, **FULL | data)
    wish = command("user.register.v1", given, id=str(uuid4()), onbehalfof="our 7")
    (outcome,) = decider.decide(wish)
    return str(reply(outcome)[1]["id"])


def send(decider: Decider, kind: str, data: dict[str, Any], sender: str = "operator") -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return outcome


def erase(decider: Decider, who: str, sender: str = "operator", **data: Any) -> Any:
    return send(decider, ERASE, {"id": who, "confirm_id": who} | data, sender)


def retired(decider: Decider, kind: str = "organisation", **data: Any) -> str:
    who = register(decider, kind, **data)
    send(decider, "user.suspend.v1", {"id": who, "reason": "other", "note": "a note"})
    send(decider, "user.retire.v1", {"id": who})
    return who


def swept(decider: Decider, outcome: Any) -> list[Any]:
    """What the going-through comes to: all its portions, as its lane brings them in."""
    done: list[Any] = []
    (fact,) = [one for one in outcome.letters if one.kind == "domain"]
    waiting = [delivery(fact.body, type=fact.type, account=BACKBONE)]
    while waiting:
        outcomes = decider.decide(*waiting)
        done += outcomes
        waiting = [decider._again(o) for o in outcomes if o.kind == "continued"]
    return done


def test_nobody_is_reminded_of_who_was_erased(decider: Decider) -> None:
    """What was changed before may be remembered behind the erasure, and its timer comes later."""
    who = register(decider)
    changed = send(decider, "user.update.v1", {"id": who, "address": {"town": "Ely"}})
    late = send(decider, "user.update.v1", {"id": who, "address": {"town": "March"}})
    decider.consequences([changed])
    send(decider, "user.retire.v1", {"id": who})
    asked = erase(decider, who)
    decider.consequences([late])
    assert [row["user"] for row in decider.of("timers")] == [who]
    assert swept(decider, asked)[-1].kind == "handled"
    assert decider.of("changes") == []
    decider.now += timedelta(days=15)
    (due,) = decider.due()
    assert [letter.recipient for letter in due.letters] == []
    assert decider.of("timers") == []


def plain_words(decider: Decider, who: str) -> set[str]:
    """Which personal words the register still has in anything of a user, sealed or not."""
    named = {"inbox", "parked"}
    held = [str(opened(d)) for (name, _), d in decider.documents.items() if name not in named]
    return {word for word in WORDS if any(word in text for text in held)}


def opened(value: Any) -> Any:
    if isinstance(value, Secret):
        return opened(value.value)
    if isinstance(value, dict):
        return {name: opened(part) for name, part in value.items()}
    return [opened(part) for part in value] if isinstance(value, list) else value


def test_the_words_are_there_before(decider: Decider) -> None:
    assert plain_words(decider, retired(decider)) == set(WORDS)


@pytest.mark.parametrize("kind", ["organisation", "person"])
def test_nothing_personal_is_left_of_a_user(decider: Decider, kind: str) -> None:
    who = retired(decider, kind)
    registered_at = decider.documents["users", who]["registered_at"]
    outcome = erase(decider, who)
    assert reply(outcome) == (
        "user.erase.accepted.v1",
        {
            "id": who,
            "status": "retired",
            "revision": 4,
            "erased_at": NOW.isoformat().replace("+00:00", "Z"),
            "state": "running",
        },
    )
    assert outcome.erases == (who,)
    assert outcome.keyed_to == "operator"
    assert events(outcome) == [("user.erase-asked.v1", {"id": who, "by": "operator", "run": 1})]
    done = swept(decider, outcome)
    assert plain_words(decider, who) == set()
    assert decider.documents["users", who] == {
        "_id": who,
        "revision": 4,
        "kind": kind,
        "status": "retired",
        "status_at": NOW,
        "roles": ["fsp"],
        "roles_requested": [],
        "registrant": PLATFORM,
        "registered_at": registered_at,
        "erased_at": NOW,
        "erased_by": "operator",
    }
    assert events(done[-1]) == [
        (
            "user.erased.v1",
            {
                "id": who,
                "revision": 4,
                "status": "retired",
                "by": "operator",
                "parties": {"registrant": PLATFORM},
                "erased_at": NOW.isoformat().replace("+00:00", "Z"),
            },
        )
    ]
    assert decider.of("claims") == decider.of("links") == []
    (record,) = decider.of("erasures")
    assert (record["state"], record["by"], record["at"]) == ("done", "operator", NOW)


def test_history_says_who_changed_which_groups_and_no_value(decider: Decider) -> None:
    who = retired(decider)
    swept(decider, erase(decider, who))
    first, second, *_ = [row for row in decider.of("history") if row["entity"] == who]
    assert (first["by"], first["at"]) == (PLATFORM, NOW)
    assert first["erased"] == ["address", "bank", "claims", "contacts", "name"]
    assert first["erased_at"] == NOW
    assert set(first["values"]) == {
        "kind", "registered_at", "registrant", "roles", "roles_requested", "status", "status_at",
    }  # fmt: skip
    assert second["erased"] == ["status_before", "suspension", "suspension_note"]


def test_a_long_history_is_gone_through_page_by_page(decider: Decider) -> None:
    who = retired(decider)
    count = 3 * PAGE + 7
    document = decider.documents["users", who]
    decider.documents["users", who] = {**document, "revision": count}
    for revision in range(4, count + 1):
        key = history_id(who, revision)
        decider.documents["history", key] = {
            "_id": key, "entity": who, "revision": revision, "at": NOW, "by": PLATFORM,
            "values": {"name": "Zebedee"}, "removed": [],
        }  # fmt: skip
    done = swept(decider, erase(decider, who))
    assert plain_words(decider, who) == set()
    sizes = [sum(w.collection == "history" for w in o.writes) for o in done]
    assert max(sizes) <= PAGE
    assert sum(sizes) == count - 1  # the retirement changed nothing that has to go
    said_last = [event for o in done for event, _ in events(o)]
    assert said_last == ["mandate.ended.v1", "user.erased.v1"]


def test_its_place_among_others_is_taken_out(decider: Decider) -> None:
    """What it was told, what others call it, and what it was to others."""
    who = retired(decider)
    tie = {"as": "fsp", "from": NOW, "until": None}
    for row in (
        recorded(BATTERY, who, [tie]),
        recorded(who, STRANGER, [{**tie, "as": "delegate"}]),
    ):
        decider.documents["relations", row["_id"]] = row
    for key, recipient in (("1", who), ("2", STRANGER)):
        row = {"_id": f"{recipient}/{key}", "revision": 1, "recipient": recipient}
        decider.documents["events", row["_id"]] = row
    outcome = erase(decider, who)
    (entry,) = [one for one in decider.of("directory") if one["_id"] == who]
    assert "name" not in entry
    assert not any("word:" in term for term in entry["terms"])
    swept(decider, outcome)
    assert [row["recipient"] for row in decider.of("events")] == [STRANGER]
    for name in (edge(BATTERY, who), edge(who, STRANGER), edge(who, PLATFORM)):
        (ended,) = decider.documents["relations", name]["ties"]
        assert (ended["until"], ended["ended_by"]) == (NOW, "operator")


def test_what_it_chose_and_had_to_do_is_taken_out(decider: Decider) -> None:
    """Its choices, its to-do list, its place among watchers; nobody is asked about it any more."""
    who = register(decider)
    made = send(decider, "asset.register.v1", asset(owner=who), who)
    battery = str(reply(made)[1]["id"])
    for watcher in (who, PLATFORM):
        tie = {"as": "fsp", "from": NOW, "until": None}
        row = recorded(battery, watcher, [tie])
        decider.documents["relations", row["_id"]] = row
        send(decider, "subscription.set.v1", {"access": [battery], "broadcasts": True}, watcher)
    for recipient, kind, subject in (
        (who, "interest.answered.v1", STRANGER),
        (STRANGER, "user.updated.v1", who),
        (STRANGER, "user.updated.v1", PLATFORM),
    ):
        key = todo(recipient, kind, subject)
        notice = {"_id": key, "revision": 1, "recipient": recipient, "state": "open"}
        notice |= {"type": kind, "subject": subject, "shelf": shelf(recipient, "open")}
        decider.documents["notices", key] = notice
    row = recorded(who, STRANGER, [{**tie, "as": "reader", "group": "bank", "via": "grant"}])
    decider.documents["relations", row["_id"]] = row
    send(decider, "user.retire.v1", {"id": who})
    swept(decider, erase(decider, who))
    assert [row["_id"] for row in decider.of("subscriptions")] == [PLATFORM]
    assert decider.documents["watches", battery]["watchers"] == [PLATFORM]
    left = {(n["recipient"], n["subject"]): n["state"] for n in decider.of("notices")}
    assert left == {(STRANGER, who): "closed", (STRANGER, PLATFORM): "open"}


def test_where_a_persons_assets_stand_is_not_found_any_more(decider: Decider) -> None:
    who = register(decider, "person")
    point = {"point": {"latitude": 52.3, "longitude": 0.1}}

    def placed(number: int, **owner: str) -> str:
        identity = {"make": "Acme", "serial": f"SN-{number}"}
        data = {"asset_type": "BAT", "identity": identity, "location": point, **owner}
        return str(reply(send(decider, "asset.register.v1", data, PLATFORM))[1]["id"])

    theirs, others = [placed(n, owner=who) for n in range(3)], placed(9)
    send(decider, "user.suspend.v1", {"id": who, "reason": "other"})
    send(decider, "user.retire.v1", {"id": who})
    assert {row["_id"] for row in decider.of("places")} == {*theirs, others}
    swept(decider, erase(decider, who))
    assert {row["_id"] for row in decider.of("places")} == {others}


def test_the_platform_is_told_at_the_end_and_the_user_is_not(decider: Decider) -> None:
    who = retired(decider)
    *_, last = [o for o in swept(decider, erase(decider, who)) if events(o)]
    told = decider.consequences([last])
    assert [(one.recipient, one.type) for one in told] == [(PLATFORM, "user.erased.v1")]
    assert said(told[0])[1]["by"] == "operator"


def test_erasing_again_changes_nothing_and_goes_on_where_it_got_stuck(decider: Decider) -> None:
    who = retired(decider)
    stuck = erase(decider, who)
    again = erase(decider, who)
    assert reply(again)[1] == reply(stuck)[1]
    assert events(again)[0][1]["run"] == 2
    assert [o.kind for o in swept(decider, stuck)] == ["idle"]
    swept(decider, again)
    once_more = erase(decider, who)
    assert reply(once_more)[1]["state"] == "done"
    assert (events(once_more), once_more.erases) == ([], ())
    assert [w.collection for w in once_more.writes] == ["inbox"]


def test_who_was_erased_may_come_back_as_a_new_user(decider: Decider) -> None:
    who = retired(decider)
    assert rules(reply(send(decider, "user.register.v1", user(**FULL)))[1]) == [
        ("user.duplicate", "data.claims.mpid")
    ]
    swept(decider, erase(decider, who))
    assert register(decider) != who


def test_only_who_has_left_is_erased(decider: Decider) -> None:
    who = register(decider)
    assert rules(reply(erase(decider, who))[1]) == [("user.not-retired", "data.id")]
    decider.documents["users", who] = {**decider.documents["users", who], "status": "rejected"}
    assert reply(erase(decider, who))[0] == "user.erase.accepted.v1"


def test_it_wants_the_id_twice(decider: Decider) -> None:
    who = retired(decider)
    outcome = erase(decider, who, confirm_id=OWNER)
    assert rules(reply(outcome)[1]) == [("user.confirm-id", "data.confirm_id")]
    assert rules(reply(erase(decider, who, confirm_id="USR"))[1]) == [
        ("user-id.format", "data.confirm_id")
    ]


def test_the_user_itself_may_right_after_it_retired(decider: Decider) -> None:
    who = register(decider)
    leave = command("user.retire.v1", {"id": who}, sender=who, id="leave")
    forget = command(ERASE, {"id": who, "confirm_id": who}, sender=who, id="forget")
    get = command("user.get.v1", {"id": who}, sender=who, id="get")
    outcomes = decider.decide(leave, forget)
    assert [o.kind for o in outcomes] == ["accepted", "accepted"]
    # Its own key goes: the answer is kept under the month's.
    assert outcomes[1].keyed_to == unattributed(NOW)
    assert rules(said(decider.ask(get))[1]) == [("sender.suspended", "source")]


def test_a_suspended_user_may_not(decider: Decider) -> None:
    who = register(decider)
    send(decider, "user.suspend.v1", {"id": who, "reason": "conduct"})
    assert rules(reply(erase(decider, who, who))[1]) == [("sender.suspended", "source")]


def test_nobody_else_may(decider: Decider) -> None:
    who = retired(decider)
    assert rules(reply(erase(decider, who, PLATFORM))[1]) == [("user.not-yours", "data.id")]
    hidden = reply(erase(decider, who, STRANGER))[1]
    unknown = issued("USR", 9_000_000)
    missing = reply(erase(decider, unknown, STRANGER))[1]
    assert rules(hidden) == rules(missing) == [("user.not-found", "data.id")]
    assert str(hidden).replace(who, "") == str(missing).replace(unknown, "")
    assert rules(reply(erase(decider, who, unknown))[1]) == [("sender.unknown", "source")]


def test_a_check_says_whether_it_could_be_and_erases_nothing(decider: Decider) -> None:
    who = retired(decider)
    data = {"id": who, "confirm_id": who}
    found = said(decider.ask(command("user.erase.check.v1", data, sender="operator")))
    assert found == ("user.erase.check.accepted.v1", {"id": who, "verdict": "acceptable"})
    assert plain_words(decider, who) == set(WORDS)
    wrong = command("user.erase.check.v1", data | {"confirm_id": OWNER}, sender="operator")
    assert rules(said(decider.ask(wrong))[1]) == [("user.confirm-id", "data.confirm_id")]


def test_nothing_is_linked_to_it_any_more(decider: Decider) -> None:
    who = retired(decider)
    swept(decider, erase(decider, who))
    data = {"id": who, "scheme": "own", "value": "our 7"}
    outcome = send(decider, "user.link-id.v1", data, PLATFORM)
    assert rules(reply(outcome)[1]) == [("user.not-found", "data.id")]
    assert not [w for w in outcome.writes if isinstance(w, Put) and w.collection == "links"]


def test_the_record_can_still_be_read(decider: Decider) -> None:
    who = retired(decider)
    swept(decider, erase(decider, who))
    kind, data = said(decider.ask(command("user.get.v1", {"id": who}, sender="operator")))
    assert kind == "user.get.accepted.v1"
    assert (data["status"], data["kind"], data["roles"]) == ("retired", "organisation", ["fsp"])
    assert not {"name", "address", "claims", "contacts", "bank"} & data.keys()
