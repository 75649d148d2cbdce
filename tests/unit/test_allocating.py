"""Who represents an asset besides: asked without learning who, and told to both of two."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.spans import PAGE
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


def overlaps(decider: Decider, kind: str, sender: str, **data: Any) -> dict[str, Any]:
    """By user what it is told of an overlap when this is decided."""
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"c-{next(NUMBERS)}"))
    answered, content = reply(outcome)
    assert answered == kind.replace(".v1", ".accepted.v1"), content
    facts = [one for one in outcome.letters if one.kind == "domain"]
    told = [
        letter
        for fact in facts
        for letter in decider.consequences(
            decider.decide(Delivery(body=fact.body, type=fact.type, account=BACKBONE))
        )
    ]
    of = [one for one in told if one.type == "allocation.overlapped.v1"]
    return {str(one.recipient): said(one)[1] for one in of}


def consent(decider: Decider, asset: str, party: str, sender: str = OWNER) -> dict[str, Any]:
    data = {"id": asset, "party": party, "service": "DC", "method": "electronic"}
    return overlaps(decider, "asset.consent.v1", sender, **data)


def test_a_consent_makes_two_as_a_relation_does(decider: Decider, battery: str) -> None:
    relate(decider, battery, STRANGER, until=LATER)
    told = consent(decider, battery, THIRD)
    assert told.keys() == {STRANGER, THIRD}
    assert {one["until"] for one in told.values()} == {"2026-06-01T00:00:00Z"}
    (found,) = check(decider, STRANGER, id=battery, service="DC")["assets"]
    assert [one.keys() for one in found["allocated"]] == [{"service", "from_time"}]
    (named,) = check(decider, OWNER, id=battery, service="DC")["assets"]
    assert [one.get("relation") for one in named["allocated"]] == ["fsp", None]
    assert [one["party"] for one in named["allocated"]] == [STRANGER, THIRD]


def test_a_relation_is_told_of_who_has_a_consent_alone(decider: Decider, battery: str) -> None:
    assert consent(decider, battery, THIRD) == {}
    assert relate(decider, battery, STRANGER).keys() == {STRANGER, THIRD}
    assert relate(decider, battery, STRANGER, service="DM") == {}


def test_a_consent_that_the_party_asserts_itself_makes_nobody_two(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER)
    relate(decider, battery, THIRD, service="DM")
    assert consent(decider, battery, THIRD, sender=THIRD) == {}
    (found,) = check(decider, STRANGER, id=battery, service="DC")["assets"]
    assert found["allocated"] == []


def test_a_consent_to_who_represents_already_is_told_nobody_again(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER)
    relate(decider, battery, THIRD)
    assert consent(decider, battery, THIRD) == {}
    (found,) = check(decider, STRANGER, id=battery, service="DC")["assets"]
    assert [one["relation"] for one in found["allocated"]] == ["fsp"]


def test_a_consent_that_is_taken_back_counts_no_more(decider: Decider, battery: str) -> None:
    consent(decider, battery, THIRD)
    data = {"id": battery, "party": THIRD, "service": "DC"}
    assert overlaps(decider, "asset.withdraw-consent.v1", OWNER, **data) == {}
    assert relate(decider, battery, STRANGER) == {}


def test_an_end_of_the_relation_outweighs_the_consent_before_it_and_none_after_it(
    decider: Decider, battery: str
) -> None:
    consent(decider, battery, THIRD)
    relate(decider, battery, THIRD)
    decider.now += timedelta(days=1)
    end = {"id": battery, "party": THIRD, "relation": "fsp"}
    overlaps(decider, "asset.unrelate.v1", OPERATOR, **end)
    decider.now += timedelta(days=1)
    assert relate(decider, battery, STRANGER) == {}
    overlaps(decider, "asset.withdraw-consent.v1", OWNER, id=battery, party=THIRD, service="DC")
    assert consent(decider, battery, THIRD).keys() == {STRANGER, THIRD}
    (found,) = check(decider, STRANGER, id=battery, service="DC")["assets"]
    assert len(found["allocated"]) == 1


def test_a_transfer_makes_nobody_represent_and_the_new_owner_reads_who_does(
    decider: Decider, battery: str
) -> None:
    relate(decider, battery, STRANGER)
    consent(decider, battery, THIRD)
    assert overlaps(decider, "asset.transfer.v1", OWNER, id=battery, owner=PLATFORM) == {}
    (found,) = check(decider, PLATFORM, owner=PLATFORM, service="DC")["assets"]
    assert [one["party"] for one in found["allocated"]] == [STRANGER, THIRD]
    assert check(decider, OWNER, owner=OWNER)["assets"] == []


def test_a_merge_makes_two_of_those_who_had_one_asset_each(decider: Decider, battery: str) -> None:
    identity = {"make": "Acme", "serial": "SN-2"}
    (outcome,) = decider.decide(command(data=asset(owner=OWNER, identity=identity), id="second"))
    other = str(reply(outcome)[1]["id"])
    relate(decider, battery, STRANGER)
    relate(decider, other, THIRD, until=LATER)
    told = overlaps(decider, "duplicates.merge.v1", OPERATOR, id=battery, other=other)
    assert told.keys() == {STRANGER, THIRD}
    for party, data in told.items():
        assert (data["id"], data["party"], data["service"]) == (battery, party, "DC")
        assert data["until"] == "2026-06-01T00:00:00Z"


def test_all_of_what_an_owner_has_is_answered_page_by_page(decider: Decider, battery: str) -> None:
    one = decider.documents["assets", battery]
    ids = [issued("SOL", number) for number in range(2 * PAGE + 50)]
    for key in ids:
        decider.documents["assets", key] = {**one, "_id": key}
    last = max(ids)
    relate(decider, last, STRANGER)
    told, cursors, data = [], 0, {"owner": OWNER, "service": "DC"}
    page = check(decider, OWNER, **data)
    while True:
        told += [one["id"] for one in page["assets"]]
        if (cursor := page.get("cursor")) is None:
            break
        cursors += 1
        other = check(decider, OPERATOR, **data, cursor=cursor)
        assert other["code"] == "cursor.foreign"
        wrong = check(decider, OWNER, owner=OWNER, service="DM", cursor=cursor)
        assert wrong["code"] == "cursor.foreign"
        page = check(decider, OWNER, **data, cursor=cursor)
    assert (told, cursors) == ([last], 2)
