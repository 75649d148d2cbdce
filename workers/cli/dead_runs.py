"""Replaying and discarding dead letters: `dead replay` and `dead discard`, as `operator`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from contracts.dead import REPLAYS_PER_SECOND, REPLAYS_PER_SECOND_MAX, DiscardDead, ReplayDead
from contracts.dead_reading import GroupDead, ListDead
from contracts.messages import check_type
from workers.cli.asking import asked
from workers.cli.dead_options import POLL_S, SELECTORS, counted, many, selecting, unfound
from workers.cli.faults import UNSETTLED
from workers.cli.place import Place
from workers.settings import Settings

LEFT_OUT: Final = "ended or under way, a question, erased, or kept in part"
"""Why a run passes a letter over."""

Why = Annotated[str, typer.Option(help="Why; other operators read it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; otherwise it is only counted.")]
Wait = Annotated[bool, typer.Option(help="Wait until every letter has its outcome.")]
Pace = Annotated[int, typer.Option(min=1, max=REPLAYS_PER_SECOND_MAX, help="Letters a second.")]


@selecting
def replay(
    *,
    which: Mapping[str, str],
    why: Why,
    per_second: Pace = REPLAYS_PER_SECOND,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Send letters again, in their senders' names; without `--yes` they are only counted.

    Resolved are those whose sender is answered, whatever by: `rejected` is an end too. Ends with 1
    if a letter has failed again.
    """
    data = {"which": which, "why": why, "per_second": per_second}
    _do(ReplayDead.message_type, data, is_meant=yes, wait=wait)


@selecting
def discard(
    *,
    which: Mapping[str, str],
    why: Why,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Give letters up; without `--yes` they are only counted."""
    _do(DiscardDead.message_type, {"which": which, "why": why}, is_meant=yes, wait=wait)


def _do(kind: str, data: Mapping[str, Any], *, is_meant: bool, wait: bool) -> None:
    which = data["which"]
    if not which:
        options = ", ".join(f"--{name}" for name in SELECTORS)
        raise typer.BadParameter(f"expected an option that says which letters are meant: {options}")
    place = Place.of(Settings.read())
    matched = asyncio.run(asked(place, check_type(kind), data)).get("matched", 0)
    if not matched:
        for line in asyncio.run(_untaken(place, which)):
            typer.echo(line)
        return
    match = f"{many(matched)} {'matches' if matched == 1 else 'match'}"
    if not is_meant:
        typer.echo(f"{match}; nothing was done: --yes does it")
        return
    if typer.get_text_stream("stdin").isatty():
        typer.confirm(f"{match}. Go on?", abort=True)
    _tell(place, which, asyncio.run(done(place, kind, data, wait=wait)))


def _tell(place: Place, which: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """Say how a run has ended; with 1 where a letter of it has failed again."""
    run, counts = found["id"], found.get("counts")
    if counts is None:
        typer.echo(f"run {run} goes on: flexspine dead list --run {run}")
        return
    if counts:
        typer.echo(counted(counts, found.get("outcomes")))
    else:
        for line in asyncio.run(_untaken(place, which)):
            typer.echo(line)
    if counts and (left_out := found["run"]["left_out"]):
        typer.echo(f"{many(left_out)} left out: {LEFT_OUT}")
    for hint in _hints(found, which):
        typer.echo(hint, err=True)
    if counts.get("failed-again"):
        raise typer.Exit(UNSETTLED)


async def _untaken(place: Place, which: Mapping[str, str]) -> list[str]:
    """Why none was taken; of one letter, by its state."""
    if "id" not in which:
        none = f"none was taken: there is no such letter, or each is {LEFT_OUT}"
        return [none, *unfound(which)]
    page = await asked(place, ListDead.message_type, {"which": {"id": which["id"]}})
    return [f"none was taken: {_standing(one)}" for one in page["letters"]]


def _standing(letter: Mapping[str, Any]) -> str:
    """What a letter is that was not taken, since when, and by whom."""
    state, last = letter["state"], letter["history"][-1]
    if state in ("open", "failed-again"):
        return f"the letter is {state}, but a question, erased, or kept in part"
    end = f"{state} ({letter['outcome']})" if state == "resolved" else state
    by = f", by {last['by']}" if last.get("by") else ""
    return f"the letter is {end} since {last['at']}{by}"


def _hints(found: Mapping[str, Any], which: Mapping[str, str]) -> list[str]:
    """Where to read why letters are dead again, and what became of those that were answered."""
    counts, run = found["counts"], found["id"]
    hints = []
    if counts.get("failed-again"):
        letter = which.get("id")
        if letter is None:
            hints.append(f"failed again: flexspine dead list --run {run} --state failed-again")
        hints.append(f"why: flexspine dead show {letter or '<id>'}")
    if set(found.get("outcomes") or {}) - {"accepted"}:
        hints.append(f"not all accepted: flexspine dead list --run {run} --state resolved")
    return hints


async def done(
    place: Place, kind: str, data: Mapping[str, Any], *, wait: bool
) -> Mapping[str, Any]:
    """Begin a run, and wait until each of its letters has its outcome; what is said of it then."""
    run = await asked(place, kind, data)
    matched: int = run["matched"]
    if not matched:
        return {"id": run["id"], "counts": {}}
    if not wait:
        return {"id": run["id"]}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=matched)

        def tell(counts: Mapping[str, int], gone_through: int) -> None:
            over = gone_through - counts.get("replaying", 0)
            said = counted(counts) or "waiting"
            if not progress.console.is_terminal and progress.tasks[bar].description != said:
                typer.echo(said, err=True)
            progress.update(bar, completed=over, description=said)

        return {"id": run["id"], **await _ended(place, run["id"], tell)}


async def _ended(
    place: Place, run: str, tell: Callable[[Mapping[str, int], int], None]
) -> Mapping[str, Any]:
    """What is said of a run when it has ended and none of its letters is on its way any more."""
    while True:
        await asyncio.sleep(POLL_S)
        found = await asked(place, GroupDead.message_type, {"which": {"run": run}})
        counts: Mapping[str, int] = found["counts"]
        tell(counts, found["run"]["done"] + found["run"]["left_out"])
        if found["run"]["state"] == "ended" and "replaying" not in counts:
            return found
