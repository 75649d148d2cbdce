"""Who may read which groups of another's data: granted, revoked, run out, and listed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.messages import register_of
from handlers.case import Outcome
from handlers.decision import Guard, Secret
from handlers.edges import edge, recorded
from handlers.letters import Letter
from handlers.sharing import expiry
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said

HOUR: Final = timedelta(hours=1)
GRANT: Final = "sharing.grant.v1"
REVOKE: Final = "sharing.revoke.v1"
LIST: Final = "sharing.list.v1"
NOBODY: Final = issued("USR", 77)
MARKET: Final = issued("USR", 5000)
BANK: Final = {"account_name": "Ada Example", "account_number": "12345678"}
CONTACTS: Final = [{"name": "Bo Desk", "purpose": "general", "email": "bo@example.com"}]


@pytest.fixture
def decider() -> Decider:
    """An owner with data of every group, and a stranger who is confirmed."""
    found = Decider()
    found.documents["users", OWNER] = user_document(
        OWNER,
        roles=["owner"],
        address={"town": "Exampleton"},
        contacts=Secret(CONTACTS),
        bank=Secret(BANK),
        claims={"company_number": "01234567"},
    )
    found.documents["users", STRANGER] = user_document(STRANGER, status="confirmed")
    return found


def ask(decider: Decider, kind: str, sender: str = OWNER, **data: Any) -> Outcome:
    time = decider.now.isoformat()
    message = command(kind, data, sender=sender, id=str(uuid4()), time=time)
    (outcome,) = decider.decide(message)
    return outcome


def check(decider: Decider, kind: str, sender: str = OWNER, **data: Any) -> Any:
    return said(decider.ask(command(kind, data, sender=sender, id=str(uuid4()))))


def refused(outcome: Outcome) -> list[tuple[str, str]]:
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    assert events(outcome) == []
    return rules(data)


def unchanged(outcome: Outcome) -> bool:
    assert ".accepted." in reply(outcome)[0]
    return [write.collection for write in outcome.writes] == ["inbox"] and not events(outcome)


def read(decider: Decider, asker: str = STRANGER, user: str = OWNER) -> Any:
    message = command("user.get.v1", {"id": user}, sender=asker, id=str(uuid4()))
    return said(decider.ask(message))


def personal(outcomes: Sequence[Outcome]) -> list[Letter]:
    return [one for o in outcomes for one in o.letters if one.kind == "personal"]


def who(letters: Sequence[Letter]) -> list[tuple[str, str]]:
    return sorted((str(one.recipient), one.type) for one in letters)


def test_the_prefix_belongs_to_the_users() -> None:
    assert {register_of(p) for p in ("sharing", "interest", "change")} == {"users"}


@pytest.mark.parametrize(
    ("kind", "more"),
    [(GRANT, {"party": STRANGER, "groups": ["bank"]}), (REVOKE, {"party": STRANGER})],
)
def test_what_ends_at_a_time_that_is_waited_for_counts_on_its_timer(
    decider: Decider, kind: str, more: dict[str, Any]
) -> None:
    """It could run out while this is decided, and nobody would be told that this has ended."""
    until = (NOW + HOUR).isoformat()
    first = ask(decider, GRANT, party=STRANGER, groups=["address"], until=until)
    ask(decider, GRANT, party=STRANGER, groups=["contacts"])
    (timer,) = decider.of("timers")
    second = ask(decider, kind, until=until, **more)
    assert first.guards == ()
    assert [(one.collection, one.was["_id"]) for one in second.guards] == [("timers", timer["_id"])]
    decider.now += HOUR
    (ended,) = decider.due()
    told = [said(one)[1]["groups"] for one in ended.letters if one.kind == "personal"]
    assert told == [["address", "bank" if kind == GRANT else "contacts"]] * 2


def test_a_reader_reads_in_full_what_was_granted_and_nothing_else(decider: Decider) -> None:
    hidden = read(decider)
    outcome = ask(decider, GRANT, party=STRANGER, groups=["bank", "contacts"])
    kind, shown = read(decider)

    assert rules(hidden[1]) == [("user.not-found", "data.id")]
    state = reply(outcome)[1]
    assert (state["id"], state["party"], state["revision"]) == (OWNER, STRANGER, 1)
    assert [(one["group"], one["via"]) for one in state["groups"]] == [
        ("bank", "grant"),
        ("contacts", "grant"),
    ]
    assert kind == "user.get.accepted.v1"
    assert shown["bank"] == BANK
    assert [one["email"] for one in shown["contacts"]] == ["bo@example.com"]
    assert shown.keys() & {"name", "address", "claims", "registrant"} == set()
    assert shown["masked"] == []
    assert who(decider.consequences([outcome])) == [(STRANGER, "sharing.granted.v1")]


@pytest.mark.parametrize("status", ["provisional", "suspended", "rejected", "retired"])
def test_who_is_not_confirmed_reads_nothing_by_it(decider: Decider, status: str) -> None:
    decider.documents["users", STRANGER] = user_document(STRANGER, status="provisional")
    ask(decider, GRANT, party=STRANGER, groups=["bank"])
    decider.documents["users", STRANGER] = user_document(STRANGER, status=status)
    assert read(decider)[0] == "user.get.rejected.v1"
    decider.documents["users", STRANGER] = user_document(STRANGER, status="confirmed")
    assert read(decider)[1]["bank"] == BANK


def test_a_grant_holds_from_its_beginning_until_before_its_end(decider: Decider) -> None:
    begin, end = NOW + HOUR, NOW + 2 * HOUR
    ask(decider, GRANT, party=STRANGER, groups=["bank"], from_time=begin.isoformat(),
        until=end.isoformat())  # fmt: skip
    moment = timedelta(milliseconds=1)
    shown = []
    for now in (begin - moment, begin, end - moment, end):
        decider.now = now
        shown.append(read(decider)[0])
    no, yes = "user.get.rejected.v1", "user.get.accepted.v1"
    assert shown == [no, yes, yes, no]
    (tie,) = decider.documents["relations", edge(OWNER, STRANGER)]["ties"]
    assert (tie["from"], tie["until"], tie["by"]) == (begin, end, OWNER), "it stays on record"


def test_the_same_again_makes_no_event_and_another_group_is_added(decider: Decider) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank"])
    same = ask(decider, GRANT, party=STRANGER, groups=["bank"])
    more = ask(decider, GRANT, party=STRANGER, groups=["bank", "claims"])
    assert unchanged(same)
    assert reply(same)[1]["revision"] == 1
    assert [data["groups"] for _, data in events(more)] == [["claims"]]


@pytest.mark.parametrize("party", [NOBODY, OWNER])
def test_nothing_is_shared_with_nobody_or_oneself(decider: Decider, party: str) -> None:
    code = [("sharing.party-unknown", "data.party")]
    assert refused(ask(decider, GRANT, party=party, groups=["bank"])) == code
    verdict, data = check(decider, "sharing.grant.check.v1", party=party, groups=["bank"])
    assert (verdict, rules(data)) == ("sharing.grant.check.rejected.v1", code)


@pytest.mark.parametrize("group", ["registrant", "relations", "status", "nothing"])
def test_only_groups_of_the_column_are_shared(decider: Decider, group: str) -> None:
    outcome = ask(decider, GRANT, party=STRANGER, groups=["bank", group])
    assert refused(outcome) == [("sharing.group-unknown", "data.groups.1")]


def test_a_time_is_neither_empty_nor_held_twice(decider: Decider) -> None:
    past, later = (NOW - HOUR).isoformat(), (NOW + HOUR).isoformat()
    empty = ask(decider, GRANT, party=STRANGER, groups=["bank"], until=past)
    ask(decider, GRANT, party=STRANGER, groups=["bank"], until=later)
    twice = ask(decider, GRANT, party=STRANGER, groups=["bank"])
    after = ask(decider, GRANT, party=STRANGER, groups=["bank"], from_time=later)
    assert refused(empty) == [("tie.period", "data.until")]
    assert refused(twice) == [("tie.period", "data.from_time")]
    assert len(reply(after)[1]["groups"]) == 2


def test_a_delegate_shares_nothing_of_its_user(decider: Decider) -> None:
    ask(decider, "mandate.give.v1", delegate=PLATFORM)
    ask(decider, GRANT, PLATFORM, party=STRANGER, groups=["bank"])
    assert read(decider)[0] == "user.get.rejected.v1"
    assert refused(ask(decider, REVOKE, PLATFORM, party=OWNER)) == [("sharing.none", "data.party")]


def test_what_is_revoked_is_not_read_any_more(decider: Decider) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank", "claims"])
    decider.now += HOUR
    first = ask(decider, REVOKE, party=STRANGER, groups=["bank"])
    kind, shown = read(decider)
    assert (kind, "bank" in shown, "claims" in shown) == ("user.get.accepted.v1", False, True)
    rest = ask(decider, REVOKE, party=STRANGER)
    assert read(decider)[0] == "user.get.rejected.v1"
    assert reply(rest)[1]["groups"] == []
    said_of = [[(d["groups"], d.get("left")) for _, d in events(o)] for o in (first, rest)]
    assert said_of == [[(["bank"], ["claims"])], [(["claims"], [])]]
    assert who(decider.consequences([rest])) == [(STRANGER, "sharing.revoked.v1")]
    assert unchanged(ask(decider, REVOKE, party=STRANGER))
    assert check(decider, "sharing.revoke.check.v1", party=STRANGER)[0].endswith("accepted.v1")


@pytest.mark.parametrize("party", [NOBODY, PLATFORM])
def test_what_was_never_shared_is_not_revoked(decider: Decider, party: str) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank"])
    assert refused(ask(decider, REVOKE, party=party)) == [("sharing.none", "data.party")]
    other = ask(decider, REVOKE, party=STRANGER, groups=["claims"])
    assert refused(other) == [("sharing.none", "data.party")]


def test_both_are_told_when_a_grant_runs_out_and_of_nothing_else(decider: Decider) -> None:
    end = NOW + HOUR
    ask(decider, GRANT, party=STRANGER, groups=["bank", "claims"], until=end.isoformat())
    ask(decider, GRANT, party=STRANGER, groups=["address"])
    ask(decider, REVOKE, party=STRANGER, groups=["claims"])
    decider.now = end - timedelta(milliseconds=1)
    early = decider.due()
    decider.now = end
    told = personal(decider.due())

    assert early == []
    assert who(told) == sorted([(OWNER, "sharing.expired.v1"), (STRANGER, "sharing.expired.v1")])
    assert {str(said(one)[1]["groups"]) for one in told} == {"['bank']"}
    assert decider.of("timers") == []
    assert personal(decider.due()) == []


def test_a_timer_that_is_there_must_not_go_off_before_the_grant_is_kept(decider: Decider) -> None:
    """The lane of the notices drops it, and would have found nothing of this grant."""
    end = (NOW + HOUR).isoformat()
    first = ask(decider, GRANT, party=STRANGER, groups=["bank"], until=end)
    (timer,) = decider.of("timers")
    second = ask(decider, GRANT, party=STRANGER, groups=["claims"], until=end)
    ask(decider, GRANT, party=STRANGER, groups=["contacts"])
    third = ask(decider, REVOKE, party=STRANGER, groups=["contacts"], until=end)
    wish: dict[str, Any] = {"to": [MARKET], "groups": ["bank"], "until": end}
    decider.documents["users", MARKET] = user_document(MARKET, roles=["mo"])
    decider.documents["users", OWNER] = user_document(OWNER, roles=["fsp"])
    fourth = ask(decider, "interest.express.v1", **wish)
    fifth = ask(decider, "interest.express.v1", **wish, note="More.")
    of_market = decider.documents["timers", expiry(OWNER, MARKET, NOW + HOUR)]
    guards = [outcome.guards for outcome in (first, second, third, fourth, fifth)]
    known = (Guard("timers", timer),)
    assert guards == [(), known, known, (), (Guard("timers", of_market),)]
    assert decider.of("timers") == [timer, of_market]


def test_what_is_shared_anew_in_time_does_not_run_out(decider: Decider) -> None:
    end = (NOW + HOUR).isoformat()
    ask(decider, GRANT, party=STRANGER, groups=["bank"], until=end)
    ask(decider, GRANT, party=STRANGER, groups=["bank"], from_time=end)
    decider.now = NOW + HOUR
    assert personal(decider.due()) == []
    assert read(decider)[1]["bank"] == BANK


def test_a_revocation_for_later_runs_out_too(decider: Decider) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank"])
    outcome = ask(decider, REVOKE, party=STRANGER, until=(NOW + HOUR).isoformat())
    assert [data["left"] for _, data in events(outcome)] == [["bank"]]
    assert read(decider)[0] == "user.get.accepted.v1"
    decider.now += HOUR
    assert len(personal(decider.due())) == 2
    assert read(decider)[0] == "user.get.rejected.v1"


def test_what_ran_out_is_told_again_to_whom_it_names(decider: Decider) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank"], until=(NOW + HOUR).isoformat())
    decider.now += HOUR
    decider.due()
    again = ask(decider, "event.replay.v1", STRANGER, from_sequence=1)
    told = [one.type for one in decider.consequences([again])]
    assert told == ["sharing.expired.v1", "event.replay-ended.v1"]


def listed(decider: Decider, asker: str, side: str, **more: Any) -> Any:
    message = command(LIST, {"side": side, **more}, sender=asker, id=str(uuid4()))
    return said(decider.ask(message))[1]


def test_each_side_lists_what_is_shared(decider: Decider) -> None:
    ask(decider, GRANT, party=STRANGER, groups=["bank"])
    ask(decider, GRANT, party=PLATFORM, groups=["claims"])
    ask(decider, REVOKE, party=PLATFORM)
    given, received = listed(decider, OWNER, "given"), listed(decider, STRANGER, "received")
    assert [(one["party"], [g["group"] for g in one["groups"]]) for one in given["shared"]] == [
        (STRANGER, ["bank"])
    ]
    assert [one["id"] for one in received["shared"]] == [OWNER]
    assert listed(decider, STRANGER, "given") == listed(decider, PLATFORM, "received")
    assert listed(decider, PLATFORM, "received") == {"shared": []}


def test_what_is_shared_comes_in_pages_and_assets_are_passed_over(decider: Decider) -> None:
    tie = {"as": "reader", "from": NOW, "until": None, "group": "bank", "via": "grant"}
    users = sorted(issued("USR", 100_000 + 50 * n) for n in range(PAGE + 3))
    assets = [issued(kind, 5000 + 50 * n) for kind in ("BAT", "WND") for n in range(PAGE + 3)]
    for entity in (*users, *assets):
        ties = [tie if entity in users else {"as": "fsp", "from": NOW, "until": None}]
        row = recorded(entity, STRANGER, ties)
        decider.documents["relations", row["_id"]] = row
    first = listed(decider, STRANGER, "received")
    second = listed(decider, STRANGER, "received", cursor=first["cursor"])
    foreign = listed(decider, STRANGER, "given", cursor=first["cursor"])
    found = [one["id"] for page in (first, second) for one in page["shared"]]
    assert found == users
    assert "cursor" not in second
    assert rules(foreign) == [("cursor.foreign", "data.cursor")]
