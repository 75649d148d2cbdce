"""Lists of what is in a portfolio, at any depth: each asset once, as far as one may see it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.membership import PORTFOLIOS_AT_ONCE
from handlers.nesting import DEPTH_MAX
from handlers.spans import PAGE
from tests.builders import OWNER, PLATFORM, STRANGER
from tests.portfolios import Scene, asset_id, portfolio_id, refusals

LIST: Final = "asset.list.v1"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def ids(scene: Scene, portfolio: str, sender: str = PLATFORM, **data: Any) -> list[str]:
    """All that is listed, page by page; each page begins behind the one before."""
    return [row["id"] for row in rows(scene, portfolio, sender, **data)]


def rows(scene: Scene, portfolio: str, sender: str = PLATFORM, **data: Any) -> Iterator[Any]:
    asked = {"portfolio": portfolio, **data}
    answer = scene.ask(LIST, asked, sender=sender)
    yield from answer["assets"]
    while "cursor" in answer:
        answer = scene.ask(LIST, asked | {"cursor": answer["cursor"]}, sender=sender)
        yield from answer["assets"]


def test_direct_members_come_in_the_order_of_their_ids_and_the_rest_when_asked(
    scene: Scene,
) -> None:
    top, low = scene.portfolio(1), scene.portfolio(2)
    one, two, three = (scene.asset(n) for n in (1, 2, 3))
    scene.add(top, low, two, one)
    scene.add(low, three)
    assert ids(scene, top) == sorted([one, two, low])
    assert sorted(ids(scene, top, nested=True)) == sorted([one, two, three, low])
    assert ids(scene, low) == [three]
    scene.remove(top, one)
    assert ids(scene, top) == sorted([two, low])


def test_it_goes_to_the_bottom_of_the_deepest_portfolio(scene: Scene) -> None:
    leaf = scene.asset(1)
    chain = [scene.portfolio(n) for n in range(DEPTH_MAX)]
    for upper, lower in zip(chain, [*chain[1:], leaf], strict=True):
        scene.add(upper, lower)
    assert sorted(ids(scene, chain[0], nested=True)) == sorted([leaf, *chain[1:]])
    assert ids(scene, chain[0]) == [chain[1]]


def test_what_one_may_not_see_by_itself_is_not_listed(scene: Scene) -> None:
    top, low = scene.portfolio(1), scene.portfolio(2)
    seen, hidden, owned = scene.asset(1), scene.asset(2), scene.asset(3, owner=OWNER)
    scene.add(top, seen, hidden, low)
    scene.add(low, owned)
    for asset in (top, seen):
        scene.tie(asset, STRANGER, "fsp")
    (row,) = rows(scene, top, STRANGER, nested=True)
    assert (row["id"], row["relations"]) == (seen, ["fsp"])
    # Who may not read what is in it is told the same as of one that there is not.
    for asked in (top, portfolio_id(9)):
        answer = scene.ask(LIST, {"portfolio": asked}, sender=OWNER)
        assert refusals(answer) == [("asset.not-found", "data.portfolio")]
    assert len(ids(scene, top, "operator", nested=True)) == 4


def test_other_filters_narrow_it(scene: Scene) -> None:
    top, low = scene.portfolio(1), scene.portfolio(2)
    battery, here = scene.asset(1), scene.asset(2, connection={"gsp_group": "_A"})
    windmill = scene.asset(3, "WND", lifecycle="planned")
    solar = scene.asset(4, "SOL", status="confirmed", capability={"power_kw": Decimal(1)})
    scene.add(top, battery, windmill, low)
    scene.add(low, here, solar, windmill)
    assert ids(scene, top, asset_type="BAT") == [battery]
    assert sorted(ids(scene, top, asset_type="BAT", nested=True)) == sorted([battery, here])
    assert ids(scene, top, asset_type="PFL", nested=True) == [low]
    assert ids(scene, top, nested=True, lifecycle="planned") == [windmill]
    assert ids(scene, top, nested=True, status="confirmed") == [solar]
    assert ids(scene, top, nested=True, area="_A") == [here]


def test_a_portfolio_is_asked_for_by_itself(scene: Scene) -> None:
    top = scene.portfolio(1)
    for wrong in ({"portfolio": top, "of": PLATFORM}, {"nested": True}):
        assert refusals(scene.ask(LIST, wrong)) != []
    assert refusals(scene.ask(LIST, {"portfolio": scene.asset(1)})) == [
        ("portfolio.type", "data.portfolio")
    ]


def test_a_cursor_is_for_its_portfolio_and_depth(scene: Scene) -> None:
    top, other = scene.portfolio(1), scene.portfolio(2)
    scene.add(top, scene.asset(1), scene.asset(2))
    cursor = scene.ask(LIST, {"portfolio": top, "limit": 1})["cursor"]
    for asked in ({"portfolio": other}, {"portfolio": top, "nested": True}, {}):
        answer = scene.ask(LIST, {**asked, "limit": 1, "cursor": cursor})
        assert refusals(answer) == [("cursor.foreign", "data.cursor")]


def test_more_members_and_more_portfolios_than_a_page_has(scene: Scene) -> None:
    top = scene.portfolio(0)
    lower = [scene.portfolio(n) for n in range(1, PORTFOLIOS_AT_ONCE + 5)]
    many = [scene.asset(n) for n in range(PAGE + 30)]
    scene.add(top, *lower)
    scene.add(top, *many)
    for n, one in enumerate(lower):
        scene.add(one, *many[n : n + 2], scene.asset(1000 + n))
    found = ids(scene, top, nested=True, limit=200)
    assert len(found) == len(set(found))
    assert set(found) == {*lower, *many, *(asset_id(1000 + n) for n in range(len(lower)))}
    assert ids(scene, top, asset_type="BAT") == many


@settings(max_examples=30, deadline=None)
@given(
    nests=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8),
    held=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=25),
    limit=st.integers(1, 5),
    kind=st.sampled_from([None, "BAT", "WND", "PFL"]),
)
def test_however_it_is_nested_each_asset_comes_once(
    nests: set[tuple[int, int]], held: set[tuple[int, int]], limit: int, kind: str | None
) -> None:
    scene = Scene()
    portfolios = [scene.portfolio(n) for n in range(5)]
    assets = [scene.asset(n, ("BAT", "WND")[n % 2]) for n in range(10)]
    inside: dict[str, set[str]] = {one: set() for one in portfolios}
    for upper, lower in ((a, b) for a, b in nests if a < b):
        scene.add(portfolios[upper], portfolios[lower])
        inside[portfolios[upper]].add(portfolios[lower])
    for portfolio, asset in held:
        scene.add(portfolios[portfolio], assets[asset])
        inside[portfolios[portfolio]].add(assets[asset])

    def below(one: str) -> set[str]:
        return inside.get(one, set()).union(*(below(lower) for lower in inside.get(one, ())))

    narrowed = {} if kind is None else {"asset_type": kind}
    for top in portfolios[:2]:
        wanted = {one for one in below(top) if kind is None or one.startswith(kind)}
        found = ids(scene, top, nested=True, limit=limit, **narrowed)
        assert sorted(found) == sorted(wanted)
        direct = {one for one in inside[top] if kind is None or one.startswith(kind)}
        assert ids(scene, top, limit=limit, **narrowed) == sorted(direct)
