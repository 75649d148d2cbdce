"""How a backbone is at this moment: `status`."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from workers.alarms import Glance, Lost, alarms
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
    """Show queues, owners, outbox, dead letters, throughput and alarms, anew every two seconds.

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
        console.print(_shown(found))
    if any(alarms(found)):
        raise typer.Exit(DRIFTED)


def _look(place: Place) -> Glance:
    return asyncio.run(looked(place.settings, place.addresses, place.vault))


def _follow(place: Place, console: Console) -> None:
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(
                    _shown(asyncio.run(looked(place.settings, place.addresses, place.vault))),
                    refresh=True,
                )
                time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return


def _shown(found: Glance) -> Group:
    queues = Table(
        "queue", "messages", "consumers", "a second", "lag", title=f"{found.at:%H:%M:%S}"
    )
    for queue in found.queues or ():
        lag = f"{queue.messages / queue.rate:.0f} s" if queue.messages and queue.rate else ""
        numbers = (f"{queue.messages:,}", f"{queue.consumers}", f"{queue.rate:.1f}", lag)
        queues.add_row(queue.name, *numbers)
    lanes = Table("lane", "owner", "epoch", "batch")
    for lane in found.lanes or ():
        lanes.add_row(lane.name, lane.owner or "", str(lane.epoch), str(lane.batch))
    told = Table("what", "now")
    for name, now in _told(found):
        told.add_row(name, now)
    for name, about in alarms(found):
        told.add_row(f"ALARM {name}", about)
    return Group(queues, lanes, told)


def _told(found: Glance) -> Iterator[tuple[str, str]]:
    """What is said in one line each; of a server that does not answer nothing is known."""
    throughput = f"{found.throughput:.1f} messages a second"
    yield "throughput", UNKNOWN if found.queues is None else throughput
    stored = {
        "outbox": _aged(found.outbox),
        "dead letters": _aged(found.dead),
        "parked": f"{found.parked:,}",
        "lost to users": _lost(found.lost),
        "processes": str(found.present),
    }
    for name, now in stored.items():
        yield name, now if found.has_primary else UNKNOWN


def _lost(lost: Lost) -> str:
    if not lost.number:
        return "0"
    each = ", ".join(f"{user} {number:,}" for user, number in lost.users.items())
    return f"{lost.events:,} events, {lost.replies:,} replies; the latest of {each}"


def _aged(found: tuple[int, float]) -> str:
    return f"{found[0]:,}" + (f", the oldest for {found[1]:.0f} s" if found[0] else "")
