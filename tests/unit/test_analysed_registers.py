"""What an analysis has to know of each register: that it fits together and finds the mistyped."""

import re
from typing import Any, get_args

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.duplicates import CaseKind
from handlers.matching.organisation_columns import blocks, columns_of
from handlers.matching.reading import known_as
from workers.analysis.learning import combined, settings_of
from workers.analysis.registers import ASSETS, REGISTERS, USERS, Register
from workers.cli.main import build

EACH = pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
LEEDS = {"line_1": "12 High Street", "town": "Leeds", "postcode": "LS1 4AB"}
RECORDS: dict[str, Any] = {
    "assets": {
        "asset_type": "SOL",
        "name": "Meadow Farm",
        "owner": "USR-1",
        "identity": {"make": "Acme", "serial": "SN-7"},
        "connection": {"mpan_import": "1234567890123"},
        "location": {"postcode": "CB7 9AA", "point": {"latitude": 52.0, "longitude": 0.2}},
        "capability": {"power_kw": 5012},
        "commissioned_on": "2019-06-01",
    },
    "users": {
        "name": "Marlow Tidal Ltd",
        "address": LEEDS,
        "claims": {"company_number": "12093847"},
    },
}
"""Of each register a record that tells everything."""


def firm(name: str, **address: str) -> Any:
    return known_as({"name": name, "address": address})


def shared(one: Any, other: Any) -> set[str]:
    """The kinds of the blocks that two have in common."""
    return {block.split("|")[0] for block in {*blocks(one)} & {*blocks(other)}}


def test_every_register_that_has_cases_can_be_analysed() -> None:
    assert set(REGISTERS) == set(get_args(CaseKind))
    assert all(register.name == name for name, register in REGISTERS.items())


@EACH
def test_a_row_has_the_columns_that_the_table_has(register: Register) -> None:
    row = dict(register.row(register.profile(RECORDS[register.name])))
    assert row.pop("blocks")
    assert row.keys() == register.columns.keys()
    for name, value in row.items():
        kinds = {"VARCHAR": str, "VARCHAR[]": list, "DOUBLE": float, "INTEGER": int}
        assert isinstance(value, kinds[register.columns[name]]), name


@EACH
def test_nothing_is_compared_or_learned_from_but_what_the_table_has(register: Register) -> None:
    compared = (condition for f in register.fields for _, condition, *_ in f.levels)
    absent = (field.absent for field in register.fields)
    sides = set(re.findall(r"\b([a-z_]+)_[lr]\b", " ".join((*compared, *absent))))
    assert sides == register.columns.keys()
    rules = set(re.findall(r"\b[lr]\.([a-z_]+)", " ".join(rule.of for rule in register.rules)))
    assert rules <= register.columns.keys()
    assert {rule.leaves_out for rule in register.rules} <= {one.name for one in register.fields}


@EACH
def test_what_is_assumed_of_a_field_is_whole_and_speaks_for_being_one(register: Register) -> None:
    for field in register.fields:
        assert sum(level.of_one for level in field.levels) == pytest.approx(1), field.name
        assert sum(level.of_two for level in field.levels) == pytest.approx(1), field.name
        told = [level.of_one / level.of_two for level in field.levels]
        assert told == sorted(told, reverse=True), field.name
        assert told[0] > 1 > told[-1]


@EACH
def test_without_lessons_a_model_is_what_is_assumed(register: Register) -> None:
    before = settings_of(register, 1_000)
    found, kept = combined(register, before, [None] * len(register.rules))
    assert found == before
    assert kept == [field.name for field in register.fields if field.learns]


def test_of_an_organisation_that_says_nothing_nothing_is_in_the_row() -> None:
    empty = columns_of(known_as({"name": "N/A", "address": None, "claims": {"lei": None}}))
    assert empty.pop("blocks") == []
    assert set(empty.values()) == {None}


def test_no_contact_is_in_the_row() -> None:
    contacts = [{"phone": "01132 496 0000", "email": "desk@marlow.example.org"}]
    one = {"name": "Marlow Tidal", "kind": "organisation"}
    assert columns_of(known_as(one | {"contacts": contacts})) == columns_of(known_as(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "Marlow Tidal Ltd"} | LEEDS, {"name": "Marlow Tidal PLC"}),
        ({"name": "Marlow Tidal Ltd"} | LEEDS, {"name": "Tidal Marlow"}),
        ({"name": "Marlow Tidal Ltd"} | LEEDS, {"name": "Malrow Tidal", "town": "Leeds"}),
        ({"name": "Anglian Water Services"}, {"name": "Anglian Water"} | LEEDS),
        ({"name": "Smith & Marlow Farms"}, {"name": "Smyth and Marlow Farms"}),
        ({"name": "E.ON UK"}, {"name": "EON UK PLC"}),
    ],
    ids=["no postcode", "another order", "mistyped", "a word more", "one of two", "dots"],
)
def test_the_same_told_differently_shares_a_block(one: Any, other: Any) -> None:
    assert shared(firm(**one), firm(**other))


def test_what_only_says_what_somebody_is_is_no_block() -> None:
    """`Energy` alone is in a thousand names."""
    assert shared(firm("Marlow Energy Group"), firm("Harbour Energy Group")) == set()


WORD = st.text("bdkmrtz", min_size=4, max_size=40)
MISTYPED = {"slip", "first", "last"}
"""The blocks of what is mistyped; the beginning of a word alone too many others have."""


@given(WORD, st.integers(0, 39), st.sampled_from(("lost", "another", "more")))
def test_a_name_of_which_a_letter_is_wrong_shares_a_block(word: str, at: int, slip: str) -> None:
    """Wherever they are, and with nothing else in common."""
    at %= len(word)
    wrong = {
        "lost": word[:at] + word[at + 1 :],
        "another": f"{word[:at]}x{word[at + 1 :]}",
        "more": f"{word[:at]}x{word[at:]}",
    }[slip]
    if len(wrong) > 3:
        assert MISTYPED & shared(firm(word), firm(wrong)), (word, wrong)


@given(st.text("bdkmrtz", min_size=4, max_size=40), st.integers(0, 38))
def test_a_name_of_which_two_letters_are_exchanged_shares_a_block(word: str, at: int) -> None:
    at %= len(word) - 1
    wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    assert MISTYPED & shared(firm(word), firm(wrong)), (word, wrong)


@pytest.mark.parametrize("length", range(25, 41))
def test_so_does_a_long_one_wherever_they_are(length: int) -> None:
    word = ("bdkmrtz" * 6)[:length]
    for at in range(length - 1):
        wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        assert MISTYPED & shared(firm(word), firm(wrong)), at


def test_of_users_no_register_teaches_that_one_has_two_numbers() -> None:
    assert [field.name for field in USERS.fields if not field.learns] == ["number"]


@EACH
@pytest.mark.parametrize(
    ("ours", "theirs", "level"),
    [
        ("LS14AB", "LS14AB", "postcode"),
        ("LS14AB", "LS14AC", "beside"),
        ("LS14AB", "YO19ZZ", "far"),
        ("ABC", "XYZ", "far"),
        ("AB", "XY", "far"),
        ("A", "X", "far"),
        ("AB", "ABC", "far"),
    ],
)
def test_what_is_left_of_a_short_postcode_is_nothing_in_common(
    register: Register, ours: str, theirs: str, level: str
) -> None:
    """Of three letters none is left without the last three, and of two even fewer than none."""
    assert level_of(register, "place", {"postcode": ours}, {"postcode": theirs}) == level


def level_of(register: Register, field: str, one: Any, other: Any) -> str:
    """The level that DuckDB finds for two records of which all else is not known."""
    (compared,) = (one for one in register.fields if one.name == field)
    cases = " ".join(
        f"WHEN {level.condition} THEN '{level.name}'"
        for level in compared.levels
        if level.condition != "ELSE"
    )
    columns = ", ".join(
        f"CAST(${name}_{side} AS {kind}) AS {name}_{side}"
        for name, kind in register.columns.items()
        for side in "lr"
    )
    values = {
        f"{name}_{side}": record.get(name)
        for name in register.columns
        for side, record in (("l", one), ("r", other))
    }
    with duckdb.connect() as connection:
        asked = f"SELECT CASE {cases} ELSE '{compared.levels[-1].name}' END FROM (SELECT {columns})"  # noqa: S608
        rows = connection.execute(asked, values).fetchall()
    return str(rows[0][0])


def test_a_register_that_there_is_not_is_a_sentence() -> None:
    words = ["match", "analyse", "--register", "people"]
    said = CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(build(), words)
    assert said.exit_code == 2
    assert "'people' is not one of" in said.output
    assert all(name in said.output for name in REGISTERS)


def taught(register: Register, field: str, *shares: float) -> list[dict[str, Any] | None]:
    """Lessons of one mind on a field, and as assumed on all others."""
    lesson = settings_of(register, 1_000)
    (found,) = (one for one in lesson["comparisons"] if one["output_column_name"] == field)
    levels = [one for one in found["comparison_levels"] if not one.get("is_null_level")]
    for level, share in zip(levels, shares, strict=True):
        level["m_probability"] = share
    return [lesson] * len(register.rules)


def of_one(settings: dict[str, Any], field: str) -> list[float]:
    """What a model says of a field's levels, the most alike first."""
    (found,) = (one for one in settings["comparisons"] if one["output_column_name"] == field)
    return [one["m_probability"] for one in found["comparison_levels"] if "m_probability" in one]


def test_a_lesson_on_one_field_alone_does_not_leave_out_what_differs() -> None:
    """Who has one name is then one where all is alike, and never one that has moved."""
    lessons = taught(USERS, "place", 0.999, 0.0003, 0.0003, 0.0003, 0.0001)
    found, kept = combined(USERS, settings_of(USERS, 1_000), lessons)
    shares, assumed = of_one(found, "place"), of_one(settings_of(USERS, 1_000), "place")
    assert "place" not in kept
    assert shares[0] > 1.5 * assumed[0]
    assert_bounded(shares, assumed)


def assert_bounded(shares: list[float], assumed: list[float]) -> None:
    assert sum(shares) == pytest.approx(1)
    for share, before in zip(shares, assumed, strict=True):
        assert before / 3 <= share * (1 + TINY), (share, before)
        assert share <= before * 3 * (1 + TINY), (share, before)


TINY = 1e-9


def test_what_many_levels_lose_does_not_take_another_beyond_thrice() -> None:
    lessons = taught(USERS, "name", 0.15, 0, 0, 0, 0, 0, 0.85)
    found, kept = combined(USERS, settings_of(USERS, 1_000), lessons)
    shares, assumed = of_one(found, "name"), of_one(settings_of(USERS, 1_000), "name")
    assert kept == []
    assert_bounded(shares, assumed)
    assert shares[-1] == pytest.approx(3 * assumed[-1])


@pytest.mark.parametrize("field", ["name", "place"])
@given(st.data())
def test_whatever_is_taught_on_one_field_alone_stays_within_its_bounds(
    field: str, chance: st.DataObject
) -> None:
    assumed = of_one(settings_of(USERS, 1_000), field)
    weights = st.lists(st.integers(0, 1_000), min_size=len(assumed), max_size=len(assumed))
    weighed = chance.draw(weights.filter(any))
    lessons = taught(USERS, field, *(one / sum(weighed) for one in weighed))
    assert_bounded(of_one(combined(USERS, settings_of(USERS, 1_000), lessons)[0], field), assumed)


def test_a_lesson_on_several_fields_may_say_what_it_likes() -> None:
    lessons = taught(ASSETS, "place", 0.999, 0.0005, 0.0004, 0.0001)
    found, _ = combined(ASSETS, settings_of(ASSETS, 1_000), lessons)
    assert of_one(found, "place")[-1] == pytest.approx(0.0001)


def test_where_two_of_one_postcode_are_two_organisations_the_name_keeps_what_was_assumed() -> None:
    lessons = taught(USERS, "name", 0.01, 0.01, 0.01, 0.01, 0.01, 0.05, 0.9)
    found, kept = combined(USERS, settings_of(USERS, 1_000), lessons)
    assert kept == ["name"]
    assert of_one(found, "name") == of_one(settings_of(USERS, 1_000), "name")
