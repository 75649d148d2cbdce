"""Dead letters over real servers: groups, one replay after a fix, what dies of the limit."""

import asyncio
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from handlers.decision import Context, Decision, View
from handlers.signature import Handler
from tests.broker.registers import ExplodeAsset, KeepAsset, keep_asset
from tests.broker.test_dead import crash, worker
from tests.spine import ENTRIES, Platform, Spine, asset, eventually
from topology import names
from topology.plan import DELIVERY_LIMIT
from workers.backbone import Backbone
from workers.cli import dead
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
EXPLODE: Final = "asset.explode.v1"
MAILBOX: Final = names.mailbox("assets")


def mended(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """What the handler does once its bug is found."""
    decision: Decision = keep_asset(KeepAsset(value=command.words), view, context)
    return decision


def mend(backbone: Backbone) -> Backbone:
    """The next release."""
    entry = ENTRIES[EXPLODE]
    handler = Handler(ExplodeAsset, mended, entry.handler.reads, for_provisional=True)
    return replace(backbone, entries={**ENTRIES, EXPLODE: replace(entry, handler=handler)})


async def ask(operator: Platform, verb: str, **data: Any) -> Mapping[str, Any]:
    answer = await operator.ask(f"dead.{verb}.v1", data)
    assert answer.type == f"dead.{verb}.accepted.v1", answer.data
    return answer.data


async def counts(operator: Platform, **which: Any) -> Mapping[str, int]:
    counted: Mapping[str, int] = (await ask(operator, "groups", which=which))["counts"]
    return counted


async def settled(operator: Platform, **which: Any) -> Mapping[str, int]:
    """The counts when none is open or replaying any more."""

    async def done() -> Mapping[str, int] | None:
        found = await counts(operator, **which)
        return found if found and not {"open", "replaying"} & found.keys() else None

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
        after = await dead.done(place, "dead.replay.v1", data, wait=True)
    lines = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    bodies = [json.loads(b64decode(line["body"])) for line in lines]
    assert [one["id"] for one in found] == [line["letter"]["id"] for line in lines]
    assert (written, {body["id"] for body in bodies}) == (3, set(bugs))
    assert after == {"resolved": 3}


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


async def _is_empty_outbox(spine: Spine) -> bool:
    return await spine.count("outbox") == 0


def _of(sender: Platform, command: str, outcome: str) -> list[Any]:
    return [r for r in sender.answers(command) if f".{outcome}." in r.type]
