"""What the runbook says of alarms, tried: each shows in `status`, and nothing is lost."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from pymongo.errors import PyMongoError

from tests.servers import ADMINISTRATOR, PASSWORD, TestServers, absent
from tests.spine import Platform, Spine, asset, eventually, open_spine
from topology import names
from workers import __version__
from workers.alarms import Glance, alarms
from workers.embedded import Running, ServerMissing, start
from workers.embedded.broker import find_rabbitmq
from workers.glancing import looked

pytestmark = [pytest.mark.connected, pytest.mark.chaos, pytest.mark.timeout(240)]

MAILBOX: Final = names.mailbox("assets")
ENOUGH: Final = "50MB"
TOO_MUCH: Final = "500000GB"
LOAD: Final = 40


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Servers of our own, so that those of the whole run live."""
    folder = tmp_path_factory.mktemp("alarms")
    try:
        servers = await asyncio.to_thread(start, folder, ADMINISTRATOR, PASSWORD)
    except ServerMissing as missing:
        absent(str(missing))
        raise
    yield servers
    await asyncio.to_thread(servers.stop)


@pytest.fixture
async def fragile(running: Running, tmp_path: Path) -> AsyncIterator[Spine]:
    """A backbone on them."""
    servers = TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
    async with open_spine(servers, "alarms", tmp_path) as opened:
        opened.settings = opened.settings.model_copy(
            update={"database_timeout_s": 2, "publish_timeout_s": 3}
        )
        yield opened


async def alarmed(spine: Spine, name: str) -> bool:
    return name in await named(spine)


async def well(spine: Spine) -> bool:
    return "broker-blocked" not in await named(spine)


async def named(spine: Spine) -> set[str]:
    found = await looked(spine.settings, spine.addresses, spine.vault)
    return {alarm for alarm, _ in alarms(found)}


async def owner(spine: Spine, mailbox: str = MAILBOX) -> str | None:
    found: Glance = await looked(spine.settings, spine.addresses, spine.vault)
    return next((lane.owner for lane in found.lanes or () if lane.name == mailbox), None)


async def registered(sender: Platform, count: int = LOAD) -> list[str]:
    return [await sender.send("asset.register.v1", asset()) for _ in range(count)]


async def all_kept(spine: Spine, sender: Platform, ids: list[str]) -> None:
    """Each command has its answer and its one effect."""
    await sender.answered(ids, 60)
    types = {a.type for command in ids for a in sender.answers(command)}
    assert types == {"asset.register.accepted.v1"}
    assert await spine.count("assets", registrant=sender.user) == len(ids)


def limit_disk(running: Running, limit: str) -> None:
    """As an operator does: `rabbitmqctl set_disk_free_limit`."""
    program = Path(find_rabbitmq()).with_name("rabbitmqctl")
    subprocess.run(  # noqa: S603  the broker's own program
        [program, "set_disk_free_limit", limit],
        env=running._broker._environment(),
        check=True,
        capture_output=True,
        timeout=60,
    )


async def test_a_full_disk_of_the_broker_stops_publishing_and_loses_nothing(
    fragile: Spine, running: Running
) -> None:
    async with fragile.running():
        sender = await fragile.platform()
        ids = await registered(sender)
        await all_kept(fragile, sender, ids)
        await asyncio.to_thread(limit_disk, running, TOO_MUCH)
        try:
            await eventually(lambda: alarmed(fragile, "broker-blocked"), 60)
            sending = asyncio.create_task(registered(sender))
            # The broker takes nothing in: no confirm, so the sender does not take it for sent.
            done, _ = await asyncio.wait([sending], timeout=3)
            assert not done
        finally:
            await asyncio.to_thread(limit_disk, running, ENOUGH)
        ids += await sending
        await all_kept(fragile, sender, ids)
        # Its API says so a few seconds later.
        await eventually(lambda: well(fragile), 60)


async def test_without_a_primary_the_workers_wait(fragile: Spine) -> None:
    async with fragile.running():
        sender = await fragile.platform()
        ids = await registered(sender)
        await sender.answered(ids)
        await step_down(fragile, 20)
        await eventually(lambda: alarmed(fragile, "database-without-primary"))
        ids += await registered(sender)
        # It elects itself again when its time is over, as a set of three does at once.
        await all_kept(fragile, sender, ids)
        assert await fragile.count("dead_letters") == 0
        assert "database-without-primary" not in await named(fragile)


async def step_down(spine: Spine, seconds: int) -> None:
    admin = spine.database.client.admin
    try:
        await admin.command({"replSetStepDown": seconds, "force": True})
    except PyMongoError:
        # The server closes connections as it steps down; the alarm tells whether it did.
        return


async def test_a_poison_flood_costs_nobody_else_anything(fragile: Spine) -> None:
    async with fragile.running():
        sender, other = await fragile.platform(), await fragile.platform(name="Another Ltd")
        crash = [
            await sender.send("asset.explode.v1", {"words": f"poison {n}"}) for n in range(LOAD)
        ]
        ids = await registered(other)
        await all_kept(fragile, other, ids)
        await sender.answered(crash)
        assert {a.type for c in crash for a in sender.answers(c)} == {"asset.explode.held.v1"}
        await eventually(lambda: alarmed(fragile, "dead-letters"))
        assert await fragile.count("dead_letters", reason="poisoned") == LOAD


async def test_what_a_frozen_process_owned_goes_to_another(fragile: Spine) -> None:
    await takeover(fragile, signal.SIGSTOP)


async def test_what_a_killed_process_owned_goes_to_another(fragile: Spine) -> None:
    await takeover(fragile, signal.SIGKILL)


async def takeover(spine: Spine, end: signal.Signals) -> None:
    """A process that works alone is ended or frozen; a second one takes all of it over."""
    async with spine.process() as process:
        sender = await spine.platform()
        ids = await registered(sender)
        await sender.answered(ids)
        first = await owner(spine)
        assert first is not None
        os.kill(process.pid, end)
        try:
            async with spine.running():
                ids += await registered(sender)
                await all_kept(spine, sender, ids)
                assert await owner(spine) not in {None, first}
        finally:
            if process.returncode is None:
                process.kill()


async def test_two_versions_work_side_by_side(
    fragile: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old beside new, then the new one alone, under load; each batch says who decided it."""
    async with fragile.process() as old:
        sender = await fragile.platform()
        ids = await registered(sender)
        await sender.answered(ids)
        monkeypatch.setattr("workers.app.__version__", "99.0")
        async with fragile.running():
            await eventually(lambda: is_shared(fragile), 60)
            ids += await registered(sender)
            old.terminate()
            ids += await registered(sender)
            await old.wait()
            await sender.answered(ids, 60)
            ids += await registered(sender)
            await all_kept(fragile, sender, ids)
    batches = await fragile.raw("commands", lane=MAILBOX)
    assert {row["versions"]["handlers"] for row in batches} == {__version__, "99.0"}
    revisions = [row["revision"] for row in await fragile.raw("assets")]
    assert revisions == [1] * len(ids)


async def is_shared(spine: Spine) -> bool:
    """Whether two processes own mailboxes."""
    found = await looked(spine.settings, spine.addresses, spine.vault)
    owners = {lane.owner for lane in found.lanes or () if lane.name.startswith("mailbox.")}
    return len(owners - {None}) > 1
