"""Portfolios: who puts what into which, what is refused, who is told, and what is seen of it."""

from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import pytest

from handlers.decision import Secret
from handlers.nesting import DEPTH_MAX
from handlers.portfolio_rules import PORTFOLIOS_MAX
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, user_document
from tests.portfolios import MPAN, Scene, portfolio_id, refusals

KW: Final = {"power_kw": Decimal("7.4"), "energy_kwh": Decimal(10)}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_member_adds_what_it_can_do_and_takes_it_along_when_it_goes(scene: Scene) -> None:
    top, one, two = scene.portfolio(1), scene.asset(1, capability=KW), scene.asset(2)
    answer = scene.add(top, one, two)
    assert (answer["changed"], answer["revision"], answer["pending"]) == (2, 1, 2)
    assert scene.sums(top)["pending"] == 2
    scene.settle()
    assert scene.sums(top) == {
        "count": 2,
        "power_kw": {"total": 7.4, "of": 1},
        "energy_kwh": {"total": 10, "of": 1},
        "revision": scene.sums(top)["revision"],
        "as_of": 1,
        "pending": 0,
        "doubled": 0,
        "alike": 0,
    }
    scene.remove(top, one)
    scene.settle()
    found = scene.sums(top)
    assert (found["count"], found["as_of"], "power_kw" in found) == (1, 2, False)


def test_it_stays_on_record_since_when_and_until_when_a_member_was_one(scene: Scene) -> None:
    top, one = scene.portfolio(1), scene.asset(1)
    scene.add(top, one)
    scene.remove(top, one)
    scene.add(top, one)
    (row,) = scene.decider.of("members")
    assert [(t["from"], t["until"]) for t in row["ties"]] == [(NOW, NOW), (NOW, None)]
    assert row["within"] == top


def test_what_is_a_member_already_or_named_twice_changes_nothing(scene: Scene) -> None:
    top, one, two = scene.portfolio(1), scene.asset(1), scene.asset(2)
    scene.add(top, one)
    again = scene.add(top, one, two, two)
    assert (again["changed"], again["unchanged"]) == (1, [one, two])
    before = len(scene.waiting)
    nothing = scene.add(top, one, two)
    assert (nothing["changed"], nothing["revision"], len(scene.waiting)) == (0, 2, before)
    gone = scene.remove(top, one, one, scene.asset(3))
    assert (gone["changed"], len(gone["unchanged"])) == (1, 2)


def test_a_change_of_a_member_is_counted_in_every_portfolio_above(scene: Scene) -> None:
    leaf = scene.asset(1, capability={"power_kw": Decimal(5)})
    chain = [scene.portfolio(n) for n in range(DEPTH_MAX)]
    for upper, lower in zip(chain, [*chain[1:], leaf], strict=True):
        assert refusals(scene.add(upper, lower)) == []
    scene.settle()
    assert {scene.sums(one)["power_kw"]["total"] for one in chain} == {5}
    scene.send("asset.update.v1", {"id": leaf, "capability": {"power_kw": 6.25}})
    scene.settle()
    assert {scene.sums(one)["power_kw"]["total"] for one in chain} == {6.25}


def test_of_an_asset_in_no_portfolio_and_of_another_group_nothing_is_counted(scene: Scene) -> None:
    top, leaf, other = scene.portfolio(1), scene.asset(1), scene.asset(2)
    scene.add(top, leaf)
    scene.settle()
    scene.send("asset.update.v1", {"id": other, "capability": {"power_kw": 1}})
    scene.send("asset.update.v1", {"id": leaf, "name": "Another name"})
    for _ in range(2):
        scene.step()
    assert not scene.waiting


def test_an_asset_by_two_ways_counts_once_and_is_flagged(scene: Scene) -> None:
    top, left, right = (scene.portfolio(n) for n in range(3))
    leaf = scene.asset(1, capability=KW)
    scene.add(left, leaf)
    scene.add(right, leaf)
    scene.add(top, left, right)
    scene.settle()
    found = scene.sums(top)
    assert (found["count"], found["power_kw"]["total"], found["doubled"]) == (1, 7.4, 1)
    assert scene.ask("portfolio.duplicates.v1", {"id": top})["duplicates"] == [
        {"kind": "ways", "assets": [leaf], "count": 2}
    ]
    answer = scene.add(top, leaf)
    assert answer["duplicates"] == [{"kind": "ways", "assets": [leaf], "count": 3}]
    scene.settle()
    (member, *_) = scene.ask("portfolio.members.v1", {"id": top})["members"]
    assert (member["id"], member["duplicates"]) == (leaf, ["ways"])
    scene.remove(left, leaf)
    scene.remove(top, leaf)
    scene.settle()
    after = scene.sums(top)
    assert (after["count"], after["doubled"]) == (1, 0)
    assert scene.ask("portfolio.duplicates.v1", {"id": top})["duplicates"] == []


def test_two_of_a_type_behind_one_meter_are_flagged_and_both_count(scene: Scene) -> None:
    top, meter = scene.portfolio(1), {"mpan_import": MPAN}
    one, two = (scene.asset(n, connection=meter, capability=KW) for n in (1, 2))
    other = scene.asset(3, "SOL", connection={"mpan_export": MPAN})
    assert scene.add(top, one, other)["duplicates"] == []
    scene.settle()
    assert scene.add(top, two)["duplicates"] == [
        {"kind": "meter", "assets": [two, one], "count": 2}
    ]
    scene.settle()
    found = scene.sums(top)
    assert (found["count"], found["power_kw"], found["alike"]) == (3, {"total": 14.8, "of": 2}, 2)
    scene.send("asset.update.v1", {"id": two, "connection": {"mpan_import": "1312345678907"}})
    scene.settle()
    assert scene.sums(top)["alike"] == 0


def test_two_of_one_command_behind_one_meter_are_flagged(scene: Scene) -> None:
    top, meter = scene.portfolio(1), {"mpan_import": MPAN}
    both = [scene.asset(n, connection=meter) for n in (1, 2)]
    assert scene.add(top, *both)["duplicates"] == [{"kind": "meter", "assets": both, "count": 2}]


def test_what_may_be_twice_is_found_where_the_members_have_owners_of_their_own(
    scene: Scene,
) -> None:
    """Whose delegate one is is asked of each owner, after the portfolio's."""
    top, meter = scene.portfolio(1), {"mpan_import": MPAN}
    both = [scene.asset(n, connection=meter, owner=OWNER) for n in (1, 2)]
    scene.add(top, *both)
    scene.settle()
    (found,) = scene.ask("portfolio.duplicates.v1", {"id": top})["duplicates"]
    assert (found["kind"], sorted(found["assets"])) == ("meter", sorted(both))


def test_a_cycle_is_refused_however_long(scene: Scene) -> None:
    one, two, three = (scene.portfolio(n) for n in range(3))
    assert refusals(scene.add(one, one)) == [("portfolio.cycle", "data.members.0")]
    scene.add(one, two)
    scene.add(two, three)
    assert refusals(scene.add(three, one)) == [("portfolio.cycle", "data.members.0")]
    scene.remove(one, two)
    assert refusals(scene.add(three, one)) == []


def test_two_ways_between_portfolios_are_taken_apart_one_by_one(scene: Scene) -> None:
    top, left, right, low = (scene.portfolio(n) for n in range(4))
    scene.add(top, left, right)
    scene.add(left, low)
    scene.add(right, low)
    scene.remove(left, low)
    assert refusals(scene.add(low, top)) == [("portfolio.cycle", "data.members.0")]
    scene.remove(right, low)
    assert refusals(scene.add(low, top)) == []


def test_deeper_than_eight_is_refused_above_and_below(scene: Scene) -> None:
    chain = [scene.portfolio(n) for n in range(DEPTH_MAX + 1)]
    for upper, lower in pairwise(chain[1:6]):
        scene.add(upper, lower)
    for upper, lower in pairwise(chain[6:9]):
        scene.add(upper, lower)
    assert refusals(scene.add(chain[5], chain[6])) == []
    assert refusals(scene.add(chain[0], chain[1])) == [("portfolio.depth", "data.members.0")]
    assert refusals(scene.add(chain[8], chain[0])) == [("portfolio.depth", "data.members.0")]


def test_an_asset_is_in_so_many_portfolios_and_no_more(scene: Scene) -> None:
    leaf = scene.asset(1)
    for number in range(PORTFOLIOS_MAX):
        assert refusals(scene.add(scene.portfolio(number), leaf)) == []
    last = scene.portfolio(PORTFOLIOS_MAX)
    assert refusals(scene.add(last, leaf)) == [("portfolio.crowded", "data.members.0")]


def test_only_a_portfolio_has_members(scene: Scene) -> None:
    one, two = scene.asset(1), scene.asset(2)
    for answer in (scene.add(one, two), scene.remove(one, two)):
        assert refusals(answer) == [("portfolio.type", "data.id")]
    for kind in ("portfolio.members.v1", "portfolio.duplicates.v1"):
        assert refusals(scene.ask(kind, {"id": one})) == [("portfolio.type", "data.id")]


def test_who_may_not_see_it_is_told_the_same_as_of_what_there_is_not(scene: Scene) -> None:
    top, leaf = scene.portfolio(1), scene.asset(1)
    foreign = scene.asset(2, registrant=STRANGER)
    for answer in (scene.add(top, leaf, sender=STRANGER), scene.add(portfolio_id(9), leaf)):
        assert refusals(answer) == [("asset.not-found", "data.id")]
    assert refusals(scene.add(top, leaf, foreign)) == [("asset.not-found", "data.members.1")]
    assert not scene.decider.of("members")


def test_a_relation_says_who_puts_an_asset_into_a_portfolio(scene: Scene) -> None:
    top = scene.portfolio(1)
    leaves = [scene.asset(n, registrant=STRANGER) for n in range(5)]
    for leaf, relation in zip(leaves, ("so", "mo", "verifier", "aggregator", "fsp"), strict=True):
        scene.tie(leaf, PLATFORM, relation)
    found = [refusals(scene.add(top, leaf)) for leaf in leaves]
    denied = [("portfolio.member-not-yours", "data.members.0")]
    assert found == [denied, denied, denied, [], []]


def test_a_relation_says_who_changes_and_who_reads_a_portfolio(scene: Scene) -> None:
    top, leaf = scene.portfolio(1), scene.asset(1, registrant=STRANGER)
    scene.tie(top, STRANGER, "so")
    denied = [("portfolio.not-yours", "data.id")]
    assert refusals(scene.add(top, leaf, sender=STRANGER)) == denied
    assert refusals(scene.remove(top, leaf, sender=STRANGER)) == denied
    assert scene.sums(top, sender=STRANGER)["count"] == 0
    assert refusals(scene.ask("portfolio.members.v1", {"id": top}, sender=STRANGER)) == []
    scene.tie(top, STRANGER, "aggregator")
    assert refusals(scene.add(top, leaf, sender=STRANGER)) == []


def test_the_owner_is_told_and_may_take_its_asset_out(scene: Scene) -> None:
    top, leaf, other = scene.portfolio(1), scene.asset(1, owner=OWNER), scene.asset(2)
    scene.add(top, leaf, other)
    scene.settle()
    joined = {"id": leaf, "portfolio": top, "by": PLATFORM}
    assert scene.told_to(OWNER) == [("portfolio.joined.v1", joined)]
    for members in ([other], [leaf, other], [scene.asset(3, owner=OWNER)]):
        answer = scene.remove(top, *members, sender=OWNER)
        assert refusals(answer) == [("asset.not-found", "data.id")]
    assert scene.remove(top, leaf, sender=OWNER) == {
        "id": top,
        "changed": 1,
        "unchanged": [],
        "duplicates": [],
    }
    scene.settle()
    assert scene.sums(top)["count"] == 1
    types = [kind for kind, _ in scene.told_to(PLATFORM)]
    assert types == ["portfolio.progressed.v1", "portfolio.changed.v1", "portfolio.progressed.v1"]
    assert "portfolio.left.v1" not in [kind for kind, _ in scene.told_to(OWNER)]


def test_progress_says_when_the_sums_have_it_all(scene: Scene) -> None:
    top, low = scene.portfolio(1), scene.portfolio(2)
    leaves = [scene.asset(n) for n in range(120)]
    scene.add(low, *leaves)
    scene.add(top, low)
    assert (scene.sums(top)["pending"], scene.sums(low)["pending"]) == (121, 120)
    scene.settle()
    told = [
        (d["id"], d["pending"], d["count"]) for k, d in scene.told_to(PLATFORM) if "progressed" in k
    ]
    assert told == [(low, 20, 100), (low, 0, 120), (top, 0, 120)]
    assert (scene.sums(top)["pending"], scene.sums(top)["count"]) == (0, 120)


def test_members_come_in_pages_in_the_order_of_their_ids(scene: Scene) -> None:
    top = scene.portfolio(1)
    leaves = sorted(scene.asset(n) for n in range(7))
    scene.add(top, *reversed(leaves))
    found: list[str] = []
    asked: dict[str, Any] = {"id": top, "limit": 3}
    cursors = []
    while True:
        page = scene.ask("portfolio.members.v1", asked)
        found += [one["id"] for one in page["members"]]
        if "cursor" not in page:
            break
        cursors.append(page["cursor"])
        asked["cursor"] = page["cursor"]
    assert (found, len(cursors)) == (leaves, 2)
    foreign = scene.ask("portfolio.members.v1", {"id": scene.portfolio(2), "cursor": cursors[0]})
    assert refusals(foreign) == [("cursor.foreign", "data.cursor")]


def test_a_duplicate_deep_below_is_named_to_those_alone_who_may_see_it(scene: Scene) -> None:
    top, left, right = (scene.portfolio(n) for n in range(3))
    leaf = scene.asset(1)
    for one in (left, right):
        scene.add(one, leaf)
        scene.add(top, one)
    scene.settle()
    scene.tie(top, STRANGER, "fsp")
    found = scene.ask("portfolio.duplicates.v1", {"id": top}, sender=STRANGER)["duplicates"]
    assert found == [{"kind": "ways", "assets": [], "count": 2}]


def retire(scene: Scene, asset: str) -> None:
    """A retirement, and what follows from it."""
    scene.send("asset.retire.v1", {"id": asset, "reason": "decommissioned"})
    scene.settle()


def test_what_is_retired_leaves_every_portfolio(scene: Scene) -> None:
    top, low, side = (scene.portfolio(n) for n in range(3))
    leaf, other = scene.asset(1, capability=KW), scene.asset(2, capability=KW)
    scene.add(low, leaf, other)
    scene.add(top, low)
    scene.add(side, leaf)
    scene.settle()
    retire(scene, leaf)
    assert [scene.sums(one)["count"] for one in (top, low, side)] == [1, 1, 0]
    assert scene.sums(top)["pending"] == 0
    assert refusals(scene.add(top, leaf)) == [("portfolio.retired", "data.members.0")]
    retire(scene, low)
    assert [scene.sums(one)["count"] for one in (top, low)] == [0, 1]
    assert refusals(scene.add(low, other)) == [("portfolio.retired", "data.id")]
    assert refusals(scene.add(low, top)) == [("portfolio.retired", "data.id")]
    assert all("within" not in row for row in scene.decider.of("members") if row["asset"] == leaf)


def test_nothing_of_a_persons_meter_is_left_after_its_erasure(scene: Scene) -> None:
    scene.decider.documents["users", OWNER] = user_document(
        OWNER, kind="person", roles=["owner"], status="retired"
    )
    top, meter = scene.portfolio(1), Secret({"mpan_import": MPAN})
    both = [scene.asset(n, owner=OWNER, connection=meter, capability=KW) for n in (1, 2)]
    scene.add(top, *both)
    scene.settle()
    assert scene.sums(top)["alike"] == 2
    scene.send("user.erase.v1", {"id": OWNER, "confirm_id": OWNER}, sender="operator")
    scene.settle()
    found = scene.sums(top)
    assert (found["alike"], found["count"], found["power_kw"]["total"]) == (0, 2, 14.8)
    assert not scene.decider.of("flags")
    assert all(not p["counted"]["keys"] and not p["person"] for p in scene.decider.of("placements"))


def test_a_retired_asset_leaves_the_portfolios_that_it_is_in(scene: Scene) -> None:
    top, leaf, other = scene.portfolio(1), scene.asset(1, capability=KW), scene.asset(2)
    scene.add(top, leaf, other)
    scene.settle()
    assert scene.sums(top)["count"] == 2
    scene.send("asset.retire.v1", {"id": leaf, "reason": "decommissioned"})
    scene.settle()
    found = scene.sums(top)
    assert (found["count"], "power_kw" in found) == (1, False)
    members = scene.ask("portfolio.members.v1", {"id": top})["members"]
    assert [one["id"] for one in members] == [other]
