"""Fills a register through fold and store, without the broker: parties, then any number of assets.

Only the outbox of these batches is left out of their commits: nobody waits for such replies and
events, and a relay would send them all at its start. Inbox, history, archive, claims and
encryption are as if the commands had come by the broker.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bench.load import TYPE, command, envelope
from bench.testbed import BASE, PARTIES, PREFIX, Testbed
from contracts.users import RegisterUser
from handlers.admission import Delivery
from topology import names, plan
from topology.apply import password_hash
from workers.app import Workers
from workers.backbone import open_backbone
from workers.cli.measuring import Unmeasured
from workers.engine import Engine
from workers.store.driver import Driver
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit, InboxKey

PARTY_COUNT: Final = 10
"""A few users; fewer would be over their quota where 50,000 commands are made within a minute."""
OWNER: Final = "bench"
PARTS: Final = 2
"""Ranges that are seeded at the same time: one is decided while another is committed."""
LEASE_S: Final = 60.0
PROGRESS_S: Final = 5.0

Told = Callable[[str], None]


class SeedStore(MongoStore):
    """The store of production, whose commits come without their outbox."""

    async def commit(self, commit: Commit) -> None:
        """Commit the rest, in one transaction as ever."""
        kept = {name: rows for name, rows in commit.inserts.items() if name != "outbox"}
        await super().commit(replace(commit, inserts=kept))


@dataclass(slots=True)
class Seeding:
    """What a seeding did."""

    assets: int
    added: int
    seconds: float

    @property
    def per_second(self) -> float | None:
        """None where there was nothing to do."""
        return self.added / self.seconds if self.added else None


def register_name(assets: int) -> str:
    """The database of a register with that many assets."""
    return f"{PREFIX}assets-{assets}"


@asynccontextmanager
async def seeding_engine(
    testbed: Testbed, database: str, mailbox: str, lane: str
) -> AsyncIterator[tuple[Engine, MongoStore]]:
    """The engine as production wires it for a mailbox, in a lane, without the outbox's rows."""
    settings = testbed.on(database)
    store = SeedStore(
        testbed.addresses.mongo_url, database, through=Driver(settings.mongo_driver), timeout_s=30
    )
    async with open_backbone(settings, testbed.addresses) as backbone:
        lease = await store.acquire(lane, OWNER, LEASE_S)
        if lease is None:
            await store.close()
            raise Unmeasured(
                f"expected nobody to own {lane} of {database}, found an owner. Stop the workers "
                f"on that database, or wait {settings.lease_s:.0f} s after a crash."
            )
        workers = Workers(replace(backbone, store=store))
        engine = next(m for m in workers.mailboxes if m.name == mailbox).make_engine(lease)
        try:
            yield engine, store
        finally:
            await store.release(engine.lease)
            await store.close()


async def parties(testbed: Testbed, count: int = PARTY_COUNT) -> Sequence[str]:
    """The users of the base database with their broker accounts; made at the first use."""
    known = await _registered(testbed)
    if len(known) < count:
        lane = names.mailbox(names.register("user"))
        async with seeding_engine(testbed, BASE, lane, lane) as (engine, _):
            batch = [_registration(testbed, n) for n in range(len(known), count)]
            outcomes = await engine.run(batch)
        _all_accepted([outcome.kind for outcome in outcomes])
        known = await _registered(testbed)
    await _accounts(testbed, known)
    return sorted(known)


async def seed(
    testbed: Testbed, users: Sequence[str], assets: int, told: Told, database: str | None = None
) -> Seeding:
    """Bring a register to that many assets; going on after a stop adds what is missing.

    Every seed has a number, and so have its command's id and its device's serial; the batches of a
    range commit in that order, so that the first number of it that the inbox does not know is where
    to go on.
    """
    database = database or register_name(assets)
    if database not in await testbed.client.list_database_names():
        await testbed.copy(BASE, database)
    size = -(-assets // PARTS)
    progress = _Progress(assets, told)
    async with asyncio.TaskGroup() as tasks:
        for part in range(PARTS):
            numbers = range(part * size, min((part + 1) * size, assets))
            tasks.create_task(_seed_range(testbed, users, numbers, database, progress))
    return Seeding(assets, progress.added, time.monotonic() - progress.began)


@dataclass(slots=True)
class _Progress:
    """How much was added so far, said from time to time."""

    assets: int
    told: Told
    added: int = 0
    began: float = field(default_factory=time.monotonic)
    _shown: float = field(default_factory=time.monotonic)

    def add(self, count: int) -> None:
        """Count, and say it now and then."""
        self.added += count
        now = time.monotonic()
        if now - self._shown > PROGRESS_S:
            self._shown = now
            per_second = self.added / (now - self.began)
            self.told(f"{self.added:,} of {self.assets:,} assets added, {per_second:,.0f}/s")


async def _seed_range(
    testbed: Testbed, users: Sequence[str], numbers: range, database: str, progress: _Progress
) -> None:
    mailbox = names.mailbox(names.register("asset"))
    lane = f"{mailbox}.seed.{numbers.start}"
    size = testbed.settings.batch_size_max
    async with seeding_engine(testbed, database, mailbox, lane) as (engine, store):
        renewed = time.monotonic()
        first = await _first_missing(store, users, numbers)
        for start in range(first, numbers.stop, size):
            batch = [_seed(users, n) for n in range(start, min(start + size, numbers.stop))]
            _all_accepted([outcome.kind for outcome in await engine.run(batch)])
            progress.add(len(batch))
            if time.monotonic() - renewed > PROGRESS_S:
                renewed = time.monotonic()
                await store.renew(engine.lease, LEASE_S)


def _registration(testbed: Testbed, number: int) -> Delivery:
    key_hash = password_hash(testbed.vault.password(PARTIES))
    data = {
        "kind": "organisation",
        "name": f"Bench Power {number} Ltd",
        "roles": ["fsp"],
        "account_key_hash": key_hash,
    }
    kind = RegisterUser.message_type
    body = json.dumps(envelope(names.FRONT_DESK, kind, data)).encode()
    return Delivery(body=body, type=kind, account=names.FRONT_DESK)


async def _registered(testbed: Testbed) -> list[str]:
    """Who has accounts; a user has several."""
    return sorted(map(str, await testbed.database(BASE)["accounts"].distinct("user")))


async def _accounts(testbed: Testbed, users: Sequence[str]) -> None:
    """What the account reconciler does, which is not running."""
    key = testbed.vault.password(PARTIES)
    for user in users:
        await testbed.administrator.apply(plan.user_plan(user), lambda _name: key, testbed.made)


def _seed(users: Sequence[str], number: int) -> Delivery:
    user, command_id = _named(users, number)
    body = command(user, command_id, f"SEED-{number:09d}")
    return Delivery(body=body, type=TYPE, account=names.bulk_account(user))


def _named(users: Sequence[str], number: int) -> InboxKey:
    return InboxKey(users[number % len(users)], f"seed-{number:09d}")


async def _first_missing(store: MongoStore, users: Sequence[str], numbers: range) -> int:
    low, high = numbers.start, numbers.stop
    while low < high:
        middle = (low + high) // 2
        key = _named(users, middle)
        found: Mapping[Any, Any] = (await store.load({"inbox": {key}}))["inbox"]
        low, high = (middle + 1, high) if key in found else (low, middle)
    return low


def _all_accepted(kinds: Sequence[str]) -> None:
    refused = [kind for kind in kinds if kind != "accepted"]
    if refused:
        raise Unmeasured(f"expected every command to be accepted, got {refused[0]}: it is a bug")
