"""Owning a queue: what ends a lane, and what is left of a connection when it has ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiormq.exceptions import ChannelInvalidStateError
from faststream.rabbit import RabbitBroker
from pydantic import SecretStr

from outbox import publisher
from tests.memory.broker import until
from tests.memory.test_mailbox import Broker, made
from topology import catalog
from workers import backbone, opening, owning
from workers.addresses import Addresses
from workers.app import Workers
from workers.backbone import Backbone, StartError
from workers.owning import first_of, keep
from workers.settings import Settings
from workers.store.memory import MemoryStore
from workers.store.mongo import MongoStore
from workers.store.protocol import Fenced, Lease
from workers.vault import Vault

MASTER = bytes(32)


@dataclass
class Silent:
    """A broker that takes connections and says nothing, as a frozen one does."""

    port: int = 0
    came: int = 0
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    def take(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.open.append(writer)

    def hang_up(self) -> None:
        """End what is connected, as a broker does that is started again."""
        for writer in self.open:
            writer.close()
        self.open.clear()

    def backbone(self, folder: Path) -> Backbone:
        settings = Settings.read(master_key=SecretStr(MASTER.hex()), folder=folder)
        addresses = Addresses(
            f"amqp://127.0.0.1:{self.port}/", "http://127.0.0.1:1", "mongodb://nowhere"
        )
        store = cast("MongoStore", MemoryStore())
        return Backbone(settings, addresses, Vault(MASTER), store, catalog.build())


@asynccontextmanager
async def silence() -> AsyncIterator[Silent]:
    silent = Silent()
    server = await asyncio.start_server(silent.take, "127.0.0.1", 0)
    silent.port = server.sockets[0].getsockname()[1]
    try:
        yield silent
    finally:
        silent.hang_up()
        server.close()


async def test_a_connection_that_was_given_up_is_not_tried_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each attempt at a frozen broker would leave one that connects when the broker is back."""
    monkeypatch.setattr(owning, "START_S", 0.4)
    monkeypatch.setattr(backbone, "CONNECT_S", 0.2)
    async with silence() as silent:
        mailbox = await made(MemoryStore())
        mailbox.make_broker = silent.backbone(tmp_path).broker
        lease = await mailbox.store.acquire(mailbox.name, mailbox.owner, 60)
        assert lease is not None
        with pytest.raises(TimeoutError):
            await mailbox._own(lease, cast("Any", None))
        assert silent.came == 1
        silent.hang_up()
        # The driver tries again after a second.
        await asyncio.sleep(1.5)
        assert silent.came == 1


async def test_a_start_waits_no_longer_for_a_broker_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opening, "START_S", 0.3)
    monkeypatch.setattr(publisher, "CONNECT_S", 0.2)
    async with silence() as silent, asyncio.timeout(5):
        with pytest.raises(StartError, match="Is it up"):
            await Workers(silent.backbone(tmp_path)).run()


async def test_a_task_that_the_driver_cancels_is_a_loss_of_the_connection() -> None:
    """Else whoever owns the queue would end, and with it the process."""

    async def given_up() -> None:
        raise asyncio.CancelledError

    async def lasting() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(one()) for one in (given_up, lasting)]
    with pytest.raises(ConnectionError):
        await first_of(*tasks)
    await asyncio.wait(tasks)


async def test_an_end_that_is_asked_for_stays_one() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    waiting = asyncio.create_task(first_of(cast("asyncio.Task[None]", task)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_takeover_whose_answer_is_on_its_way_is_no_loss() -> None:
    """The database has taken it down already, and the renewal of the old lease finds nothing."""
    store = MemoryStore()
    mailbox = await made(store)
    mailbox.lease_s = 0.01
    lease = await store.acquire(mailbox.name, "tests", 60)
    assert lease is not None
    engine = mailbox.make_engine(lease)
    fresh = await store.acquire(mailbox.name, "tests", 60)
    assert fresh is not None
    asked, renew = list[Lease](), store.renew

    async def renewed(lease: Lease, ttl_s: float) -> bool:
        asked.append(lease)
        return await renew(lease, ttl_s)

    store.renew = renewed  # type: ignore[method-assign]
    renewing = asyncio.create_task(keep(mailbox, lambda: engine.lease))
    await until(lambda: bool(asked))
    await asyncio.sleep(0)
    engine.resume(fresh)
    await until(lambda: fresh in asked)
    assert not renewing.done()
    renewing.cancel()


class Clinging:
    """A connection whose end waits for its own callback, cancelled or not, as the driver's does."""

    async def close(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()


class Unstoppable(Broker):
    """A broker whose subscribers fail at their end: the framework says it in a group."""

    async def connect(self) -> Any:
        return Clinging()

    async def stop(self) -> None:
        failed = ChannelInvalidStateError("closed")
        raise ExceptionGroup("Failed to stop subscribers", [failed])


async def test_a_queue_is_given_up_whatever_the_driver_does_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither an end that never comes nor one that fails keeps the lease, or ends the owner."""
    monkeypatch.setattr("outbox.stalled.LEAVE_S", 0.05)
    store = MemoryStore()
    mailbox = await made(store)
    mailbox.make_broker = lambda: cast("RabbitBroker", Unstoppable([], mailbox.stop))
    async with asyncio.timeout(5):
        await mailbox.run()
    assert await store.acquire(mailbox.name, "another", 60) is not None


async def test_a_lease_that_another_has_ends_the_owner() -> None:
    store = MemoryStore()
    mailbox = await made(store)
    mailbox.lease_s = 0.01
    lease = await store.acquire(mailbox.name, "tests", 0)
    assert lease is not None
    await store.acquire(mailbox.name, "another", 60)
    with pytest.raises(Fenced):
        async with asyncio.timeout(5):
            await keep(mailbox, lambda: lease)
