"""Two platforms register one device at the same moment, decided by two shards whose owners die.

The same contest in memory, with every tenth owner replaced, is `tests/memory/test_contest.py`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker.test_analysing import run
from tests.broker.test_send import place_of
from tests.broker.test_shards import REGISTER, SPLIT, changed
from tests.memory.test_contest import nameless
from tests.servers import TestServers
from tests.spine import Platform, Spine, asset, eventually, open_spine
from topology import names

pytestmark = [pytest.mark.connected, pytest.mark.chaos, pytest.mark.timeout(900)]

DEVICES: Final = 1_000
NAMELESS: Final = 200
AT_ONCE: Final = 50
"""So many devices are on their way, each from both platforms."""
KILLS: Final = (4, 8, 12, 16)
"""Before these portions the owner of a shard is killed, by turns."""
SHARDS: Final = (0, 1)
LIMIT_S: Final = 120.0
ACCEPTED: Final = "asset.register.accepted.v1"


class Fleet:
    """Two worker processes; who owns a lane is killed, and another one started."""

    def __init__(self, spine: Spine, stack: AsyncExitStack) -> None:
        self._spine, self._stack = spine, stack
        self._processes: dict[int, Any] = {}

    async def start(self) -> None:
        process = await self._stack.enter_async_context(self._spine.process(lease_s=3))
        self._processes[process.pid] = process

    async def kill_owner(self, lane: str) -> None:
        async def owned() -> int:
            rows = await self._spine.raw("lanes", _id=lane)
            owner = int(rows[0]["owner"].split(":")[1]) if rows and rows[0]["owner"] else 0
            return owner if owner in self._processes else 0

        pid = await eventually(owned, LIMIT_S)
        self._processes.pop(pid).kill()
        await self.start()


@pytest.fixture
async def two_shards(servers: TestServers, tmp_path: Path) -> AsyncIterator[Spine]:
    """A backbone whose assets may have two shards, its workers not running yet."""
    async with open_spine(servers, "contest", tmp_path, shards_max=len(SHARDS)) as opened:
        yield opened


async def contested(
    both: Sequence[Platform], numbers: Sequence[int], data: Callable[[int], Mapping[str, Any]]
) -> list[list[str]]:
    """Of each device what the two platforms were answered, whose commands are sent together."""

    async def sent(number: int) -> list[str]:
        return list(await asyncio.gather(*(one.send(REGISTER, data(number)) for one in both)))

    pairs = await asyncio.gather(*map(sent, numbers))
    for nth, platform in enumerate(both):
        await platform.answered([pair[nth] for pair in pairs], LIMIT_S)
    return [
        [platform.answers(one)[0].type for platform, one in zip(both, pair, strict=True)]
        for pair in pairs
    ]


def device(number: int) -> Mapping[str, Any]:
    return asset(identity={"make": "Acme", "serial": f"SN-{number:05d}"})


def site(number: int) -> Mapping[str, Any]:
    return asset(**nameless(number), connection={"gsp_group": "_P"})


async def deciding(spine: Spine) -> Counter[str]:
    """How many commands each shard has decided."""
    found: Counter[str] = Counter()
    for row in await spine.raw("commands"):
        found[row["lane"]] += len(row["entries"])
    return Counter({lane: found[lane] for lane in (names.mailbox("assets", n) for n in SHARDS)})


async def test_a_device_has_one_id_whoever_decides_and_a_nameless_one_is_a_case(
    two_shards: Spine, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        fleet = Fleet(two_shards, stack)
        await asyncio.gather(fleet.start(), fleet.start())
        operator = await two_shards.operator()
        both = [await two_shards.platform(name=f"Platform {n}", roles=["fsp"]) for n in SHARDS]
        await changed(operator, SPLIT, shard=0, into=SHARDS)
        answers: list[list[str]] = []
        for portion, first in enumerate(range(0, DEVICES, AT_ONCE)):
            lane = names.mailbox("assets", portion // KILLS[0] % 2)
            numbers = range(first, first + AT_ONCE)
            killing = asyncio.ensure_future(
                fleet.kill_owner(lane) if portion in KILLS else asyncio.sleep(0)
            )
            answers += await contested(both, numbers, device)
            await killing
        unnamed = [
            found
            for first in range(0, NAMELESS, AT_ONCE)
            for found in await contested(both, range(first, first + AT_ONCE), site)
        ]
        decided = await deciding(two_shards)
        level_one = {tuple(case["records"]) for case in await two_shards.raw("cases")}
        # The analysis is an operator's, and two would share the operator's queue.
        await operator.close()
        summary = await run(place_of(two_shards, tmp_path), tmp_path / "run", dry_run=False)

    assert {tuple(sorted(found)) for found in answers} == {(ACCEPTED, "asset.register.rejected.v1")}
    stored = await two_shards.raw("assets")
    found_serials = [(row.get("identity") or {}).get("serial") for row in stored]
    serials = Counter(one for one in found_serials if one is not None)
    assert (len(serials), set(serials.values())) == (DEVICES, {1})
    assert min(decided.values()) > DEVICES / 2, decided

    assert {tuple(found) for found in unnamed} == {(ACCEPTED, ACCEPTED)}
    by_name: dict[str, list[str]] = {}
    for row, serial in zip(stored, found_serials, strict=True):
        if serial is None:
            by_name.setdefault(row["name"], []).append(row["_id"])
    twins = {tuple(sorted(ids)) for ids in by_name.values()}
    assert len(twins) == NAMELESS
    assert all(len(pair) == 2 for pair in twins)
    assert level_one == twins
    assert {tuple(case["records"]) for case in await two_shards.raw("cases")} == twins
    assert summary["verdicts"] == {"same": NAMELESS}
