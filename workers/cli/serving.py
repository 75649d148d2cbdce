"""Commands that run the backbone: `up` with servers of its own, `work` on those of others."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from topology import names
from topology.catalog import build
from workers import app, embedded, logs
from workers.app import Addresses
from workers.cli.asking import deliver
from workers.cli.input import lines_of
from workers.cli.keyring import AccountKeys
from workers.cli.lines import Line
from workers.cli.place import SERVERS, Place
from workers.settings import Settings
from workers.vault import Vault


def up(
    *,
    play: Annotated[
        Path | None, typer.Option(help="JSON Lines to send once everything is up.")
    ] = None,
) -> None:
    """Start servers in the folder unless the settings name others, make the topology, and work.

    Stays up until Ctrl-C.
    """
    settings = Settings.read()
    logs.configure(json=not sys.stderr.isatty())
    lines = lines_of(str(play), None) if play is not None else []
    if settings.amqp_url:
        place = Place.of(settings)
        uvloop.run(_work(place, lines))
        return
    vault = Vault(settings.master)
    password = vault.password(names.TOPOLOGY_ACCOUNT)
    running = embedded.start(settings.folder / SERVERS, names.TOPOLOGY_ACCOUNT, password)
    try:
        urls = running.urls
        addresses = Addresses(urls.amqp_url, urls.management_url, urls.mongo_url)
        uvloop.run(_up(Place(settings, addresses, vault, AccountKeys(settings.folder)), lines))
    finally:
        running.stop()


def work() -> None:
    """Run all workers on servers that others operate; `topology apply` has been there before."""
    settings = Settings.read()
    logs.configure(json=not sys.stderr.isatty())
    uvloop.run(_work(Place.of(settings), []))


async def _up(place: Place, lines: Sequence[Line]) -> None:
    password = place.vault.password(names.TOPOLOGY_ACCOUNT)
    await app.apply_topology(
        place.addresses, place.vault, build(), names.TOPOLOGY_ACCOUNT, password
    )
    await _work(place, lines)


async def _work(place: Place, lines: Sequence[Line]) -> None:
    playing: list[asyncio.Task[None]] = []

    def ready() -> None:
        typer.echo(f"The backbone is up: {place.addresses.amqp_url}", err=True)
        if lines:
            playing.append(asyncio.create_task(_play(place, lines)))

    try:
        await app.work(place.settings, place.addresses, ready)
    finally:
        for task in playing:
            task.cancel()


async def _play(place: Place, lines: Sequence[Line]) -> None:
    counts: Counter[str] = Counter()
    await deliver(place, lines, lambda one: counts.update([one.result]))
    told = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
    typer.echo(f"Played {len(lines)} lines: {told}.", err=True)
