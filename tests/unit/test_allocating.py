"""Who represents an asset besides: asked without learning who, and told to both of two."""

from itertools import count
from typing import Any

import pytest

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from tests.builders import OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, reply, said

NUMBERS = count()
THIRD = issued("USR", 6000)
LATER = "2026-06-01T00:00:00Z"
LAST = "2026-09-01T00:00:00Z"


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", THIRD] = user_document(THIRD, roles=["fsp", "aggregator", "so"])
    return made


@pytest.fixture
def battery(decider: Decider) -> str:
    (outcome,) = decider.decide(command(data=asset(owner=OWNER)))
    return str(reply(outcome)[1]["id"])


def relate(decider: Decider, asset: str, party: str, **changes: Any) -> dict[str, Any]:
    """Relate, as FSP for DC unless said otherwise; by user what it is told of an overlap."""
    data = {"id": asset, "party": party, "relation": "fsp", "service": "DC"} | changes
    number = f"c-{next(NUMBERS)}"
    (outcome,) = decider.decide(command("asset.relate.v1", data, sender=OPERATOR, id=number))
    (fact,) = [one for one in outcome.letters if one.kind == "domain"]
    handled = decider.decide(Delivery(body=fact.body, type=fact.type, account=BACKBONE))
    told = decider.consequences(handled)
    of = [one for one in told if one.type == "allocation.overlapped.v1"]
    return {str(one.recipient): said(one)[1] for one in of}


def check(decider: Decider, sender: str, **data: Any) -> Any:
    return said(decider.ask(command("allocation.check.v1", data, sender=sender)))[1]


def test_one_learns_that_another_represents_an_asset_and_not_who(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER)
    relate(decider, battery, THIRD, service="DM")
    (found,) = check(decider, THIRD, id=battery, service="DC")["assets"]
    assert [one["service"] for one in found["allocated"]] == ["DC"]
    assert "party" not in found["allocated"][0]
    (own,) = check(decider, STRANGER, id=battery, service="DC")["assets"]
    assert own["allocated"] == []
    (named,) = check(decider, OWNER, id=battery)["assets"]
    assert {one["party"] for one in named["allocated"]} == {STRANGER, THIRD}


def test_a_time_that_begins_when_another_ends_has_nothing_in_common_with_it(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER, until=LATER)

    def is_allocated(**time: str) -> bool:
        (found,) = check(decider, PLATFORM, id=battery, service="DC", **time)["assets"]
        return bool(found["allocated"])

    assert not is_allocated(from_time=LATER)
    assert is_allocated(from_time="2026-05-31T23:59:59Z")
    assert is_allocated(until=LATER)


def test_a_relation_for_every_service_counts_for_each_and_a_buyer_for_none(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, THIRD, relation="so", service=None)
    (found,) = check(decider, PLATFORM, id=battery, service="DM")["assets"]
    assert found["allocated"] == []
    relate(decider, battery, THIRD, relation="aggregator", service=None)
    (found,) = check(decider, PLATFORM, id=battery, service="DM")["assets"]
    assert [one["relation"] for one in found["allocated"]] == ["aggregator"]


def test_an_owner_asks_for_all_that_it_owns_and_nobody_else_does(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER)
    assert [one["id"] for one in check(decider, OWNER, owner=OWNER)["assets"]] == [battery]
    for other in (PLATFORM, STRANGER):
        assert check(decider, other, owner=OWNER)["code"] == "user.not-found"


def test_both_are_told_where_a_relation_makes_two_and_neither_of_the_other(
    decider: Decider, battery: str
) -> None:
    assert relate(decider, battery, STRANGER) == {}
    assert relate(decider, battery, THIRD, service="DM") == {}
    told = relate(decider, battery, THIRD, until=LATER)
    assert told.keys() == {STRANGER, THIRD}
    for party, data in told.items():
        assert data["party"] == party
        assert (data["id"], data["service"]) == (battery, "DC")
        assert data["until"] == "2026-06-01T00:00:00Z"
        assert data.keys() == {"id", "party", "service", "from_time", "until"}


def test_who_follows_another_is_no_overlap(decider: Decider, battery: str) -> None:
    relate(decider, battery, STRANGER, until=LATER)
    assert relate(decider, battery, THIRD, from_time=LATER, until=LAST) == {}
