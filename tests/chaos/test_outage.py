"""Outages of the servers: the lane waits with its messages un-acked, and nothing is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import pytest
from structlog.testing import capture_logs

from tests.servers import ADMINISTRATOR, PASSWORD, TestServers, absent
from tests.spine import Platform, Spine, asset, eventually, open_spine
from topology import names
from workers.embedded import Running, ServerMissing, start

pytestmark = [pytest.mark.connected, pytest.mark.chaos, pytest.mark.timeout(180)]

REGISTER: Final = "asset.register.v1"
MAILBOX: Final = names.mailbox("assets")
LOAD: Final = 120
HELD: Final = 60


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Servers of our own, so that those of the whole run live."""
    folder = tmp_path_factory.mktemp("outage")
    try:
        servers = await asyncio.to_thread(start, folder, ADMINISTRATOR, PASSWORD)
    except ServerMissing as missing:
        absent(str(missing))
        raise
    yield servers
    await asyncio.to_thread(servers.stop)


@pytest.fixture(scope="module")
async def fragile(
    running: Running, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Spine]:
    """A backbone on them."""
    servers = TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
    async with open_spine(servers, "outage", tmp_path_factory.mktemp("fragile")) as opened:
        opened.settings = opened.settings.model_copy(
            update={"database_timeout_s": 1, "publish_timeout_s": 2}
        )
        yield opened


@pytest.fixture
async def sender(fragile: Spine) -> Platform:
    async with fragile.running():
        return await fragile.platform()


async def all_kept(spine: Spine, sender: Platform, ids: list[str]) -> None:
    """Each command has one answer, which may have come twice, and one effect."""
    await sender.answered(ids, 30)
    answers = {command: sender.answers(command) for command in ids}

    assert {a.type for found in answers.values() for a in found} == {"asset.register.accepted.v1"}
    assert all(len({a.body for a in found}) == 1 for found in answers.values())
    assert await spine.count("assets", registrant=sender.user) == len(ids)
    assert await spine.count("inbox", **{"_id.user": sender.user}) == len(ids)
    assert await spine.count("dead_letters") == 0
    await eventually(lambda: spine.settled(MAILBOX))


async def registered(sender: Platform, count: int) -> list[str]:
    return await asyncio.gather(*[sender.send(REGISTER, asset()) for _ in range(count)])


async def test_a_frozen_database_is_waited_for(
    fragile: Spine, running: Running, sender: Platform
) -> None:
    with capture_logs() as logs:
        async with fragile.running(batch_size_max=20, prefetch_max=HELD):
            ids = await registered(sender, LOAD)
            await all_kept(fragile, sender, ids)
            os.kill(running.pids["mongod"], signal.SIGSTOP)
            try:
                ids += await registered(sender, LOAD)
                await eventually(lambda: _said(logs, "mailbox.paused"))
                # The lane holds what it may, un-acked, and answers nobody; the rest waits.
                waiting = await fragile.waiting(MAILBOX)
                told = len(sender.received)
            finally:
                os.kill(running.pids["mongod"], signal.SIGCONT)
            await all_kept(fragile, sender, ids)

    assert (waiting, told) == (LOAD - HELD, LOAD)
    assert await fragile.waiting(names.dead_queue("assets")) == 0


async def test_a_killed_database_is_waited_for(
    fragile: Spine, running: Running, sender: Platform
) -> None:
    with capture_logs() as logs:
        async with fragile.running():
            ids = await registered(sender, LOAD)
            running.kill_database()
            ids += await registered(sender, LOAD)
            await eventually(lambda: _said(logs, "mailbox.paused"))
            await asyncio.to_thread(running.start)
            await all_kept(fragile, sender, ids)


async def test_a_restarted_broker_is_found_again(
    fragile: Spine, running: Running, sender: Platform
) -> None:
    """First a clean restart, then a power cut.

    The other way round, RabbitMQ 3.10 could leave the sender's young queues without a leader.
    """
    async with fragile.running():
        ids: list[str] = []
        for end in (signal.SIGTERM, signal.SIGKILL):
            ids += await registered(sender, LOAD)
            await sender.answer(ids[-LOAD])
            os.kill(running.pids["rabbitmq"], end)
            await eventually(lambda: _gone(running, "rabbitmq"))
            await asyncio.to_thread(running.start)
            sender = await fragile.again(sender)
            ids += await registered(sender, LOAD)
            await all_kept(fragile, sender, ids)


async def _said(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(entry["event"] == event for entry in logs)


async def _gone(running: Running, name: str) -> bool:
    return name not in running.pids
