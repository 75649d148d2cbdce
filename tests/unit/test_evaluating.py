"""How verdicts on a table are counted, by the pure functions and by the command."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner

from handlers.matching.reading import of_user
from handlers.matching.trial import (
    Figures,
    Judged,
    Truth,
    assigned,
    candidates,
    chained,
    clustered,
    figures,
    judge,
    paired,
    worst,
)
from handlers.matching.verdict import Comparison, Verdict
from workers.cli.fields import unknown
from workers.cli.main import build
from workers.cli.mappings import MappingError

TABLE: Final = """id,name,street,postcode,cluster
1,Marlow Tidal Power Ltd,12 High Street,LS1 4AB,a
2,MARLOW TIDAL POWER LIMITED,12 High St,LS1 4AB,a
3,Harbour Bakery,7 Quay Road,TR1 2AA,b
4,Old Mill Hydro Ltd,1 Mill Lane,LS9 8ZZ,c
"""
EXPRESSION: Final = """{"user": {"kind": "organisation", "name": name,
  "address": {"line_1": street, "postcode": postcode}}}"""


def judged(left: str, right: str, verdict: Verdict, score: float = 0.99) -> Judged:
    return Judged((left, right), Comparison(verdict, score, ()), verdict)


def verdicts(found: list[Judged]) -> list[Verdict]:
    return [one.verdict for one in found]


def named(**names: str) -> dict[str, Any]:
    return {n: of_user({"kind": "organisation", "name": name}) for n, name in names.items()}


def test_pairs_that_share_a_token_are_candidates_and_each_is_there_once() -> None:
    profiles = named(b="Marlow Tidal", a="Marlow Tidal Ltd", c="Harbour Bakery")
    assert candidates(profiles, None) == [("a", "b")]
    assert candidates(profiles, profiles, limit=1000)[:2] == [("a", "a"), ("a", "b")]


def test_a_token_that_too_many_share_makes_no_candidates() -> None:
    profiles = named(a="Marlow", b="Marlow", c="Marlow")
    assert candidates(profiles, None, limit=2) == []


def test_a_verdict_on_a_pair_is_that_of_its_comparison() -> None:
    profiles = named(a="Marlow Tidal Power", b="Marlow Tidal Power Ltd")
    assert verdicts(list(judge([("a", "b")], profiles, None))) == ["same"]


def test_only_rows_that_carry_a_truth_count_for_precision() -> None:
    truth = paired([("1", "x")], [])
    found = figures([judged("1", "x", "same"), judged("9", "z", "same")], truth)
    assert (found.pairs_same, found.precision, found.recall, found.f1) == (1, 1.0, 1.0, 1.0)


def test_a_wrong_pair_and_a_missed_one_are_counted() -> None:
    truth = clustered({"1": "a", "2": "a", "3": "b", "4": "b"})
    found = figures([judged("1", "3", "same"), judged("3", "4", "unsure", 0.4)], truth)
    assert (found.known, found.precision, found.recall) == (2, 0.0, 0.0)
    assert (found.recall_with_unsure, found.unsure) == (0.5, 1)


def test_nothing_known_and_nothing_found_is_no_division_by_nothing() -> None:
    found = figures([], Truth(frozenset()))
    assert (found.precision, found.recall, found.f1, found.recall_with_unsure) == (0, 0, 0, 0)
    assert isinstance(found, Figures)


def test_pairs_with_a_part_are_counted_apart() -> None:
    truth = paired([("1", "x")], [("2", "x"), ("3", "x")])
    found = figures([judged("2", "x", "part_of")], truth)
    assert found.part_known == 2
    assert found.part_verdicts == {"part_of": 1, "different": 1}


def test_an_unsure_pair_of_even_odds_between_pairs_that_are_one_is_one() -> None:
    joined = [judged("1", "2", "same"), judged("2", "3", "same")]
    assert verdicts(chained([*joined, judged("1", "3", "unsure", 0.6)]))[-1] == "same"
    assert verdicts(chained([*joined, judged("1", "3", "unsure", 0.4)]))[-1] == "unsure"
    assert verdicts(chained([*joined, judged("1", "4", "unsure", 0.6)]))[-1] == "unsure"
    assert verdicts(chained([*joined, judged("1", "3", "different", 0.6)]))[-1] == "different"


def test_of_two_partners_the_better_one_is_kept() -> None:
    found = assigned([judged("1", "x", "same", 0.91), judged("1", "y", "same", 0.99)])
    assert verdicts(found) == ["unsure", "same"]


def test_the_worst_errors_are_those_of_the_surest_verdicts() -> None:
    truth = paired([("1", "x"), ("2", "y")], [])
    found = worst(
        [judged("1", "y", "same", 0.95), judged("2", "x", "same", 0.99),
         judged("1", "x", "different", 0.01)],
        truth,
        3,
    )  # fmt: skip
    assert [(kind, one.pair) for kind, one in found] == [
        ("wrongly same", ("2", "x")), ("wrongly same", ("1", "y")), ("missed", ("1", "x")),
    ]  # fmt: skip


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    (tmp_path / "small.jsonata").write_text(EXPRESSION)
    path = tmp_path / "small.toml"
    path.write_text(
        'expression = "small.jsonata"\nlabel = "id"\n[evaluation]\ncluster = "cluster"\n'
    )
    return path


def evaluated(*words: object) -> Any:
    app: typer.Typer = build()
    result = CliRunner().invoke(app, ["match", "evaluate", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_measures_a_table_against_itself(tmp_path: Path, mapping: Path) -> None:
    table = tmp_path / "table.csv.gz"
    table.write_bytes(gzip.compress(TABLE.encode()))
    printed = evaluated("--left", table, "--truth", table, "--mapping", mapping, "--json")
    found = json.loads(printed.splitlines()[-1])
    assert found | {"precision": 1.0, "recall": 1.0, "f1": 1.0, "pairs_same": 1} == found
    assert (found["recall_with_unsure"], found["unsure"]) == (1.0, 0)


def test_the_command_measures_two_tables_by_pairs(tmp_path: Path, mapping: Path) -> None:
    table, truth = tmp_path / "table.csv", tmp_path / "truth.csv"
    table.write_text(TABLE)
    truth.write_text("left,right\n1,2\n")
    mapping.write_text('expression = "small.jsonata"\nlabel = "id"\n')
    printed = evaluated(
        "--left", table, "--right", table, "--truth", truth, "--mapping", mapping,
        "--pair", "left,right", "--one-to-one",
    )  # fmt: skip
    assert "precision" in printed
    assert "wrongly same" in printed


def test_a_truth_without_its_columns_is_told_by_name(tmp_path: Path, mapping: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    with pytest.raises(MappingError, match="'group'"):
        evaluated(
            "--left", table, "--truth", table, "--mapping", mapping, "--cluster", "group"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (('"name": name', '"nam": name'), "got 'nam' in the user of row 1 of .* mean 'name'"),
        (('"postcode": postcode', '"postcod": postcode'), "got 'address.postcod' .* 'postcode'"),
    ],
)  # fmt: skip
def test_a_field_that_nothing_knows_is_refused_by_the_nearest_name(
    tmp_path: Path, mapping: Path, wrong: tuple[str, str], said: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    (tmp_path / "small.jsonata").write_text(EXPRESSION.replace(*wrong))
    with pytest.raises(MappingError, match=said):
        evaluated("--left", table, "--truth", table, "--mapping", mapping)


def test_what_only_a_comparison_reads_may_be_given() -> None:
    assert unknown("user", {"kind": "person", "born_on": "1", "claims": {"social": "1"}}) is None
    assert unknown("user", {"address": {"point": {}, "town": "York"}, "also_known_as": []}) is None
    assert unknown("asset", {"owner": "Ann Ltd", "location": {"country": "France"}}) is None
    assert (unknown("asset", {"capability": {"power_mw": 1}}) or ("", []))[1][0] == "power_kw"


def test_a_record_that_comes_twice_without_a_unit_is_refused(tmp_path: Path, mapping: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE + "4,Again Ltd,1 Mill Lane,LS9 8ZZ,c\n")
    with pytest.raises(MappingError, match="each record once, got '4' again"):
        evaluated("--left", table, "--truth", table, "--mapping", mapping)
