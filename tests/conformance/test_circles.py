"""Two lanes that decide at the same moment, on a real store: no circle, and nothing counted stale.

Each fold is held before its commit until the others have decided as well, on what they all read.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest

from contracts.messages import Event
from contracts.portfolios import PortfolioCounting
from handlers.admission import Delivery
from handlers.case import Outcome
from tests.builders import PLATFORM, command
from tests.conformance.store import Store
from tests.decider import reply, rules
from tests.memory.shards import Shards, put_in
from tests.portfolios import Scene, fact
from tests.servers import TestServers
from workers.engine import Engine
from workers.store.indexes import INDEXES
from workers.store.memory import MemoryStore
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit

CIRCLES: Final = 8
"""How often it is tried: who commits first is by chance."""
_CHANCE: Final = Random(0)  # noqa: S311  it is to be foreseen


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.connected)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    servers: TestServers = request.getfixturevalue("servers")
    opened = MongoStore(servers.urls.mongo_url, f"circles-{uuid.uuid4().hex[:8]}")
    await opened.install(INDEXES)
    yield opened
    await opened.close()


@dataclass
class Held:
    """A store whose next commit waits until it is let go."""

    store: Any
    gate: Callable[[], Awaitable[object]]
    held: int = 1
    has_decided: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def commit(self, commit: Commit) -> None:
        if self.held:
            self.held -= 1
            self.has_decided.set()
            await self.gate()
        await self.store.commit(commit)


async def lanes(store: Store, count: int) -> list[Engine]:
    shards = Shards(store, _CHANCE)
    await shards.open(count, 0)
    return [shard.engine for shard in shards.commands]


async def at_once(engines: list[Engine], store: Store, wishes: list[Delivery]) -> list[Outcome]:
    """Let each lane decide one command, and commit when all have decided."""
    barrier = asyncio.Barrier(len(engines))
    for engine in engines:
        engine.store = Held(store, barrier.wait)
    done = await asyncio.gather(*(e.run([w]) for e, w in zip(engines, wishes, strict=True)))
    return [outcome for (outcome,) in done]


def wish(portfolio: str, member: str, name: str) -> Delivery:
    data = {"id": portfolio, "members": [member]}
    return command("portfolio.add.v1", data, sender=PLATFORM, id=name)


@pytest.mark.parametrize("length", [2, 3])
async def test_lanes_that_would_make_a_circle_together_do_not(store: Store, length: int) -> None:
    """One alone of them is refused, on what the others have committed."""
    scene, rounds = Scene(), range(CIRCLES)
    rings = [[scene.portfolio(n * length + i) for i in range(length)] for n in rounds]
    await put_in(store, scene.decider.documents)
    engines = await lanes(store, length)
    for number, ring in enumerate(rings):
        wishes = [wish(one, ring[(i + 1) % length], f"{number}-{i}") for i, one in enumerate(ring)]
        outcomes = await at_once(engines, store, wishes)
        assert sorted(o.kind for o in outcomes) == ["accepted"] * (length - 1) + ["rejected"]
        (refused,) = [o for o in outcomes if o.kind == "rejected"]
        assert rules(reply(refused)[1]) == [("portfolio.cycle", "data.members.0")]


async def test_of_a_circle_through_what_is_there_one_half_is_refused(store: Store) -> None:
    """Neither names what the other does: the circle goes through what lies between."""
    scene = Scene()
    one, under_one, two, under_two = (scene.portfolio(n) for n in range(4))
    await put_in(store, scene.decider.documents)
    engines = await lanes(store, 2)
    for number, (upper, lower) in enumerate([(one, under_one), (two, under_two)]):
        (outcome,) = await engines[0].run([wish(upper, lower, f"before-{number}")])
        assert outcome.kind == "accepted"
    wishes = [wish(under_one, two, "left"), wish(under_two, one, "right")]
    outcomes = await at_once(engines, store, wishes)
    assert sorted(o.kind for o in outcomes) == ["accepted", "rejected"]


async def test_of_a_circle_in_one_batch_the_last_step_is_refused(store: Store) -> None:
    scene = Scene()
    ring = [scene.portfolio(n) for n in range(3)]
    await put_in(store, scene.decider.documents)
    (engine,) = await lanes(store, 1)
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    outcomes = await engine.run([wish(a, b, f"{n}") for n, (a, b) in enumerate(pairs)])
    assert [o.kind for o in outcomes] == ["accepted", "accepted", "rejected"]


async def test_two_portfolios_take_the_same_asset_at_once(store: Store) -> None:
    """Both do: the second one is decided anew, on where the first has put it."""
    scene = Scene()
    leaf, tops = scene.asset(1), [scene.portfolio(n) for n in range(2)]
    await put_in(store, scene.decider.documents)
    engines = await lanes(store, 2)
    wishes = [wish(top, leaf, f"{n}") for n, top in enumerate(tops)]
    assert {o.kind for o in await at_once(engines, store, wishes)} == {"accepted"}
    found = (await store.load({"placements": [leaf]}))["placements"][leaf]
    assert found["in"] == sorted(tops)


async def test_what_was_found_by_older_data_is_not_counted_over_newer(store: Store) -> None:
    """One lane counts by a value that is taken back before it commits, another finds no change."""
    scene = Scene()
    top, leaf = scene.portfolio(1), scene.asset(1, capability={"power_kw": Decimal(5)})
    await put_in(store, scene.decider.documents)
    writer, slow, quick = await lanes(store, 3)
    await writer.run([wish(top, leaf, "add")])
    await quick.run([counting(leaf, 0)])
    await writer.run([update(leaf, 9, "up")])
    go = asyncio.Event()
    slow.store = held = Held(store, go.wait)
    late = asyncio.create_task(_run(slow, counting(leaf, 1)))
    await held.has_decided.wait()
    await writer.run([update(leaf, 5, "down")])
    (outcome,) = await quick.run([counting(leaf, 2)])
    assert outcome.kind == "idle"
    go.set()
    await late
    found = (await store.load({"portfolios": [top]}))["portfolios"][top]
    assert found["totals"]["power_kw"]["whole"] == 5


async def _run(engine: Engine, delivery: Delivery) -> None:
    await engine.run([delivery])


def counting(asset: str, number: int) -> Delivery:
    event: Event = PortfolioCounting(id=asset, assets=(asset,))
    return fact(event, number)


def update(asset: str, power_kw: int, name: str) -> Delivery:
    data = {"id": asset, "capability": {"power_kw": power_kw}}
    return command("asset.update.v1", data, sender=PLATFORM, id=name)
