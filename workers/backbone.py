"""What all workers of one process share: addresses, keys, store, catalog, a checked start."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from faststream.rabbit import RabbitBroker

from contracts.dead_edits import ApproveDead, EditDead
from contracts.taxonomy import SHARDED
from handlers.admission import Limits
from handlers.case import Rulebook
from handlers.draining import MARKERS
from handlers.edits import Edits
from handlers.foreseeing import Foreseen
from handlers.losing import FACTS
from handlers.shards import COLLECTION
from outbox.publisher import CONNECT_S, connection_back, connection_lost
from topology import catalog, names
from topology.apply import apply, password_hash
from topology.catalog import Entry
from topology.management import Management
from topology.naming import SANDBOX, VHOST_TAG
from topology.plan import Plan
from topology.reactions import facts
from topology.sharding import is_shard
from workers import __version__, tolerance
from workers.addresses import Addresses
from workers.settings import Settings
from workers.store.codec import encode_row
from workers.store.driver import Driver
from workers.store.indexes import INDEXES
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit, Conflict, Fenced, LaneStore, StateStore
from workers.vault import Undecipherable, Vault

INSTALL_LANE: Final = "install"
INSTALL_S: Final = 10.0
"""For how long one start may install while others wait for it."""
INSTALL_POLL_S: Final = 0.1
MASTER_CHECK: Final = "master-check"
"""A data key of nobody: whether it opens tells whether the master key is the right one; and it says
whether the database is a sandbox's."""
DEAD_EDIT: Final = "`FLEXSPINE_DEAD_EDIT`, set to `on` or `approved`"
"""What lets operators edit dead letters, in words."""
NO_CHECK: Final = (
    f"expected `keys/{MASTER_CHECK}` beside the documents of the database, found none: a restore "
    "or a rebuild into it was broken off. Drop it and begin that again, or name another "
    "FLEXSPINE_MONGO_DATABASE."
)
FIRST: Final = frozenset({"lanes", "present"})
"""What a start writes before there is the check."""
KINDS: Final[Mapping[bool, str]] = {True: "the sandbox", False: "the live backbone"}


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
        found = rulebook(self.entries, queue, self.vault, self.settings.shards_max)
        foreseen = Foreseen(catalog.commands_of(self.entries), self.limits())
        edits = replace(found.edits, read=foreseen)
        return with_edits(replace(found, edits=edits), self.settings.dead_edit)

    def management(self) -> Management:
        """The broker's management API as the account reconciler."""
        name = self.addresses.naming.at_broker(names.RECONCILER_ACCOUNT)
        password = self.vault.password(names.RECONCILER_ACCOUNT)
        return Management(self.addresses.management_as(name, password))

    def broker(self, account: str = names.WORKER_ACCOUNT) -> RabbitBroker:
        """A FastStream broker on a connection of its own; the hot path logs for itself."""
        url = self.addresses.amqp_as(account, self.vault.password(account))
        return RabbitBroker(
            url,
            logger=None,
            apply_types=False,
            timeout=CONNECT_S,
            fail_fast=True,
            reconnect_interval=1.0,
            on_close=[lambda _connection, error: connection_lost(account, error)],
            on_reconnected=[lambda _connection: connection_back(account)],
        )


def rulebook(
    entries: Mapping[str, Entry], queue: str, vault: Vault, shards_max: int = 1
) -> Rulebook:
    """What a queue's types are decided by; the notices' one takes the domain events besides.

    A shard takes the markers of its directory, and the lane of what users have lost its facts.
    """
    handlers = dict(catalog.served_by(entries, queue))
    if queue == names.NOTICES:
        handlers |= facts(entries)
    elif queue == names.LOST_QUEUE:
        handlers |= FACTS
    elif is_shard(queue, shards_max):
        handlers |= MARKERS
    edits = Edits(Foreseen(catalog.commands_of(entries)))
    return Rulebook(handlers, vault, shards_max, __version__, entries.keys(), edits)


def with_edits(rules: Rulebook, allowed: str) -> Rulebook:
    """Whether operators may edit dead letters here, and whether each alone."""
    if allowed != "off":
        edits = replace(rules.edits, need_approval=allowed == "approved")
        return replace(rules, edits=edits)
    off = {
        name: replace(handler, off_by=DEAD_EDIT)
        for name, handler in rules.handlers.items()
        if handler.contract in {EditDead, ApproveDead}
    }
    return replace(rules, handlers={**rules.handlers, **off})


@asynccontextmanager
async def open_backbone(
    settings: Settings, addresses: Addresses, entries: Mapping[str, Entry] | None = None
) -> AsyncIterator[Backbone]:
    """Connect to the store; checks of the catalog stop the start before any message."""
    tolerance.install()
    store = MongoStore(
        addresses.mongo_url,
        settings.database,
        through=Driver(settings.mongo_driver),
        timeout_s=settings.database_timeout_s,
    )
    try:
        await store.install()
        vault = Vault(settings.master)
        await check_master_key(store, vault, is_sandbox=settings.sandbox)
        yield Backbone(settings, addresses, vault, store, entries or catalog.build())
    finally:
        await store.close()


class InstallStore(StateStore, LaneStore, Protocol):
    """What an installation needs of a store."""


async def check_master_key(store: InstallStore, vault: Vault, *, is_sandbox: bool = False) -> None:
    """Refuse a database of the other kind, and a master key that is not the database's.

    Another key would make second fingerprints.
    """
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
        if await _is_begun(store):
            raise StartError(NO_CHECK)
        # Whoever else is at it writes the row; it is looked for again either way.
        await _install(store, vault, owner, is_sandbox=is_sandbox)
    _check_kind(bool(row.get(SANDBOX)), is_sandbox=is_sandbox)
    try:
        vault.opened(row)
    except Undecipherable as error:
        raise StartError(
            "expected the master key with which this database was begun, got another one. Set "
            "FLEXSPINE_MASTER_KEY to that one, or name another FLEXSPINE_MONGO_DATABASE."
        ) from error


async def _is_begun(store: InstallStore) -> bool:
    """Whether there are documents and, looked at once more, no check beside them."""
    for name in sorted(INDEXES.keys() - FIRST):
        if await store.listed(name, ""):
            return MASTER_CHECK not in (await store.load({"keys": {MASTER_CHECK}}))["keys"]
    return False


async def check_shards(store: StateStore, shards_max: int) -> None:
    """Refuse a setting by which nobody would decide what the map of shards gives to some shard."""
    found = (await store.load({COLLECTION: set(SHARDED)}))[COLLECTION]
    for register, row in found.items():
        rules = (*row["placed"], *(row.get("becoming") or ()))
        used = 1 + max(rule["shard"] for rule in rules)
        if used > shards_max:
            raise StartError(
                f"expected FLEXSPINE_SHARDS_MAX of {used} at least, since {register} are decided "
                f"in that many shards, got {shards_max}. Set it to what the topology was applied "
                "with, or merge the shards before."
            )


def _check_kind(found: bool, *, is_sandbox: bool) -> None:  # noqa: FBT001  what the row says
    if found is not is_sandbox:
        wanted, got = (KINDS[kind] for kind in (is_sandbox, found))
        advice = "Unset FLEXSPINE_SANDBOX" if is_sandbox else "Set FLEXSPINE_SANDBOX=true"
        raise StartError(
            f"expected a database of {wanted}, got one that was begun as {got}'s. {advice}, or "
            "name another FLEXSPINE_MONGO_DATABASE. Nothing was changed."
        )


async def _install(store: InstallStore, vault: Vault, owner: str, *, is_sandbox: bool) -> None:
    lease = await store.acquire(INSTALL_LANE, owner, INSTALL_S)
    if lease is None:
        await asyncio.sleep(INSTALL_POLL_S)
        return
    mark = {SANDBOX: True} if is_sandbox else {}
    inserts = {"keys": [encode_row(vault.new_key(MASTER_CHECK) | mark)]}
    with suppress(Conflict, Fenced):
        await store.commit(Commit(lease.lane, lease.epoch, lease.batch + 1, inserts=inserts))
    await store.release(lease)


async def apply_topology(
    addresses: Addresses,
    vault: Vault,
    plan: Plan,
    account: str,
    password: str,
) -> None:
    """Make the broker's side, as an administrator; the sandbox's virtual host too."""
    async with Management(addresses.management_as(account, password)) as management:
        await _enter_vhost(addresses, management)
        await apply(plan, management, lambda name: password_hash(vault.password(name)))


async def _enter_vhost(addresses: Addresses, management: Management) -> None:
    """Make the sandbox's virtual host; refuse one of the other kind before anything is made."""
    tags = await management.tags()
    is_sandbox = addresses.naming.is_sandbox
    if is_sandbox and tags is None:
        await management.make_sandbox()
    elif (VHOST_TAG in (tags or ())) is not is_sandbox:
        wanted, got = (KINDS[kind] for kind in (is_sandbox, not is_sandbox))
        advice = (
            "Delete it if it is nobody's, or name another virtual host in FLEXSPINE_AMQP_URL"
            if is_sandbox
            else "Set FLEXSPINE_SANDBOX=true, or correct the path of FLEXSPINE_AMQP_URL"
        )
        raise StartError(
            f"expected a virtual host of {wanted} at {addresses.amqp_url}, got one that is not "
            f"marked as such but as {got}'s. {advice}. Nothing was changed."
        )
