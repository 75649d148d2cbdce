"""Dead letters over real servers: groups, one replay after a fix, what dies of the limit."""

import asyncio
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import bson
import pytest
import typer
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from structlog.testing import capture_logs

from handlers import endings
from handlers.decision import Accepted, Context, Decision, Guard, View
from handlers.parking import LADDER
from handlers.resending import PORTION_BYTES_MAX, STUCK
from handlers.resent import Resent
from handlers.signature import Handler
from tests.broker.registers import ExplodeAsset, KeepAsset, keep_asset
from tests.broker.test_dead import crash, worker
from tests.spine import ENTRIES, Platform, Spine, asset, eventually
from topology import names
from topology.plan import DELIVERY_LIMIT
from workers.backbone import Backbone, now_utc
from workers.cli import dead, dead_edits, dead_runs
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place
from workers.glancing import looked
from workers.resending import Resending

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
EXPLODE: Final = "asset.explode.v1"
MAILBOX: Final = names.mailbox("assets")
LARGE: Final = 4_000_000
QUEUES: Final = (
    MAILBOX,
    names.bulk_mailbox(MAILBOX),
    names.dead_queue("assets"),
    names.REPLAY_QUEUE,
    names.UNROUTED_QUEUE,
)
"""Where the broker could hold a command of an asset."""


def mended(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """What the handler does once its bug is found."""
    decision: Decision = keep_asset(KeepAsset(value=command.words), view, context)
    return decision


def contended(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """Decide on what has always changed meanwhile."""
    decision: Decision = mended(command, view, context)
    assert isinstance(decision, Accepted)
    return replace(decision, guards=(Guard("trials", {"_id": "nothing", "revision": 7}),))


def contend(backbone: Backbone) -> Backbone:
    """A release whose command loses against other commits, however often it is tried."""
    return _deciding(backbone, contended)


def mend(backbone: Backbone) -> Backbone:
    """The next release."""
    return _deciding(backbone, mended)


def later() -> datetime:
    """A clock at which what is being replayed is stuck."""
    return now_utc() + STUCK + timedelta(minutes=1)


def _deciding(backbone: Backbone, by: Callable[..., Decision]) -> Backbone:
    entry = ENTRIES[EXPLODE]
    handler = Handler(ExplodeAsset, by, entry.handler.reads, for_provisional=True)
    return replace(backbone, entries={**ENTRIES, EXPLODE: replace(entry, handler=handler)})


async def ask(operator: Platform, verb: str, **data: Any) -> Mapping[str, Any]:
    answer = await operator.ask(f"dead.{verb}.v1", data)
    assert answer.type == f"dead.{verb}.accepted.v1", answer.data
    return answer.data


async def counts(operator: Platform, **which: Any) -> Mapping[str, int]:
    counted: Mapping[str, int] = (await ask(operator, "groups", which=which))["counts"]
    return counted


async def settled(operator: Platform, **which: Any) -> Mapping[str, int]:
    """The counts when the run has ended, and none is open or replaying any more."""

    async def done() -> Mapping[str, int] | None:
        told = await ask(operator, "groups", which=which)
        found: Mapping[str, int] = told["counts"]
        is_over = told.get("run", {"state": "ended"})["state"] == "ended"
        return found if is_over and found and not {"open", "replaying"} & found.keys() else None

    found = await eventually(done)
    assert found is not None
    return found


async def test_one_replay_after_the_fix_resolves_the_group_and_does_nothing_twice(
    lone: Spine,
) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        bugs = [await sender.send(EXPLODE, {"words": f"no {n}"}) for n in range(30)]
        await sender.publish(b"no JSON", REGISTER, message_id="rubbish")
        await sender.publish(b"{}", REGISTER, user_id=None)
        scrap = json.dumps(sender.envelope("asset.scrap.v1", {})).encode()
        await sender.publish(scrap, "asset.scrap.v1", message_id="scrap")
        await sender.answered([*bugs, "rubbish"])
        await eventually(lambda: lone.count("dead_letters", reason="unroutable"))
        found = (await ask(operator, "groups"))["groups"]
        before = {one["reason"]: one for one in found}
    assert {reason: one["counts"] for reason, one in before.items()} == {
        "poisoned": {"open": 30},
        "undecodable": {"open": 1},
        "identity": {"open": 1},
        "unroutable": {"open": 1},
    }
    assert before["poisoned"]["top"].endswith("registers.py:explode_asset")

    async with lone.running(mend):
        run = await ask(
            operator, "replay", which={"fingerprint": before["poisoned"]["fingerprint"]}, why="Fix."
        )
        after = await settled(operator, run=run["id"])
        await sender.until(lambda: all(len(sender.answers(bug)) == 2 for bug in bugs))
        again = await ask(operator, "replay", which={"reason": "poisoned"}, why="Once more.")
        rest = await ask(operator, "replay", which={"reason": "undecodable"}, why="In vain.")
        hopeless = await settled(operator, run=rest["id"])
        unknown = await ask(operator, "replay", which={"reason": "unroutable"}, why="In vain.")
        nowhere = await settled(operator, run=unknown["id"])

    assert (run["matched"], after) == (30, {"resolved": 30})
    assert (again["matched"], hopeless, nowhere) == (0, {"failed-again": 1}, {"failed-again": 1})
    told = Counter(r.type for bug in bugs for r in sender.answers(bug))
    assert told == {"asset.explode.held.v1": 30, "asset.explode.accepted.v1": 30}
    assert await lone.count("trials") == 30
    assert await lone.waiting(names.REPLAY_QUEUE) == 0


async def test_what_died_of_the_limit_is_replayed_by_itself_and_once(lone: Spine) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
    command = await sender.send(REGISTER, asset())
    await die(lone)
    async with lone.running():
        accepted = await sender.until(lambda: _of(sender, command, "accepted"))
        after = await settled(operator)
    assert len(accepted) == 1
    assert after == {"resolved": 1}


async def test_dead_of_the_limit_replayed_and_dead_at_the_broker_again_it_is_not_lost(
    lone: Spine,
) -> None:
    """With the broker's own headers it vanished when it died a second time."""
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
    command = await sender.send(EXPLODE, {"words": "dead three times"})
    await die(lone)
    async with lone.running():
        await eventually(lambda: lone.count("dead_letters", state="failed-again"))
        (letter,) = await lone.raw("dead_letters")
    async with await worker(lone) as connection:
        # The only consumer of the queue to which it is replayed: a worker that gives it up.
        rejected = await reject_next(connection, names.bulk_mailbox(MAILBOX))
        async with lone.running():
            await ask(operator, "replay", which={"id": letter["_id"]}, why="Again.")
            await asyncio.wait_for(rejected, 20)
            await eventually(lambda: lone.count("dead_letters", reason="rejected"))
    async with lone.running(mend):
        last = await ask(operator, "replay", which={"id": letter["_id"]}, why="Mended.")
        after = await settled(operator, run=last["id"])
        await sender.until(lambda: _of(sender, command, "accepted"))
    assert after == {"resolved": 1}
    (ended,) = await lone.raw("dead_letters")
    tries = ["replaying", "failed-again"]
    assert [one["state"] for one in ended["history"]] == [
        "open", *tries, *tries, "replaying", "resolved"
    ]  # fmt: skip
    assert await lone.count("trials") == 1


async def test_dead_of_the_limit_replayed_deferred_and_replayed_again_it_is_not_lost(
    lone: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits while it replays, its owner stops, it is replayed beside itself, and fails again."""
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
    command = await sender.send(EXPLODE, {"words": "contended"})
    await die(lone)

    async with lone.running(contend):
        # Replayed by itself, it loses against other commits and is deferred.
        await eventually(lambda: lone.count("parked", type=EXPLODE, attempt={"$gte": 1}))
    (letter,) = await lone.raw("dead_letters")
    assert (letter["reason"], letter["state"]) == ("delivery-limit", "replaying")
    assert {queue: await lone.waiting(queue) for queue in QUEUES} == dict.fromkeys(QUEUES, 0)

    async with lone.running(lambda backbone: contend(replace(backbone, clock=later))):
        again = await ask(operator, "replay", which={"id": letter["_id"]}, why="It is stuck.")
        # The second one waits behind the first.
        await eventually(lambda: _parked(lone, 2))
    assert again["matched"] == 1

    monkeypatch.setattr(endings, "LADDER", (timedelta(milliseconds=50),) * len(LADDER))
    async with lone.running(contend):
        await eventually(lambda: _parked(lone, 0))
        failed = await settled(operator, id=letter["_id"])
    async with lone.running(mend):
        last = await ask(operator, "replay", which={"id": letter["_id"]}, why="Mended.")
        after = await settled(operator, run=last["id"])
        await sender.until(lambda: _of(sender, command, "accepted"))

    (ended,) = await lone.raw("dead_letters")
    assert (failed, after) == ({"failed-again": 1}, {"resolved": 1})
    assert [one["state"] for one in ended["history"]] == [
        "open", "replaying", "failed-again", "replaying", "resolved"
    ]  # fmt: skip
    assert await lone.count("trials") == len(_of(sender, command, "accepted")) == 1
    assert {queue: await lone.waiting(queue) for queue in QUEUES} == dict.fromkeys(QUEUES, 0)


async def test_large_letters_are_replayed_in_portions_that_a_commit_can_hold(lone: Spine) -> None:
    """Fifteen of 3.9 MB: in one commit they would be 80 MB of what is to be sent."""
    async with lone.running(body_bytes_max=LARGE):
        sender, operator = await lone.platform(), await lone.operator()
        words = "x" * (LARGE - 100_000)
        bugs = [await sender.send(EXPLODE, {"words": f"{n} {words}"}) for n in range(15)]
        await sender.answered(bugs, 60)
    async with lone.running(mend, body_bytes_max=LARGE):
        run = await ask(operator, "replay", which={"reason": "poisoned"}, why="Mended.")
        await eventually(lambda: lone.count("dead_runs", state="ended"), 60)
        await eventually(lambda: _resolved(lone, run["id"], len(bugs)), 60)
    letters = await lone.raw("dead_letters", run=run["id"])
    (record,) = await lone.raw("dead_runs")
    portions: Counter[Any] = Counter()
    for one in letters:
        portions[one["history"][1]["at"]] += one["size"]
    assert (run["matched"], record["done"], record["left_out"]) == (15, 15, 0)
    assert max(portions.values()) <= PORTION_BYTES_MAX < sum(portions.values())
    assert await lone.count("trials") == 15


async def test_a_body_over_the_size_that_nobody_takes_is_told_and_kept_nowhere(
    lone: Spine,
) -> None:
    async with lone.running():
        sender = await lone.platform()
        envelope = sender.envelope("asset.scrap.v1", {"words": "x" * 300_000})
        await sender.publish(json.dumps(envelope).encode(), "asset.scrap.v1", message_id="large")
        told = await sender.answer("large")
    assert (told.type, told.data["code"]) == ("asset.scrap.rejected.v1", "message.oversized")
    assert await lone.count("dead_letters") == 0


@pytest.mark.parametrize("message_id", ["scrap", None])
async def test_what_no_queue_is_bound_for_is_returned_and_failed_again(
    lone: Spine, message_id: str | None
) -> None:
    """Also without the alternate exchange: the broker would confirm it and throw it away."""
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        scrap = json.dumps(sender.envelope("asset.scrap.v1", {})).encode()
        await sender.publish(scrap, "asset.scrap.v1", message_id=message_id)
        await eventually(lambda: lone.count("dead_letters", reason="unroutable"))
        await lone.inspector.call("DELETE", "policies/{vhost}/unrouted")
        await eventually(lambda: _has_no_alternate(lone))
        run = await ask(operator, "replay", which={"reason": "unroutable"}, why="In vain.")
        after = await settled(operator, run=run["id"])
        (letter,) = await lone.raw("dead_letters")
    assert after == {"failed-again": 1}
    assert (letter["reason"], letter["exception"]) == ("unroutable", "message.unknown-type")
    assert [one["state"] for one in letter["history"]] == ["open", "replaying", "failed-again"]
    assert await lone.waiting(names.REPLAY_QUEUE) == 0


async def test_what_cannot_be_sent_at_all_has_failed_again_at_once_and_is_sent_when_it_can_be(
    lone: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable = Resending._properties

    def unwritable(hop: Resending, resent: Resent) -> Any:
        if resent.type == EXPLODE:
            raise TypeError("expected a value that the driver writes")
        return writable(hop, resent)

    monkeypatch.setattr(Resending, "_properties", unwritable)
    # Not printed: a stack with all that its frames hold takes the loop for most of a minute.
    with capture_logs() as said:
        async with lone.running():
            sender, operator = await lone.platform(), await lone.operator()
            await sender.answered([await sender.send(EXPLODE, {"words": "a bug"})])
            run = await ask(operator, "replay", which={"reason": "poisoned"}, why="In vain.")
            assert await settled(operator, run=run["id"]) == {"failed-again": 1}
            (letter,) = await lone.raw("dead_letters")
            assert (letter["reason"], letter["exception"]) == ("unsendable", "TypeError")
            assert letter["top"].endswith(":unwritable")
            assert await lone.waiting(names.REPLAY_QUEUE) == 0
            glance = await looked(lone.settings, lone.addresses, lone.vault)
            assert glance.dead[0] == 1, "somebody has to look at it again"
    assert "replay.unsendable" in {line["event"] for line in said}
    monkeypatch.undo()
    async with lone.running(mend):
        run = await ask(operator, "replay", which={"reason": "unsendable"}, why="It can be.")
        assert await settled(operator, run=run["id"]) == {"resolved": 1}


async def test_a_replay_waits_in_the_hop_while_nothing_at_all_is_bound(lone: Spine) -> None:
    """The binding of `unrouted` is gone too: it is kept until the topology is applied again."""
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        scrap = json.dumps(sender.envelope("asset.scrap.v1", {})).encode()
        await sender.publish(scrap, "asset.scrap.v1")
        await eventually(lambda: lone.count("dead_letters", reason="unroutable"))
        binding = "bindings/{vhost}/e/flex.unrouted/q/unrouted"
        await lone.inspector.call("DELETE", f"{binding}/~")
        run = await ask(operator, "replay", which={"reason": "unroutable"}, why="In vain.")
        await eventually(lambda: lone.count("dead_letters", state="replaying"))
        await eventually(lambda: _is_empty_outbox(lone))
        assert await counts(operator, run=run["id"]) == {"replaying": 1}
    assert await lone.waiting(names.REPLAY_QUEUE) == 1
    await lone.inspector.call("POST", binding, routing_key="")
    async with lone.running():
        after = await settled(operator, run=run["id"])
    assert after == {"failed-again": 1}


async def test_the_command_line_lists_exports_and_replays(lone: Spine, tmp_path: Path) -> None:
    keys = AccountKeys(lone.settings.folder)
    place = Place(lone.settings, lone.addresses, lone.vault, keys)
    async with lone.running():
        sender = await lone.platform()
        bugs = [await sender.send(EXPLODE, {"words": f"no {n}"}) for n in range(3)]
        await sender.answered(bugs)
        found = [one async for one in dead.letters(place, {"reason": "poisoned"})]
        written = await dead.exported(place, {"reason": "poisoned"}, tmp_path / "letters.jsonl")
    async with lone.running(mend):
        data = {"which": {"reason": "poisoned"}, "why": "Mended."}
        after = await dead_runs.done(place, "dead.replay.v1", data, wait=True)
    lines = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    bodies = [json.loads(b64decode(line["body"])) for line in lines]
    assert [one["id"] for one in found] == [line["letter"]["id"] for line in lines]
    assert (written, {body["id"] for body in bodies}) == (3, set(bugs))
    assert (after["counts"], after["outcomes"]) == ({"resolved": 3}, {"accepted": 3})


async def reject_next(connection: AbstractConnection, queue: str) -> "asyncio.Future[None]":
    """Be the worker that gives up the next message of a queue."""
    channel = await connection.channel()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def refuse(message: AbstractIncomingMessage) -> None:
        await message.reject(requeue=False)
        await channel.close()
        done.set_result(None)

    await channel.set_qos(prefetch_count=1)
    await (await channel.get_queue(queue, ensure=False)).consume(refuse)
    return done


async def die(spine: Spine, count: int = 1) -> None:
    """Be the worker that dies of a message until the broker gives it up; so many are dead then."""
    async with await worker(spine) as connection:
        for _ in range(DELIVERY_LIMIT + 1):
            await crash(connection)

        async def enough() -> bool:
            return await spine.waiting(names.dead_queue("assets")) >= count

        await eventually(enough)


async def _has_no_alternate(spine: Spine) -> bool:
    found = await spine.inspector.call("GET", f"exchanges/{{vhost}}/{names.REPLAY}")
    return found is not None and not found.get("policy")


async def _parked(spine: Spine, count: int) -> bool:
    return await spine.count("parked", type=EXPLODE) == count


async def _resolved(spine: Spine, run: str, count: int) -> bool:
    return await spine.count("dead_letters", run=run, state="resolved") == count


async def _is_empty_outbox(spine: Spine) -> bool:
    return await spine.count("outbox") == 0


def _of(sender: Platform, command: str, outcome: str) -> list[Any]:
    return [r for r in sender.answers(command) if f".{outcome}." in r.type]


async def test_another_message_takes_the_place_of_a_letters_once_a_second_operator_agrees(
    lone: Spine, tmp_path: Path
) -> None:
    """Off, then with approval: both are users with that role, and the command line says so."""
    keys = AccountKeys(lone.settings.folder)
    place = Place(lone.settings, lone.addresses, lone.vault, keys)
    file = tmp_path / "new.json"
    file.write_text(json.dumps({"value": "mended"}))
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        first = await lone.platform(roles=["special"])
        second = await lone.platform(roles=["special"])
        bug = await sender.send(EXPLODE, {"words": "a secret"})
        await sender.answer(bug)
        (letter,) = await lone.raw("dead_letters")
        edit = {"id": letter["_id"], "data": dead_edits.read(file), "why": "Agreed by phone."}
        edit["type"] = KeepAsset.message_type
        off = await operator.ask("dead.edit.v1", edit)
        for verb, data in (
            ("confirm", {"id": first.user}),
            ("confirm", {"id": second.user}),
            ("grant-role", {"id": first.user, "roles": ["operator"]}),
            ("grant-role", {"id": second.user, "roles": ["operator"]}),
        ):
            answer = await operator.ask(f"user.{verb}.v1", data)
            assert answer.type == f"user.{verb}.accepted.v1", answer.data
    # The command line consumes the operator's queues itself.
    await operator.close()
    async with lone.running(dead_edit="approved"):
        with pytest.raises(typer.Exit):
            await dead_edits.do(place, "dead.edit.v1", edit, names.OPERATOR, is_meant=True)
        assert await lone.count("dead_edits") == 0
        told = (await first.ask("dead.edit.v1", edit)).data
        own = await first.ask("dead.approve.v1", {"id": told["id"], "why": "It is mine."})
        shown = await second.ask("dead.get.v1", {"id": letter["_id"]})
        agreed = await second.ask("dead.approve.v1", {"id": told["id"], "why": "Compared."})
        answered = await first.until(lambda: first.answers(told["message"]))
        await eventually(lambda: _is_empty_outbox(lone))
    (ended,) = await lone.raw("dead_letters")
    (trial,) = await lone.raw("trials")
    assert (off.data["code"], own.data["code"]) == ("message.switched-off", "dead.approve-own")
    assert shown.data["edit"]["data"] == {"value": "mended"}
    assert (told["state"], agreed.data["state"]) == ("proposed", "sent")
    assert [one.type for one in answered] == ["asset.keep.accepted.v1"]
    assert trial["_id"] == f"{first.user}/{told['message']}"
    assert (ended["state"], ended["edited_to"]) == ("edited", told["message"])
    assert [one["by"] for one in ended["history"]] == ["", second.user]
    assert b"mended" not in bson.encode((await lone.raw("dead_edits"))[0])
    assert [one.type for one in sender.answers(bug)] == ["asset.explode.held.v1"]
