"""Commands that talk to a running backbone: `send` and `watch`."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from contracts.envelope import USER_URN, user_urn
from contracts.messages import check_type
from topology import names
from topology.catalog import build
from workers.backbone import now_utc
from workers.cli.client import LOGIN_S, NothingToWatch, listen
from workers.cli.faults import UNSETTLED
from workers.cli.input import FileArgument, FileFault, MappingOption, anew, lines_of
from workers.cli.lines import Line
from workers.cli.outcomes import remarks, summary, table
from workers.cli.parts import parted
from workers.cli.place import Place
from workers.cli.sending import Sending, Settled
from workers.cli.spool import Spool
from workers.settings import Settings

SILENCE_S: Final = 60.0
ANSWER_S: Final = 10.0
"""For how long an operator's question waits: any worker answers it at once."""
NO_WORKER: Final = (
    f"nobody has answered within {ANSWER_S:.0f} s. Does a worker run? `flexspine doctor` says what "
    "is wrong; `flexspine work`, or `flexspine up` for all of it, starts one."
)
BEHIND: Final = (
    f"a worker runs, and has not come to it within {SILENCE_S:.0f} s. `flexspine status` says what "
    "is before it. It is done when its turn comes, and once more if it is asked again: look with "
    "{look} whether it is done before you ask again."
)
LOOK: Final = {
    "dead": "`flexspine dead show <id>`, or `flexspine dead groups` for many,",
    "shard": "`flexspine shard list`",
}
"""Register of a command -> what shows whether it is done."""
STANDARD_OUTPUT: Final = "-"


def send(
    file: FileArgument,
    *,
    mapping: MappingOption = None,
    replies: Annotated[
        str | None,
        typer.Option(help="Write the replies to this file, one per line; `-`: standard output."),
    ] = None,
    silence: Annotated[
        float, typer.Option(min=1, help="Seconds without any answer after which to give up.")
    ] = SILENCE_S,
    again: Annotated[
        bool, typer.Option("--anew", help="Do again what was done; not for a line with an `id`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Send a file to the running backbone and wait for every reply.

    The same lines as for `run`. What is sent is kept in the folder's spool: sending a line again
    sends the same bytes, gets the same reply and does nothing again, which is said. With `--anew`,
    lines without an `id` are new commands. Ends with 0 if every command was accepted, now or
    before, with 1 if one was rejected or has no outcome.
    """
    place = Place.of(Settings.read())
    settled = asyncio.run(_send(place, _read(place, file, mapping, again=again), silence))
    aside = replies == STANDARD_OUTPUT
    if replies is not None:
        _write(replies, [one.reply for one in settled if one.reply is not None])
    counts = Counter((one.type, one.result, one.code) for one in settled)
    if as_json:
        typer.echo(json.dumps(summary(settled, counts), indent=2), err=aside)
    else:
        console = Console(stderr=aside, emoji=False)
        console.print(table(settled, counts))
        for text in remarks(settled):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    if any(result != "accepted" for _, result, _ in counts):
        raise typer.Exit(UNSETTLED)


def _read(place: Place, file: str, mapping: str | None, *, again: bool) -> list[Line]:
    if again and mapping is not None:
        raise FileFault(
            "expected --anew with JSON Lines, got a table with its mapping. Send it without: the "
            "next issue of a table changes what differs, and a row is registered once."
        )
    with Spool(place.settings.home) as spool:
        lines = lines_of(file, mapping, spool)
    return parted(anew(lines) if again else lines, build(), place.settings.body_bytes_max)


def _write(place: str, replies: Sequence[bytes]) -> None:
    body = b"".join(reply + b"\n" for reply in replies)
    if place == STANDARD_OUTPUT:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        Path(place).write_bytes(body)
    except OSError as error:
        raise FileFault(
            f"expected to write the replies to {place}, got: {error.strerror}. "
            "Give another name and send the file again: it gets the same replies."
        ) from error


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
    reach_s: float = LOGIN_S,
) -> None:
    """Send lines in the names of their senders, and hand over what becomes of each."""
    with Spool(place.settings.home) as spool:
        sending = Sending(
            url=place.url,
            entries=build(),
            keys=place.keys,
            spool=spool,
            clock=now_utc,
            settled=take,
            silence_s=silence_s,
            reach_s=reach_s,
        )
        await sending.run(lines)


def watch(
    user: Annotated[
        str, typer.Option(help="`operator` sees all domain events, a user what concerns it.")
    ] = names.OPERATOR,
    *,
    for_s: Annotated[
        float | None,
        typer.Option("--for", min=0, help="Seconds to watch, from when it listens; then it ends."),
    ] = None,
) -> None:
    """Print events as they arrive, one envelope per line, until interrupted; they are taken off.

    What arrived before is printed first.
    """
    place = Place.of(Settings.read())
    user = user.removeprefix(USER_URN)
    if user != names.OPERATOR:
        _check_events(user, place.keys.users())
    queues = [names.events_queue(user)]
    if user == names.OPERATOR:
        queues.append(names.domain_queue(user))

    async def show(body: bytes) -> None:
        sys.stdout.buffer.write(body + b"\n")
        sys.stdout.buffer.flush()

    end = "Ctrl-C ends" if for_s is None else f"for {for_s:g} s, Ctrl-C ends it sooner"
    typer.echo(f"watching as {user}; {end}; what is shown is taken off the queue", err=True)
    try:
        asyncio.run(listen(place.url(user), user, queues, show, for_s))
    except KeyboardInterrupt:
        return


def _check_events(user: str, known: Sequence[str]) -> None:
    if user == names.FRONT_DESK:
        raise NothingToWatch(
            f"{user} has no events: many share it, and each is answered where it asks."
        )
    if user not in known:
        raise NothingToWatch(
            f"expected a user whose key is kept here ({', '.join([names.OPERATOR, *known])}), "
            f"got {user}."
        )


async def asked(
    place: Place, kind: str, data: Mapping[str, Any], user: str = names.OPERATOR
) -> Mapping[str, Any]:
    """What a message of the operator is answered with; ends with 1 if it is not.

    Another user with that role needs a key that is kept here. A command is checked before, which
    any worker answers: so it is known soon that none runs, and that one is behind only after long.
    """
    is_command = build()[kind].kind == "command"
    if is_command:
        await _asked(place, check_type(kind), data, user, ANSWER_S)
    return await _asked(place, kind, data, user, SILENCE_S if is_command else ANSWER_S)


async def _asked(
    place: Place, kind: str, data: Mapping[str, Any], user: str, silence_s: float
) -> Mapping[str, Any]:
    envelope = {"source": user_urn(user), "type": kind, "data": dict(data)}
    settled: list[Settled] = []
    # Its scope is of this run alone, so that no answer of an earlier one is kept for it.
    line = Line(uuid4().hex, 1, kind, envelope)
    await deliver(place, [line], settled.append, silence_s, ANSWER_S)
    (one,) = settled
    if one.result != "accepted" or one.reply is None:
        silent = NO_WORKER if silence_s == ANSWER_S else behind(kind)
        said = silent if one.code == "silence" else one.message
        typer.echo(f"{kind}: {one.result}: {said}", err=True)
        raise typer.Exit(UNSETTLED)
    found: Mapping[str, Any] = json.loads(one.reply)["data"]
    return found


def behind(kind: str) -> str:
    """What is said of a command that waits; each run is a command of its own, with its own id."""
    look = LOOK.get(kind.partition(".")[0], "a query of its register")
    return BEHIND.format(look=look)
