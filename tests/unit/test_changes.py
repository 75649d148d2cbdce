"""Corporate data once: who is told of a change, who has acknowledged it, and who has not."""

import json
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.taxonomy import BACKBONE
from contracts.updates import UserUpdated
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.changing import CHANGES_MAX, WAIT_DAYS
from handlers.decision import Secret
from handlers.edges import edge, recorded
from handlers.letters import Letter
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said
from tests.unit.test_sharing import (
    BANK,
    GRANT,
    HOUR,
    NOBODY,
    REVOKE,
    ask,
    check,
    personal,
    refused,
    who,
)
from workers.timers import letter_of

ACKNOWLEDGE: Final = "change.acknowledge.v1"
UPDATED: Final = "user.updated.v1"
OTHER: Final = issued("USR", 5000)
WAIT: Final = timedelta(days=WAIT_DAYS)


@pytest.fixture
def decider() -> Decider:
    """An owner who shares bank and claims with a stranger, and claims with another one."""
    found = Decider()
    found.documents["users", OWNER] = user_document(
        OWNER, roles=["owner"], bank=Secret(BANK), claims={"company_number": "01234567"}
    )
    for reader, groups in ((STRANGER, ["bank", "claims"]), (OTHER, ["claims"])):
        found.documents["users", reader] = user_document(reader, status="confirmed")
        ask(found, GRANT, party=reader, groups=groups)
    return found


def change(decider: Decider, *groups: str, by: str = OWNER) -> list[Letter]:
    """What users are told when groups of the owner have changed, as its update says it."""
    was = decider.documents["users", OWNER]
    revision = was["revision"] + 1
    decider.documents["users", OWNER] = {**was, "revision": revision}
    fact = UserUpdated(id=OWNER, revision=revision, status="provisional", by=by, changed=groups)
    letter = Letter.fact(fact, uuid4().hex, decider.now)
    done = decider.decide(Delivery(letter.body, letter.type, BACKBONE))
    told = personal(done)
    while going := [o for o in done if o.kind == "continued"]:
        done = decider.decide(*(decider._again(o) for o in going))
        told += personal(done)
    return told


def acknowledge(decider: Decider, revision: int, party: str = STRANGER) -> Outcome:
    outcome = ask(decider, ACKNOWLEDGE, party, id=OWNER, revision=revision)
    decider.consequences([outcome])
    return outcome


def pending(decider: Decider, asker: str = OWNER) -> dict[str, tuple[list[str], str, int]]:
    page = check(decider, "change.pending.v1", asker)[1]
    return {p["party"]: (p["groups"], p["since"], p["revision"]) for p in page["pending"]}


def asked(decider: Decider, user: str = STRANGER) -> list[tuple[str, str]]:
    page = check(decider, "notice.list.v1", user)[1]
    return [(one["type"], one["subject"]) for one in page["notices"]]


def text(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def reminded(decider: Decider) -> list[Letter]:
    """What the user is told of those who have not acknowledged; digests come too."""
    return [one for one in personal(decider.due()) if one.type == "change.unacknowledged.v1"]


def waiting(decider: Decider) -> list[Any]:
    return [row for row in decider.of("timers") if row["kind"] == "changes"]


def test_everyone_who_reads_it_is_told_the_names_alone_and_asked(decider: Decider) -> None:
    both = {
        str(one.recipient): said(one)[1]["changed"] for one in change(decider, "bank", "claims")
    }
    bank = who(change(decider, "bank"))
    assert both == {STRANGER: ["bank", "claims"], OTHER: ["claims"]}
    assert bank == [(STRANGER, UPDATED)]
    assert asked(decider) == [(UPDATED, OWNER)], "one to-do, however often it changes"
    assert change(decider, "address") == []


def test_an_update_of_the_record_is_told_to_its_readers(decider: Decider) -> None:
    bank = {"account_name": "Ada Example", "account_number": "87654321"}
    outcome = ask(decider, "user.update.v1", id=OWNER, bank=bank)
    assert who(decider.consequences([outcome])) == [(STRANGER, UPDATED)]
    assert pending(decider) == {STRANGER: (["bank"], text(NOW), 2)}
    same = ask(decider, "user.update.v1", id=OWNER, bank=bank)
    assert decider.consequences([same]) == []


def test_no_value_is_told(decider: Decider) -> None:
    (one,) = change(decider, "bank")
    assert json.loads(one.body)["data"] == {
        "id": OWNER, "revision": 2, "status": "provisional", "by": OWNER, "changed": ["bank"],
    }  # fmt: skip


def test_who_is_told_may_not_switch_it_off(decider: Decider) -> None:
    off = ask(decider, "subscription.set.v1", STRANGER, kinds={UPDATED: "off"})
    assert rules(reply(off)[1]) == [("notice.mandatory", f"data.kinds.{UPDATED}")]


def test_told_is_who_could_read_it_when_it_changed(decider: Decider) -> None:
    ask(decider, REVOKE, party=OTHER)
    decider.documents["users", PLATFORM] = user_document(PLATFORM)
    ask(decider, GRANT, party=PLATFORM, groups=["claims"])
    assert who(change(decider, "claims")) == [(STRANGER, UPDATED)], "a provisional one waits"
    assert pending(decider).keys() == {STRANGER}


def test_the_user_is_told_and_asked_nothing_where_another_changes_it(decider: Decider) -> None:
    told = change(decider, "bank", by=PLATFORM)
    assert who(told) == sorted([(OWNER, UPDATED), (STRANGER, UPDATED)])
    assert asked(decider, OWNER) == []


def test_who_acknowledges_is_pending_no_more(decider: Decider) -> None:
    change(decider, "bank")
    decider.now += HOUR
    change(decider, "claims")
    before = pending(decider)
    decider.now += HOUR
    outcome = acknowledge(decider, 3)
    assert before == {
        STRANGER: (["bank", "claims"], text(NOW), 3),
        OTHER: (["claims"], text(NOW + HOUR), 3),
    }
    assert reply(outcome)[1] == {"id": OWNER, "party": STRANGER, "revision": 3}
    assert [kind for kind, _ in events(outcome)] == ["change.acknowledged.v1"]
    assert pending(decider).keys() == {OTHER}
    assert (asked(decider), asked(decider, OTHER)) == ([], [(UPDATED, OWNER)])


def test_since_is_the_first_change_that_was_missed(decider: Decider) -> None:
    for number in range(3):
        decider.now = NOW + number * HOUR
        change(decider, "bank")
    assert pending(decider)[STRANGER] == (["bank"], text(NOW), 4)


def test_a_revision_must_be_there_and_cover_what_has_changed(decider: Decider) -> None:
    change(decider, "bank")
    change(decider, "bank")
    assert refused(acknowledge(decider, 2)) == [("change.revision-old", "data.revision")]
    assert refused(acknowledge(decider, 4)) == [("change.revision-ahead", "data.revision")]
    acknowledge(decider, 3)
    assert refused(acknowledge(decider, 2)) == [("change.revision-old", "data.revision")]
    change(decider, "address")
    assert reply(acknowledge(decider, 4))[1]["revision"] == 4, "a later one covers it too"


def test_who_reads_nothing_is_told_as_of_nobody(decider: Decider) -> None:
    decider.documents["users", PLATFORM] = user_document(PLATFORM, status="confirmed")
    ask(decider, "mandate.give.v1", delegate=PLATFORM)
    change(decider, "bank")
    hidden = [
        ask(decider, ACKNOWLEDGE, PLATFORM, id=user, revision=1)
        for user in (OWNER, STRANGER, NOBODY)
    ]
    assert [refused(one) for one in hidden] == [[("change.not-shared", "data.id")]] * 3
    assert len({str([f | {"got": ""} for f in reply(o)[1]["findings"]]) for o in hidden}) == 1
    operator = ask(decider, ACKNOWLEDGE, "operator", id=OWNER, revision=1)
    assert refused(operator) == [("sender.role", "type")]


def test_an_acknowledgement_that_a_change_overtook_leaves_the_newer_one_open(
    decider: Decider,
) -> None:
    """The register had not heard of the second change yet when it took the first's word."""
    change(decider, "bank")
    first = ask(decider, ACKNOWLEDGE, STRANGER, id=OWNER, revision=2)
    change(decider, "bank")
    decider.consequences([first])
    assert asked(decider) == [(UPDATED, OWNER)]
    assert pending(decider)[STRANGER] == (["bank"], text(NOW), 3)


def test_what_one_may_not_read_any_more_is_not_to_be_acknowledged(decider: Decider) -> None:
    change(decider, "bank", "claims")
    for groups in (["bank"], ["claims"]):
        decider.consequences([ask(decider, REVOKE, party=STRANGER, groups=groups)])
        assert bool(asked(decider)) is (groups == ["bank"])
    assert pending(decider).keys() == {OTHER}


def test_what_ran_out_is_not_to_be_acknowledged(decider: Decider) -> None:
    ask(decider, REVOKE, party=STRANGER, until=(NOW + HOUR).isoformat())
    change(decider, "bank")
    decider.now += HOUR
    decider.due()
    assert (asked(decider), pending(decider)) == ([], {})


def test_another_grant_forgets_no_acknowledgement(decider: Decider) -> None:
    change(decider, "bank")
    acknowledge(decider, 2)
    ask(decider, GRANT, party=STRANGER, groups=["name"])
    assert pending(decider) == {}


def test_the_user_is_told_how_many_have_not_acknowledged_for_long(decider: Decider) -> None:
    change(decider, "claims")
    acknowledge(decider, 2, OTHER)
    decider.now += HOUR
    change(decider, "claims")
    decider.now = NOW + WAIT - timedelta(milliseconds=1)
    early = reminded(decider)
    decider.now = NOW + WAIT
    first = reminded(decider)
    decider.now += HOUR
    second = reminded(decider)

    assert early == []
    assert [one.recipient for one in (*first, *second)] == [OWNER, OWNER]
    assert said(first[0])[1] == {
        "id": OWNER, "count": 1, "days": WAIT_DAYS, "since": text(NOW),
    }  # fmt: skip
    assert said(second[0])[1]["count"] == 2, "the second change has waited long enough by now"
    assert waiting(decider) == []
    assert decider.documents["changes", OWNER]["timer"] is None


def test_where_all_have_acknowledged_nothing_is_told(decider: Decider) -> None:
    change(decider, "claims")
    for party in (STRANGER, OTHER):
        acknowledge(decider, 2, party)
    decider.now = NOW + WAIT
    assert reminded(decider) == []
    assert waiting(decider) == []


def test_who_reads_no_more_is_asked_no_more_though_a_clock_is_behind(decider: Decider) -> None:
    """The process that decides on the timer may be behind the one that announced it."""
    ask(decider, REVOKE, party=STRANGER, until=(NOW + HOUR).isoformat())
    change(decider, "bank")
    assert asked(decider) == [(UPDATED, OWNER)]
    (row,) = [one for one in decider.of("timers") if one["kind"] == "sharing"]
    letter = letter_of(row, NOW + HOUR)
    decider.now = NOW + HOUR - timedelta(milliseconds=1)
    told = personal(decider.decide(Delivery(letter.body, letter.type, BACKBONE)))
    assert [one.type for one in told] == ["sharing.expired.v1"] * 2
    assert asked(decider) == []


def test_of_an_erased_user_nothing_waits_any_more(decider: Decider) -> None:
    """Its changes went with the erasure; a timer that stays is announced for ever."""
    change(decider, "claims")
    was = decider.documents["users", OWNER]
    decider.documents["users", OWNER] = {**was, "status": "retired"}
    ask(decider, "user.erase.v1", "operator", id=OWNER, confirm_id=OWNER)
    assert len(waiting(decider)) == 1
    decider.now = NOW + WAIT
    assert reminded(decider) == []
    assert waiting(decider) == []


def test_more_than_a_page_of_parties_is_told_listed_and_counted(decider: Decider) -> None:
    tie = {"as": "reader", "from": NOW, "until": None, "group": "bank", "via": "grant"}
    parties = [issued("USR", 300_000 + 50 * n) for n in range(PAGE + 5)]
    for party in parties:
        row = recorded(OWNER, party, [tie])
        decider.documents["relations", row["_id"]] = row
        decider.documents["users", party] = user_document(party, status="confirmed")
    told = change(decider, "bank")
    first = check(decider, "change.pending.v1", OWNER)[1]
    second = check(decider, "change.pending.v1", OWNER, cursor=first["cursor"])[1]
    foreign = check(decider, "change.pending.v1", STRANGER, cursor=first["cursor"])[1]
    decider.now = NOW + WAIT
    done = decider.due()
    rest = decider.decide(*(decider._again(o) for o in done if o.kind == "continued"))

    everyone = sorted([*parties, STRANGER])
    assert sorted(str(one.recipient) for one in told) == everyone
    assert sorted(p["party"] for page in (first, second) for p in page["pending"]) == everyone
    assert rules(foreign) == [("cursor.foreign", "data.cursor")]
    (notice,) = personal([*done, *rest])
    assert said(notice)[1]["count"] == len(everyone)
    # One document for the user, whatever the number of parties.
    assert len(decider.of("changes")) == 1


def test_what_is_remembered_of_changes_is_bounded(decider: Decider) -> None:
    for _ in range(CHANGES_MAX + 5):
        change(decider, "bank")
    made = decider.documents["changes", OWNER]["groups"]["bank"]
    assert len(made) == CHANGES_MAX
    assert pending(decider)[STRANGER][2] == CHANGES_MAX + 6


def test_a_replay_leaves_out_what_one_may_not_read_any_more(decider: Decider) -> None:
    told = change(decider, "bank", "claims")
    ask(decider, REVOKE, party=STRANGER, groups=["claims"])
    replay = command("event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="again")
    again = decider.consequences(decider.decide(replay))
    decider.documents["users", STRANGER] = user_document(STRANGER, status="provisional")
    decider.documents["replays", STRANGER] |= {"at": NOW.replace(year=2025)}  # type: ignore[operator]
    replay = command("event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="later")
    later = decider.consequences(decider.decide(replay))
    assert said(next(o for o in told if o.recipient == STRANGER))[1]["changed"] == [
        "bank",
        "claims",
    ]
    assert [said(o)[1].get("changed") for o in again] == [["bank"], None]
    assert UPDATED not in [one.type for one in later]


def test_the_tie_says_what_was_acknowledged(decider: Decider) -> None:
    change(decider, "bank")
    acknowledge(decider, 2)
    assert decider.documents["relations", edge(OWNER, STRANGER)]["acknowledged"] == 2
