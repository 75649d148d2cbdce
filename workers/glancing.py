"""A look at all of a backbone: queues and nodes of the broker, and what the database holds."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from topology import names
from topology.catalog import build
from topology.management import Management, ManagementError
from topology.sharding import build as build_plan
from workers.addresses import Addresses
from workers.alarms import Glance, Lane, Lost, Queue
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.inspection import Inspection
from workers.store.protocol import Unavailable
from workers.vault import Vault


async def looked(settings: Settings, addresses: Addresses, vault: Vault) -> Glance:
    """The state of all of it; what of a server cannot be asked is said in its place."""
    found: dict[str, Any] = {"at": datetime.now(UTC), "said": {}}
    try:
        async with _management(addresses, vault) as management:
            found |= await _of_broker(management, served(settings))
    except ManagementError as error:
        found["said"]["broker"] = str(error)
    try:
        found |= await _of_database(settings, addresses)
    except Unavailable as error:
        found["said"]["database"] = str(error)
    return Glance(**found)


async def _of_broker(management: Management, queues: Sequence[str]) -> dict[str, Any]:
    nodes = await management.nodes()
    rows = [await management.queue(name) or {"name": name} for name in queues]
    words = {"disk_free_alarm": "disk", "mem_alarm": "memory"}
    return {
        "queues": tuple(_queue(row) for row in rows),
        "blocked": tuple(word for key, word in words.items() if any(n.get(key) for n in nodes)),
    }


def served(settings: Settings) -> list[str]:
    """The queues that workers consume, by the plan: users' own are not among them."""
    patterns = (names.WORK_PATTERN, names.DIRECTORY_PATTERN)
    plan = build_plan(build(), settings.shards_max)
    return sorted(q.name for q in plan.queues if any(re.search(p, q.name) for p in patterns))


def _queue(row: Any) -> Queue:
    stats = row.get("message_stats") or {}
    details = stats.get("ack_details") if isinstance(stats, dict) else None
    rate = float((details or {}).get("rate") or 0.0)
    return Queue(row["name"], int(row.get("messages") or 0), int(row.get("consumers") or 0), rate)


async def _of_database(settings: Settings, addresses: Addresses) -> dict[str, Any]:
    now = datetime.now(UTC)

    def aged(found: tuple[int, datetime | None]) -> tuple[int, float]:
        count, oldest = found
        return count, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    through = Driver(settings.mongo_driver)
    async with Inspection(addresses.mongo_url, settings.database, through) as looking:
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
            "lost": Lost.of(await looking.losses(), now),
        }


@asynccontextmanager
async def _management(addresses: Addresses, vault: Vault) -> AsyncIterator[Management]:
    name = addresses.naming.at_broker(names.RECONCILER_ACCOUNT)
    password = vault.password(names.RECONCILER_ACCOUNT)
    async with Management(addresses.management_as(name, password)) as management:
        yield management
