"""Promise 2: an effect happens once, and its answer is always the same."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.spine import Platform, Received, Spine, asset
from topology import names
from workers.backbone import Backbone
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
MAILBOX: Final = names.mailbox("assets")
KEPT: Final = ("users", "assets", "claims", "accounts", "history", "inbox", "keys", "commands")


class Hesitant(MongoStore):
    """A store that has committed and does not say so before it is told to: time for a fault."""

    def __init__(self, url: str, database: str) -> None:
        """Hesitate at the first commit of the assets' mailbox."""
        super().__init__(url, database)
        self.committed = asyncio.Event()
        self.go_on = asyncio.Event()

    async def commit(self, commit: Commit) -> None:
        await super().commit(commit)
        if commit.lane == MAILBOX:
            self.committed.set()
            await self.go_on.wait()


async def everything(spine: Spine) -> Mapping[str, list[dict[str, Any]]]:
    return {name: await spine.raw(name) for name in KEPT}


async def answers(sender: Platform, command: str, count: int) -> list[Received]:
    await sender.until(lambda: len(sender.answers(command)) >= count)
    return sender.answers(command)


async def test_the_same_bytes_again_get_the_same_answer_and_change_nothing(
    working: Spine,
) -> None:
    sender = await working.platform()
    good = sender.envelope(REGISTER, asset("S1"))
    bad = sender.envelope(REGISTER, asset("S1"))
    sent = [json.dumps(envelope).encode() for envelope in (good, bad)]
    for body in sent:
        await sender.publish(body, REGISTER)
    await sender.answered([good["id"], bad["id"]])
    before = await everything(working)

    for body in sent * 3:
        await sender.publish(body, REGISTER)

    accepted = await answers(sender, good["id"], 4)
    rejected = await answers(sender, bad["id"], 4)
    assert {reply.type for reply in accepted} == {"asset.register.accepted.v1"}
    assert {reply.type for reply in rejected} == {"asset.register.rejected.v1"}
    assert rejected[0].data["code"] == "asset.duplicate"
    assert len({reply.body for reply in accepted}) == 1
    assert len({reply.body for reply in rejected}) == 1
    assert await everything(working) == before


async def test_the_same_id_with_other_bytes_is_rejected(working: Spine) -> None:
    sender = await working.platform()
    first = sender.envelope(REGISTER, asset())
    other = first | {"data": asset()}
    await sender.publish(json.dumps(first).encode(), REGISTER)
    await sender.answer(first["id"])
    before = await everything(working)

    await sender.publish(json.dumps(other).encode(), REGISTER)
    await sender.publish(json.dumps(first).encode(), REGISTER)

    replies = await answers(sender, first["id"], 3)
    assert [reply.data.get("code") for reply in replies] == [None, "message.id-reused", None]
    assert replies[0].body == replies[2].body
    assert await everything(working) == before


async def test_an_id_is_its_senders_own(working: Spine) -> None:
    one, two = await working.platform(), await working.platform()
    replies = [await party.ask(REGISTER, asset(), id="the-first") for party in (one, two)]

    assert [reply.type for reply in replies] == ["asset.register.accepted.v1"] * 2
    assert replies[0].data["id"] != replies[1].data["id"]


async def test_what_is_delivered_again_after_its_commit_takes_effect_once(lone: Spine) -> None:
    """The connection breaks when the batch is committed and not acked yet."""
    stores: list[Hesitant] = []

    def hesitating(backbone: Backbone) -> Backbone:
        stores.append(Hesitant(lone.addresses.mongo_url, backbone.store.database))
        return replace(backbone, store=stores[0])

    async with lone.running():
        sender = await lone.platform()
        operator = await lone.operator()
        # The month's key, which every answer again asks for, is there then.
        await sender.ask(REGISTER, {})
    commands = [await sender.send(REGISTER, asset()) for _ in range(20)]
    async with lone.running(hesitating, linger_ms=1000):
        await stores[0].committed.wait()
        before = await everything(lone)
        assert await lone.count("assets", registrant=sender.user) == len(commands)
        killed = await lone.inspector.kill_connections(names.WORKER_ACCOUNT)
        stores[0].go_on.set()
        twice = [await answers(sender, command, 2) for command in commands]
    await stores[0].close()

    assert killed >= 1
    assert all(first.body == second.body for first, second in twice)
    assert await everything(lone) == before
    events = [r for r in operator.received if r.data.get("by") == sender.user]
    assert len(events) == len(commands)
    assert await lone.waiting(MAILBOX) == 0
