"""10,000 messages, 100 of them bad by eight causes, workers killed: the same groups, one replay."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import STDOUT
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import pytest

from tests.broker.test_dead_replay import ask, die, settled
from tests.chaos.dead_worker import EXPLODE
from tests.chaos.worker import READY
from tests.spine import MASTER, READY_LIMIT_S, ROOT, Platform, Spine, eventually
from topology import names
from workers.settings import PREFIX

pytestmark = [pytest.mark.connected, pytest.mark.chaos, pytest.mark.timeout(900)]

KEEP: Final = "asset.keep.v1"
LIMIT_S: Final = 300.0
MESSAGES: Final = 10_000
BUGS: Final = {"a": 20, "b": 20, "refused": 6, "contended": 4}
UNDECODABLE, IDENTITY, UNROUTABLE, STOPPED = 20, 10, 18, 2
BAD: Final = sum(BUGS.values()) + UNDECODABLE + IDENTITY + UNROUTABLE + STOPPED
MENDABLE: Final = sum(BUGS.values())
AT_ONCE: Final = 200
RUNS = count()


@asynccontextmanager
async def release(spine: Spine, how: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A worker process of one release; what is given kills it as a power cut would."""
    given = spine.settings.model_dump(exclude={"master_key", "folder"}, exclude_none=True)
    given |= spine.addresses.urls | {"master_key": MASTER.hex()}
    given |= {"lease_s": 2, "quota_per_minute": 1_000_000}
    environment = {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}
    log = spine.settings.folder / f"{how}-{next(RUNS)}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.dead_worker", how),
            cwd=ROOT, env=environment, stdout=output, stderr=STDOUT,
        )  # fmt: skip

    async def ready() -> bool:
        return READY in await asyncio.to_thread(log.read_text, errors="replace")

    async def kill() -> None:
        process.kill()
        await process.wait()

    try:
        await eventually(ready, READY_LIMIT_S)
        yield kill
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def publish(sender: Platform) -> None:
    """The good and the bad, mixed evenly."""
    bad: list[Callable[[], Awaitable[Any]]] = []
    for word, number in BUGS.items():
        bad += [_bug(sender, f"{word} {n}") for n in range(number)]
    bad += [_raw(sender, f"no JSON {n}".encode(), KEEP) for n in range(UNDECODABLE)]
    bad += [_raw(sender, b"{}", KEEP, user_id=None) for _ in range(IDENTITY)]
    for _ in range(UNROUTABLE):
        envelope = sender.envelope("asset.scrap.v1", {})
        bad.append(_raw(sender, json.dumps(envelope).encode(), "asset.scrap.v1"))
    good = MESSAGES - BAD
    every = good // len(bad)
    sending: list[Awaitable[Any]] = []
    for number in range(good):
        sending.append(sender.send(KEEP, {"value": number}))
        if number % every == 0 and bad:
            sending.append(bad.pop()())
        if len(sending) >= AT_ONCE:
            await asyncio.gather(*sending)
            sending.clear()
    await asyncio.gather(*sending, *(one() for one in bad))


def _bug(sender: Platform, words: str) -> Callable[[], Awaitable[Any]]:
    return lambda: sender.send(EXPLODE, {"words": words})


def _raw(
    sender: Platform, body: bytes, key: str, **properties: Any
) -> Callable[[], Awaitable[Any]]:
    return lambda: sender.publish(body, key, **properties)


async def at_least(spine: Spine, letters: int) -> None:
    async def there() -> bool:
        return await spine.count("dead_letters") >= letters

    await eventually(there, LIMIT_S)


async def groups(operator: Platform) -> Mapping[tuple[str, str], Mapping[str, int]]:
    found = (await ask(operator, "groups"))["groups"]
    return {(one["reason"], one["exception"]): one["counts"] for one in found}


async def decided(spine: Spine, sender: Platform) -> Counter[tuple[str, str]]:
    """How often each command of the sender was decided, by the archive."""
    return Counter(
        (entry["user"], entry["id"])
        for batch in await spine.raw("commands")
        for entry in batch["entries"]
        if entry["user"] == sender.user
    )


async def test_exactly_the_bad_ones_are_dead_and_one_replay_resolves_what_can_be(
    lone: Spine,
) -> None:
    async with lone.running():
        sender, operator = await lone.platform(listen=False), await lone.operator()
    for number in range(STOPPED):
        await sender.send(KEEP, {"value": f"stopped {number}"})
        await die(lone, number + 1)
    await publish(sender)

    for letters in (BAD // 3, 2 * BAD // 3):
        async with release(lone, "broken") as kill:
            await at_least(lone, letters)
            await kill()
    async with release(lone, "broken"):
        await at_least(lone, BAD)
        await eventually(lambda: lone.settled(names.mailbox("assets")), LIMIT_S)
        await eventually(lambda: lone.count("dead_letters", state="resolved"), LIMIT_S)
        found = await eventually(lambda: _quiet(lone, operator), LIMIT_S)

    hopeless = {
        ("undecodable", "message.undecodable"): UNDECODABLE,
        ("identity", "message.identity"): IDENTITY,
        ("unroutable", "message.unknown-type"): UNROUTABLE,
    }
    assert found == {
        ("poisoned", "RuntimeError"): {"open": BUGS["a"]},
        ("poisoned", "KeyError"): {"open": BUGS["b"]},
        ("unencodable", "Refused"): {"open": BUGS["refused"]},
        ("exhausted", "Contended"): {"open": BUGS["contended"]},
        ("delivery-limit", "message.held"): {"resolved": STOPPED},
        **{group: {"open": number} for group, number in hopeless.items()},
    }
    assert await lone.count("trials") == MESSAGES - BAD + STOPPED

    async with release(lone, "mended") as kill:
        run = await ask(operator, "replay", which={"state": "open"}, why="Both bugs are mended.")
        await eventually(lambda: lone.count("dead_letters", run=run["id"], state="resolved"))
        await kill()
    async with release(lone, "mended"):
        after = await settled(operator, run=run["id"])

    assert run["matched"] == BAD - STOPPED
    assert after == {"resolved": MENDABLE, "failed-again": BAD - STOPPED - MENDABLE}
    assert await lone.count("dead_letters") == BAD
    assert await lone.count("trials") == MESSAGES - BAD + STOPPED + MENDABLE
    assert await lone.count("inbox", **{"_id.user": sender.user}) == (
        MESSAGES - BAD + STOPPED + MENDABLE
    )
    assert set((await decided(lone, sender)).values()) == {1}


async def _quiet(spine: Spine, operator: Platform) -> Mapping[Any, Any] | None:
    """The groups, when nothing waits in a lane any more and what replays itself has done so."""
    waits = await spine.count("parked") + await spine.count("dead_letters", state="replaying")
    stopped = await spine.count("dead_letters", reason="delivery-limit", state="resolved")
    return await groups(operator) if not waits and stopped == STOPPED else None
