"""The owner of a mailbox: a broker that is away, or just coming back, is a loss and no end."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError
from faststream.rabbit import RabbitBroker

from tests.builders import command
from tests.memory.broker import until
from tests.memory.test_engine import Contrary
from tests.memory.workshop import open_workshop
from workers.engine import Engine
from workers.lane import LaneLimits
from workers.mailbox import Mailbox
from workers.owning import keep
from workers.pause import Pause
from workers.shares import Shares
from workers.store.memory import MemoryStore
from workers.store.protocol import Fenced, Lease, Unavailable

NAME = "mailbox.tests.1"


class Broker:
    """A broker that cannot be started, each time for another reason; then it stops the test."""

    def __init__(self, errors: list[BaseException], ready: Any) -> None:
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


async def made(store: MemoryStore, errors: Sequence[BaseException] = ()) -> Mailbox:
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
    [
        AMQPConnectionError("refused"),
        ChannelInvalidStateError("closed"),
        TimeoutError("slow"),
        # The driver's, where heartbeats stop; nobody of us has asked for it.
        asyncio.CancelledError(),
    ],
)
async def test_broker_that_cannot_be_consumed_is_tried_again(error: BaseException) -> None:
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


async def test_a_renewal_that_an_own_takeover_overtook_is_no_loss() -> None:
    """After an outage the lane is taken again while the old lease is being renewed."""
    store = Away()
    mailbox = await made(store)
    mailbox.lease_s = 0.01
    lease = await store.acquire(NAME, "tests", 60)
    assert lease is not None
    engine = mailbox.make_engine(lease)
    renewing = asyncio.create_task(keep(mailbox, lambda: engine.lease))
    renewed = asyncio.Event()
    slow = store.renew

    async def renew(lease: Lease, ttl_s: float) -> bool:
        fresh = await store.acquire(NAME, "tests", 60)
        assert fresh is not None
        engine.resume(fresh)
        answer = await slow(lease, ttl_s)
        renewed.set()
        return answer

    store.renew = renew  # type: ignore[method-assign]  # between question and answer
    await asyncio.wait_for(renewed.wait(), 5)
    await asyncio.wait([renewing], timeout=0.05)
    assert not renewing.done()
    renewing.cancel()


async def test_a_commit_that_is_refused_with_an_answer_is_no_standstill() -> None:
    """The watchdog would end the process each minute, and with it count the deliveries up."""
    workshop = await open_workshop()
    mailbox = await made(workshop.store)
    workshop.engine.store = Contrary(workshop.store, [Unavailable("no primary")] * 3)
    before = mailbox.progress
    kept = command("trial.keep.v1", {"id": "a"}, sender="operator")
    await mailbox._decide(workshop.engine, [kept])
    assert mailbox.progress == before + 3


async def test_an_acquisition_that_fails_with_an_answer_is_no_standstill() -> None:
    store = Away()
    mailbox = await made(store)
    store.outages = 3
    await mailbox._acquire_again((await open_workshop()).engine, Pause(0.001))
    assert mailbox.progress == 3


async def test_a_lane_that_decides_nothing_resets_no_pause() -> None:
    """Each new owner first asks who waits; what has lost it the lane before may come again."""
    mailbox = await made(MemoryStore())
    mailbox.make_broker = lambda: cast("RabbitBroker", Broker([], lambda: None))
    lease = await mailbox.store.acquire(NAME, "tests", 60)
    assert lease is not None
    engine, losses = mailbox.make_engine(lease), Pause(60)
    longest = max(losses.next_s() for _ in range(8))
    owning = asyncio.create_task(mailbox._own(lease, losses))
    await until(lambda: engine.due_in_s() is None)
    await asyncio.wait([owning], timeout=0.01)
    owning.cancel()
    assert losses.next_s() >= longest


async def test_what_a_former_owner_got_done_still_counts() -> None:
    """Else two owners that get the same done, one after the other, look like one that is stuck."""
    workshop = await open_workshop()
    mailbox = await made(MemoryStore())
    seen = list[int]()
    for _ in range(2):
        mailbox._engine = workshop.engine
        workshop.engine.settled = 1
        seen.append(mailbox.progress)
        mailbox._ended()
        seen.append(mailbox.progress)
    assert seen == sorted(set(seen))
