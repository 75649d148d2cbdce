"""Commands that talk to a running backbone: `send` and `watch`."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from topology import names
from topology.catalog import build
from workers.app import now_utc
from workers.cli.client import listen
from workers.cli.faults import UNSETTLED
from workers.cli.input import FileArgument, MappingOption, lines_of
from workers.cli.lines import Line
from workers.cli.place import Place
from workers.cli.sending import Result, Sending, Settled
from workers.cli.spool import Spool
from workers.settings import Settings

SILENCE_S: Final = 60.0
REFUSALS_SHOWN_MAX: Final = 20


def send(
    file: FileArgument,
    *,
    mapping: MappingOption = None,
    replies: Annotated[
        Path | None, typer.Option(help="Write the replies to this file, one per line.")
    ] = None,
    silence: Annotated[
        float, typer.Option(min=1, help="Seconds without any answer after which to give up.")
    ] = SILENCE_S,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Send a file to the running backbone and wait for every reply.

    The same lines as for `run`. What is sent is kept in the folder's spool: sending the file again
    sends the same bytes, and gets the same replies. Ends with 1 if a command has no outcome.
    """
    place = Place.of(Settings.read())
    lines = lines_of(file, mapping)
    settled = asyncio.run(_send(place, lines, silence))
    if replies is not None:
        bodies = [one.reply + b"\n" for one in settled if one.reply is not None]
        replies.write_bytes(b"".join(bodies))
    counts = Counter((one.result, one.code) for one in settled)
    if as_json:
        typer.echo(json.dumps(_summary(settled, counts), indent=2))
    else:
        console = Console()
        console.print(_table(counts))
        for text in _remarks(settled):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    if any(result in {"unanswered", "held"} for result, _ in counts):
        raise typer.Exit(UNSETTLED)


async def _send(place: Place, lines: Sequence[Line], silence_s: float) -> list[Settled]:
    settled: list[Settled] = []
    columns = ("sending", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("sending", total=len(lines))

        def take(one: Settled) -> None:
            settled.append(one)
            progress.advance(bar)

        await deliver(place, lines, take, silence_s)
    return settled


async def deliver(
    place: Place,
    lines: Sequence[Line],
    take: Callable[[Settled], None],
    silence_s: float = SILENCE_S,
) -> None:
    """Send lines in the names of their senders, and hand over what becomes of each."""
    with Spool(place.settings.folder) as spool:
        sending = Sending(
            url=place.url,
            entries=build(),
            keys=place.keys,
            spool=spool,
            clock=now_utc,
            settled=take,
            silence_s=silence_s,
        )
        await sending.run(lines)


def _refused(settled: Sequence[Settled]) -> list[Settled]:
    return [one for one in settled if one.result != "accepted"]


def _remarks(settled: Sequence[Settled]) -> list[str]:
    """Every refusal up to a limit; of what is unanswered, each reason once."""
    told = [one for one in settled if one.result in {"rejected", "held"}]
    remarks = [f"{one.line.label}: {one.message}" for one in told[:REFUSALS_SHOWN_MAX]]
    if len(told) > REFUSALS_SHOWN_MAX:
        remarks.append(f"… and {len(told) - REFUSALS_SHOWN_MAX} more: --json or --replies")
    silent = {
        one.code: f"{one.line.label}: {one.message}"
        for one in reversed(settled)
        if one.result == "unanswered"
    }
    return [*remarks, *silent.values()]


def _table(counts: Counter[tuple[Result, str]]) -> Table:
    table = Table("outcome", "code", "commands")
    for (result, code), count in sorted(counts.items()):
        table.add_row(result, code, str(count))
    return table


def _summary(settled: Sequence[Settled], counts: Counter[tuple[Result, str]]) -> dict[str, Any]:
    return {
        "commands": len(settled),
        "outcomes": [
            {"outcome": result, "code": code, "commands": count}
            for (result, code), count in sorted(counts.items())
        ],
        "refused": [
            {"line": one.line.label, "outcome": one.result, "code": one.code, "text": one.message}
            for one in _refused(settled)
        ],
    }


def watch(
    user: Annotated[
        str, typer.Option(help="`operator` sees all domain events, a user what concerns it.")
    ] = names.OPERATOR,
) -> None:
    """Print events as they arrive, one envelope per line, until interrupted; they are taken off.

    What arrived before is printed first.
    """
    place = Place.of(Settings.read())
    queues = [names.events_queue(user)]
    if user == names.OPERATOR:
        queues.append(names.domain_queue(user))

    async def show(body: bytes) -> None:
        sys.stdout.buffer.write(body + b"\n")
        sys.stdout.buffer.flush()

    try:
        asyncio.run(listen(place.url(user), user, queues, show))
    except KeyboardInterrupt:
        return
