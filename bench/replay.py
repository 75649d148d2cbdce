"""How much live traffic notices of a bulk replay: p95 of paced commands with and without one.

`python -m bench.replay`, with the servers that the settings name or with embedded ones. The letters
are registrations that a worker has rejected.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from bench import seeding
from bench.contest import MAILBOXES, prepare, serving
from bench.latency import WARM_UP, Latencies, paced
from bench.load import command, envelope, publish
from bench.testbed import BASE, NO_QUOTA, RUN, Testbed, open_testbed
from contracts.dead import REPLAYS_PER_SECOND, ReplayDead
from topology import names
from workers.cli.measuring import Unmeasured
from workers.settings import Settings

SECONDS: Final = 15.0
"""How long live commands are timed, in each half of a round."""
PER_SECOND: Final = 200.0
"""Live commands a second: a third of what `flexspine bench` measures."""
SPARE: Final = 1.5
"""So many times the letters that the live half lasts for: the replay must outlast it."""
PERCENT: Final = 95
LIMIT_S: Final = 300.0
POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How many a second there are of each."""

    live: float
    replays: int

    @property
    def letters(self) -> int:
        """So many keep a replay going for as long as the live commands take."""
        return round(SPARE * self.replays * (SECONDS + WARM_UP / self.live))


async def die(testbed: Testbed, users: Sequence[str], count: int) -> None:
    """Send registrations while no worker runs, and reject each as a worker might."""
    parties = [testbed.party(user, bulk=True) for user in users[1:]]
    await publish(parties, count)
    left = count
    done = asyncio.Event()

    async def reject(message: AbstractIncomingMessage) -> None:
        nonlocal left
        await message.reject(requeue=False)
        left -= 1
        if not left:
            done.set()

    async with await aio_pika.connect(testbed.admin_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        for name in MAILBOXES:
            await (await channel.get_queue(name, ensure=False)).consume(reject)
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
        # A queue that is busy takes them a little later; what it has not is delivered again.
        await until(partial(_waiting, channel), count)


async def until(ask: Callable[[], Awaitable[int]], least: int) -> None:
    """Ask until there are so many letters."""
    deadline = time.monotonic() + LIMIT_S
    while (found := await ask()) < least:
        if time.monotonic() > deadline:
            raise Unmeasured(f"expected {least} letters within {LIMIT_S:.0f} s, got {found}")
        await asyncio.sleep(POLL_S)


async def _waiting(channel: AbstractChannel) -> int:
    """How many dead letters of assets the broker holds."""
    dead = await channel.declare_queue(names.dead_queue("assets"), passive=True)
    return int(dead.declaration_result.message_count or 0)


async def _kept(testbed: Testbed, state: str) -> int:
    """How many dead letters the register has in this state."""
    return await testbed.database(RUN)["dead_letters"].count_documents({"state": state})


async def begin_replay(testbed: Testbed, per_second: int) -> None:
    """Ask for the replay of all that were rejected, as the operator."""
    url = testbed.addresses.amqp_as(names.OPERATOR, testbed.vault.password(names.OPERATOR))
    data = {"which": {"reason": "rejected"}, "why": "Measured.", "per_second": per_second}
    kind = ReplayDead.message_type
    body = json.dumps(envelope(names.OPERATOR, kind, data)).encode()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
        message = aio_pika.Message(body, user_id=names.OPERATOR, message_id=uuid4().hex)
        await exchange.publish(message, kind)


async def live(testbed: Testbed, user: str, per_second: float) -> Latencies:
    """The live half: paced registrations of one party, the first ones not counted."""
    ids = [str(uuid4()) for _ in range(WARM_UP + round(SECONDS * per_second))]
    bodies = {one: command(user, one) for one in ids}
    taken, _ = await paced(testbed.party(user), bodies, per_second=per_second)
    return Latencies(taken.each_ms[WARM_UP:])


async def once(testbed: Testbed, users: Sequence[str], pace: Pace) -> Mapping[bool, float]:
    """One round: p95 in milliseconds without a replay, and beside one."""
    await testbed.copy(BASE, RUN)
    await prepare(testbed, users)
    count = pace.letters
    await die(testbed, users, count)
    async with serving(testbed, RUN):
        await until(partial(_kept, testbed, "open"), count)
        without = await live(testbed, users[0], pace.live)
        await begin_replay(testbed, pace.replays)
        resolved = partial(_kept, testbed, "resolved")
        await until(resolved, 1)
        beside = await live(testbed, users[0], pace.live)
        if await resolved() >= count:
            raise Unmeasured(f"expected {count} letters to outlast the live commands")
        await until(resolved, count)
    return {False: without.percentile(PERCENT), True: beside.percentile(PERCENT)}


async def measure(rounds: int, pace: Pace) -> None:
    """Print both figures and their ratio."""
    settings = Settings.read().model_copy(update={"quota_per_minute": NO_QUOTA})
    async with open_testbed(settings, None) as testbed:
        users = await seeding.parties(testbed)
        found = [await once(testbed, users, pace) for _ in range(rounds)]
    without, beside = (median(one[key] for one in found) for key in (False, True))
    ratio = median(one[True] / one[False] for one in found)
    rounded = [(round(one[False], 1), round(one[True], 1)) for one in found]
    sys.stdout.write(
        f"p95 of {pace.live:.0f} live commands a second, medians of {rounds} rounds: "
        f"{without:.1f} ms without a replay, {beside:.1f} beside one of {pace.replays} a second; "
        f"median of the rounds' ratios {ratio:.2f}; {rounded}\n"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    words = "commands a second beside the replay"
    parser.add_argument("--live", type=float, default=PER_SECOND, help=words)
    words = "letters a second"
    parser.add_argument("--replays", type=int, default=REPLAYS_PER_SECOND, help=words)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, Pace(given.live, given.replays)))


if __name__ == "__main__":
    main()
