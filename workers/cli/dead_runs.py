"""Replaying and discarding dead letters: `dead replay` and `dead discard`, as `operator`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from contracts.dead import REPLAYS_PER_SECOND, REPLAYS_PER_SECOND_MAX, DiscardDead, ReplayDead
from contracts.dead_reading import GroupDead
from contracts.messages import check_type
from workers.cli.asking import asked
from workers.cli.dead_options import (
    POLL_S,
    Account,
    Fingerprint,
    One,
    Reason,
    Since,
    Type,
    Until,
    chosen,
    counted,
)
from workers.cli.place import Place
from workers.settings import Settings

Why = Annotated[str, typer.Option(help="Why; other operators read it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; otherwise it is only counted.")]
Wait = Annotated[bool, typer.Option(help="Wait until every letter has its outcome.")]
Pace = Annotated[int, typer.Option(min=1, max=REPLAYS_PER_SECOND_MAX, help="Letters a second.")]


def replay(
    *,
    why: Why,
    letter: One = None,
    fingerprint: Fingerprint = None,
    reason: Reason = None,
    message_type: Type = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
    per_second: Pace = REPLAYS_PER_SECOND,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Send letters again, in their senders' names; without `--yes` they are only counted."""
    which = chosen(
        id=letter, fingerprint=fingerprint, reason=reason, type=message_type, account=account,
        since=since, until=until,
    )  # fmt: skip
    data = {"which": which, "why": why, "per_second": per_second}
    _do(ReplayDead.message_type, data, is_meant=yes, wait=wait)


def discard(
    *,
    why: Why,
    letter: One = None,
    fingerprint: Fingerprint = None,
    reason: Reason = None,
    message_type: Type = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Give letters up; without `--yes` they are only counted."""
    which = chosen(
        id=letter, fingerprint=fingerprint, reason=reason, type=message_type, account=account,
        since=since, until=until,
    )  # fmt: skip
    _do(DiscardDead.message_type, {"which": which, "why": why}, is_meant=yes, wait=wait)


def _do(kind: str, data: Mapping[str, Any], *, is_meant: bool, wait: bool) -> None:
    place = Place.of(Settings.read())
    matched = asyncio.run(asked(place, check_type(kind), data)).get("matched")
    if not is_meant:
        typer.echo(f"{matched} letters match; nothing was done: --yes does it")
        return
    if typer.get_text_stream("stdin").isatty():
        typer.confirm(f"{matched} letters match. Go on?", abort=True)
    counts = asyncio.run(done(place, kind, data, wait=wait))
    typer.echo(counted(counts) or "none was taken")
    for hint in _hints(counts, data["which"]):
        typer.echo(hint, err=True)


def _hints(counts: Mapping[str, int], which: Mapping[str, str]) -> list[str]:
    """Where to read why letters are dead again."""
    if not counts.get("failed-again"):
        return []
    if (letter := which.get("id")) is not None:
        return [f"why: flexspine dead show {letter}"]
    listing = "which: flexspine dead list --state failed-again"
    return [listing, "why: flexspine dead show <id>"]


async def done(
    place: Place, kind: str, data: Mapping[str, Any], *, wait: bool
) -> Mapping[str, int]:
    """Begin a run, and wait until each of its letters has its outcome; their counts then."""
    run = await asked(place, kind, data)
    matched: int = run["matched"]
    if not (wait and matched):
        return {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=matched)

        def tell(counts: Mapping[str, int], gone_through: int) -> None:
            over = gone_through - counts.get("replaying", 0)
            said = counted(counts) or "waiting"
            if not progress.console.is_terminal and progress.tasks[bar].description != said:
                typer.echo(said, err=True)
            progress.update(bar, completed=over, description=said)

        return await _ended(place, run["id"], tell)


async def _ended(
    place: Place, run: str, tell: Callable[[Mapping[str, int], int], None]
) -> Mapping[str, int]:
    """The counts of a run when it has ended and none of its letters is on its way any more."""
    while True:
        await asyncio.sleep(POLL_S)
        found = await asked(place, GroupDead.message_type, {"which": {"run": run}})
        counts: Mapping[str, int] = found["counts"]
        tell(counts, found["run"]["done"] + found["run"]["left_out"])
        if found["run"]["state"] == "ended" and "replaying" not in counts:
            return counts
