"""Item 6 on real servers: who was away for 72 hours catches up, by its queue or by a replay."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from handlers.edges import recorded
from handlers.replaying import PAUSE
from handlers.spans import PAGE
from tests.spine import Platform, Received, Spine, asset, eventually
from topology import names
from workers.backbone import Backbone, now_utc

# Long on a machine that has other things to do: they start and end processes and wait for pauses.
pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

REPLAY: Final = "event.replay.v1"
ENDED: Final = "event.replay-ended.v1"
UPDATE: Final = "asset.update.v1"
DAY: Final = timedelta(days=1)


def at(shift: timedelta) -> Callable[[Backbone], Backbone]:
    """The workers of another time."""

    def shifted() -> datetime:
        return now_utc() + shift

    return lambda backbone: replace(backbone, clock=shifted)


def events(party: Platform, *, replayed: bool = False) -> list[Received]:
    """What a party was told of changes, in the order in which it came."""
    found = [r for r in party.received if "sequence" in r.envelope and r.type != ENDED]
    return [r for r in found if ("replayed" in r.envelope) is replayed]


def heard(party: Platform, *, replayed: bool = False) -> int:
    """How many of them there are, without reading each one again at every arrival."""
    found = [r for r in party.received if ".asset.updated." in r.key or ".registered." in r.key]
    return sum((b'"replayed":"true"' in r.body) is replayed for r in found)


def sequences(told: Sequence[Received]) -> list[int]:
    return [int(one.envelope["sequence"]) for one in told]


def ends(party: Platform) -> list[dict[str, Any]]:
    found = [r for r in party.received if r.key.endswith(f".{ENDED}")]
    return [r.data for r in found if "replayed" not in r.envelope]


async def replayed(party: Platform, **data: Any) -> tuple[list[Received], dict[str, Any]]:
    """Ask for a replay, and give what came of it up to its end, with that end."""
    before, count = len(events(party, replayed=True)), len(ends(party))
    reply = await party.ask(REPLAY, data)
    assert reply.type == "event.replay.accepted.v1", reply.envelope
    await party.until(lambda: len(ends(party)) > count)
    return events(party, replayed=True)[before:], ends(party)[-1]


async def changed(other: Platform, assets: Sequence[str], number: int) -> None:
    """Change every asset once, without waiting in between."""
    ids = [
        await other.send(UPDATE, {"id": one, "capability": {"power_kw": 2 + number}})
        for one in assets
    ]
    await other.answered(ids)


async def related(spine: Spine, entity: str, party: str, until: datetime | None) -> None:
    """A relation as `asset.relate.v1` records it, or ends it."""
    tie = {"as": "fsp", "from": datetime(2020, 1, 1, tzinfo=UTC), "until": until}
    row = recorded(entity, party, [tie])
    await spine.database["relations"].replace_one({"_id": row["_id"]}, row, upsert=True)


async def registered(other: Platform, count: int, **data: Any) -> list[str]:
    ids = [await other.send("asset.register.v1", asset(**data)) for _ in range(count)]
    await other.answered(ids)
    return [str((await other.answer(one)).data["id"]) for one in ids]


async def purge(spine: Spine, user: str) -> None:
    await spine.inspector.call("DELETE", f"queues/{{vhost}}/{names.events_queue(user)}/contents")


async def told(spine: Spine, user: str, count: int) -> bool:
    """Whether a user was told so much, and all of it is in its queue."""
    kept = await spine.count("events", recipient=user)
    return kept == count and await spine.count("outbox") == 0


async def test_a_subscriber_who_was_away_for_72_hours_catches_up(lone: Spine) -> None:
    async with lone.running():
        away, other = await lone.platform(listen=False), await lone.platform()
        assets = await registered(other, 5, owner=away.user)
        kept, lost = assets[:4], assets[4]
        await eventually(lambda: told(lone, away.user, 5))
    for day in range(4):
        async with lone.running(at(day * DAY)):
            await changed(other, assets, day)
            count = 5 * (day + 2)
            await eventually(lambda: told(lone, away.user, count))  # noqa: B023  awaited at once
    async with lone.running(at(3 * DAY)):
        # Its queue has kept everything: complete, in order, and by that in order per asset.
        await away.listen(names.replies_queue(away.user), names.events_queue(away.user))
        await away.until(lambda: heard(away) == 25)
        first = events(away)
        assert sequences(first) == list(range(1, 26))
        for one in assets:
            mine = [event.data["revision"] for event in first if event.data["id"] == one]
            assert mine == [1, 2, 3, 4, 5]
        span = datetime.fromisoformat(first[-1].envelope["time"]) - datetime.fromisoformat(
            first[5].envelope["time"]
        )
        assert span > 3 * DAY - timedelta(minutes=5)

        # With the queue lost: from a sequence, marked, otherwise the same bytes of meaning.
        again, end = await replayed(away, from_sequence=11)
        assert [one.envelope for one in again] == [
            one.envelope | {"replayed": "true"} for one in first[10:]
        ]
        assert end == {"id": away.user, "from_sequence": 11, "upto": 25, "told": 15}
    # From a time: the changes of the last two days, after the pause between two replays.
    async with lone.running(at(3 * DAY + timedelta(seconds=10))):
        since = datetime.fromisoformat(first[15].envelope["time"])
        again, end = await replayed(away, from_time=since.isoformat())
        assert sequences(again) == list(range(16, 26))
        assert (end["from_sequence"], end["told"]) == (16, 11)
        assert ends(away)[0]["upto"] == 25
    # What was sold meanwhile is not told again, and the end says that nothing else is to come.
    await lone.database["assets"].update_one({"_id": lost}, {"$set": {"owner": other.user}})
    async with lone.running(at(3 * DAY + timedelta(seconds=20))):
        again, end = await replayed(away, from_sequence=1, upto=25)
        assert {event.data["id"] for event in again} == set(kept)
        assert sequences(again) == sequences([e for e in first if e.data["id"] != lost])
        assert end == {"id": away.user, "from_sequence": 1, "upto": 25, "told": 20}


async def test_a_purged_queue_is_made_good_by_a_replay(lone: Spine) -> None:
    async with lone.running():
        away, other = await lone.platform(listen=False), await lone.platform()
        (one,) = await registered(other, 1)
        await related(lone, one, away.user, None)
        for number in range(3):
            await changed(other, [one], number)
        await eventually(lambda: told(lone, away.user, 3))
        await purge(lone, away.user)
        await away.listen(names.replies_queue(away.user), names.events_queue(away.user))
        again, _ = await replayed(away, from_sequence=1)
        assert [event.data["revision"] for event in again] == [2, 3, 4]
        assert events(away) == []
    # The relation has ended: the changes of its time are not told again.
    await related(lone, one, away.user, now_utc())
    async with lone.running(at(timedelta(seconds=10))):
        again, end = await replayed(away, from_sequence=1, upto=3)
        assert (again, end["told"]) == ([], 0)


async def test_one_at_a_time_and_not_faster_than_a_page_each_half_second(
    lone: Spine, capsys: pytest.CaptureFixture[str]
) -> None:
    async with lone.running():
        reader, other = await lone.platform(), await lone.platform()
        assets = await registered(other, 200, owner=reader.user)
        for number in range(4):
            await changed(other, assets, number)
        await reader.until(lambda: heard(reader) == 1000, limit_s=60)
        began = time.perf_counter()
        first = await reader.send(REPLAY, {"from_sequence": 1})
        second = await reader.ask(REPLAY, {"from_sequence": 1})
        await reader.until(lambda: len(ends(reader)) == 1, limit_s=60)
        seconds = time.perf_counter() - began
        soon = await reader.ask(REPLAY, {"from_sequence": 1})
    with capsys.disabled():
        rate = f"{1000 / seconds:.0f} a second"
        print(f"\nreplay: 1000 events in {seconds:.2f} s, {rate}")  # noqa: T201 - a figure
    assert (await reader.answer(first)).type == "event.replay.accepted.v1"
    assert second.data["code"] == "event.replay-running"
    assert soon.data["code"] == "event.replay-too-soon"
    again = events(reader, replayed=True)
    assert sequences(again) == list(range(1, 1001))
    assert [one.envelope["id"] for one in again] == [o.envelope["id"] for o in events(reader)]
    assert seconds >= (1000 // PAGE - 1) * PAUSE.total_seconds()


async def test_a_replay_goes_on_after_its_worker_was_killed(lone: Spine) -> None:
    async with lone.running():
        reader, other = await lone.platform(), await lone.platform()
        assets = await registered(other, 200, owner=reader.user)
        for number in range(5):
            await changed(other, assets, number)
        await reader.until(lambda: heard(reader) == 1200, limit_s=60)
    async with lone.process() as worker:
        await reader.ask(REPLAY, {"from_sequence": 1})
        await reader.until(lambda: heard(reader, replayed=True) >= PAGE)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    (record,) = await lone.raw("replays")
    assert record["state"] == "running"
    assert heard(reader, replayed=True) < 1200
    async with lone.process():
        await reader.until(lambda: bool(ends(reader)), limit_s=90)
    again = sequences(events(reader, replayed=True))
    # A page whose messages were on their way when the worker died may come twice.
    assert sorted(set(again)) == list(range(1, 1201))
    assert list(dict.fromkeys(again)) == list(range(1, 1201))
    (record,) = await lone.raw("replays")
    assert (record["state"], record["told"]) == ("ended", 1200)
