"""What all workers of one process share: addresses, keys, store, catalog, a checked start."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

from faststream.rabbit import RabbitBroker

from handlers.admission import Limits
from handlers.fold import Rulebook
from outbox.publisher import connection_back, connection_lost
from topology import catalog, names, plan
from topology.apply import apply, password_hash
from topology.catalog import Entry
from topology.management import Address, Management
from workers import tolerance
from workers.settings import Settings
from workers.store.codec import encode_row
from workers.store.driver import Driver
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit
from workers.vault import Undecipherable, Vault

HEARTBEAT: Final = "heartbeat=10"
INSTALL_LANE: Final = "install"
INSTALL_S: Final = 30.0
MASTER_CHECK: Final = "master-check"
"""A data key of nobody: whether it opens tells whether the master key is the right one."""


class StartError(Exception):
    """The program cannot start; the text says what it expected, what came, and what to do."""


def now_utc() -> datetime:
    """The clock, as precise as the store keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are, without accounts."""

    amqp_url: str
    management_url: str
    mongo_url: str

    def amqp_as(self, account: str, password: str) -> str:
        """The AMQP address with an account in it, and our heartbeat."""
        parts = urlsplit(self.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        login = f"{quote(account, safe='')}:{quote(password, safe='')}"
        return parts._replace(netloc=f"{login}@{host}", query=HEARTBEAT).geturl()


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
        return Rulebook(catalog.served_by(self.entries, queue), self.vault)

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
        await _check_master_key(store, vault)
        yield Backbone(settings, addresses, vault, store, entries or catalog.build())
    finally:
        await store.close()


async def _check_master_key(store: MongoStore, vault: Vault) -> None:
    """Refuse a master key that is not the database's: it would make second fingerprints."""
    found = await store.load({"keys": {MASTER_CHECK}})
    row = found["keys"].get(MASTER_CHECK)
    if row is None:
        lease = await store.acquire(INSTALL_LANE, MASTER_CHECK, INSTALL_S)
        if lease is None:
            raise StartError("expected to install alone, found another start; try again")
        inserts = {"keys": [encode_row(vault.new_key(MASTER_CHECK))]}
        await store.commit(Commit(lease.lane, lease.epoch, lease.batch + 1, inserts=inserts))
        await store.release(lease)
        return
    try:
        vault.opened(row)
    except Undecipherable as error:
        raise StartError(
            "expected the master key with which this database was begun, got another one. Set "
            "FLEXSPINE_MASTER_KEY to that one, or name another FLEXSPINE_MONGO_DATABASE."
        ) from error


async def apply_topology(
    addresses: Addresses, vault: Vault, entries: Mapping[str, Entry], account: str, password: str
) -> None:
    """Make the broker's side, as an administrator."""
    address = Address.of(addresses.management_url, addresses.amqp_url, account, password)
    async with Management(address) as management:
        await apply(
            plan.build(entries), management, lambda name: password_hash(vault.password(name))
        )
