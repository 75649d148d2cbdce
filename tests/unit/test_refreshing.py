"""Freshness: who is asked to give a group again, until when, and what giving it again is."""

from typing import Any, Final

import pytest

from handlers.provenance import MAX_AGE_DAYS
from tests.builders import OWNER, PLATFORM, STRANGER
from tests.life import BUYER, HEIR, THIRD, Life, moment

ASKED: Final = "asset.refresh-asked"
DONE: Final = "asset.refreshed"


@pytest.fixture
def life() -> Life:
    """An asset whose capability a provider has given."""
    found = Life.of(location={"town": "Exampleton"}, connection={"gsp": "One"})
    found.relate(STRANGER, "fsp", "DC")
    found.relate(BUYER, "so", "DC")
    found.update(STRANGER, capability={"power_kw": 5}, service={"DC": {"power_up_kw": 4}})
    return found


def ask(life: Life, *groups: str, sender: str = BUYER) -> Any:
    return life.accept("asset.refresh", sender, groups=list(groups))


def test_whoever_gave_it_is_asked_and_nobody_else(life: Life) -> None:
    state = ask(life, "capability", "service.DC", "location")
    told = [(who, data["group"]) for who, kind, data in life.told if kind == f"{ASKED}.v1"]
    assert told == [(STRANGER, "capability"), (STRANGER, "service.DC"), (PLATFORM, "location")]
    assert state["asked"][0] == {
        "group": "capability",
        "of": STRANGER,
        "at": moment(),
    }
    assert life.document["revision"] == 2
    rows = [r["subject"] for r in life.decider.of("notices") if r["recipient"] == STRANGER]
    assert rows == [f"{life.id}/capability", f"{life.id}/service.DC"]


def test_what_is_asked_for_is_not_asked_for_twice(life: Life) -> None:
    first = ask(life, "capability")
    life.later(hours=1)
    assert ask(life, "capability", sender=OWNER) == first
    assert (life.facts, life.told) == ([], [])


def test_after_a_month_it_is_asked_for_once_more(life: Life) -> None:
    """Whoever is asked may have closed the notice."""
    ask(life, "capability")
    life.later(days=29)
    ask(life, "capability")
    assert life.told == []
    at = life.later(days=1)
    assert ask(life, "capability")["asked"][0]["at"] == moment(at)
    assert [who for who, _, _ in life.told] == [STRANGER]


def test_another_who_may_give_it_is_asked_at_once(life: Life) -> None:
    ask(life, "capability")
    life.unrelate(STRANGER)
    assert [one["of"] for one in ask(life, "capability")["asked"]] == [OWNER]
    assert [who for who, _, _ in life.told] == [OWNER]


@pytest.mark.parametrize("sender", [STRANGER, OWNER])
@pytest.mark.parametrize("power", [5, 6])
def test_it_waits_until_the_group_is_given_again_whoever_does(
    life: Life, sender: str, power: int
) -> None:
    ask(life, "capability", "service.DC")
    at = life.later(days=3)
    life.update(sender, name="Two") if sender == OWNER else None
    assert len(open_notices(life)) == 2
    before = life.document["revision"]
    state = life.update(sender, capability={"power_kw": power})
    assert state["revision"] == before + 1
    assert open_notices(life) == [f"{life.id}/service.DC"]
    kinds = {kind for kind, _ in life.facts} - {"asset.conflicted.v1"}
    assert kinds == ({f"{DONE}.v1"} | ({"asset.updated.v1"} if power == 6 else set()))
    assert BUYER in life.told_of(DONE)
    assert life.seen(OWNER)["given"]["capability"] == {
        "by": sender, "at": moment(at), "revision": before + 1, "stale": False,
    }  # fmt: skip
    again = life.update(sender, capability={"power_kw": power})
    assert (again["revision"], life.facts) == (before + 1, [])
    life.update(OWNER, service={"DC": {"power_up_kw": 4}})
    assert (life.decider.of("refreshes"), open_notices(life)) == ([], [])


def open_notices(life: Life) -> list[str]:
    rows = life.decider.of("notices")
    return [r["subject"] for r in rows if r["type"] == f"{ASKED}.v1" and r["state"] == "open"]


def test_what_is_stale_is_fresh_when_it_is_said_again(life: Life) -> None:
    life.later(days=MAX_AGE_DAYS["capability"] + 1)
    assert life.seen(OWNER)["given"]["capability"]["stale"] is True
    life.update(STRANGER, capability={"power_kw": 5})
    assert life.told_of(DONE).keys() == {PLATFORM, OWNER, BUYER}
    assert life.seen(OWNER)["given"]["capability"]["stale"] is False


def test_who_may_not_write_it_any_more_is_not_asked(life: Life) -> None:
    life.unrelate(STRANGER)
    assert [one["of"] for one in ask(life, "capability")["asked"]] == [OWNER]


def test_a_group_of_before_the_transfer_is_the_new_owner_s_to_give(life: Life) -> None:
    life.accept("asset.transfer", OWNER, owner=HEIR)
    assert [one["of"] for one in ask(life, "location")["asked"]] == [HEIR]


def test_a_move_gives_the_place_again(life: Life) -> None:
    ask(life, "location")
    life.accept("asset.move", OWNER, location={"postcode": "M1 1AA"})
    assert open_notices(life) == []


def test_of_what_is_no_more_nothing_is_asked(life: Life) -> None:
    ask(life, "capability", "location")
    life.accept("asset.retire", OWNER, reason="other")
    assert (open_notices(life), life.decider.of("refreshes")) == ([], [])
    wish = {"groups": ["location"]}
    assert life.refuse("asset.refresh", OWNER, **wish) == [("asset.retired", "data.id")]


@pytest.mark.parametrize(
    ("sender", "group", "rule"),
    [
        (BUYER, "technologies", "refresh.unknown-group"),
        (BUYER, "service.DFS", "refresh.unknown-group"),
        (BUYER, "owner", "refresh.unknown-group"),
        (BUYER, "relations", "refresh.unknown-group"),
        (STRANGER, "capability", "refresh.own"),
        (THIRD, "capability", "asset.not-found"),
    ],
)
def test_only_what_one_may_read_of_another_is_asked_for(
    life: Life, sender: str, group: str, rule: str
) -> None:
    life.update(OWNER, service={"DFS": {"power_up_kw": 1}})
    ((code, _),) = life.refuse("asset.refresh", sender, groups=[group])
    assert code == rule


def test_where_nobody_is_left_nobody_is_asked() -> None:
    life = Life.of("operator", owner=None, location={"town": "Exampleton"})
    life.relate(BUYER, "so")
    found = life.refuse("asset.refresh", BUYER, groups=["location"])
    assert found == [("refresh.nobody", "data.groups")]
