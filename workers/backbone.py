"""What all workers of one process share: addresses, keys, store, catalog, a checked start."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from faststream.rabbit import RabbitBroker

from handlers.admission import Limits
from handlers.case import Rulebook
from outbox.publisher import connection_back, connection_lost
from topology import catalog, names, plan
from topology.apply import apply, password_hash
from topology.catalog import Entry
from topology.management import Address, Management
from workers import tolerance
from workers.addresses import Addresses
from workers.settings import Settings
from workers.store.codec import encode_row
from workers.store.driver import Driver
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit, Conflict, Fenced, LaneStore, StateStore
from workers.vault import Undecipherable, Vault

INSTALL_LANE: Final = "install"
INSTALL_S: Final = 10.0
"""For how long one start may install while others wait for it."""
INSTALL_POLL_S: Final = 0.1
MASTER_CHECK: Final = "master-check"
"""A data key of nobody: whether it opens tells whether the master key is the right one."""


class StartError(Exception):
    """The program cannot start; the text says what it expected, what came, and what to do."""


def now_utc() -> datetime:
    """The clock, as precise as the store keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Backbone:
    """What all workers of one process share."""

    settings: Settings
    addresses: Addresses
    vault: Vault
    store: MongoStore
    entries: Mapping[str, Entry]
    clock: Callable[[], datetime] = now_utc
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    )

    def limits(self) -> Limits:
        """How much one message may be."""
        return Limits(self.settings.body_bytes_max, self.settings.header_bytes_max)

    def rulebook(self, queue: str) -> Rulebook:
        """What a queue's types are decided by."""
        return rulebook(self.entries, queue, self.vault)

    def broker(self, account: str = names.WORKER_ACCOUNT) -> RabbitBroker:
        """A FastStream broker on a connection of its own; the hot path logs for itself."""
        url = self.addresses.amqp_as(account, self.vault.password(account))
        return RabbitBroker(
            url,
            logger=None,
            apply_types=False,
            fail_fast=True,
            reconnect_interval=1.0,
            on_close=[lambda _connection, error: connection_lost(account, error)],
            on_reconnected=[lambda _connection: connection_back(account)],
        )


def rulebook(entries: Mapping[str, Entry], queue: str, vault: Vault) -> Rulebook:
    """What a queue's types are decided by; the notices' one takes the domain events besides."""
    facts = catalog.facts(entries) if queue == names.NOTICES else {}
    return Rulebook({**catalog.served_by(entries, queue), **facts}, vault)


@asynccontextmanager
async def open_backbone(
    settings: Settings, addresses: Addresses, entries: Mapping[str, Entry] | None = None
) -> AsyncIterator[Backbone]:
    """Connect to the store; checks of the catalog stop the start before any message."""
    tolerance.install()
    store = MongoStore(
        addresses.mongo_url,
        settings.mongo_database,
        through=Driver(settings.mongo_driver),
        timeout_s=settings.database_timeout_s,
    )
    try:
        await store.install()
        vault = Vault(settings.master)
        await check_master_key(store, vault)
        yield Backbone(settings, addresses, vault, store, entries or catalog.build())
    finally:
        await store.close()


class InstallStore(StateStore, LaneStore, Protocol):
    """What an installation needs of a store."""


async def check_master_key(store: InstallStore, vault: Vault) -> None:
    """Refuse a master key that is not the database's: it would make second fingerprints."""
    owner = uuid4().hex
    deadline = time.monotonic() + 2 * INSTALL_S
    while True:
        found = await store.load({"keys": {MASTER_CHECK}})
        row = found["keys"].get(MASTER_CHECK)
        if row is not None:
            break
        if time.monotonic() > deadline:
            raise StartError(
                f"expected to write `keys/{MASTER_CHECK}` within {2 * INSTALL_S:.0f} s, found "
                "other starts at it all the time. Start again when they have ended."
            )
        # Whoever else is at it writes the row; it is looked for again either way.
        await _install(store, vault, owner)
    try:
        vault.opened(row)
    except Undecipherable as error:
        raise StartError(
            "expected the master key with which this database was begun, got another one. Set "
            "FLEXSPINE_MASTER_KEY to that one, or name another FLEXSPINE_MONGO_DATABASE."
        ) from error


async def _install(store: InstallStore, vault: Vault, owner: str) -> None:
    lease = await store.acquire(INSTALL_LANE, owner, INSTALL_S)
    if lease is None:
        await asyncio.sleep(INSTALL_POLL_S)
        return
    inserts = {"keys": [encode_row(vault.new_key(MASTER_CHECK))]}
    with suppress(Conflict, Fenced):
        await store.commit(Commit(lease.lane, lease.epoch, lease.batch + 1, inserts=inserts))
    await store.release(lease)


async def apply_topology(
    addresses: Addresses, vault: Vault, entries: Mapping[str, Entry], account: str, password: str
) -> None:
    """Make the broker's side, as an administrator."""
    address = Address.of(addresses.management_url, addresses.amqp_url, account, password)
    async with Management(address) as management:
        await apply(
            plan.build(entries), management, lambda name: password_hash(vault.password(name))
        )
