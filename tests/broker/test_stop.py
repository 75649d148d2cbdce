"""Stopping and standing by: what was committed is acked, and the next owner is there at once."""

import time
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from tests.spine import Platform, Spine, asset, eventually
from topology import names

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
MAILBOX: Final = names.mailbox("assets")
LOAD: Final = 600
LEASE_S: Final = 2
TAKEOVER_S: Final = 1.0
FAILOVER_S: Final = LEASE_S + LEASE_S / 3 + 1.0
"""The lease, the standby's next look, and what two busy cores need."""


@pytest.fixture
async def sender(lone: Spine) -> Platform:
    async with lone.running():
        return await lone.platform()


async def lane(spine: Spine) -> dict[str, Any]:
    (row,) = await spine.raw("lanes", _id=MAILBOX)
    return row


async def owner(spine: Spine) -> str | None:
    row = await spine.raw("lanes", _id=MAILBOX)
    return row[0]["owner"] if row else None


async def test_a_stop_under_load_leaves_nothing_committed_un_acked(
    lone: Spine, sender: Platform
) -> None:
    ids = [await sender.send(REGISTER, asset()) for _ in range(LOAD)]
    async with lone.running(batch_size_max=20):
        await eventually(lambda: lone.count("assets"))
    decided, waiting = await lone.count("assets"), await lone.waiting(MAILBOX)

    with capture_logs() as logs:
        async with lone.running():
            await sender.answered(ids)

    assert 0 < decided < LOAD
    # A message is either decided or still in the mailbox: none is both, none is neither.
    assert (decided + waiting, sum(entry.get("duplicate", 0) for entry in logs)) == (LOAD, 0)
    assert [len(sender.answers(command)) for command in ids] == [1] * LOAD
    assert await lone.count("assets") == LOAD
    assert await lone.settled(MAILBOX)


async def test_of_two_workers_one_owns_the_mailbox_until_it_stops(
    lone: Spine, sender: Platform
) -> None:
    async with AsyncExitStack() as first:
        await first.enter_async_context(lone.running(lease_s=LEASE_S))
        await eventually(lambda: owner(lone))
        before = await lane(lone)
        async with lone.running(lease_s=LEASE_S):
            await sender.answered([await sender.send(REGISTER, asset()) for _ in range(50)])
            # Longer than a lease: a standby looks several times, and the owner renews.
            await eventually(lambda: _renewed(lone, before["until"], LEASE_S + 0.5))
            still = await lane(lone)
            await first.aclose()
            stopped = time.monotonic()
            reply = await sender.ask(REGISTER, asset())
            taken_s = time.monotonic() - stopped
            after = await lane(lone)

    assert (before["owner"], before["epoch"]) == (still["owner"], still["epoch"])
    assert after["owner"] not in {before["owner"], None}
    assert after["epoch"] == before["epoch"] + 1
    assert reply.type == "asset.register.accepted.v1"
    assert taken_s < TAKEOVER_S
    assert await owner(lone) is None


async def _renewed(spine: Spine, until: Any, by_s: float) -> bool:
    return bool(((await lane(spine))["until"] - until).total_seconds() > by_s)


@pytest.mark.chaos
async def test_a_standby_takes_over_from_a_killed_owner_within_the_lease(
    lone: Spine, sender: Platform
) -> None:
    async with lone.process(lease_s=LEASE_S) as process:
        await eventually(lambda: _owned_by(lone, process.pid))
        async with lone.running(lease_s=LEASE_S):
            before = await sender.ask(REGISTER, asset())
            process.kill()
            await process.wait()
            killed = time.monotonic()
            after = await sender.ask(REGISTER, asset())
            taken_s = time.monotonic() - killed

    assert (before.type, after.type) == ("asset.register.accepted.v1",) * 2
    assert taken_s < FAILOVER_S
    assert await lone.count("assets") == 2


async def _owned_by(spine: Spine, pid: int) -> bool:
    return f":{pid}:" in (await owner(spine) or "")
