"""What of an analysis is pure: clusters, columns and blocks, and what is made of a model."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handlers.matching.clusters import clusters
from handlers.matching.columns import blocks, columns_of
from handlers.matching.reading import of_asset
from workers.analysis.fields import FIELDS, mended, settings_of

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


def test_what_was_learned_is_kept() -> None:
    settings = settings_of(1_000)
    for level, one, two in zip(
        levels(settings, "power"), (0.5, 0.3, 0.1, 0.1), (0.1, 0.1, 0.2, 0.6), strict=True
    ):
        level["m_probability"], level["u_probability"] = one, two
    assert mended(settings) == []
    assert [one["m_probability"] for one in levels(settings, "power")] == [0.5, 0.3, 0.1, 0.1]


def test_a_field_by_which_likeness_would_speak_against_keeps_what_it_had() -> None:
    settings = settings_of(1_000)
    first, *_, last = levels(settings, "name")
    first["m_probability"], last["m_probability"] = 0.0001, 0.9
    assert mended(settings) == ["name"]
    before = next(one.levels for one in FIELDS if one.name == "name")
    assert [one["m_probability"] for one in levels(settings, "name")] == [
        one.of_one for one in before
    ]


def test_neighbours_that_were_taken_for_one_thing_teach_nothing() -> None:
    """They are of one power no more often than others are: hardly anything was twice."""
    settings = settings_of(1_000_000)
    first, *_, last = levels(settings, "power")
    first["m_probability"], last["m_probability"] = 0.06, 0.69
    assert mended(settings) == ["power"]
    assert levels(settings, "power")[0]["m_probability"] == 0.6


def test_no_register_teaches_that_one_device_has_two_serials() -> None:
    settings = settings_of(1_000)
    first, last = levels(settings, "device")
    first["m_probability"], last["m_probability"] = 0.5, 0.5
    assert mended(settings) == []
    assert levels(settings, "device")[1]["m_probability"] == 0.02


def test_what_was_never_seen_has_a_share_that_is_not_nothing() -> None:
    settings = settings_of(1_000)
    first, *_ = levels(settings, "device")
    del first["u_probability"]
    assert mended(settings) == []
    assert 0 < first["u_probability"] < 0.00001
    assert sum(one["u_probability"] for one in levels(settings, "device")) == 1
