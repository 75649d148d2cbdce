"""The owner of a mailbox: a broker that is away, or just coming back, is a loss and no end."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError
from faststream.rabbit import RabbitBroker

from tests.memory.workshop import open_workshop
from workers.engine import Engine
from workers.lane import LaneLimits
from workers.mailbox import Mailbox
from workers.pause import Pause
from workers.shares import Shares
from workers.store.memory import MemoryStore
from workers.store.protocol import Fenced, Lease, Unavailable

NAME = "mailbox.tests.1"


class Broker:
    """A broker that cannot be started, each time for another reason; then it stops the test."""

    def __init__(self, errors: list[Exception], ready: Any) -> None:
        """`ready` is called at the first start that works."""
        self._errors = errors
        self._ready = ready

    def subscriber(self, *_given: Any, **_named: Any) -> Any:
        return lambda function: function

    async def connect(self) -> None:
        pass

    async def start(self) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self._ready()

    async def stop(self) -> None:
        pass


class Away(MemoryStore):
    """Does not answer to some of the acquisitions."""

    outages = 0

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        if self.outages:
            self.outages -= 1
            raise Unavailable("outage")
        return await super().acquire(lane, owner, ttl_s)


async def made(store: MemoryStore, errors: Sequence[Exception] = ()) -> Mailbox:
    engine, left = (await open_workshop()).engine, list(errors)

    def make_engine(lease: Lease) -> Engine:
        engine.lease = lease
        return engine

    mailbox = Mailbox(
        name=NAME,
        bulk=None,
        owner="tests",
        store=store,
        shares=Shares(store, "tests", 60, 60, [NAME]),
        make_engine=make_engine,
        make_broker=lambda: cast("RabbitBroker", Broker(left, mailbox.stop)),
        limits=LaneLimits(1, 1_000, 0),
        prefetch=2,
        lease_s=60,
        backoff_max_s=0.001,
    )
    return mailbox


@pytest.mark.parametrize(
    "error",
    [AMQPConnectionError("refused"), ChannelInvalidStateError("closed"), TimeoutError("slow")],
)
async def test_broker_that_cannot_be_consumed_is_tried_again(error: Exception) -> None:
    mailbox = await made(MemoryStore(), [error, error])
    await mailbox.run()


async def test_lane_is_asked_for_again_until_the_store_answers() -> None:
    """An outage that lasts for several attempts costs nothing but time."""
    store = Away()
    mailbox = await made(store)
    engine = (await open_workshop()).engine
    store.outages = 3
    await mailbox._acquire_again(engine, Pause(0.001))
    assert (engine.lease.lane, store.outages) == (NAME, 0)


async def test_lane_that_another_has_taken_is_given_up() -> None:
    store = Away()
    mailbox = await made(store)
    await store.acquire(NAME, "another", 60)
    with pytest.raises(Fenced):
        await mailbox._acquire_again((await open_workshop()).engine, Pause(0.001))
