"""Another message in the place of a dead letter's: `dead edit` and `dead approve`."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from contracts.dead_edits import ApproveDead, EditDead
from contracts.envelope import USER_URN
from contracts.messages import check_type
from topology import names
from workers.cli.asking import asked
from workers.cli.dead_options import Letter
from workers.cli.input import FileFault
from workers.cli.place import Place
from workers.settings import Settings

WORDS: Final[Mapping[str, str]] = {
    "sent": "is on its way; its answer comes to the events of whoever has edited, which "
    "flexspine watch shows: --user for another than `operator`",
    "proposed": "waits for another operator: flexspine dead approve",
}
"""What a state of an edit means."""

As = Annotated[
    str, typer.Option("--as", help="Another operator than `operator`, whose key is kept here.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; otherwise it is only checked.")]


def edit(
    letter: Letter,
    *,
    data: Annotated[Path, typer.Option(help="File with the new `data`, all of it, as JSON.")],
    why: Annotated[str, typer.Option(help="Why; other operators read it.")],
    message_type: Annotated[
        str | None, typer.Option("--type", help="Another type, where that was wrong.")
    ] = None,
    user: As = names.OPERATOR,
    yes: Yes = False,
) -> None:
    """Send another message in the place of a letter's, in the operator's own name."""
    said = {"id": letter, "data": read(data), "why": why}
    if message_type is not None:
        said["type"] = message_type
    asyncio.run(do(Place.of(Settings.read()), EditDead.message_type, said, user, is_meant=yes))


def approve(
    key: Annotated[str, typer.Argument(help="Id of the edit, as `dead show` names it.")],
    *,
    why: Annotated[str, typer.Option(help="Why; other operators read it.")],
    user: As = names.OPERATOR,
    yes: Yes = False,
) -> None:
    """Let what another operator wants to send in the place of a letter's message be sent."""
    said = {"id": key, "why": why}
    asyncio.run(do(Place.of(Settings.read()), ApproveDead.message_type, said, user, is_meant=yes))


def read(file: Path) -> dict[str, Any]:
    """The data of a message in a file."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise FileFault(f"expected the data as JSON in {file}, got: {error}.") from error
    if not isinstance(found, dict):
        raise FileFault(f"expected one JSON object in {file}, got {type(found).__name__}.")
    return found


async def do(
    place: Place, kind: str, data: Mapping[str, Any], user: str, *, is_meant: bool
) -> Mapping[str, Any]:
    """Ask it, or only whether it could be; what the answer says."""
    sender = user.removeprefix(USER_URN)
    found = await asked(place, kind if is_meant else check_type(kind), data, sender)
    if is_meant:
        typer.echo(f"edit {found['id']}: message {found['message']} {WORDS[found['state']]}")
    else:
        typer.echo("it could be done; nothing was done: --yes does it")
    return found
