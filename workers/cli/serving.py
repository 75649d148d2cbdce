"""Commands that run the backbone: `up` with servers of its own, `work` on those of others."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from topology import names
from topology.naming import Naming
from workers import app, embedded, logs
from workers.cli.applying import applied
from workers.cli.asking import deliver
from workers.cli.input import lines_of
from workers.cli.keyring import AccountKeys
from workers.cli.lines import Line
from workers.cli.occupancy import occupied
from workers.cli.place import SERVERS, Place
from workers.cli.plans import administrator, planned
from workers.cli.seeding import EXAMPLES, SEED
from workers.settings import PREFIX, Settings
from workers.vault import Vault

FOLDER_VARIABLE: Final = f"{PREFIX}FOLDER"
SANDBOX_VARIABLE: Final = f"{PREFIX}SANDBOX"


def up(
    *,
    play: Annotated[
        Path | None, typer.Option(help="JSON Lines to send once everything is up.")
    ] = None,
) -> None:
    """Start servers in the folder unless the settings name others, make the topology, and work.

    Stays up until Ctrl-C. A sandbox plays its test identities unless it is given something else.
    """
    settings = Settings.read()
    play = play or (SEED if settings.sandbox else None)
    logs.configure(json=not sys.stderr.isatty())
    if settings.amqp_url:
        uvloop.run(_work(Place.of(settings), _Play.of(play)))
        return
    with occupied(settings.home):
        _embedded(settings, _Play.of(play))


def _embedded(settings: Settings, play: "_Play | None") -> None:
    vault = Vault(settings.master)
    password = vault.password(names.TOPOLOGY_ACCOUNT)
    account = Naming(settings.sandbox).at_broker(names.TOPOLOGY_ACCOUNT)
    running = embedded.start(settings.home / SERVERS, account, password)
    addresses = running.urls.sandboxed() if settings.sandbox else running.urls
    try:
        uvloop.run(_up(Place(settings, addresses, vault, AccountKeys(settings.home)), play))
    finally:
        typer.echo("stopping the servers…", err=True)
        running.stop()


def work() -> None:
    """Run all workers on servers that others operate; `topology apply` has been there before."""
    settings = Settings.read()
    logs.configure(json=not sys.stderr.isatty())
    uvloop.run(_work(Place.of(settings), None))


async def _up(place: Place, play: "_Play | None") -> None:
    await applied(place, planned(place.settings), administrator(place))
    await _work(place, play)


async def _work(place: Place, play: "_Play | None") -> None:
    playing: list[asyncio.Task[None]] = []

    def ready() -> None:
        typer.echo(f"The backbone is up: {place.addresses.amqp_url}", err=True)
        if play is None:
            typer.echo(f"Ready. {_ending(place)}", err=True)
        else:
            playing.append(asyncio.create_task(play.run(place)))

    try:
        await app.work(place.settings, place.addresses, ready)
    finally:
        for task in playing:
            task.cancel()


def _ending(place: Place) -> str:
    return f"Data in {place.settings.home.absolute()}. Ctrl-C ends it."


@dataclass(frozen=True, slots=True)
class _Play:
    """A file that is sent once everything is up."""

    file: Path
    lines: Sequence[Line]

    @classmethod
    def of(cls, file: Path | None) -> "_Play | None":
        """Read it before any server is started: what cannot be used stops the start."""
        return None if file is None else cls(file, lines_of(str(file), None))

    async def run(self, place: Place) -> None:
        """Send the lines, and say what became of them and what to do next."""
        counts: Counter[str] = Counter()
        await deliver(place, self.lines, lambda one: counts.update([one.result]))
        typer.echo(f"Ready. {self._told(counts)} {_ending(place)}", err=True)

    def _told(self, counts: Counter[str]) -> str:
        if self.file.resolve().parent == EXAMPLES and set(counts) <= {"accepted", "rejected"}:
            hello = f"{_elsewhere()}{sys.argv[0]} send {_near(EXAMPLES / 'hello.jsonl')}"
            return (
                f"{len(self.lines)} example lines played; {counts['rejected']} are refused on "
                f"purpose. Try `{hello}` in another terminal."
            )
        told = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
        return f"{len(self.lines)} lines of {self.file} played: {told}."


def _elsewhere() -> str:
    """What another terminal must set to find what this one was told."""
    folder, sandbox = map(os.environ.get, (FOLDER_VARIABLE, SANDBOX_VARIABLE))
    found = f"{SANDBOX_VARIABLE}={sandbox} " if sandbox else ""
    return f"{found}{FOLDER_VARIABLE}={Path(folder).absolute()} " if folder else found


def _near(path: Path) -> Path:
    """As somebody in the working directory would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
