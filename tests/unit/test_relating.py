"""Who becomes something to an asset, who ends it, and what that opens and closes."""

from datetime import datetime, timedelta
from typing import Any, Final, get_args
from uuid import uuid4

import pytest

from contracts.relations import RelationName
from handlers.edges import edge
from handlers.rights import RECORDED
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said

RELATE: Final = "asset.relate.v1"
UNRELATE: Final = "asset.unrelate.v1"
DELEGATE: Final = issued("USR", 5000)
THIRD: Final = issued("USR", 6000)
HOUR: Final = timedelta(hours=1)


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    for user in (DELEGATE, THIRD):
        found.documents["users", user] = user_document(user)
    return found


@pytest.fixture
def battery(decider: Decider) -> str:
    (outcome,) = decider.decide(command(data=asset(owner=OWNER), id="register"))
    return str(reply(outcome)[1]["id"])


def ask(decider: Decider, kind: str, sender: str, **data: Any) -> Any:
    """The one outcome of a command under an id of its own."""
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return outcome


def relate(decider: Decider, battery: str, sender: str = PLATFORM, **changes: Any) -> Any:
    given = {"id": battery, "party": STRANGER, "relation": "fsp"} | changes
    return ask(decider, RELATE, sender, **given)


def unrelate(decider: Decider, battery: str, sender: str = PLATFORM, **changes: Any) -> Any:
    given = {"id": battery, "party": STRANGER, "relation": "fsp"} | changes
    return ask(decider, UNRELATE, sender, **given)


def refused(outcome: Any) -> list[tuple[str, str]]:
    """Rules and fields of a rejection, which writes nothing but the memory of it."""
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def gets(decider: Decider, battery: str, user: str) -> str:
    """Type of the answer to a question for the asset."""
    return said(decider.ask(command("asset.get.v1", {"id": battery}, sender=user, id="get")))[0]


def shown(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_the_language_knows_the_relations_that_are_recorded() -> None:
    assert get_args(RelationName) == RECORDED


def test_who_is_related_sees_the_asset_and_is_told_so_with_the_owner(
    decider: Decider, battery: str
) -> None:
    before = gets(decider, battery, STRANGER)
    outcome = relate(decider, battery, service="DFS")
    told = decider.consequences([outcome])

    kind, data = reply(outcome)
    assert (kind, data["party"], data["revision"]) == ("asset.relate.accepted.v1", STRANGER, 1)
    assert data["ties"] == [{"relation": "fsp", "service": "DFS", "from_time": shown(NOW)}]
    assert before == "asset.get.rejected.v1"
    assert gets(decider, battery, STRANGER) == "asset.get.accepted.v1"
    facts = {
        "id": battery,
        "by": PLATFORM,
        "party": STRANGER,
        "relation": "fsp",
        "service": "DFS",
        "from_time": NOW.isoformat().replace("+00:00", "Z"),
        "changed": ["relations"],
    }
    parties = {"parties": {"registrant": PLATFORM, "owner": OWNER}}
    assert events(outcome) == [("asset.related.v1", facts | parties)]
    assert {letter.recipient: said(letter)[1] for letter in told} == {
        OWNER: facts,
        STRANGER: facts,
    }


def test_a_party_is_told_that_its_tie_has_ended_and_sees_no_more(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery)
    relate(decider, battery, party=THIRD)
    decider.now += HOUR
    outcome = unrelate(decider, battery)
    told = decider.consequences([outcome])

    assert reply(outcome)[1]["ties"] == []
    assert {(letter.recipient, letter.type) for letter in told} == {
        (OWNER, "asset.unrelated.v1"),
        (STRANGER, "asset.unrelated.v1"),
    }, "the third party may not know who else is related"
    assert gets(decider, battery, STRANGER) == "asset.get.rejected.v1"
    (tie,) = decider.documents["relations", edge(battery, STRANGER)]["ties"]
    assert (tie["from"], tie["until"], tie["by"], tie["ended_by"]) == (
        NOW,
        NOW + HOUR,
        PLATFORM,
        PLATFORM,
    ), "history stays"


def test_that_a_tie_has_ended_is_told_again_to_whom_it_named(
    decider: Decider, battery: str
) -> None:
    decider.consequences([relate(decider, battery)])
    (updated,) = decider.decide(
        command("asset.update.v1", {"id": battery, "name": "One"}, id="name")
    )
    decider.consequences([updated])
    decider.consequences([unrelate(decider, battery)])
    replay = command("event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="again")
    again = decider.consequences(decider.decide(replay))
    assert [letter.type for letter in again] == [
        "asset.related.v1",
        "asset.unrelated.v1",
        "event.replay-ended.v1",
    ]


@pytest.mark.parametrize("sender", [PLATFORM, OWNER, DELEGATE, "operator"])
def test_those_who_may_relate_may_relate_anybody(
    decider: Decider, battery: str, sender: str
) -> None:
    ask(decider, "mandate.give.v1", OWNER, delegate=DELEGATE)
    assert reply(relate(decider, battery, sender))[0] == "asset.relate.accepted.v1"
    assert reply(unrelate(decider, battery, sender))[0] == "asset.unrelate.accepted.v1"


def test_a_party_may_relate_neither_another_nor_itself(decider: Decider, battery: str) -> None:
    relate(decider, battery)
    for party, service in ((THIRD, None), (STRANGER, "DC")):
        tried = relate(decider, battery, STRANGER, party=party, service=service)
        assert refused(tried) == [("relation.not-yours", "data.party")]
    assert refused(unrelate(decider, battery, STRANGER, party=THIRD)) == [
        ("relation.not-yours", "data.party")
    ]


def test_with_the_owners_mandate_one_relates_oneself(decider: Decider, battery: str) -> None:
    assert refused(relate(decider, battery, STRANGER)) == [("asset.not-found", "data.id")]
    ask(decider, "mandate.give.v1", OWNER, delegate=STRANGER)
    assert reply(relate(decider, battery, STRANGER))[0] == "asset.relate.accepted.v1"


def test_a_party_ends_its_own_tie_also_before_it_begins(decider: Decider, battery: str) -> None:
    relate(decider, battery)
    relate(decider, battery, party=THIRD, from_time=shown(NOW + HOUR))
    assert gets(decider, battery, THIRD) == "asset.get.rejected.v1"
    for party in (STRANGER, THIRD):
        outcome = unrelate(decider, battery, party, party=party)
        assert reply(outcome)[0] == "asset.unrelate.accepted.v1"
        assert [letter.recipient for letter in decider.consequences([outcome])] == [
            PLATFORM,
            OWNER,
        ]
    decider.now += 2 * HOUR
    assert gets(decider, battery, THIRD) == "asset.get.rejected.v1"


@pytest.mark.parametrize("relation", ["so", "mo"])
def test_a_relation_is_no_way_to_a_role(decider: Decider, battery: str, relation: str) -> None:
    outcome = relate(decider, battery, OWNER, relation=relation)
    assert refused(outcome) == [("relation.party-unknown", "data.party")]


def test_a_party_must_be_registered_and_not_gone(decider: Decider, battery: str) -> None:
    decider.documents["users", THIRD] = user_document(THIRD, status="retired")
    for party in (issued("USR", 99), THIRD):
        outcome = relate(decider, battery, party=party)
        assert refused(outcome) == [("relation.party-unknown", "data.party")]


def test_the_time_is_half_open_and_begins_now_at_the_earliest(
    decider: Decider, battery: str
) -> None:
    early, late = NOW - HOUR, NOW + HOUR
    outcome = relate(decider, battery, from_time=shown(early), until=shown(late))
    assert reply(outcome)[1]["ties"][0]["from_time"] == shown(NOW)
    assert gets(decider, battery, STRANGER) == "asset.get.accepted.v1"
    decider.now = late - timedelta(milliseconds=1)
    assert gets(decider, battery, STRANGER) == "asset.get.accepted.v1"
    decider.now = late
    assert gets(decider, battery, STRANGER) == "asset.get.rejected.v1"


@pytest.mark.parametrize("until", [NOW, NOW - HOUR])
def test_a_time_must_not_be_empty(decider: Decider, battery: str, until: datetime) -> None:
    outcome = relate(decider, battery, until=shown(until))
    assert refused(outcome) == [("tie.period", "data.until")]


def test_ties_of_one_sort_do_not_overlap_and_may_follow_each_other(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, until=shown(NOW + HOUR))
    crossing = relate(decider, battery, from_time=shown(NOW + HOUR / 2))
    following = relate(decider, battery, from_time=shown(NOW + HOUR))
    other = relate(decider, battery, service="DC")
    assert refused(crossing) == [("tie.period", "data.from_time")]
    assert len(reply(following)[1]["ties"]) == 2
    assert len(reply(other)[1]["ties"]) == 3


def test_the_same_again_makes_no_event(decider: Decider, battery: str) -> None:
    relate(decider, battery)
    decider.now += HOUR
    again = relate(decider, battery)
    ended = unrelate(decider, battery)
    over = unrelate(decider, battery)
    for outcome, revision in ((again, 1), (over, 2)):
        kind, data = reply(outcome)
        assert (".accepted." in kind, data["revision"]) == (True, revision)
        assert [write.collection for write in outcome.writes] == ["inbox"]
        assert events(outcome) == []
    assert reply(ended)[1]["revision"] == 2


def test_one_service_ends_alone_and_all_of_them_together(decider: Decider, battery: str) -> None:
    for service in ("DC", "DFS", None):
        relate(decider, battery, service=service)
    one = unrelate(decider, battery, service="DC")
    both = unrelate(decider, battery)
    assert [tie.get("service") for tie in reply(one)[1]["ties"]] == ["DFS", None]
    assert reply(both)[1]["ties"] == []


def test_what_never_was_cannot_be_ended(decider: Decider, battery: str) -> None:
    relate(decider, battery, service="DC")
    for changes in ({"relation": "verifier"}, {"service": "DFS"}, {"party": THIRD}):
        assert refused(unrelate(decider, battery, **changes)) == [("relation.none", "data.party")]
