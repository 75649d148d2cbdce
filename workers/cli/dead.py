"""What could not be decided: `dead` and what is under it, as `operator`."""

import asyncio
import json
import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from contracts.dead import NoteDead
from contracts.dead_reading import GetDead, GroupDead, ListDead
from workers.cli.asking import asked
from workers.cli.dead_options import (
    POLL_S,
    Letter,
    State,
    chosen,
    counted,
    many,
    selecting,
    unfound,
)
from workers.cli.dead_shown import shown
from workers.cli.input import FileFault
from workers.cli.place import Place
from workers.settings import Settings

PAGE: Final = 100
ID_LENGTH: Final = 51
FINGERPRINT_LENGTH: Final = 16

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def _here() -> Place:
    return Place.of(Settings.read())


@selecting
def listed(
    *,
    which: Mapping[str, str],
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = PAGE,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""
    # One more than is shown says whether there are more.
    taken = asyncio.run(_taken(letters(_here(), which), limit + 1))
    found = taken[:limit]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found:
        Console(markup=False, emoji=False).print(_letters(found))
    for line in _remarks(which, len(taken), limit):
        typer.echo(line, err=True)


def _remarks(which: Mapping[str, str], found: int, limit: int) -> list[str]:
    """What a list does not show: that there is none, or that there are more."""
    if not found:
        return ["no letter is meant by this" if which else "there is no letter", *unfound(which)]
    if found <= limit:
        return []
    first = "the first one" if limit == 1 else f"the first {limit}"
    return [f"{first}; there are more: --limit {2 * limit} shows twice as many"]


def _copied(name: str, length: int) -> Column:
    """A column of what is typed into the next command: in a narrow terminal others give way."""
    return Column(name, width=length, overflow="fold")


def _letters(found: Sequence[Mapping[str, Any]]) -> Table:
    """Two lines for each letter, since an id leaves little room beside it."""
    what = Column("state, reason", overflow="fold")
    table = Table(_copied("id, type, account", ID_LENGTH), what)
    for one in found:
        account, exception = one.get("account"), one["exception"]
        name = f"{one['type']}, {account}" if account else one["type"]
        why = f"{one['reason']}: {exception}" if exception else one["reason"]
        state = f"resolved ({one['outcome']})" if one["state"] == "resolved" else one["state"]
        table.add_row(f"{one['id']}\n{name}", f"{state}, {one['times']}x\n{why}")
    return table


async def _taken(found: AsyncIterator[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    taken: list[Mapping[str, Any]] = []
    async for one in found:
        taken.append(one)
        if len(taken) == limit:
            break
    return taken


async def letters(place: Place, which: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
    """Every letter that is meant, page after page."""
    cursor: str | None = None
    while True:
        after = {"cursor": cursor} if cursor is not None else {}
        page = await asked(place, ListDead.message_type, {"which": dict(which), **after})
        for one in page["letters"]:
            yield one
        if (cursor := page.get("cursor")) is None:
            return


def groups(*, state: State = None, as_json: AsJson = False) -> None:
    """Count dead letters by what they failed by."""
    data = {"which": chosen(state=state)}
    found = asyncio.run(asked(_here(), GroupDead.message_type, data))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = Console(markup=False, emoji=False)
    console.print(_groups(found["groups"]))
    console.print(_counted(found) or "none")


def _counted(found: Mapping[str, Any]) -> str:
    return counted(found["counts"], found.get("outcomes"))


def _groups(found: Sequence[Mapping[str, Any]]) -> Table:
    names = ("reason", "type", "exception", "where", "letters")
    wide = (Column(name, overflow="fold") for name in names)
    table = Table(_copied("fingerprint", FINGERPRINT_LENGTH), *wide)
    for one in found:
        table.add_row(
            one["fingerprint"], one["reason"], one["type"], one["exception"], one["top"],
            _counted(one),
        )  # fmt: skip
    return table


def show(
    letter: Letter,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a letter with its message, its failure and its notes."""
    found = asyncio.run(whole(_here(), letter))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    for line in shown(found):
        console.print(line)


async def whole(place: Place, letter: str) -> dict[str, Any]:
    """A letter with all of its body."""
    found = dict(await asked(place, GetDead.message_type, {"id": letter}))
    body, further = b64decode(found.get("body") or ""), found.get("next")
    while further is not None:
        part = await asked(place, GetDead.message_type, {"id": letter, "offset": further})
        body, further = body + b64decode(part.get("body") or ""), part.get("next")
    found.pop("next", None)
    return found if found.get("body") is None else {**found, "body": b64encode(body).decode()}


def note(
    letter: Letter,
    words: Annotated[str, typer.Argument(help="What other operators should know.")],
) -> None:
    """Write a note on a letter."""
    data = {"id": letter, "note": words}
    found = asyncio.run(asked(_here(), NoteDead.message_type, data))
    typer.echo(many(found["notes"], "note"))


@selecting
def export(
    *,
    which: Mapping[str, str],
    to: Annotated[Path, typer.Option(help="File with a line of JSON for each letter.")],
    force: Annotated[bool, typer.Option("--force", help="Also over a file that is there.")] = False,
) -> None:
    """Write letters with their contents into a file; it holds personal data in plain."""
    # An empty one has nothing to lose, and is what an export that was not answered leaves.
    if not force and to.is_file() and to.stat().st_size:
        raise FileFault(
            f"expected a new file, got {to}, which holds something already. "
            "Give another name, or --force to write over it."
        )
    typer.echo(f"{many(asyncio.run(exported(_here(), which, to)))} written to {to}")


async def exported(place: Place, which: Mapping[str, str], to: Path) -> int:
    """Write every letter that is meant; how many there were."""
    count = 0
    with open(to, "w", encoding="utf-8", opener=_private) as file:  # noqa: ASYNC230
        async for one in letters(place, which):
            file.write(json.dumps(await whole(place, one["id"])) + "\n")
            count += 1
    return count


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def watch() -> None:
    """Show counts by state whenever they change, until Ctrl-C."""
    asyncio.run(_watch(_here()))


async def _watch(place: Place) -> None:
    said: Mapping[str, int] | None = None
    while True:
        found = await asked(place, GroupDead.message_type, {})
        if found["counts"] != said:
            said = found["counts"]
            typer.echo(_counted(found) or "none")
        await asyncio.sleep(POLL_S)
