"""Time as an oracle: whether what is hidden takes longer to be denied than what is missing.

`python -m tests.broker.oracle` asks 10,000 times for assets and as often for users, in random
order, and prints the medians; the test asks less often.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from contracts.values import compose_id
from tests.broker.alone import alone
from tests.spine import DIRECT_REPLY, Platform, Spine, asset, user
from topology import names

QUESTIONS: Final = 10_000
TOLERANCE: Final = 0.05
IDS: Final = 60
"""How many there are of each sort; each is asked for again and again."""
WARM_UP: Final = 100
MISSING: Final = "missing"


@dataclass
class Asker:
    """A stranger with one question under way at a time, answered by direct reply-to."""

    party: Platform
    exchange: Any
    _answer: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def heard(self, message: AbstractIncomingMessage) -> None:
        self._answer.put_nowait(message.body)

    async def ask(self, kind: str, key: str) -> float:
        """Seconds until the answer that there is no such thing; any other is an error."""
        envelope = self.party.envelope(kind, {"id": key})
        message = aio_pika.Message(
            json.dumps(envelope).encode(), user_id=self.party.user, reply_to=DIRECT_REPLY
        )
        began = time.perf_counter()
        await self.exchange.publish(message, kind)
        body = await self._answer.get()
        taken = time.perf_counter() - began
        answer = json.loads(body)
        assert answer["correlationid"] == envelope["id"]
        assert answer["data"]["code"] == kind.replace(".get.v1", ".not-found"), answer
        return taken


async def asker(party: Platform) -> Asker:
    """Make a stranger ask by a channel of its own."""
    channel = await party.connection.channel(publisher_confirms=False)
    made = Asker(party, await channel.get_exchange(names.COMMANDS, ensure=False))
    queue = await channel.get_queue(DIRECT_REPLY, ensure=False)
    await queue.consume(made.heard, no_ack=True)
    return made


async def hidden_things(platform: Platform) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Users and their assets that only this platform may see: organisations' and persons'."""
    found: dict[str, dict[str, list[str]]] = {"asset.get.v1": {}, "user.get.v1": {}}
    bank = {"account_name": "Example", "iban": "GB82WEST12345698765432"}
    for kind in ("organisation", "person"):
        users, assets = [], []
        for number in range(IDS):
            data = user(kind=kind, name=f"Example {kind} {number}", roles=["owner"], bank=bank)
            reply = await platform.ask("user.register.v1", data, onbehalfof=f"{kind} {number}")
            users.append(str(reply.data["id"]))
            place: dict[str, Any] = {"name": f"Home {number}", "location": {"postcode": "SW1A 1AA"}}
            data = asset(owner=users[-1], **place)
            assets.append(str((await platform.ask("asset.register.v1", data)).data["id"]))
        found["user.get.v1"][kind], found["asset.get.v1"][kind] = users, assets
    return found


def missing(prefix: str, chance: random.Random) -> list[str]:
    """Ids that could be some, and are not."""
    drawn = (compose_id(prefix, chance.getrandbits(60)) for _ in range(100 * IDS))
    return [key for key in drawn if key is not None][:IDS]


async def measured(spine: Spine, questions: int) -> dict[str, dict[str, list[float]]]:
    """Ask in random order, half of it for what is missing; seconds by type and sort."""
    chance = random.Random(4711)  # noqa: S311 - an order, no secret
    platform, stranger = await spine.platform(), await spine.platform()
    hidden, alien = await hidden_things(platform), await asker(stranger)
    found: dict[str, dict[str, list[float]]] = {}
    for kind, prefix in (("asset.get.v1", "BAT"), ("user.get.v1", "USR")):
        sorts = {**hidden[kind], MISSING: missing(prefix, chance)}
        each = [*hidden[kind]] * (questions // 4) + [MISSING] * (questions // 2)
        chance.shuffle(each)
        for sort in each[:WARM_UP]:
            await alien.ask(kind, chance.choice(sorts[sort]))
        times: dict[str, list[float]] = {sort: [] for sort in sorts}
        for sort in each:
            times[sort].append(await alien.ask(kind, chance.choice(sorts[sort])))
        found[kind] = times
    return found


def differences(found: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[tuple[str, str], float]:
    """By how much the median of each hidden sort differs from that of what is missing."""
    medians = {
        (kind, sort): statistics.median(each)
        for kind, times in found.items()
        for sort, each in times.items()
    }
    return {
        (kind, sort): median / medians[kind, MISSING] - 1
        for (kind, sort), median in medians.items()
        if sort != MISSING
    }


def table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The medians as lines."""
    lines = [f"{'question':14}{'about':16}{'asked':>7}{'median ms':>11}{'difference':>12}"]
    apart = differences(found)
    for kind, times in found.items():
        for sort, each in times.items():
            about = sort if sort == MISSING else f"a hidden {sort}"
            by = f"{apart[kind, sort]:+.1%}" if sort != MISSING else ""
            median = statistics.median(each) * 1000
            lines.append(f"{kind:14}{about:22}{len(each):>7}{median:>11.3f}{by:>12}")
    return "\n".join(lines)


async def main(questions: int) -> None:
    """Print the medians; the workers are a process of their own, as in production."""
    async with alone("oracle") as spine, spine.process():
        print(table(await measured(spine, questions)))  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else QUESTIONS))
