"""How a backbone is at this moment: `status`."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from topology import names
from workers.alarms import Glance, Lane, Lost, alarms
from workers.cli.faults import DRIFTED
from workers.cli.place import Place
from workers.glancing import looked
from workers.settings import Settings

EVERY_S: Final = 2.0
UNKNOWN: Final = "unknown"


def status(
    *,
    once: Annotated[bool, typer.Option("--once", help="One look instead of a live table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object and no table.")] = False,
) -> None:
    """Show alarms, outbox, dead letters, queues and owners, anew every two seconds.

    With `--once` or `--json` it looks once, and ends with 3 if there is an alarm.
    """
    place, console = Place.of(Settings.read()), Console(markup=False)
    if not (once or as_json):
        _follow(place, console)
        return
    found = _look(place)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        console.print(shown(found))
    if any(alarms(found)):
        raise typer.Exit(DRIFTED)


def _look(place: Place) -> Glance:
    return asyncio.run(looked(place.settings, place.addresses, place.vault))


def _follow(place: Place, console: Console) -> None:
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(shown(_look(place)), refresh=True)
                time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return


def shown(found: Glance) -> Group:
    """What has to be looked at first: a terminal cuts off at its end what does not fit."""
    said: list[str | Text] = [
        Text(f"ALARM {name}: {about}", style="bold red") for name, about in alarms(found)
    ]
    told = Table.grid(padding=(0, 2))
    for name, now in _told(found):
        told.add_row(name, now)
    at = f"{found.at:%H:%M:%S}, UTC"
    return Group(at, *(said or ["no alarms"]), "", told, "", _queues(found), "", _lanes(found))


def _queues(found: Glance) -> Table:
    table = _plain("queue", "messages", "consumers", "a second", "lag")
    for queue in found.queues or ():
        lag = f"{queue.messages / queue.rate:.0f} s" if queue.messages and queue.rate else ""
        numbers = (f"{queue.messages:,}", f"{queue.consumers}", f"{queue.rate:.1f}", lag)
        table.add_row(queue.name, *numbers)
    return table


def _lanes(found: Glance) -> Table:
    """Mailboxes one by one, and the relay's partitions of an owner in one row."""
    table = _plain("lane", "owner", "epoch", "batch")
    partitions: dict[str, list[Lane]] = {}
    for lane in found.lanes or ():
        if lane.name.startswith(names.RELAY_LANES):
            partitions.setdefault(lane.owner or "", []).append(lane)
        else:
            table.add_row(lane.name, lane.owner or "", str(lane.epoch), str(lane.batch))
    for owner, lanes in sorted(partitions.items()):
        name = f"{names.RELAY_LANES}* ({len(lanes)})"
        epochs, batches = _span(x.epoch for x in lanes), _span(x.batch for x in lanes)
        table.add_row(name, owner, epochs, batches)
    return table


def _plain(*columns: str) -> Table:
    return Table(*columns, box=SIMPLE_HEAD, show_edge=False)


def _span(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _told(found: Glance) -> Iterator[tuple[str, str]]:
    """What is said in one line each; of a server that does not answer nothing is known."""
    stored = {
        "outbox": _aged(found.outbox),
        "dead letters": _aged(found.dead),
        "parked": f"{found.parked:,}",
        "lost to users": _lost(found.lost),
        "processes": str(found.present),
    }
    for name, now in stored.items():
        yield name, now if found.has_primary else UNKNOWN
    throughput = f"{found.throughput:.1f} messages a second"
    yield "throughput", UNKNOWN if found.queues is None else throughput


def _lost(lost: Lost) -> str:
    if not lost.number:
        return "0"
    each = ", ".join(f"{user} {number:,}" for user, number in lost.users.items())
    return f"{lost.events:,} events, {lost.replies:,} replies; the latest of {each}"


def _aged(found: tuple[int, float]) -> str:
    return f"{found[0]:,}" + (f", the oldest for {found[1]:.0f} s" if found[0] else "")
