"""`match evaluate`: how well verdicts agree with what is known of tables with duplicates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from handlers.matching.profiles import Profile
from handlers.matching.trial import (
    TOKEN_LIMIT,
    Error,
    Figures,
    Judged,
    assigned,
    candidates,
    chained,
    figures,
    judge,
    worst,
)
from handlers.matching.verdict import Verdict
from workers.cli.profiling import Evaluation, Sight, truth_of

VERDICTS: Final[tuple[Verdict, ...]] = ("same", "part_of", "unsure", "different")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, and how long the comparisons took."""

    figures: Figures
    worst: list[tuple[Error, Judged]]
    microseconds: float
    """Of the processor's time for one comparison."""

    def as_json(self) -> dict[str, Any]:
        found = self.figures
        return {
            "pairs_same": found.pairs_same,
            "precision": round(found.precision, 4),
            "recall": round(found.recall, 4),
            "f1": round(found.f1, 4),
            "recall_with_unsure": round(found.recall_with_unsure, 4),
            "unsure": found.unsure,
            "known": found.known,
            "compared": found.compared,
            "verdicts": {name: found.verdicts.get(name, 0) for name in VERDICTS},
            "part_of": {
                "known": found.part_known,
                **{name: found.part_verdicts.get(name, 0) for name in VERDICTS},
            },
            "microseconds": round(self.microseconds, 1),
        }


def evaluate(
    *,
    left: Annotated[Path, typer.Option(help="A table with commas, zipped or not.")],
    truth: Annotated[Path, typer.Option(help="What is known: pairs, or a column of clusters.")],
    mapping: Annotated[str, typer.Option(help="A shipped mapping, or the path of a .toml file.")],
    right: Annotated[
        Path | None, typer.Option(help="The other table; without it the left with itself.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="Columns of the truth that name the two: `left,right`.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of the truth that names a record's cluster.")
    ] = None,
    one_to_one: Annotated[
        bool | None,
        typer.Option(
            "--one-to-one/--many", help="Whether a record has one partner at most; else as mapped."
        ),
    ] = None,
    chain: Annotated[
        bool | None,
        typer.Option(
            "--chain/--pairs", help="Whether pairs that are one decide on unsure ones between them."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=2, help="Tokens that more records share are left out.")
    ] = TOKEN_LIMIT,
    errors: Annotated[int, typer.Option(min=0, help="How many of the worst are shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object and no table.")] = False,
) -> None:
    """Measure the verdicts of level one on tables whose duplicates are known."""
    sight = Sight.open(mapping)
    said = {"one_to_one": one_to_one, "chain": chain, "cluster": cluster, "truth": _pair(pair)}
    evaluation = sight.evaluation.model_copy(
        update={name: value for name, value in said.items() if value is not None}
    )
    ours = sight.profiles(left, None)
    theirs = sight.profiles(right, evaluation.right_label) if right is not None else None
    known = truth_of(truth, evaluation, sight.label)
    pairs = candidates(ours, theirs, limit)
    prepared = process_time()
    judged = list(judge(pairs, ours, theirs))
    spent = (process_time() - prepared) / max(1, len(judged)) * 1e6
    judged = _settled(judged, evaluation, alone=theirs is None)
    outcome = Outcome(figures(judged, known), worst(judged, known, errors), spent)
    if as_json:
        typer.echo(json.dumps(outcome.as_json()))
    else:
        _show(outcome, ours, ours if theirs is None else theirs)


def _pair(given: str | None) -> tuple[str, str] | None:
    if given is None:
        return None
    left, comma, right = given.partition(",")
    if not comma:
        raise typer.BadParameter(f"expected two columns with a comma between, got {given!r}")
    return left.strip(), right.strip()


def _settled(judged: list[Judged], evaluation: Evaluation, *, alone: bool) -> list[Judged]:
    found = chained(judged) if alone and evaluation.chain else judged
    return assigned(found) if evaluation.one_to_one else found


def _show(outcome: Outcome, left: Mapping[str, Profile], right: Mapping[str, Profile]) -> None:
    found = outcome.figures
    console = Console(soft_wrap=True)
    figure = Table("figure", "value", show_header=False)
    for name, value in (
        ("precision", f"{found.precision:.4f}"),
        ("recall", f"{found.recall:.4f}"),
        ("F1", f"{found.f1:.4f}"),
        ("recall with unsure", f"{found.recall_with_unsure:.4f}"),
        ("pairs known", f"{found.known:,}"),
        ("pairs compared", f"{found.compared:,}"),
        ("called the same, and judged", f"{found.pairs_same:,}"),
        ("unsure, and judged", f"{found.unsure:,}"),
        ("µs a comparison", f"{outcome.microseconds:.1f}"),
    ):
        figure.add_row(name, value)
    console.print(figure)
    verdicts = Table("verdict", "pairs", "of parts known")
    for name in VERDICTS:
        verdicts.add_row(
            name, f"{found.verdicts.get(name, 0):,}", f"{found.part_verdicts.get(name, 0):,}"
        )
    console.print(verdicts)
    for kind, one in outcome.worst:
        console.print(f"{kind}: {one.verdict} {one.comparison.score:.3f}", markup=False)
        for record, profile in zip(one.pair, (left[one.pair[0]], right[one.pair[1]]), strict=True):
            console.print(f"  {record}: {_named(profile)}", markup=False, highlight=False)
        reasons = ", ".join(
            f"{reason.field} {reason.weight:+.1f}"
            for reason in one.comparison.reasons
            if reason.agreement != "unknown"
        )
        console.print(f"  {reasons}", markup=False, highlight=False)


def _named(profile: Profile) -> str:
    words = getattr(profile, "full", None) or getattr(profile, "name", None)
    return " ".join(words or (*getattr(profile, "given", ()), *getattr(profile, "family", ())))
