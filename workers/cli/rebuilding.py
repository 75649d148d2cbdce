"""Making the directory anew on a running backbone: `directory rebuild`."""

import asyncio
import json
from uuid import uuid4

import typer

from contracts.directory import RebuildDirectory
from contracts.envelope import user_urn
from topology import names
from workers.cli.asking import deliver
from workers.cli.faults import UNSETTLED
from workers.cli.lines import Line
from workers.cli.place import Place
from workers.cli.sending import Settled
from workers.settings import Settings


def rebuild() -> None:
    """Write the directory's entries that are missing or not as they should be, of all users.

    In portions, each a command of the operator, while the backbone runs; it may be stopped and
    begun again at any time. Ends with 1 if a portion has no outcome.
    """
    written, portions = asyncio.run(rebuilt(Place.of(Settings.read())))
    typer.echo(f"{written} entries written, {portions} portions of users looked at")


async def rebuilt(place: Place) -> tuple[int, int]:
    """Send portion after portion; how many entries were written, and in how many portions."""
    scope, written, number = uuid4().hex, 0, 0
    after: str | None = None
    while after is not None or not number:
        number += 1
        settled = await _portion(place, scope, number, after)
        if settled.result != "accepted" or settled.reply is None:
            typer.echo(f"portion {number}: {settled.result}: {settled.message}", err=True)
            raise typer.Exit(UNSETTLED)
        told = json.loads(settled.reply)["data"]
        written, after = written + told["written"], told.get("after")
    return written, number


async def _portion(place: Place, scope: str, number: int, after: str | None) -> Settled:
    # Its scope is of this run alone, so that no answer of an earlier one is kept for it.
    envelope = {
        "source": user_urn(names.OPERATOR),
        "type": RebuildDirectory.message_type,
        "data": {} if after is None else {"after": after},
    }
    line = Line(scope, number, f"portion {number}", envelope)
    settled: list[Settled] = []
    await deliver(place, [line], settled.append)
    return settled[0]
