"""How a backbone is at this moment: `status`."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from topology import names
from topology.catalog import build
from topology.management import Management, ManagementError
from topology.sharding import build as build_plan
from workers.alarms import Glance, Lane, Queue, alarms
from workers.cli.faults import DRIFTED
from workers.cli.place import Place
from workers.settings import Settings
from workers.store.protocol import Unavailable

EVERY_S: Final = 2.0


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
    found = asyncio.run(looked(place))
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        console.print(_shown(found))
    if any(alarms(found)):
        raise typer.Exit(DRIFTED)


def _follow(place: Place, console: Console) -> None:
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_shown(asyncio.run(looked(place))), refresh=True)
                time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return


async def looked(place: Place) -> Glance:
    """The state of all of it; what of a server cannot be asked is said in its place."""
    found: dict[str, Any] = {"at": datetime.now(UTC), "said": {}}
    try:
        found |= await _of_broker(place)
    except ManagementError as error:
        found["said"]["broker"] = str(error)
    try:
        found |= await _of_database(place)
    except Unavailable as error:
        found["said"]["database"] = str(error)
    return Glance(**found)


async def _of_broker(place: Place) -> dict[str, Any]:
    async with _management(place) as management:
        nodes = await management.nodes()
        rows = [await management.queue(name) or {"name": name} for name in served(place)]
    words = {"disk_free_alarm": "disk", "mem_alarm": "memory"}
    return {
        "queues": tuple(_queue(row) for row in rows),
        "blocked": tuple(word for key, word in words.items() if any(n.get(key) for n in nodes)),
    }


def served(place: Place) -> list[str]:
    """The queues that workers consume, by the plan: users' own are not among them."""
    patterns = (names.WORK_PATTERN, names.DIRECTORY_PATTERN)
    plan = build_plan(build(), place.settings.shards_max)
    return sorted(q.name for q in plan.queues if any(re.search(p, q.name) for p in patterns))


def _queue(row: Any) -> Queue:
    stats = row.get("message_stats") or {}
    details = stats.get("ack_details") if isinstance(stats, dict) else None
    rate = float((details or {}).get("rate") or 0.0)
    return Queue(row["name"], int(row.get("messages") or 0), int(row.get("consumers") or 0), rate)


async def _of_database(place: Place) -> dict[str, Any]:
    now = datetime.now(UTC)

    def aged(found: tuple[int, datetime | None]) -> tuple[int, float]:
        count, oldest = found
        return count, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    async with place.inspection() as looking:
        hello = await looking.hello()
        if not hello.primary:
            return {"lanes": ()}
        lanes = await looking.lanes()
        return {
            "lanes": tuple(Lane(x["_id"], x["owner"], x["epoch"], x["batch"]) for x in lanes),
            "has_primary": hello.primary,
            "present": len(await looking.present()),
            "outbox": aged(await looking.oldest_record()),
            "dead": aged(await looking.dead_letters()),
            "parked": await looking.parked(),
        }


@asynccontextmanager
async def _management(place: Place) -> AsyncIterator[Management]:
    name = place.addresses.naming.at_broker(names.RECONCILER_ACCOUNT)
    password = place.vault.password(names.RECONCILER_ACCOUNT)
    async with Management(place.addresses.management_as(name, password)) as management:
        yield management


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
    told.add_row("throughput", f"{found.throughput:.1f} messages a second")
    told.add_row("outbox", _aged(found.outbox))
    told.add_row("dead letters", _aged(found.dead))
    told.add_row("parked", f"{found.parked:,}")
    told.add_row("processes", str(found.present))
    for name, about in alarms(found):
        told.add_row(f"ALARM {name}", about)
    return Group(queues, lanes, told)


def _aged(found: tuple[int, float]) -> str:
    return f"{found[0]:,}" + (f", the oldest for {found[1]:.0f} s" if found[0] else "")
