"""What `send` says of what became of its lines: a table, remarks, and the same as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table

from workers.cli.sending import Result, Settled

REFUSALS_SHOWN_MAX: Final = 20
LABELS_SHOWN_MAX: Final = 10
NOTHING_DONE: Final = (
    "that is the answer of then, and nothing was done again. To do it again send it with --anew, "
    "or with another `id` where the line has one."
)
Counts = Counter[tuple[str, Result, str]]
"""(type, outcome, code) -> number of commands."""


def _refused(settled: Sequence[Settled]) -> list[Settled]:
    return [one for one in settled if one.result != "accepted"]


def remarks(settled: Sequence[Settled]) -> list[str]:
    """Every refusal up to a limit; of what is unanswered, each reason once with its lines."""
    told = [one for one in settled if one.result in {"rejected", "held"}]
    found = [f"{one.line.label}: {one.message}" for one in told[:REFUSALS_SHOWN_MAX]]
    if len(told) > REFUSALS_SHOWN_MAX:
        found.append(f"… and {len(told) - REFUSALS_SHOWN_MAX} more: --json or --replies")
    silent: dict[tuple[str, str], list[str]] = {}
    for one in settled:
        if one.result == "unanswered":
            silent.setdefault((one.code, one.message), []).append(one.line.label)
    found += [f"{_listed(labels)}: {message}" for (_, message), labels in silent.items()]
    if before := [one for one in settled if one.answered_at is not None]:
        count = "all" if len(before) == len(settled) else f"{len(before)} of {len(settled)}"
        first, labels = min(str(one.answered_at) for one in before), [x.line.label for x in before]
        since = f"at {first}" if len(before) == 1 else f"the first at {first}"
        found.append(f"{count} answered before, {since} ({_listed(labels)}): {NOTHING_DONE}")
    return found


def _listed(labels: Sequence[str]) -> str:
    more = len(labels) - LABELS_SHOWN_MAX
    shown = ", ".join(labels[:LABELS_SHOWN_MAX])
    return f"{shown} … and {more} more" if more > 0 else shown


def _before(settled: Sequence[Settled]) -> Counts:
    """Of what there is an answer of before."""
    before = (one for one in settled if one.answered_at is not None)
    return Counter((one.type, one.result, one.code) for one in before)


def table(settled: Sequence[Settled], counts: Counts) -> Table:
    """How many of each type came to what; a column more where some were answered before."""
    shown, before = Table("type", "outcome", "code", "commands"), _before(settled)
    if before:
        shown.add_column("answered before")
    for kind, count in sorted(counts.items()):
        shown.add_row(*kind, str(count), *([str(before[kind])] if before else []))
    return shown


def summary(settled: Sequence[Settled], counts: Counts) -> dict[str, Any]:
    """The same and the remarks, for programs."""
    before = _before(settled)
    return {
        "commands": len(settled),
        "outcomes": [
            dict(zip(("type", "outcome", "code"), kind, strict=True))
            | {"commands": count, "answered_before": before[kind]}
            for kind, count in sorted(counts.items())
        ],
        "answered_before": [
            {"line": one.line.label, "at": one.answered_at}
            for one in settled
            if one.answered_at is not None
        ],
        "refused": [
            {"line": one.line.label, "outcome": one.result, "code": one.code, "text": one.message}
            for one in _refused(settled)
        ],
    }
