"""Checks of `doctor` that ask the servers: what they are, and whether they hold what they must."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from topology import names
from topology.catalog import build
from topology.management import Management, ManagementError, ManagementUnavailableError
from topology.sharding import build as build_plan
from workers.backbone import MASTER_CHECK
from workers.cli import applying
from workers.cli.doctor_fault import Fault
from workers.cli.place import Place
from workers.cli.plans import administrator, drifts, planned
from workers.store.inspection import members
from workers.store.protocol import Unavailable
from workers.vault import Undecipherable

CONNECT_S: Final = 3.0
RABBITMQ_MIN: Final = (3, 10)
MONGODB_MIN: Final = (6, 0)
SKEW_S_MAX: Final = 1.0
OUTBOX_S_MAX: Final = 60.0
CONSUMER_TIMEOUT_S: Final = 1800.0
"""RabbitMQ's default; its management API does not tell what the configuration file says."""
PORTS: Final = {"amqp": 5672, "amqps": 5671, "http": 15672, "https": 15671}


async def reachable(place: Place) -> str:
    """Whether something listens at each address."""
    addresses = place.addresses
    found = [_host(addresses.amqp_url), _host(addresses.management_url)]
    if not addresses.mongo_url.startswith("mongodb+srv:"):
        found += members(addresses.mongo_url)
    for host, port in found:
        await _connect(host, port)
    return ", ".join(f"{host}:{port}" for host, port in found)


async def broker_listens(place: Place) -> None:
    """Raise Fault if nobody listens where the broker should."""
    await _connect(*_host(place.addresses.amqp_url))


async def broker(place: Place) -> str:
    """Whether it is new enough and its management plugin answers."""
    login = administrator(place)
    async with _management(place, *login) as management:
        try:
            about = await management.overview()
        except ManagementUnavailableError:
            raise
        except ManagementError as error:
            raise Fault(
                f"the broker to let {login[0]} in",
                str(error),
                "Is FLEXSPINE_MASTER_KEY the one of `flexspine topology apply`, and has that run?",
            ) from error
    found = about["rabbitmq_version"]
    if _version(found) < RABBITMQ_MIN:
        raise Fault(f"RabbitMQ {_dotted(RABBITMQ_MIN)} or newer", found, "Update the broker.")
    return f"RabbitMQ {found}, management {about['management_version']}"


async def database(place: Place) -> str:
    """Whether it is new enough."""
    async with place.inspection() as looking:
        found = (await looking.hello()).version
    if _version(found) < MONGODB_MIN:
        raise Fault(f"MongoDB {_dotted(MONGODB_MIN)} or newer", found, "Update the database.")
    return f"MongoDB {found}"


async def replica_set(place: Place) -> str:
    """Whether it is a set with a primary, be it of one."""
    async with place.inspection() as looking:
        hello = await looking.hello()
    if hello.set_name is None:
        raise Fault(
            "a replica set, because transactions need one",
            "a single server",
            "Start mongod with --replSet and initiate it, also if it is alone.",
        )
    if not hello.primary:
        raise Fault(
            f"a primary of {hello.set_name}",
            "another member",
            "Name the set in FLEXSPINE_MONGO_URL (replicaSet=…), and see that it has a majority.",
        )
    return hello.set_name


async def transactions(place: Place) -> str:
    """Whether one can be begun and written in; it is aborted."""
    async with place.inspection() as looking:
        try:
            await looking.try_transaction()
        except Unavailable as error:
            raise Fault("a transaction", str(error), "Read the database's own log.") from error
    return "work"


async def clock(place: Place) -> str:
    """Whether this machine and the database agree what time it is: leases and expiry rest on it."""
    async with place.inspection() as looking:
        ahead_s = (await looking.hello()).ahead_s
    return clocks(ahead_s)


def clocks(ahead_s: float) -> str:
    """Judge how far the database's clock is ahead."""
    if abs(ahead_s) >= SKEW_S_MAX:
        raise Fault(
            f"clocks less than {SKEW_S_MAX:.0f} s apart",
            f"a database {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}",
            "Let both machines keep time by NTP.",
        )
    return f"{abs(ahead_s) * 1000:.0f} ms apart"


async def topology(place: Place) -> str:
    """Whether the setting fits the map of shards, and the broker holds the plan.

    What it holds besides is `topology diff`'s to say.
    """
    await applying.check_map(place)
    all_found = await drifts(place)
    said = applying.advice(place.settings.shards_max, all_found, planned(place.settings))
    found = [drift for drift in all_found if drift.state != "surplus"]
    if found:
        first = f"{found[0].kind} {found[0].name} {found[0].state}"
        raise Fault(
            "the broker to hold the plan",
            f"{len(found)} differences, the first: {first}",
            said or "See `flexspine topology diff`; `flexspine topology apply` makes it so.",
        )
    return "as planned"


async def keys(place: Place) -> str:
    """Whether the master key is the one of the database and of the broker's accounts."""
    async with place.inspection() as looking:
        row = await looking.row("keys", MASTER_CHECK)
    try:
        if row is not None:
            place.vault.opened(row)
    except Undecipherable as error:
        raise Fault(
            "the master key with which this database was begun",
            "another one",
            "Set FLEXSPINE_MASTER_KEY to that one, or name another FLEXSPINE_MONGO_DATABASE.",
        ) from error
    account = names.RECONCILER_ACCOUNT
    name = place.addresses.naming.at_broker(account)
    async with _management(place, name, place.vault.password(account)) as management:
        # Refused with ManagementError where the broker's accounts are of another master key.
        await management.overview()
    return "fits broker and database" if row else "fits the broker; the database is new"


async def consumers(place: Place) -> str:
    """Whether somebody serves each queue that workers consume."""
    async with _management(place, *administrator(place)) as management:
        rows = {row["name"]: row for row in await management.queues()}
    served = sorted(
        queue.name
        for queue in build_plan(build(), place.settings.shards_max).queues
        if re.search(names.WORK_PATTERN, queue.name)
        or re.search(names.DIRECTORY_PATTERN, queue.name)
        or queue.name == names.ACCOUNTS_QUEUE
    )
    idle = [name for name in served if not rows.get(name, {}).get("consumers")]
    if idle:
        raise Fault(
            f"a consumer of each of {len(served)} queues",
            f"none of {', '.join(idle)}",
            "Start `flexspine work`, and see in its log what keeps it from owning them.",
        )
    return f"{len(served)} queues served"


async def consumer_timeout(place: Place) -> str:
    """Whether the broker lets a message be held for longer than a commit may take."""
    async with _management(place, *administrator(place)) as management:
        rows = await management.queues()
    limit_s = min((_timeout_s(row) for row in rows), default=CONSUMER_TIMEOUT_S)
    settings = place.settings
    return enough_time(limit_s, settings.database_timeout_s + settings.backoff_max_s)


def enough_time(limit_s: float, needed_s: float) -> str:
    """Judge a limit against the longest that a message is held."""
    if limit_s <= 2 * needed_s:
        raise Fault(
            f"a consumer timeout of more than {2 * needed_s:.0f} s, twice a commit and its pause",
            f"{limit_s:.0f} s",
            "Raise it at the broker, or lower FLEXSPINE_DATABASE_TIMEOUT_S.",
        )
    return f"{limit_s:.0f} s"


async def outbox(place: Place) -> str:
    """Whether what was committed is being sent."""
    async with place.inspection() as looking:
        count, oldest = await looking.oldest_record()
    waited_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
    if waited_s > OUTBOX_S_MAX:
        raise Fault(
            f"no record to wait for more than {OUTBOX_S_MAX:.0f} s",
            f"{count}, the oldest for {waited_s:.0f} s",
            "Look for `relay.paused`, `relay.unsendable` and `relay.quarantined` in the log.",
        )
    return f"{count} waiting, the oldest for {waited_s:.0f} s"


def _timeout_s(row: Mapping[str, Any]) -> float:
    policy = row.get("effective_policy_definition") or {}
    # Without a policy, RabbitMQ 3.10 gives an empty list in the place of an empty object.
    said = policy.get("consumer-timeout") if isinstance(policy, Mapping) else None
    said = row["arguments"].get("x-consumer-timeout", said)
    return CONSUMER_TIMEOUT_S if said is None else said / 1000


def _management(place: Place, account: str, password: str) -> Management:
    return Management(place.addresses.management_as(account, password))


async def _connect(host: str, port: int) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        raise Fault(
            f"a server at {host}:{port}",
            type(error).__name__,
            "Start it (`flexspine up` starts embedded ones), or correct the address.",
        ) from error
    writer.close()


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or PORTS.get(parts.scheme, 0)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:2]))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
