"""Cells: which one a command belongs to, and how few lines say who decides which."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.cells import (
    ANY,
    CELLS,
    GROUPS,
    NIBBLES,
    TYPES,
    addressed,
    as_rules,
    cell_of_id,
    home,
    home_of,
    matching,
    moved,
    placed_by,
    sources,
    split,
)
from tests.builders import (
    OWNER,
    PLATFORM,
    STRANGER,
    asset,
    command,
    envelope,
    issued,
    user_document,
)
from tests.decider import Decider

BATTERY = issued("BAT", 4000)
WIND = issued("WND", 4000)
patterns = st.tuples(
    st.sampled_from((ANY, *GROUPS)), st.sampled_from((ANY, *TYPES)), st.sampled_from(ANY + NIBBLES)
).map(".".join)


def body(message_type: str = "asset.update.v1", **given: Any) -> bytes:
    return json.dumps(envelope(message_type, **given)).encode()


def test_a_registration_goes_by_what_it_registers_and_by_its_own_id() -> None:
    data = asset(connection={"gsp_group": "_A"})
    way = addressed("asset.register.v1", PLATFORM, body("asset.register.v1", data=data))
    assert way.entity is None
    assert way.cell == home("BAT", "_A", PLATFORM, "command-1")
    assert way.cell.startswith("_A.BAT.")
    assert way.key == f"{PLATFORM}/command-1"


@pytest.mark.parametrize("group", [None, "_A", "_P"])
@pytest.mark.parametrize("kind", ["person", "organisation"])
def test_an_assets_home_is_the_cell_by_which_its_registration_came(
    group: str | None, kind: str
) -> None:
    """Else its first event could come from another shard than the second, and after it."""
    decider = Decider()
    decider.documents["users", OWNER] = user_document(OWNER, kind=kind, roles=["owner"])
    connection = {} if group is None else {"connection": {"gsp_group": group}}
    given = command("asset.register.v1", asset(owner=OWNER, asset_type="SOL", **connection))
    (outcome,) = decider.decide(given)
    assert outcome.kind == "accepted"
    (stored,) = decider.of("assets")
    assert stored["home"] == addressed(given.type, PLATFORM, given.body).cell


def test_the_nibbles_of_many_registrations_are_even() -> None:
    homes = Counter(home("BAT", None, PLATFORM, str(n))[-1] for n in range(16_000))
    assert set(homes) == set(NIBBLES)
    assert max(homes.values()) < 1.2 * min(homes.values())


@pytest.mark.parametrize(
    ("data", "entity"),
    [
        ({"id": BATTERY, "name": "Two"}, BATTERY),
        ({"ids": [WIND, BATTERY]}, WIND),
        ({"id": BATTERY, "ids": [WIND]}, BATTERY),
    ],
)
def test_a_command_goes_by_the_first_asset_that_it_names(data: Any, entity: str) -> None:
    way = addressed("asset.update.v1", PLATFORM, body(data=data))
    assert (way.entity, way.key, way.cell) == (entity, entity, cell_of_id(entity))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"[" * 100_000,
        b'{"id": [], "data": 7}',
        b'{"id": "x", "data": {"id": 7}}',
        b'{"id": "x", "data": {"ids": []}}',
        b'{"id": "x", "data": {"ids": [7]}}',
    ],
)
def test_what_names_no_asset_goes_by_its_sender(given: bytes) -> None:
    way = addressed("asset.update.v1", PLATFORM, given)
    assert (way.entity, way.key) == (None, PLATFORM)
    assert way.cell in CELLS
    assert addressed("asset.relate.v1", PLATFORM, b"{}").cell == way.cell


@given(st.recursive(st.none() | st.integers() | st.text(), lambda of: st.dictionaries(
    st.sampled_from(["id", "ids", "data", "asset_type", "connection", "gsp_group", "time"]), of
) | st.lists(of)))  # fmt: skip
def test_whatever_comes_has_a_way(value: Any) -> None:
    raw = json.dumps(value).encode()
    for kind in ("asset.register.v1", "asset.update.v1"):
        assert addressed(kind, STRANGER, raw).cell in CELLS


def test_an_asset_from_before_there_were_cells_has_that_of_its_id() -> None:
    assert home_of({"_id": BATTERY}) == cell_of_id(BATTERY)
    assert home_of({"_id": BATTERY, "home": "_A.BAT.7"}) == "_A.BAT.7"
    assert cell_of_id("nonsense") in CELLS


@given(st.lists(st.tuples(patterns, st.integers(0, 15)), max_size=8))
def test_the_lines_say_the_same_as_the_cells(moves: list[tuple[str, int]]) -> None:
    placed = placed_by([])
    for pattern, to in moves:
        placed = moved(placed, matching(pattern), to)
    rules = as_rules(placed)
    assert placed_by(rules) == placed
    assert as_rules(placed_by(rules)) == rules


def test_nobody_has_placed_anything_and_all_is_the_firsts() -> None:
    assert set(placed_by([]).values()) == {0}
    assert set(placed_by([]).keys()) == set(CELLS)


@pytest.mark.parametrize("count", [2, 3, 4, 16])
def test_a_split_is_even_and_a_merge_takes_it_back(count: int) -> None:
    whole = placed_by([])
    parts = split(whole, 0, range(count))
    sizes = Counter(parts.values())
    assert set(sizes) == set(range(count))
    # Whole nibbles: with three shards one has six of them, the others five.
    assert max(sizes.values()) - min(sizes.values()) <= len(CELLS) // 16
    assert len(as_rules(parts)) == len(NIBBLES)
    back = parts
    for shard in range(1, count):
        back = moved(back, [one for one, s in back.items() if s == shard], 0)
    assert back == whole


def test_a_shard_with_one_nibble_is_split_by_group() -> None:
    one = moved(placed_by([]), matching("*.*.7"), 5)
    sizes = Counter(split(one, 5, (5, 6)).values())
    assert sizes[5] + sizes[6] == len(CELLS) // 16
    assert abs(sizes[5] - sizes[6]) <= len(TYPES)
    assert sizes[0] == len(CELLS) - len(CELLS) // 16


def test_what_leaves_is_known() -> None:
    before = split(placed_by([]), 0, (0, 1))
    assert sources(before, moved(before, matching("*.*.*"), 1)) == {0}
    assert sources(before, before) == frozenset()
