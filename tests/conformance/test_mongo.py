"""The MongoDB store passes the suite through both drivers, and tells an outage in time."""

import asyncio
import gc
import os
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from tests.conformance.store import Lane, Store, StoreSuite, encoded
from tests.servers import TestServers
from workers.store import mongo
from workers.store.driver import Driver, start_transaction
from workers.store.indexes import INDEXES, PAGES
from workers.store.mongo import MongoStore
from workers.store.protocol import Fenced, Lease, Unavailable

pytestmark = pytest.mark.connected

INSTALLED = {**INDEXES, "assets": (), "users": (), "portfolios": ()}


@pytest.fixture(scope="module", params=list(Driver))
async def store(servers: TestServers, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    database = f"conformance-{uuid.uuid4().hex[:8]}"
    opened = MongoStore(servers.urls.mongo_url, database, through=request.param)
    await opened.install(INSTALLED)
    await opened.install(INSTALLED)
    yield opened
    await opened.close()


class TestMongoStore(StoreSuite):
    """Time is the database's own, so that these leases are short."""

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture(params=list(Driver))
async def hasty(servers: TestServers, request: pytest.FixtureRequest) -> AsyncIterator[MongoStore]:
    """Give a store that soon loses patience."""
    database = f"hasty-{uuid.uuid4().hex[:8]}"
    opened = MongoStore(
        servers.urls.mongo_url, database, through=request.param, select_s=0.5, timeout_s=1
    )
    await opened.install(INSTALLED)
    yield opened
    await opened.close()


@pytest.mark.parametrize("takes", [True, False])
async def test_collections_have_small_pages_where_the_server_takes_the_option(
    servers: TestServers, monkeypatch: pytest.MonkeyPatch, *, takes: bool
) -> None:
    if not takes:
        monkeypatch.setattr(mongo, "PAGES", {"storageEngine": {"another": {}}})
    database = f"paged-{uuid.uuid4().hex[:8]}"
    store = MongoStore(servers.urls.mongo_url, database)
    await store.install({"assets": (), "history": ()})
    await store.install({"assets": (), "history": ()})
    await store.close()
    async with AsyncMongoClient[dict[str, Any]](servers.urls.mongo_url) as client:
        found = await (await client[database].list_collections()).to_list()
    options = {one["name"]: one["options"] for one in found}
    assert options == dict.fromkeys(("assets", "history"), dict(PAGES) if takes else {})


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process: its connections stay open and say nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def unavailable_within(seconds: float, call: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await call()  # type: ignore[misc]
    assert time.monotonic() - began < seconds


class TestOutage:
    """An outage is told as such, within the time that the settings give."""

    async def test_a_frozen_server_is_unavailable_in_time(
        self, servers: TestServers, hasty: MongoStore
    ) -> None:
        lease = await hasty.acquire("lane", "w1", 60)
        assert lease is not None
        lane = Lane(hasty, lease)
        await lane.commit(inserts={"assets": [encoded("a")]})
        with stopped(servers.embedded().pids["mongod"]):
            await unavailable_within(4, lambda: lane.commit(inserts={"assets": [encoded("b")]}))
            await unavailable_within(4, lambda: hasty.load({"assets": ["a"]}))
            await unavailable_within(4, lambda: hasty.renew(lease, 60))
        # The unknown outcome is settled by acquiring again: the batch number tells.
        again = await until_acquired(hasty)
        found = (await hasty.load({"assets": ["b"]}))["assets"]
        assert (again.batch == 2) == ("b" in found)
        if again.batch == 1:
            # Nothing of the lost transaction may hold its successor up.
            await Lane(hasty, again).commit_in_the_end(inserts={"assets": [encoded("b")]})
        with pytest.raises(Fenced):
            await lane.commit(inserts={"assets": [encoded("c")]})

    async def test_what_a_killed_owner_left_open_stops_no_successor(
        self, servers: TestServers, hasty: MongoStore
    ) -> None:
        """A kill -9 in the middle of a commit: the server would keep its locks for a minute."""
        former = MongoStore(servers.urls.mongo_url, hasty.database)
        lease = await former.acquire("lane", "w1", 0)
        assert lease is not None
        lost = Lane(former, lease).next(inserts={"assets": [encoded("a")]})
        async with former._sessions.of("lane") as session:
            await start_transaction(session)
            await former._write(lost, session)
        taken = await hasty.acquire("lane", "w2", 60)
        assert taken == Lease("lane", "w2", 2, 0)
        await Lane(hasty, taken).commit(inserts={"assets": [encoded("a")]})
        await former.close()

    # PyMongo's async client leaves the socket of a cancelled attempt to the garbage collector.
    @pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
    @pytest.mark.parametrize("through", list(Driver))
    async def test_an_absent_server_is_unavailable_in_time(self, through: Driver) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"mongodb://127.0.0.1:{nobody.getsockname()[1]}/?replicaSet=rs0"
            store = MongoStore(url, "absent", through=through, select_s=0.3, timeout_s=1)
            await unavailable_within(2, lambda: store.acquire("lane", "w1", 60))
            await unavailable_within(2, lambda: store.commit(Lane(store, LEASE).next()))
            await unavailable_within(2, lambda: store.pending([1], 1))
            await store.close()
            gc.collect()

    async def test_a_cancelled_caller_leaves_no_transaction_open(self, hasty: MongoStore) -> None:
        lease = await hasty.acquire("lane", "w1", 60)
        assert lease is not None
        lane = Lane(hasty, lease)
        attempt = asyncio.create_task(lane.commit(inserts={"assets": [encoded("a")]}))
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        again = await hasty.acquire("lane", "w1", 60)
        assert again is not None
        await Lane(hasty, again).commit_in_the_end(inserts={"assets": [encoded("b")]})


LEASE = Lease("lane", "w1", 1, 0)


async def until_acquired(store: MongoStore) -> Lease:
    for _attempt in range(20):
        try:
            lease = await store.acquire("lane", "w1", 60)
        except Unavailable:
            continue
        assert lease is not None
        return lease
    raise AssertionError("the thawed server did not come back")
