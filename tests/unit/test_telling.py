"""Who is told what of a fact, in which order, and how it is told again."""

import json
from typing import Any, Final

import pytest

from handlers.letters import Letter
from handlers.visibility import recorded
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, reply, rules

MPAN: Final = "2000000000015"


@pytest.fixture
def decider() -> Decider:
    return Decider()


def registered(decider: Decider, **changes: Any) -> str:
    (outcome,) = decider.decide(command(data=asset(owner=OWNER) | changes, id="register"))
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
    assert [content(letter) for letter in again] == [one | {"replayed": "true"} for one in mine[1:]]
    assert nothing == []
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
