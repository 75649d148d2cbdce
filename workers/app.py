"""The one place that builds: from settings to a running process, and back to a clean stop."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog
from faststream.rabbit import RabbitBroker

from outbox.publisher import Publisher
from outbox.record import PARTITIONS
from outbox.relay import Relay
from outbox.stalled import part
from topology import catalog, names
from topology.plan import AccountLimits
from workers import __version__
from workers.accounts import AccountWorker
from workers.addresses import Addresses
from workers.backbone import Backbone, check_shards, open_backbone
from workers.directories import directory, fronted, resending
from workers.directory import Directory
from workers.engine import Engine
from workers.lane import LaneLimits
from workers.leases import Leases
from workers.loading import Loader
from workers.mailbox import Mailbox, subscribe
from workers.observing import Observer
from workers.opening import reach
from workers.owning import HELD
from workers.pause import Pause
from workers.pooling import Pooled
from workers.probed import probed
from workers.queries import Desk, QueryWorker
from workers.quota import Quota
from workers.resending import Resending
from workers.retention import Retention
from workers.sentinel import sentinel
from workers.served import Served, lanes
from workers.settings import Settings
from workers.shares import Shares
from workers.store.protocol import Lease
from workers.timers import Timers
from workers.unmade import Unmade
from workers.watchdog import Watchdog

log = structlog.get_logger()
ACCOUNT_PREFETCH: Final = 20
GARBAGE_AT: Final = (20_000, 20, 20)
"""When the collector looks: a batch makes thousands of objects, and hardly any are in cycles."""
TIMERS_PARTITION: Final = 0
"""Whoever sends this partition of the outbox also looks after the timers."""


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
        said = catalog.types(backbone.entries)
        pause, self.observer = Pause(settings.backoff_max_s), Observer.of(settings, said)
        self._management = backbone.management()
        partitions = [names.relay_lane(n) for n in range(PARTITIONS)]
        self._leases = Leases(
            backbone.store, partitions, backbone.owner, settings.lease_s, self._sharing
        )
        self.relay = Relay(
            store=backbone.store,
            publish=self.observer.sending(self._publisher.send),
            unseal=backbone.vault.open_transit,
            partitions=self._leases.held,
            batch_max=settings.relay_batch_max,
            poll_s=settings.relay_poll_ms / 1000,
            backoff=pause.next_s,
            recovered=pause.reset,
            renew=self._publisher.renew,
            unmade=Unmade(backbone.store, self._management).among,
        )
        found, registers = lanes(backbone), fronted(backbone)
        self._shares = Shares(
            backbone.store,
            backbone.owner,
            settings.lease_s,
            HELD * settings.lease_s,
            [
                *(lane.queue for lane in found),
                *map(names.directory, registers),
                names.REPLAY_QUEUE,
            ],
            lambda: self._publisher.is_connected,
        )
        self.mailboxes = [self._mailbox(lane) for lane in found]
        fronts = (directory(backbone, register, self._shares) for register in registers)
        hop = resending(backbone, self._shares)
        self._owners: list[Mailbox | Directory | Resending] = [*fronts, hop, *self.mailboxes]
        self._timers = Timers(
            store=backbone.store,
            publish=self._publisher.publish,
            is_ours=lambda: TIMERS_PARTITION in self._leases.held(),
            clock=backbone.clock,
            poll_s=settings.timer_poll_ms / 1000,
            backoff_max_s=settings.backoff_max_s,
        )
        self._retention = Retention(
            store=backbone.store,
            owner=backbone.owner,
            clock=backbone.clock,
            events_days=settings.events_days,
            backoff_max_s=settings.backoff_max_s,
            lanes=[lane.queue for lane in found],
        )
        self._sentinel = sentinel(backbone, self._publisher.publish, self._timers.is_ours)
        self._watchdog = Watchdog(self._owners, backbone.store.ping, settings.watchdog_s)
        self._stopping = asyncio.Event()

    def _mailbox(self, lane: Served) -> Mailbox:
        backbone, settings = self._backbone, self._backbone.settings

        def engine(lease: Lease) -> Engine:
            return Engine(
                store=backbone.store,
                vault=backbone.vault,
                rulebook=backbone.rulebook(lane.queue),
                admit=lane.admit,
                limits=backbone.limits(),
                clock=backbone.clock,
                lease=lease,
                version=__version__,
                offer=self.relay.offer,
            )

        return Mailbox(
            name=lane.queue,
            bulk=lane.bulk,
            owner=backbone.owner,
            store=backbone.store,
            shares=self._shares,
            make_engine=engine,
            make_broker=backbone.broker,
            limits=LaneLimits(
                settings.batch_size_max, settings.batch_bytes_max, settings.linger_ms / 1000
            ),
            prefetch=settings.prefetch_max,
            lease_s=settings.lease_s,
            backoff_max_s=settings.backoff_max_s,
            naming=backbone.addresses.naming,
            observer=self.observer,
        )

    def _sharing(self) -> int:
        """How many processes share the outbox; 0 where this one can send nothing."""
        return 0 if self._shares.is_cut_off else self._shares.present

    def stop(self) -> None:
        """Stop admitting; `run` returns when what is under way is done."""
        self._stopping.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until stopped. Mailboxes end first, then the relay sends what they committed."""
        async with AsyncExitStack() as stack:
            # Before there are tasks, whose group would wrap what stops the start.
            await check_shards(self._backbone.store, self._backbone.settings.shards_max)
            stack.push_async_callback(self._publisher.stop)
            await self._reach(names.RELAY_ACCOUNT, self._publisher.start)
            probes = probed(self._backbone, self.observer, lambda: self._publisher.is_connected)
            await stack.enter_async_context(probes)
            brokers = [await self._queries(stack), await self._accounts(stack)]
            await self._shares.count()
            await self._leases.refresh()
            stack.push_async_callback(self._leases.release)
            await self._work(brokers, ready)
        log.info("workers.stopped")

    async def _work(self, brokers: Sequence[RabbitBroker], ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            lasting = (
                self._leases, self._watchdog, self._timers, self._retention, self._sentinel,
            )  # fmt: skip
            renewing = [tasks.create_task(work.run()) for work in lasting]
            sharing = tasks.create_task(self._shares.run())
            relaying = tasks.create_task(self.relay.run())
            owning = [tasks.create_task(mailbox.run()) for mailbox in self._owners]
            ready()
            log.info("workers.ready", mailboxes=len(self.mailboxes), version=__version__)
            await self._until_stopped([*renewing, sharing, relaying, *owning])
            for mailbox in self._owners:
                mailbox.stop()
            await asyncio.wait(owning, timeout=self._backbone.settings.stop_timeout_s)
            # Now, and not with the last message sent: what was released is free to be taken.
            sharing.cancel()
            await asyncio.wait([sharing])
            await self._shares.leave()
            for broker in brokers:
                await part(broker.stop)
            self.relay.finish()
            await asyncio.wait([relaying], timeout=self._backbone.settings.stop_timeout_s)
            self.relay.stop()
            for task in (*renewing, relaying, *owning):
                task.cancel()

    async def _until_stopped(self, endless: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the stop; raise if anything ends that should not.

        A task that ended by a cancellation is none that a task group takes notice of.
        """
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stopping, *endless], return_when=asyncio.FIRST_COMPLETED)
        if stopping in done:
            return
        stopping.cancel()
        names_of = ", ".join(str(task.get_coro()) for task in done)
        raise RuntimeError(f"expected to run until stopped, found ended: {names_of}; start again")

    async def _reach(
        self,
        account: str,
        connect: Callable[[], Awaitable[object]],
        broker: RabbitBroker | None = None,
    ) -> None:
        """Wait a while for the broker, and start what consumes."""
        await reach(self._backbone.addresses.amqp_url, account, connect, broker)

    async def _queries(self, stack: AsyncExitStack) -> RabbitBroker:
        backbone, settings = self._backbone, self._backbone.settings
        broker = backbone.broker()
        quota = Quota(settings.queries_per_minute, backbone.clock, is_bulk_free=False)
        store = Pooled(backbone.store)
        for register in catalog.registers(backbone.entries):
            queue = names.query_queue(register)
            rulebook = backbone.rulebook(queue)
            desk = Desk(
                store, backbone.vault, rulebook, backbone.limits(), backbone.clock, quota.admit
            )
            worker = QueryWorker(
                desk, self._publisher.publish, settings.backoff_max_s, backbone.addresses.naming
            )
            subscribe(broker, queue, settings.query_concurrency_max, worker.take)
        stack.push_async_callback(broker.stop)
        await self._reach(names.WORKER_ACCOUNT, broker.connect, broker)
        return broker

    async def _accounts(self, stack: AsyncExitStack) -> RabbitBroker:
        backbone, settings, management = self._backbone, self._backbone.settings, self._management
        stack.push_async_callback(management.close)
        loader = Loader(backbone.store, backbone.vault)
        limits = AccountLimits(settings.connections_max, settings.channels_max)
        worker = AccountWorker(loader, management, settings.backoff_max_s, limits)
        broker = backbone.broker(names.RECONCILER_ACCOUNT)
        subscribe(broker, names.ACCOUNTS_QUEUE, ACCOUNT_PREFETCH, worker.take)
        stack.push_async_callback(broker.stop)
        await self._reach(names.RECONCILER_ACCOUNT, broker.connect, broker)
        return broker


async def work(
    settings: Settings, addresses: Addresses, ready: Callable[[], None] = lambda: None
) -> None:
    """Run all workers in this process until SIGTERM or SIGINT."""
    async with open_backbone(settings, addresses) as backbone:
        workers = Workers(backbone)
        # What is there by now stays; looking at it again and again takes a tenth of the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_AT)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, workers.stop)
        await workers.run(ready)
