"""Notices on real servers: a killed worker, a missing queue, digests, attempts, texts."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from handlers.edges import recorded
from tests.builders import issued
from tests.spine import Platform, Spine, asset, eventually
from topology import names
from workers.backbone import Backbone, now_utc

pytestmark = pytest.mark.connected

UPDATED: Final = "asset.updated.v1"
ATTEMPTED: Final = "asset.duplicate-attempted.v1"
DIGEST: Final = "notice.digest.v1"
PARTIES: Final = 1000
CHANGES: Final = 2
ATTEMPTS: Final = 300


@dataclass
class Overheard:
    """Every personal event that the broker was given, as an administrator's queue gets it."""

    events: list[dict[str, Any]]

    async def hear(self, message: AbstractIncomingMessage) -> None:
        recipient = str(message.routing_key).partition(".")[0]
        self.events.append({"recipient": recipient, **json.loads(message.body)})


@asynccontextmanager
async def overhearing(spine: Spine) -> AsyncIterator[Overheard]:
    account = (names.TOPOLOGY_ACCOUNT, spine.vault.password(names.TOPOLOGY_ACCOUNT))
    async with await aio_pika.connect(spine.addresses.amqp_as(*account)) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(names.EVENTS, "#")
        heard = Overheard([])
        await queue.consume(heard.hear, no_ack=True)
        yield heard


async def relate(spine: Spine, entity: str, *parties: str, relation: str = "fsp") -> None:
    since = datetime(2020, 1, 1, tzinfo=UTC)
    ties = [{"as": relation, "from": since, "until": None}]
    await spine.database["relations"].insert_many(
        [dict(recorded(entity, p, ties)) for p in parties]
    )


async def change(platform: Platform, device: str, power: float) -> str:
    data = {"id": device, "capability": {"power_kw": power}}
    return await platform.send("asset.update.v1", data)


@pytest.fixture(scope="module")
async def operator(working: Spine) -> Platform:
    """One for the module: two would share the queue of domain events between them."""
    return await working.operator()


@pytest.mark.timeout(240)
async def test_a_killed_worker_tells_each_of_a_thousand_parties_once(lone: Spine) -> None:
    """SIGKILL in the middle of a fact: no sequence is missing, and none is two events."""
    crowd = [issued("USR", 10_000 + 50 * n) for n in range(PARTIES)]

    async def told() -> int:
        return await lone.count("events", recipient={"$in": crowd})

    async with overhearing(lone) as heard:
        async with lone.process() as process:
            platform = await lone.platform()
            device = (await platform.ask("asset.register.v1", asset())).data["id"]
            await relate(lone, device, *crowd)
            for power in range(CHANGES):
                await change(platform, device, 100 + power)
            await eventually(told, 60)
            process.kill()
            await process.wait()
            at_kill = await told()
        async with lone.process():
            wanted = PARTIES * CHANGES
            await eventually(lambda: _equals(told, wanted), 120)
            await eventually(lambda: _drained(lone), 60)
            rows = await lone.raw("events", recipient={"$in": crowd})
            counters = await lone.raw("sequences", _id={"$in": crowd})
            await eventually(lambda: _heard(heard, crowd, wanted), 60)

    arrived: dict[str, list[str]] = defaultdict(list)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in heard.events:
        if event["type"] == UPDATED:
            arrived[event["recipient"]].append(event["sequence"])
            ids[event["recipient"], event["sequence"]].add(event["id"])
    copies = sum(map(len, arrived.values()))
    sys.stderr.write(f"\nkilled after {at_kill} of {wanted}; {copies - wanted} came twice\n")
    assert 0 < at_kill < wanted
    assert sorted(row["_id"] for row in rows) == sorted(
        f"{party}/{number:012d}" for party in crowd for number in range(1, CHANGES + 1)
    )
    assert {row["last"] for row in counters} == {CHANGES}
    assert len(counters) == PARTIES
    assert {party: list(dict.fromkeys(found)) for party, found in arrived.items()} == {
        party: [str(number) for number in range(1, CHANGES + 1)] for party in crowd
    }
    assert {len(found) for found in ids.values()} == {1}


async def _equals(count: Any, wanted: int) -> bool:
    return bool(await count() == wanted)


async def _drained(spine: Spine) -> bool:
    return await spine.count("outbox") == 0 and await spine.count("parked") == 0


async def _heard(heard: Overheard, crowd: list[str], wanted: int) -> bool:
    parties = set(crowd)
    found = {(e["recipient"], e["sequence"]) for e in heard.events if e["recipient"] in parties}
    return len(found) == wanted


async def test_what_was_told_is_forgotten_after_its_days(lone: Spine) -> None:
    """A process that starts when they are over deletes the events, and the count goes on."""
    ahead = timedelta(days=31)
    async with lone.running(events_days=30):
        platform = await lone.platform()
        owner = await lone.platform(roles=["owner"])
        device = (await platform.ask("asset.register.v1", asset(owner=owner.user))).data["id"]
        await owner.until(lambda: [r for r in owner.received if r.type == "asset.registered.v1"])
        assert await lone.count("events", recipient=owner.user) == 1
    async with lone.running(
        lambda backbone: replace(backbone, clock=lambda: now_utc() + ahead), events_days=30
    ):
        await eventually(lambda: _equals(lambda: lone.count("events"), 0))
        await change(platform, device, 10)
        (told,) = await owner.until(lambda: [r for r in owner.received if r.type == UPDATED])
    assert told.envelope["sequence"] == "2"


async def test_a_missing_queue_of_one_does_not_stop_the_others(working: Spine) -> None:
    platform, other, gone = [await working.platform() for _ in range(3)]
    device = (await platform.ask("asset.register.v1", asset())).data["id"]
    await relate(working, device, other.user, gone.user)
    await gone.close()
    await working.inspector.call("DELETE", f"queues/{{vhost}}/{names.events_queue(gone.user)}")
    for power in range(5):
        await change(platform, device, 10 + power)
    await other.until(lambda: len([r for r in other.received if r.type == UPDATED]) == 5)
    await eventually(lambda: _equals(lambda: working.count("outbox"), 0))

    told = [r.envelope["sequence"] for r in other.received if r.type == UPDATED]
    assert told == ["1", "2", "3", "4", "5"]
    (counter,) = await working.raw("sequences", _id=gone.user)
    assert counter["last"] == 5


async def test_a_digest_gathers_changes_and_readings_and_comes_when_it_is_due(
    lone: Spine,
) -> None:
    ahead = timedelta(0)

    def shifted(backbone: Backbone) -> Backbone:
        return replace(backbone, clock=lambda: now_utc() + ahead)

    async with lone.running(shifted, timer_poll_ms=50):
        platform = await lone.platform()
        owner = await lone.platform(roles=["owner"])
        device = (await platform.ask("asset.register.v1", asset(owner=owner.user))).data["id"]
        await owner.until(lambda: [r for r in owner.received if r.type == "asset.registered.v1"])
        chosen = {"kinds": {UPDATED: "digest"}, "access": [device], "digest_minutes": 60}
        assert (await owner.ask("subscription.set.v1", chosen)).type.endswith(".accepted.v1")
        for power in range(3):
            await change(platform, device, 10 + power)
        for _ in range(2):
            assert (await platform.ask("asset.get.v1", {"id": device})).data["id"] == device
        await eventually(lambda: _gathered(lone, owner.user, 5))
        before = [r.type for r in owner.received]
        ahead = timedelta(hours=2)
        (digest,) = await owner.until(lambda: [r for r in owner.received if r.type == DIGEST])

    assert UPDATED not in before
    assert DIGEST not in before
    assert digest.data["kinds"] == {UPDATED: 3, "access.noted.v1": 2}
    assert digest.data["subjects"] == [device]
    assert digest.data["readers"] == {device: [platform.user]}
    assert digest.envelope["sequence"] == "2"
    assert await lone.count("timers") == await lone.count("pots") == 0


async def _gathered(spine: Spine, user: str, count: int) -> bool:
    pots = await spine.raw("pots", recipient=user)
    return sum(sum(pot["kinds"].values()) for pot in pots) == count


async def test_many_attempts_are_one_notice_and_a_pot(working: Spine, operator: Platform) -> None:
    platform, stranger = await working.platform(), await working.platform(roles=["aggregator"])
    device = asset()
    known = (await platform.ask("asset.register.v1", device)).data["id"]
    sent = await asyncio.gather(
        *(stranger.send("asset.register.v1", device) for _ in range(ATTEMPTS))
    )
    await stranger.answered(sent)
    await eventually(lambda: _gathered(working, platform.user, ATTEMPTS - 1))
    attempts = [r for r in operator.received if r.type == ATTEMPTED]

    (told,) = [r for r in platform.received if r.type == ATTEMPTED]
    assert told.data == {"id": known, "roles": ["aggregator"]}
    assert stranger.user.encode() not in told.body
    assert {r.data["by"] for r in attempts} == {stranger.user}
    (notice,) = (await platform.ask("notice.list.v1", {})).data["notices"]
    assert (notice["type"], notice["subject"]) == (ATTEMPTED, known)
    closed = await platform.ask("notice.close.v1", {"id": notice["id"]})
    assert closed.data["state"] == "closed"
    assert (await platform.ask("notice.list.v1", {})).data["notices"] == []


async def test_what_is_said_on_a_channel_reaches_one_and_is_nowhere_in_clear(
    working: Spine, operator: Platform
) -> None:
    words = "the bid of the twelfth stands at four pence"
    platform, market = await working.platform(), await working.platform(roles=["mpp"])
    refused = await platform.ask("channel.send.v1", {"to": operator.user, "text": ""})
    sent = await platform.ask("channel.send.v1", {"to": market.user, "text": words})
    (told,) = await market.until(
        lambda: [r for r in market.received if r.type == "channel.received.v1"]
    )
    answer = await market.ask("channel.send.v1", {"to": platform.user, "text": "It does."})
    device = (await platform.ask("asset.register.v1", asset())).data["id"]
    await operator.until(lambda: [r for r in operator.received if r.data.get("id") == device])

    assert refused.type == "channel.send.rejected.v1"
    assert (sent.type, answer.type) == ("channel.send.accepted.v1",) * 2
    assert told.data == {"id": market.user, "by": platform.user, "text": words}
    assert not [r for r in operator.received if words.encode() in r.body]
    for collection in await working.database.list_collection_names():
        for row in await working.raw(collection):
            assert words not in repr(row), collection


async def test_a_broadcast_reaches_an_opted_in_owner_and_tells_its_sender(
    working: Spine, operator: Platform
) -> None:
    platform = await working.platform()
    owners = [await working.platform(roles=["owner"]) for _ in range(2)]
    for owner in owners:
        place = {"point": {"latitude": 52.2, "longitude": 0.12}}
        await platform.ask("asset.register.v1", asset(owner=owner.user, location=place))
    await owners[0].ask("subscription.set.v1", {"broadcasts": True})
    ring = [[0.0, 52.0], [0.4, 52.0], [0.4, 52.4], [0.0, 52.4], [0.0, 52.0]]
    wanted = {"polygon": {"type": "Polygon", "coordinates": [ring]}, "text": "Works on Sunday."}
    preview = await operator.ask("notice.broadcast.check.v1", wanted)
    sent = await operator.ask("notice.broadcast.v1", wanted)
    kind = "notice.broadcast-received.v1"
    (told,) = await owners[0].until(lambda: [r for r in owners[0].received if r.type == kind])
    done = "notice.broadcast-done.v1"
    (ended,) = await operator.until(lambda: [r for r in operator.received if r.type == done])

    assert (preview.data["audience"], preview.data["audience_is_whole"]) == (0, True)
    assert sent.type == "notice.broadcast.accepted.v1"
    assert told.data["text"] == "Works on Sunday."
    assert ended.data == {"id": operator.user, "broadcast": sent.data["id"], "audience": 0}
    (row,) = await working.raw("broadcasts", _id=sent.data["id"])
    assert (row["told"], row["state"]) == (1, "done")
    assert not [r for r in owners[1].received if r.type == kind]
