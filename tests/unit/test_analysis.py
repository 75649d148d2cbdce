"""What of an analysis is pure: clusters, columns and blocks, and what is made of a model."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handlers.matching.asset_columns import blocks, columns_of
from handlers.matching.clusters import clusters
from handlers.matching.reading import of_asset
from workers.analysis.learning import combined, settings_of, with_chances
from workers.analysis.registers import ASSETS

RECORDS = st.sampled_from("abcdefgh")
PAIRS = st.lists(st.tuples(RECORDS, RECORDS), max_size=12)


def park(**changes: Any) -> dict[str, Any]:
    return {
        "asset_type": "SOL",
        "name": "Meadow Farm",
        "location": {"postcode": "CB7 9AA", "point": {"latitude": 52.0, "longitude": 0.2}},
        "capability": {"power_kw": 5012},
    } | changes


def test_a_chain_is_one_cluster_named_by_its_smallest() -> None:
    found = clusters([("c", "b"), ("d", "c"), ("x", "y"), ("b", "a")])
    assert found == {"a": "a", "b": "a", "c": "a", "d": "a", "x": "x", "y": "x"}


@given(PAIRS, st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order_of_pairs(pairs: Any, chance: Any) -> None:
    turned = [pair[::-1] for pair in pairs]
    chance.shuffle(turned)
    assert clusters(turned) == clusters(pairs)


def test_two_of_one_place_share_a_block_that_neighbours_of_another_power_do_not() -> None:
    one, other = (set(blocks(of_asset(park(name=None, **more)))) for more in ({}, POWER))
    shared, only = one & other, one ^ other
    assert any(block.startswith("type-postcode|") for block in shared)
    assert {block.split("|")[0] for block in only} == {"type-postcode-power", "type-spot-power"}


POWER = {"capability": {"power_kw": 3000}}


def test_a_power_told_by_heart_is_in_the_same_block() -> None:
    rounded = park(capability={"power_kw": 5000})
    assert set(blocks(of_asset(park()))) == set(blocks(of_asset(rounded)))


def test_what_is_not_known_has_no_column() -> None:
    empty = columns_of(of_asset({"asset_type": "OTH"}))
    assert empty.pop("blocks") == []
    assert set(empty.values()) == {None}


def levels(settings: dict[str, Any], field: str) -> list[dict[str, Any]]:
    (found,) = (one for one in settings["comparisons"] if one["output_column_name"] == field)
    return [one for one in found["comparison_levels"] if not one.get("is_null_level")]


def lessons(settings: dict[str, Any], field: str, *shares: float) -> list[dict[str, Any] | None]:
    """All of one mind on a field, and as before on all others."""
    found = deepcopy(settings)
    for level, share in zip(levels(found, field), shares, strict=True):
        level["m_probability"] = share
    return [found, found, None]


def of_one(settings: dict[str, Any], field: str) -> list[float]:
    return [level["m_probability"] for level in levels(settings, field)]


def test_what_was_learned_is_taken() -> None:
    before = settings_of(ASSETS, 1_000)
    found, kept = combined(ASSETS, before, lessons(before, "power", 0.5, 0.3, 0.1, 0.1))
    assert (of_one(found, "power"), kept) == ([0.5, 0.3, 0.1, 0.1], [])
    assert of_one(before, "power") == [0.6, 0.25, 0.1, 0.05]


def test_a_lesson_says_nothing_of_the_field_that_its_pairs_share() -> None:
    before = settings_of(ASSETS, 1_000)
    postcode, name, _ = ASSETS.rules
    assert (postcode.leaves_out, name.leaves_out) == ("place", "name")
    taught = lessons(before, "name", 0.9, 0.05, 0.03, 0.02)
    assert of_one(combined(ASSETS, before, [None, taught[1], None])[0], "name")[0] == 0.6
    assert round(of_one(combined(ASSETS, before, [taught[0], None, None])[0], "name")[0], 6) == 0.9


def test_where_likeness_would_speak_against_what_was_assumed_stays() -> None:
    before = settings_of(ASSETS, 1_000)
    found, kept = combined(ASSETS, before, lessons(before, "name", 0.0001, 0.05, 0.05, 0.8999))
    assert (of_one(found, "name"), kept) == (of_one(before, "name"), ["name"])


def test_neighbours_that_were_taken_for_one_thing_teach_nothing() -> None:
    """They are of one power no more often than others are: hardly anything was twice."""
    before = settings_of(ASSETS, 1_000_000)
    found, kept = combined(ASSETS, before, lessons(before, "power", 0.06, 0.1, 0.15, 0.69))
    assert (of_one(found, "power"), kept) == (of_one(before, "power"), ["power"])


def test_no_register_teaches_that_one_device_has_two_serials() -> None:
    before = settings_of(ASSETS, 1_000)
    found, kept = combined(ASSETS, before, lessons(before, "device", 0.5, 0.5))
    assert (of_one(found, "device"), kept) == ([0.98, 0.02], [])


def test_without_any_lesson_all_is_as_assumed() -> None:
    before = settings_of(ASSETS, 2)
    found, kept = combined(ASSETS, before, [None, None, None])
    assert found == before
    assert kept == [one.name for one in ASSETS.fields if one.learns]


def test_what_pairs_at_random_never_showed_has_a_share_that_is_not_nothing() -> None:
    before = settings_of(ASSETS, 1_000)
    sampled = deepcopy(before)
    first, last = levels(sampled, "device")
    del first["u_probability"]
    last["u_probability"] = 1.0
    shares = [
        one["u_probability"] for one in levels(with_chances(ASSETS, before, sampled), "device")
    ]
    assert 0 < shares[0] < 0.00001
    assert sum(shares) == 1
