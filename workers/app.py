"""The one place that builds: from settings to a running process, and back to a clean stop."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import structlog
from faststream.rabbit import RabbitBroker

from handlers.admission import Limits, admit
from handlers.collection import collect, unrouted
from handlers.fold import Rulebook
from outbox.publisher import Publisher, connection_back, connection_lost
from outbox.record import PARTITIONS
from outbox.relay import Relay
from topology import catalog, names, plan
from topology.apply import apply, password_hash
from topology.catalog import Entry
from topology.management import Address, Management
from workers import __version__, tolerance
from workers.accounts import AccountWorker
from workers.engine import Admit, Engine
from workers.lane import LaneLimits
from workers.leases import Leases
from workers.loading import Loader
from workers.mailbox import Mailbox, subscribe
from workers.pause import Pause
from workers.queries import Desk, QueryWorker
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore
from workers.store.protocol import Lease
from workers.vault import Vault

log = structlog.get_logger()
HEARTBEAT: Final = "heartbeat=10"
ACCOUNT_PREFETCH: Final = 20


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
            fail_fast=False,
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
        yield Backbone(settings, addresses, vault, store, entries or catalog.build())
    finally:
        await store.close()


async def apply_topology(
    addresses: Addresses, vault: Vault, entries: Mapping[str, Entry], account: str, password: str
) -> None:
    """Make the broker's side, as an administrator."""
    address = Address.of(addresses.management_url, addresses.amqp_url, account, password)
    async with Management(address) as management:
        await apply(
            plan.build(entries), management, lambda name: password_hash(vault.password(name))
        )


class Workers:
    """All workers of one process."""

    def __init__(self, backbone: Backbone) -> None:
        """Build them; nothing is opened yet."""
        self._backbone = backbone
        settings = backbone.settings
        url = backbone.addresses.amqp_as(
            names.RELAY_ACCOUNT, backbone.vault.password(names.RELAY_ACCOUNT)
        )
        self._publisher = Publisher(url, settings.publish_timeout_s)
        pause = Pause(settings.backoff_max_s)
        lanes = [names.relay_lane(n) for n in range(PARTITIONS)]
        self._leases = Leases(backbone.store, lanes, backbone.owner, settings.lease_s)
        self.relay = Relay(
            store=backbone.store,
            publish=self._publisher.publish,
            open_body=lambda row: backbone.vault.open_transit(row["body"], row["_id"].encode()),
            partitions=self._leases.held,
            batch_max=settings.relay_batch_max,
            poll_s=settings.relay_poll_ms / 1000,
            backoff=pause.next_s,
            recovered=pause.reset,
            renew=self._publisher.renew,
        )
        self.mailboxes = [self._mailbox(*lane) for lane in _lanes(backbone.entries)]
        self._stopping = asyncio.Event()

    def _mailbox(self, queue: str, admission: Admit) -> Mailbox:
        backbone, settings = self._backbone, self._backbone.settings

        def engine(lease: Lease) -> Engine:
            return Engine(
                store=backbone.store,
                vault=backbone.vault,
                rulebook=backbone.rulebook(queue),
                admit=admission,
                limits=backbone.limits(),
                clock=backbone.clock,
                lease=lease,
                version=__version__,
            )

        return Mailbox(
            name=queue,
            owner=backbone.owner,
            store=backbone.store,
            make_engine=engine,
            make_broker=backbone.broker,
            limits=LaneLimits(
                settings.batch_size_max, settings.batch_bytes_max, settings.linger_ms / 1000
            ),
            prefetch=settings.prefetch_max,
            lease_s=settings.lease_s,
            backoff_max_s=settings.backoff_max_s,
            committed=self.relay.wake,
        )

    def stop(self) -> None:
        """Stop admitting; `run` returns when what is under way is done."""
        self._stopping.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until stopped. Mailboxes end first, then the relay sends what they committed."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            await self._publisher.start()
            stack.push_async_callback(self._publisher.stop)
            await self._leases.refresh()
            stack.push_async_callback(self._leases.release)
            renewing = tasks.create_task(self._leases.run())
            relaying = tasks.create_task(self.relay.run())
            owning = [tasks.create_task(mailbox.run()) for mailbox in self.mailboxes]
            brokers = [await self._queries(stack), await self._accounts(stack)]
            ready()
            log.info("workers.ready", mailboxes=len(self.mailboxes), version=__version__)
            await self._stopping.wait()
            for mailbox in self.mailboxes:
                mailbox.stop()
            await asyncio.wait(owning, timeout=self._backbone.settings.stop_timeout_s)
            for broker in brokers:
                await broker.stop()
            self.relay.stop()
            await asyncio.wait([relaying], timeout=self._backbone.settings.stop_timeout_s)
            for task in (renewing, relaying, *owning):
                task.cancel()
        log.info("workers.stopped")

    async def _queries(self, stack: AsyncExitStack) -> RabbitBroker:
        backbone, settings = self._backbone, self._backbone.settings
        broker = backbone.broker()
        for register in catalog.registers(backbone.entries):
            queue = names.query_queue(register)
            rulebook = backbone.rulebook(queue)
            desk = Desk(backbone.store, backbone.vault, rulebook, backbone.limits(), backbone.clock)
            worker = QueryWorker(desk, self._publisher.publish, settings.backoff_max_s)
            subscribe(broker, queue, settings.query_concurrency_max, worker.take)
        stack.push_async_callback(broker.stop)
        await broker.start()
        return broker

    async def _accounts(self, stack: AsyncExitStack) -> RabbitBroker:
        backbone = self._backbone
        account = names.RECONCILER_ACCOUNT
        address = Address.of(
            backbone.addresses.management_url,
            backbone.addresses.amqp_url,
            account,
            backbone.vault.password(account),
        )
        management = Management(address)
        stack.push_async_callback(management.close)
        loader = Loader(backbone.store, backbone.vault)
        worker = AccountWorker(loader, management, backbone.settings.backoff_max_s)
        broker = backbone.broker(account)
        subscribe(broker, names.ACCOUNTS_QUEUE, ACCOUNT_PREFETCH, worker.take)
        stack.push_async_callback(broker.stop)
        await broker.start()
        return broker


def _lanes(entries: Mapping[str, Entry]) -> list[tuple[str, Admit]]:
    """Every mailbox, and two kinds of queue that are served like one: dead letters, unrouted."""
    mailboxes = sorted({entry.queue for entry in entries.values() if entry.kind == "command"})
    dead = [names.dead_queue(register) for register in catalog.registers(entries)]
    return [
        *((queue, admit) for queue in mailboxes),
        *((queue, lambda delivery, _contracts, _limits: collect(delivery)) for queue in dead),
        (names.UNROUTED_QUEUE, lambda delivery, _contracts, _limits: unrouted(delivery)),
    ]


async def work(
    settings: Settings, addresses: Addresses, ready: Callable[[], None] = lambda: None
) -> None:
    """Run all workers in this process until SIGTERM or SIGINT."""
    async with open_backbone(settings, addresses) as backbone:
        workers = Workers(backbone)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, workers.stop)
        await workers.run(ready)
