"""Two shards behind one address: whatever happens, each asset's commands keep their order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.cells import cell_of_id, placed_by
from tests.builders import command, issued
from tests.decider import reply
from tests.memory.sharded import FRONT, LANES, USERS, World, battery
from tests.memory.test_engine import Contrary
from topology import names
from workers.line import Line
from workers.steering import Steering
from workers.store.codec import decode
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit

REGISTER = "asset.register.v1"
UPDATE = "asset.update.v1"
ABSENT = issued("BAT", 7)
ASSETS = 10
STEPS = 1200
"""From 1,000 on, a command is sent at each step up to this one, and then more seldom."""
FAULTS = ("kill", "again", "contended", "reconnect")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a clock."""
    monkeypatch.setattr("workers.acking.SOON_S", 0)
    monkeypatch.setattr("workers.acking.LONG_S", 0)


@pytest.fixture
async def world(fast: None, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = await World.make(getattr(request, "param", 1))
    made.take_over()
    yield made
    await made.close()


async def registered(world: World, count: int = ASSETS) -> list[str]:
    ids = [world.publish(REGISTER, battery(n), n) for n in range(count)]
    await world.until_quiet()
    return [world.answers[one][0][1]["id"] for one in ids]


def in_order(world: World, entity: str) -> list[int]:
    """The revisions that were told of an asset, without repeats."""
    return list(dict.fromkeys(r for _, one, r in world.events if one == entity))


@pytest.mark.parametrize("world", range(12), indirect=True)
async def test_each_assets_order_holds_while_cells_move(world: World) -> None:
    """One shard becomes two and one again while commands stream in, every third asset in bulk.

    Meanwhile the directory dies or gets another channel, shards die before their acks, queues
    refuse, commands have to wait, and some are about what is not there.
    """
    entities = await registered(world)
    sent: dict[str, list[str]] = defaultdict(list)
    world.refusals, world.prefetch = 0.05, 10
    orders = [
        ("shard.split.v1", {"shard": 0, "into": [0, 1]}),
        ("shard.move.v1", {"cells": "*.*.3", "to": 0}),
        ("shard.merge.v1", {"shards": [1], "into": 0}),
    ]
    for number in range(1000, 9000):
        if number < STEPS or world.random.random() < 0.1:
            place = world.random.randrange(len(entities))
            entity, value = entities[place], len(sent[entities[place]]) + 1
            data = {"id": entity, "capability": {"power_kw": value}}
            sent[entity].append(world.publish(UPDATE, data, number, bulk=place % 3 == 0))
            if world.random.random() < 0.2:
                # Of this one no home is ever known, so that it is looked for each time.
                world.publish(UPDATE, {**data, "id": ABSENT}, 10_000 + number)
        await world.step(FAULTS)
        if number % 40 == 0:
            world.pass_time()
            if orders and not is_moving(world):
                kind, given = orders.pop(0)
                await world.order(kind, **given)
            elif not orders and number > STEPS:
                break
    assert not orders
    await world.until_quiet()
    for entity, ids in sent.items():
        revisions = [{data["revision"] for _, data in world.answers[one]} for one in ids]
        assert revisions == [{n} for n in range(2, len(ids) + 2)]
        assert in_order(world, entity) == list(range(1, len(ids) + 2))
    assert not world.store._documents.get("dead_letters")


def is_moving(world: World) -> bool:
    rows = world.store._documents.get("shards", {})
    return any(decode(row).get("becoming") for row in rows.values())


async def test_a_message_that_was_forwarded_just_before_the_flip_is_decided_first(
    world: World,
) -> None:
    """It waits un-decided in the old shard while the next one of its asset is held back."""
    entities = await registered(world)
    await world.order("shard.split.v1", shard=0, into=[1])
    (line, channel, _) = world.lines[FRONT]
    before = named(world, entities, "one", 100)
    while world.queues[FRONT]:
        world.deliver(FRONT)
        await settled(world)
    assert len(world.queues[LANES[0]]) == len(entities)
    await told_of_the_move(world)
    while world.queues[FRONT]:
        world.deliver(FRONT)
        await settled(world)
    after = named(world, entities, "two", 200)
    while world.queues[FRONT]:
        world.deliver(FRONT)
        await settled(world)
    marker = world.queues[LANES[0]][-1][0]
    assert marker.type == "shard.drained.v1"
    assert not world.queues[LANES[1]]
    assert len(channel.unacked) == len(entities) + 1, "the held ones, and the announcement"
    await world.until_quiet()
    assert [world.answers[one][0][1]["revision"] for one in before] == [2] * len(entities)
    assert [world.answers[one][0][1]["revision"] for one in after] == [3] * len(entities)
    assert line.passed == 3 * len(entities)


def named(world: World, entities: list[str], name: str, number: int) -> list[str]:
    """One update of each asset."""
    return [
        world.publish(UPDATE, {"id": entity, "name": name}, number + place)
        for place, entity in enumerate(entities)
    ]


async def settled(world: World) -> None:
    """Let the lines do what they can, all of it confirmed."""
    for _ in range(30):
        for queue in (FRONT, names.bulk_mailbox(FRONT)):
            world.confirm(queue)
        await asyncio.sleep(0.001)


async def told_of_the_move(world: World) -> None:
    """Let bulk loads be through, and the ordinary line hold back; the old shard decides nothing."""
    bulk = names.bulk_mailbox(LANES[0])
    while not any(d.type == "shard.draining.v1" for d, _ in world.queues[FRONT]):
        await world.send()
        world.deliver(names.bulk_mailbox(FRONT))
        await settled(world)
        while world.queues[bulk]:
            await world.engines[LANES[0]].run([world.queues[bulk].popleft()[0]])


async def test_a_marker_waits_behind_whoever_waits_in_its_lane(world: World) -> None:
    """A command that lost its races is on the ladder: its cell does not move before its outcome."""
    entities = await registered(world, 1)
    waiting = world.publish(UPDATE, {"id": entities[0], "name": "one"}, 100)
    while not world.store._documents.get("parked"):
        world.deliver(FRONT)
        await settled(world)
        await world.decide(LANES[0], contended=True)
    await world.order("shard.split.v1", shard=0, into=[1])
    for _ in range(300):
        await world.step()
    assert [decode(r)["phase"] for r in world.store._documents["shards"].values()] == ["bulk"]
    assert world.answers[waiting] == []
    world.pass_time()
    await world.until_quiet()
    assert len(world.answers[waiting]) == 1
    (row,) = map(decode, world.store._documents["shards"].values())
    assert set(placed_by(row["placed"]).values()) == {1}


async def test_one_id_at_two_shards_is_decided_once(world: World) -> None:
    """The inbox is one: whoever comes second finds the first one's answer."""
    given = command(REGISTER, battery(1), sender=world.user, id="same")
    first, second = (world.engines[lane] for lane in LANES.values())
    (one,) = await first.run([given])
    (two,) = await second.run([given])
    assert (one.kind, two.kind) == ("accepted", "duplicate")
    assert reply(one) == reply(two)
    assert len(world.store._documents["assets"]) == 1


async def test_two_shards_that_want_the_same_fold_again(world: World) -> None:
    """They load before either commits; one of them loses, and decides on what the other wrote."""
    batches = [
        [command(REGISTER, battery(n), sender=world.user, id=f"{lane}-{n}") for n in range(5)]
        for lane in ("a", "b")
    ]
    ends = await both(world, batches)
    kinds = [outcome.kind for outcomes in ends for outcome in outcomes]
    assert sorted(kinds) == ["accepted"] * 5 + ["rejected"] * 5
    assert len(world.store._documents["assets"]) == 5
    assert not world.store._documents.get("parked")


class Meeting(Contrary):
    """A store that lets nobody commit before both have loaded what they decide on."""

    def __init__(self, store: MemoryStore, barrier: asyncio.Barrier) -> None:
        super().__init__(store)
        self._barrier = barrier

    async def commit(self, commit: Commit) -> None:
        if not self.commits:
            await self._barrier.wait()
        await super().commit(commit)


async def both(world: World, batches: list[list[Delivery]]) -> list[Sequence[Outcome]]:
    """Let both shards decide a batch at the same time."""
    barrier, runs = asyncio.Barrier(2), []
    for lane, batch in zip(LANES.values(), batches, strict=True):
        engine = world.engines[lane]
        engine.store = Meeting(world.store, barrier)
        runs.append(engine.run(batch))
    return list(await asyncio.gather(*runs))


@dataclass
class MovingMeanwhile:
    """A directory's store that answers where assets go when the map has just changed."""

    world: World
    steering: Steering | None = None

    async def load(self, keys: Any) -> Any:
        return await self.world.store.load(keys)

    async def valued(self, collection: str, ids: Collection[str], field: str) -> Any:
        found = await self.world.store.valued(collection, ids, field)
        if self.steering is not None:
            await self.world.order("shard.split.v1", shard=0, into=[0, 1])
            assert await self.steering.look()
        return found


async def test_where_an_asset_goes_is_not_forgotten_while_the_map_changes(world: World) -> None:
    entities = await registered(world, 6)
    store = MovingMeanwhile(world)
    steering = Steering(store, "assets", is_bulk=False)  # type: ignore[arg-type]
    await steering.homes(set(entities[:3]))
    store.steering = steering

    found = await steering.homes(set(entities))

    stored = world.store._documents["assets"]
    assert found == {one: decode(stored[one])["home"] for one in entities}
    assert found != {one: cell_of_id(one) for one in entities}


async def test_an_announcement_at_the_very_end_of_a_move_is_followed_too(world: World) -> None:
    """The map may have been read for the last time just before the next move began."""
    line, channel, _ = world.lines[FRONT]
    followed, last = list[Line](), asyncio.Event()

    async def following(line: Line) -> None:
        followed.append(line)
        await last.wait()

    line.announced = following
    announcement = Delivery(b"{}", "shard.draining.v1", names.RELAY_ACCOUNT)
    world.queues[FRONT].extend([(announcement, False)] * 3)
    while world.queues[FRONT]:
        world.deliver(FRONT)
    await settled(world)
    assert (len(followed), len(channel.unacked)) == (1, 2), "the second is of the first or the last"
    last.set()
    await settled(world)
    assert (len(followed), len(channel.unacked)) == (2, 0)


async def test_markers_are_nothing_to_users(world: World) -> None:
    """A command of a marker's type, from a user's account, is no fact."""
    marker = {"id": "assets", "version": 1, "shard": 0, "phase": "bulk"}
    given = command("shard.drained.v1", marker, sender=world.user, id="forged")
    (outcome,) = await world.engines[LANES[0]].run([given])
    assert outcome.kind == "refused"
    assert not world.store._documents.get("shards")


async def test_the_map_is_the_users_mailboxs_to_change(world: World) -> None:
    await world.order("shard.split.v1", shard=0, into=[0, 1])
    assert world.engines[USERS].lease.batch == 2
