"""Who is told what of a fact, in which order, and how it is told again."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.decision import Secret
from handlers.edges import recorded
from handlers.letters import Letter
from handlers.notices import REPLAY_SILENCE_MAX
from handlers.post import event_row
from handlers.spans import PAGE
from handlers.timing import GATHERED, timer_id, timer_row
from outbox.record import OutboxRecord
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
from tests.decider import Decider, reply, rules

MPAN: Final = "2000000000015"


@pytest.fixture
def decider() -> Decider:
    return Decider()


def registered(decider: Decider, **changes: Any) -> str:
    name = f"register-{len(decider.of('assets'))}"
    (outcome,) = decider.decide(command(data=asset(owner=OWNER) | changes, id=name))
    asset_id: str = reply(outcome)[1]["id"]
    return asset_id


def related(decider: Decider, entity: str, party: str, relation: str, **times: Any) -> None:
    tie = {"as": relation, "from": NOW, "until": None} | times
    row = recorded(entity, party, [tie])
    decider.documents["relations", row["_id"]] = row


def updated(decider: Decider, asset_id: str, number: int = 1, **changes: Any) -> list[Letter]:
    data = {"id": asset_id, **(changes or {"capability": {"power_kw": number}})}
    return decider.consequences(
        decider.decide(command("asset.update.v1", data, id=f"update-{number}"))
    )


def content(letter: Letter) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(letter.body)
    return told


def test_the_owner_is_told_and_the_actor_is_not(decider: Decider) -> None:
    asset_id = registered(decider)
    (told,) = updated(decider, asset_id)
    said = content(told)
    assert (told.recipient, said["type"], said["sequence"]) == (OWNER, "asset.updated.v1", "1")
    assert said["data"] == {
        "id": asset_id,
        "revision": 2,
        "status": "provisional",
        "by": PLATFORM,
        "changed": ["capability"],
    }


def test_a_party_is_told_only_of_what_it_may_read(decider: Decider) -> None:
    asset_id = registered(decider)
    related(decider, asset_id, STRANGER, "mo")
    both = updated(decider, asset_id, capability={"power_kw": 5}, connection={"mpan_import": MPAN})
    connection = updated(decider, asset_id, 2, connection={"mpan_import": "1234567890126"})
    changed = {letter.recipient: content(letter)["data"]["changed"] for letter in both}
    assert changed == {OWNER: ["capability", "connection"], STRANGER: ["capability"]}
    assert [letter.recipient for letter in connection] == [OWNER]


def test_a_relation_counts_while_it_holds(decider: Decider) -> None:
    asset_id = registered(decider)
    related(decider, asset_id, STRANGER, "fsp", until=NOW)
    assert [letter.recipient for letter in updated(decider, asset_id)] == [OWNER]


def test_a_sequence_has_no_gaps_and_a_change_of_nothing_is_not_told(decider: Decider) -> None:
    asset_id = registered(decider)
    told = [updated(decider, asset_id, number) for number in (1, 2, 2, 3)]
    sequences = [[content(letter)["sequence"] for letter in letters] for letters in told]
    assert sequences == [["1"], ["2"], [], ["3"]]


def test_a_thousand_parties_are_told_page_by_page(decider: Decider) -> None:
    asset_id = registered(decider)
    parties = [issued("USR", 10_000 + 50 * n) for n in range(1000)]
    for party in parties:
        related(decider, asset_id, party, "fsp")
    told = updated(decider, asset_id)
    assert sorted(str(letter.recipient) for letter in told) == sorted({*parties, OWNER})
    assert {content(letter)["sequence"] for letter in told} == {"1"}


@pytest.mark.parametrize("count", [0, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_a_fact_that_comes_again_is_told_nobody(decider: Decider, count: int) -> None:
    """Where the audience ends with a page, the last page is empty and yet ends the fact."""
    asset_id = registered(decider)
    for number in range(count):
        related(decider, asset_id, issued("USR", 10_000 + 50 * number), "fsp")
    data = {"id": asset_id, "capability": {"power_kw": 3}}
    outcomes = decider.decide(command("asset.update.v1", data))
    assert len(decider.consequences(outcomes)) == count + 1
    assert decider.consequences(outcomes) == []


def test_what_is_told_again_is_what_one_may_still_see(decider: Decider) -> None:
    asset_id = registered(decider)
    decider.documents["users", STRANGER] = user_document(STRANGER)
    related(decider, asset_id, STRANGER, "fsp")
    first = [one for n in (1, 2, 3) for one in updated(decider, asset_id, n)]
    ask = command("event.replay.v1", {"from_sequence": 2}, sender=STRANGER, id="again")
    again = decider.consequences(decider.decide(ask))
    related(decider, asset_id, STRANGER, "fsp", until=NOW)
    later = command("event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="later")
    decider.documents["replays", STRANGER] |= {"at": NOW.replace(year=2025)}  # type: ignore[operator]
    nothing = decider.consequences(decider.decide(later))
    mine = [content(letter) for letter in first if letter.recipient == STRANGER]
    *told, end = map(content, again)
    assert told == [one | {"replayed": "true"} for one in mine[1:]]
    assert (end["type"], end["sequence"]) == ("event.replay-ended.v1", "4")
    assert end["data"] == {"id": STRANGER, "from_sequence": 2, "upto": 3, "told": 2}
    # The end of the first replay is about the reader itself, and comes again with all the rest.
    assert [content(letter)["sequence"] for letter in nothing] == ["4", "5"]
    assert content(nothing[-1])["data"]["told"] == 1
    assert decider.documents["replays", STRANGER]["state"] == "ended"


def test_a_second_replay_waits_for_the_first(decider: Decider) -> None:
    asset_id = registered(decider)
    updated(decider, asset_id)
    asks = [
        command("event.replay.v1", {"from_sequence": 1}, sender=OWNER, id=f"ask-{n}")
        for n in range(2)
    ]
    first, second = decider.decide(*asks)
    assert reply(first)[1] == {"id": OWNER, "from_sequence": 1, "upto": 1}
    assert rules(reply(second)[1]) == [("event.replay-running", "")]


def asked(decider: Decider, name: str) -> Outcome:
    ask = command(
        "event.replay.v1", {"from_sequence": 1}, sender=OWNER, id=name, time=decider.now.isoformat()
    )
    (outcome,) = decider.decide(ask)
    return outcome


def test_a_replay_of_which_nothing_is_heard_does_not_run_for_ever(decider: Decider) -> None:
    """Its fact is a dead letter, say; if an operator brings that back, it ends itself."""
    asset_id = registered(decider)
    updated(decider, asset_id)
    first = asked(decider, "first")
    decider.now += REPLAY_SILENCE_MAX - timedelta(seconds=1)
    early = asked(decider, "early")
    decider.now += timedelta(seconds=1)
    second = asked(decider, "second")
    assert rules(reply(early)[1]) == [("event.replay-running", "")]
    assert reply(second)[0] == "event.replay.accepted.v1"
    assert decider.consequences([first]) == []
    assert [one.type for one in decider.consequences([second])] == [
        "asset.updated.v1",
        "event.replay-ended.v1",
    ]
    assert decider.consequences([second]) == []


def test_every_page_says_that_a_replay_is_alive(decider: Decider) -> None:
    asset_id = registered(decider)
    for number in range(PAGE + 1):
        updated(decider, asset_id, number + 1)
    (fact,) = [one for one in asked(decider, "all").letters if one.kind == "domain"]
    decider.now += REPLAY_SILENCE_MAX
    decider.decide(Delivery(body=fact.body, type=fact.type, account=BACKBONE))
    record = decider.documents["replays", OWNER]
    assert (record["state"], record["told"], record["at"]) == ("running", PAGE, decider.now)
    assert rules(reply(asked(decider, "more"))[1]) == [("event.replay-running", "")]


def test_a_clock_that_was_put_back_keeps_nobody_waiting(decider: Decider) -> None:
    asset_id = registered(decider)
    updated(decider, asset_id)
    asked(decider, "ahead")
    decider.now -= timedelta(hours=1)
    assert reply(asked(decider, "back"))[0] == "event.replay.accepted.v1"


def test_a_digest_that_is_told_again_names_only_what_one_may_still_see(decider: Decider) -> None:
    kept, lost = (
        registered(decider),
        registered(decider, identity={"make": "Bolt", "serial": "SN-4712"}),
    )
    fields = {"kinds": {"asset.updated.v1": 2}, "subjects": [kept, lost]}
    digest = {"id": STRANGER, **fields, "first_at": NOW.isoformat(), "last_at": NOW.isoformat()}
    decider.documents["users", STRANGER] = user_document(STRANGER)
    related(decider, kept, STRANGER, "fsp")
    related(decider, lost, STRANGER, "fsp", until=NOW)
    row = {"_id": event_row(STRANGER, 1), "recipient": STRANGER, "sequence": 1, "at": NOW}
    row |= {"type": "notice.digest.v1", "subject": STRANGER, "event": "e", "causation": None}
    decider.documents["events", row["_id"]] = row | {"data": Secret(digest)}
    decider.documents["sequences", STRANGER] = {"_id": STRANGER, "revision": 1, "last": 1}
    ask = command("event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="again")
    told, _end = decider.consequences(decider.decide(ask))
    assert content(told)["data"] == digest | {"subjects": [kept]}


def test_an_operator_may_choose_too(decider: Decider) -> None:
    choose = command("subscription.set.v1", {"broadcasts": True}, sender="operator", id="choose")
    (outcome,) = decider.decide(choose)
    assert reply(outcome)[0] == "subscription.set.accepted.v1"


@pytest.mark.parametrize(
    ("owner", "key"), [(OWNER, ""), (PLATFORM, ".private"), (None, ".private")]
)
def test_what_concerns_its_actor_alone_is_not_brought_before_the_notices(
    decider: Decider, owner: str | None, key: str
) -> None:
    data = asset() | ({"owner": owner} if owner else {})
    (outcome,) = decider.decide(command(data=data, id="register"))
    (fact,) = [letter for letter in outcome.letters if letter.kind == "domain"]
    assert OutboxRecord.of(fact, "lane/1/0/0").key == f"asset.registered.v1{key}"
    told = [letter.recipient for letter in decider.consequences([outcome])]
    assert told == ([owner] if not key else [])


def test_what_is_about_a_user_is_brought_before_the_notices(decider: Decider) -> None:
    (outcome,) = decider.decide(
        command("user.register.v1", user(), sender="operator", id="registers")
    )
    (fact,) = [letter for letter in outcome.letters if letter.kind == "domain"]
    assert OutboxRecord.of(fact, "lane/1/0/0").key == "user.registered.v1"


def test_an_operator_is_told_again_too(decider: Decider) -> None:
    asset_id = registered(decider)
    row = {"_id": event_row("operator", 1), "recipient": "operator", "sequence": 1, "at": NOW}
    row |= {"type": "asset.updated.v1", "subject": asset_id, "event": "e", "causation": None}
    data = {"id": asset_id, "revision": 2, "by": OWNER, "changed": ["capability"]}
    decider.documents["events", str(row["_id"])] = row | {"data": Secret(data)}
    decider.documents["sequences", "operator"] = {"_id": "operator", "revision": 1, "last": 1}
    ask = command("event.replay.v1", {"from_sequence": 1}, sender="operator", id="again")
    (outcome,) = decider.decide(ask)
    told, end = decider.consequences([outcome])
    assert reply(outcome)[0] == "event.replay.accepted.v1"
    assert content(told)["data"] == data
    assert (end.recipient, content(end)["data"]["id"]) == ("operator", "operator")


def test_the_digest_of_an_operator_is_told(decider: Decider) -> None:
    timer = timer_id(NOW, "operator/digest")
    pot = {"_id": "operator/digest", "revision": 1, "recipient": "operator", "timer": timer}
    pot |= {"kinds": {"access.noted.v1": 1}, "subjects": [], "first_at": NOW, "last_at": NOW}
    decider.documents["pots", "operator/digest"] = pot
    waiting = timer_row(GATHERED, NOW, "operator")
    decider.documents["timers", timer] = {"_id": timer, "revision": 1, **waiting}
    (digest,) = [one for outcome in decider.due() for one in outcome.letters]
    assert (digest.recipient, digest.type) == ("operator", "notice.digest.v1")
    assert decider.of("timers") == decider.of("pots") == []
