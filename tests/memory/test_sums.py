"""Sums of portfolios against counting anew: any trees, any edits, any lanes, however repeated."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.ledger import total_of
from tests.builders import PLATFORM, command
from tests.memory.recounted import children, sums, ways
from tests.memory.shards import Shards, put_in
from tests.portfolios import Scene, asset_id, portfolio_id
from workers.store.codec import decode
from workers.store.memory import MemoryStore

PORTFOLIOS: Final = 7
ASSETS: Final = 8
METERS: Final = ("2000000000015", "1312345678907")
AMOUNTS: Final = ("0.1", "7.4", "1000000", "0.000001", "3.33333333333333", "0.00000123456789012345")
Step = tuple[str, int, int, int]

STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "nest", "nest", "remove", "take", "update", "meter"]),
        st.integers(0, PORTFOLIOS - 1),
        st.integers(0, ASSETS - 1),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=40,
)


def wish(step: Step) -> tuple[str, Mapping[str, Any]]:
    """Type and data of what a step sends."""
    kind, one, other, detail = step
    top, asset = portfolio_id(one), asset_id(other)
    nested = portfolio_id(other % PORTFOLIOS)
    if kind == "update":
        field = ("power_kw", "energy_kwh", "power_up_kw")[detail % 3]
        amount = None if detail == 5 else float(AMOUNTS[(one + detail) % len(AMOUNTS)])
        return "asset.update.v1", {"id": asset, "capability": {field: amount}}
    if kind == "meter":
        mpan = None if detail > 3 else METERS[detail % 2]
        name = ("mpan_import", "mpan_export")[detail // 2 % 2]
        return "asset.update.v1", {"id": asset, "connection": {name: mpan}}
    members = {
        "add": [asset, asset_id((other + detail) % ASSETS)],
        "remove": [asset],
        "nest": [nested],
        "take": [nested],
    }
    return (
        f"portfolio.{'add' if kind in {'add', 'nest'} else 'remove'}.v1",
        {"id": top, "members": members[kind]},
    )


def started() -> Scene:
    scene = Scene()
    for number in range(PORTFOLIOS):
        scene.portfolio(number)
    for number in range(ASSETS):
        scene.asset(number, capability={"power_kw": Decimal(AMOUNTS[number % 3])})
    return scene


def by_key(rows: Any) -> dict[str, Any]:
    return {row["_id"]: row for row in rows}


def check(of: Mapping[str, list[Mapping[str, Any]]]) -> None:
    """Sums, ways between portfolios, and how far it all is."""
    stored, tallies, assets = (by_key(of[n]) for n in ("portfolios", "tallies", "assets"))
    nests, inside = by_key(of["nests"]), children(of["members"])
    for number in range(PORTFOLIOS):
        top = portfolio_id(number)
        found = stored.get(top, {"count": 0, "totals": {}, "doubled": 0, "alike": 0})
        expected = sums(top, of["members"], assets)
        assert {name: found.get(name, 0) for name in ("count", "doubled", "alike")} == {
            name: expected[name] for name in ("count", "doubled", "alike")
        }
        totals = found.get("totals", {})
        assert {
            name: {"total": total_of(one), "of": one["of"]} for name, one in totals.items()
        } == expected["totals"]
        below = {o: n for o, n in ways(top, inside).items() if o.startswith("PFL")}
        kept = nests.get(top, {"below": {}})["below"]
        assert {one: sum(n) for one, n in kept.items()} == below
        tally = tallies.get(top, {"asked": 0, "revision": 0})
        assert found.get("settled", 0) == tally["asked"]
        assert found.get("as_of", 0) == tally["revision"]


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**16))
def test_sums_are_what_counting_anew_says(steps: list[Step], seed: int) -> None:
    """In one lane; facts are dealt with in any order, some of them twice."""
    scene, chance = started(), Random(seed)  # noqa: S311  it is to be foreseen
    for step in steps:
        scene.send(*wish(step))
        while scene.waiting and chance.random() < 0.4:
            _any(scene, chance)
    while scene.waiting:
        _any(scene, chance)
    check({name: scene.decider.of(name) for name in COLLECTIONS})


COLLECTIONS: Final = ("portfolios", "tallies", "assets", "nests", "members")


def _any(scene: Scene, chance: Random) -> None:
    place = chance.randrange(len(scene.waiting))
    if scene.waiting[place].ticket is None and chance.random() < 0.2:
        scene.waiting.append(scene.waiting[place])
    scene.step(place)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**16))
def test_lanes_beside_each_other_come_to_the_same(steps: list[Step], seed: int) -> None:
    """Portfolios and their members in different lanes, and facts in two lanes at once."""
    asyncio.run(_beside_each_other(steps, seed))


async def _beside_each_other(steps: list[Step], seed: int) -> None:
    store, scene = MemoryStore(), started()
    await put_in(store, scene.decider.documents)
    shards = Shards(store, Random(seed))  # noqa: S311  it is to be foreseen
    await shards.open()
    for number, step in enumerate(steps):
        kind, data = wish(step)
        shards.send(command(kind, data, sender=PLATFORM, id=f"c{number}"), data["id"])
    await shards.run()
    answered = [o for shard in shards.commands for o in shard.outcomes if o.kind != "deferred"]
    assert len(answered) == len(steps)
    check({n: [decode(d) for d in store._documents.get(n, {}).values()] for n in COLLECTIONS})
