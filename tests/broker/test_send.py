"""`send` and `watch` on a whole backbone: every line answered, again with the same bytes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aio_pika.abc import AbstractChannel

from tests.given import ROOT, data
from tests.spine import Spine
from topology import names
from workers.cli import client
from workers.cli.asking import deliver
from workers.cli.client import Correspondent, LoginFailed, listen
from workers.cli.input import anew
from workers.cli.keyring import AccountKeys
from workers.cli.lines import Line, read_lines
from workers.cli.mappings import TableMapping
from workers.cli.place import Place
from workers.cli.sending import Settled

pytestmark = pytest.mark.connected
SCENARIO = ROOT / "examples" / "first-steps.jsonl"


def place_of(spine: Spine, folder: Path) -> Place:
    settings = spine.settings.model_copy(update={"folder": folder})
    return Place(settings, spine.addresses, spine.vault, AccountKeys(folder))


async def sent(
    place: Place,
    lines: Sequence[Line],
    silence_s: float = 20,
    seen: Callable[[int], None] = lambda _count: None,
) -> list[Settled]:
    settled: list[Settled] = []

    def take(one: Settled) -> None:
        settled.append(one)
        seen(len(settled))

    await deliver(place, lines, take, silence_s)
    return sorted(settled, key=lambda one: (one.line.scope, one.line.number))


def codes(settled: Iterable[Settled]) -> dict[tuple[str, str], int]:
    return dict(Counter((one.result, one.code) for one in settled))


def commands(settled: Iterable[Settled]) -> list[bytes | None]:
    """Replies to what changes the register: a query's tells of today, and is made anew."""
    return [
        one.reply
        for one in settled
        if one.line.envelope is None
        or not ({"get", "check"} & set(str(one.line.envelope["type"]).split(".")))
    ]


def registrations(count: int, sender: str = "operator", tag: str = "a") -> list[Line]:
    person = {"kind": "person", "name": "Ann Example", "roles": ["owner"]}
    envelopes: list[dict[str, Any]] = [
        {
            "specversion": "1.0",
            "source": f"urn:flexspine:user:{sender}",
            "type": "user.register.v1",
            "data": person | {"name": f"Ann Example {tag} {number}"},
        }
        for number in range(count)
    ]
    return list(read_lines(b"".join(json.dumps(e).encode() + b"\n" for e in envelopes)))


async def test_the_scenario_is_answered_and_sending_it_again_changes_nothing(
    working: Spine, tmp_path: Path
) -> None:
    place, lines = place_of(working, tmp_path), list(read_lines(SCENARIO.read_bytes()))
    first = await sent(place, lines)
    assert codes(first) == {
        ("accepted", ""): 13,
        ("rejected", "user.duplicate"): 1,
        ("rejected", "user.unreachable"): 1,
        ("rejected", "user.on-behalf-missing"): 1,
        ("rejected", "mpan.check-digit"): 1,
        ("rejected", "asset.duplicate"): 1,
        ("rejected", "asset.stale"): 1,
        ("rejected", "asset.not-found"): 1,
    }
    again = await sent(place, lines)
    assert commands(again) == commands(first)
    assert {one.answered_at for one in first} == {None}
    for one in again:
        if one.reply in {early.reply for early in first} and one.reply is not None:
            assert one.answered_at == json.loads(one.reply)["time"], one.line.label


async def test_what_is_done_again_needs_another_id(working: Spine, tmp_path: Path) -> None:
    place, (line,) = place_of(working, tmp_path), registrations(1, tag="thrice")
    made = json.loads((await sent(place, [line]))[0].reply or b"")["data"]["id"]
    source = "urn:flexspine:user:operator"
    suspend = {"id": made, "reason": "other"}, "user.suspend.v1"
    reinstate = {"id": made}, "user.reinstate.v1"

    async def told(given: tuple[dict[str, str], str], *, again: bool = False) -> tuple[str, bool]:
        envelope = {"source": source, "type": given[1], "data": given[0]}
        lines = list(read_lines(json.dumps(envelope).encode()))
        (one,) = await sent(place, anew(lines) if again else lines)
        found = await working.raw("users", _id=made)
        return found[0]["status"], one.answered_at is not None

    assert await told(suspend) == ("suspended", False)
    assert await told(reinstate) == ("provisional", False)
    assert await told(suspend) == ("provisional", True)
    assert await told(suspend, again=True) == ("suspended", False)


async def test_a_real_register_is_sent_whole_and_again(working: Spine, tmp_path: Path) -> None:
    content = data("ecr_ukpn_epn/ecr_ukpn_epn.csv").read_bytes()
    place, lines = place_of(working, tmp_path), TableMapping.open("ecr").lines(content)
    first = await sent(place, lines)
    assets = [one.result for one in first if one.line.label.startswith("row")]
    assert Counter(assets) == {"accepted": 684, "rejected": 7}
    again = await sent(place, lines)
    assert [one.reply for one in again] == [one.reply for one in first]


async def test_a_lost_connection_loses_no_answer(working: Spine, tmp_path: Path) -> None:
    lines, killing = registrations(1500, tag="lost"), asyncio.Event()
    place = place_of(working, tmp_path)
    sending = asyncio.create_task(
        sent(place, lines, seen=lambda count: killing.set() if count == 100 else None)
    )
    await killing.wait()
    await working.inspector.kill_connections(names.OPERATOR)
    settled = await sending
    assert codes(settled) == {("accepted", ""): 1500}
    assert len({one.reply for one in settled}) == 1500


async def test_what_the_broker_refuses_costs_one_line(working: Spine, tmp_path: Path) -> None:
    forbidden = {
        "specversion": "1.0",
        "source": "urn:flexspine:user:front-desk",
        "type": "asset.register.v1",
        "data": {},
    }
    lines = [
        *registrations(3, "front-desk", "before"),
        *read_lines(json.dumps(forbidden).encode()),
        *registrations(3, "front-desk", "after"),
    ]
    settled = await sent(place_of(working, tmp_path), lines)
    assert codes(settled) == {("accepted", ""): 6, ("rejected", "broker.access-refused"): 1}


async def test_without_workers_lines_stay_unanswered_until_they_are_sent_again(
    lone: Spine, tmp_path: Path
) -> None:
    place, lines = place_of(lone, tmp_path), registrations(5, tag="patient")
    assert codes(await sent(place, lines, silence_s=1)) == {("unanswered", "silence"): 5}
    async with lone.running():
        assert codes(await sent(place, lines)) == {("accepted", ""): 5}
    assert await lone.count("users") == 5


async def test_a_user_without_a_key_here_cannot_send(working: Spine, tmp_path: Path) -> None:
    lines = registrations(1, "USR-0000-0000-0001-G")
    assert codes(await sent(place_of(working, tmp_path), lines)) == {("unanswered", "login"): 1}


async def test_two_programs_do_not_take_each_other_s_answers(
    working: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.cli.client.LOGIN_S", 1.0)
    url, ready = place_of(working, tmp_path).url(names.OPERATOR), asyncio.Event()
    reading = asyncio.create_task(Correspondent(url, names.OPERATOR).run(ready.set))
    await ready.wait()
    with pytest.raises(LoginFailed, match="only program"):
        await Correspondent(url, names.OPERATOR).run(lambda: None)
    reading.cancel()
    await asyncio.wait([reading])


async def test_the_operator_watches_what_happens(working: Spine, tmp_path: Path) -> None:
    place, heard = place_of(working, tmp_path), asyncio.Queue[bytes]()
    queues = [names.domain_queue(names.OPERATOR)]
    watching = asyncio.create_task(
        listen(place.url(names.OPERATOR), names.OPERATOR, queues, heard.put)
    )
    (settled,) = await sent(place, registrations(1, tag="watched"))
    issued = json.loads(settled.reply or b"{}")["data"]["id"]
    while json.loads(await heard.get())["subject"] != issued:
        pass
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_watch_for_a_time_counts_from_when_it_listens(
    working: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a connection takes: what waits is shown, and then it ends by itself."""
    place, heard, opened = place_of(working, tmp_path), asyncio.Queue[bytes](), client.channel_of

    @asynccontextmanager
    async def slow(url: str, user: str) -> AsyncIterator[AbstractChannel]:
        await asyncio.sleep(3)
        async with opened(url, user) as channel:
            yield channel

    queues = [names.domain_queue(names.OPERATOR)]
    (settled,) = await sent(place, registrations(1, tag="watched for a time"))
    issued = json.loads(settled.reply or b"{}")["data"]["id"]
    monkeypatch.setattr(client, "channel_of", slow)
    async with asyncio.timeout(60):
        await listen(place.url(names.OPERATOR), names.OPERATOR, queues, heard.put, 2)
    subjects = [json.loads(heard.get_nowait())["subject"] for _ in range(heard.qsize())]
    assert issued in subjects
