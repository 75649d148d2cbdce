"""Promises 5 to 7: in one batch, each bad message ends as the table says and harms nobody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.spine import Platform, Received, Spine, asset, eventually
from topology import names

pytestmark = pytest.mark.connected

MAILBOX: Final = names.mailbox("assets")
BATCH: Final = 200
GOOD: Final = 192
REGISTER: Final = "asset.register.v1"
REJECTED: Final = "asset.register.rejected.v1"


@dataclass
class Batch:
    """What was published, by what is wrong with it: command id or message id."""

    sender: Platform
    other: Platform
    operator: Platform
    good: list[str]
    bad: Mapping[str, str]

    def answers(self, name: str) -> list[Received]:
        return self.sender.answers(self.bad[name])


async def publish_bad(sender: Platform, other: Platform) -> dict[str, str]:
    """Publish eight messages, each with one fault; name what its answer can be known by."""
    marks = {name: uuid4().hex for name in ("undecodable", "unreadable", "oversized", "source")}
    marks["anonymous"] = str(uuid4())

    def written(**attributes: Any) -> bytes:
        return json.dumps(sender.envelope(REGISTER, asset(), **attributes)).encode()

    await sender.publish(b"\xff\xfe not JSON", REGISTER, message_id=marks["undecodable"])
    await sender.publish(written(id="no id!"), REGISTER, message_id=marks["unreadable"])
    large = written() + b" " * 300_000
    await sender.publish(large, REGISTER, message_id=marks["oversized"])
    await sender.publish(written(id=marks["anonymous"]), REGISTER, user_id=None)
    others = written(source=f"urn:flexspine:user:{other.user}")
    await sender.publish(others, REGISTER, message_id=marks["source"])
    marks["reply_to"] = str(uuid4())
    elsewhere = names.replies_queue(other.user)
    await sender.publish(written(id=marks["reply_to"]), REGISTER, reply_to=elsewhere)
    marks["unstorable"] = await sender.send("asset.keep.v1", {"value": {"number": 2**70}})
    marks["bug"] = await sender.send("asset.explode.v1", {"words": "nothing"})
    return marks


@pytest.fixture(scope="module")
async def batch(spine: Spine) -> Batch:
    """Publish 200 while no worker runs, the bad ones amidst the good, and let them be decided."""
    async with spine.running():
        sender, other = await spine.platform(), await spine.platform()
        operator = await spine.operator()
    good = [await sender.send(REGISTER, asset()) for _ in range(GOOD // 2)]
    bad = await publish_bad(sender, other)
    good += [await sender.send(REGISTER, asset()) for _ in range(GOOD // 2)]
    async with spine.running(linger_ms=1000):
        told = [mark for name, mark in bad.items() if name != "anonymous"]
        await sender.answered([*good, *told])
        events = "asset.registered.v1"
        await operator.until(lambda: sum(r.type == events for r in operator.received) >= GOOD + 1)
    return Batch(sender, other, operator, good, bad)


async def dead(spine: Spine, reason: str) -> list[dict[str, Any]]:
    """Letters with their contents."""
    rows = await spine.raw("dead_letters", reason=reason)
    return [row | (await spine.opened("dead_contents", _id=row["_id"]))[0] for row in rows]


async def test_it_was_one_batch(spine: Spine, batch: Batch) -> None:
    (lane,) = await spine.raw("lanes", _id=MAILBOX)
    (archived,) = await spine.raw("commands", lane=MAILBOX)

    assert lane["batch"] == 1
    assert archived["batch"] == 1
    # Decided were the good, the one with another's `reply_to`, and the unstorable one.
    assert [entry["kind"] for entry in archived["entries"]].count("accepted") == GOOD + 1
    assert [entry["kind"] for entry in archived["entries"]].count("rejected") == 1
    assert archived["entries"][-1]["index"] == BATCH - 1
    assert await spine.waiting(MAILBOX) == 0


async def test_the_good_do_not_notice(spine: Spine, batch: Batch) -> None:
    replies = [reply for command in batch.good for reply in batch.sender.answers(command)]

    assert [reply.type for reply in replies] == ["asset.register.accepted.v1"] * GOOD
    assert {reply.queue for reply in replies} == {names.replies_queue(batch.sender.user)}
    assert await spine.count("assets") == GOOD + 1
    registered = [r.data["id"] for r in batch.operator.received if r.type == "asset.registered.v1"]
    assert sorted(registered) == [row["_id"] for row in await spine.raw("assets")]
    assert await spine.count("outbox") == 0


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("undecodable", "message.undecodable", "undecodable"),
        ("unreadable", "message.undecodable", "undecodable"),
        ("oversized", "message.oversized", None),
        ("source", "message.source", "source"),
    ],
)
async def test_who_can_be_trusted_is_told_by_an_event(
    spine: Spine, batch: Batch, name: str, code: str, reason: str | None
) -> None:
    (answer,) = batch.answers(name)

    assert (answer.queue, answer.type) == (names.events_queue(batch.sender.user), REJECTED)
    assert answer.data["code"] == code
    assert answer.data["findings"][0]["advice"]
    letters = await dead(spine, reason) if reason is not None else []
    mine = [d for d in letters if d["properties"].value["message_id"] == batch.bad[name]]
    assert len(mine) == (reason is not None)
    assert all(letter["account"] == batch.sender.user for letter in mine)
    # Nothing of it is remembered under an id, its own nor the broker's.
    assert await spine.count("inbox", **{"_id.id": batch.bad[name]}) == 0


async def test_only_what_the_table_says_is_kept(spine: Spine, batch: Batch) -> None:
    reasons = sorted(row["reason"] for row in await spine.raw("dead_letters"))

    assert reasons == ["identity", "poisoned", "source", "undecodable", "undecodable"]
    # The good, the one with another's `reply_to`, and the unstorable one.
    assert await spine.count("inbox", **{"_id.user": batch.sender.user}) == GOOD + 2
    # The other, whom two messages named, got nothing but what was its own.
    assert batch.other.received == []


async def test_without_user_id_nobody_is_told_and_the_message_is_kept(
    spine: Spine, batch: Batch
) -> None:
    (letter,) = await dead(spine, "identity")

    assert batch.answers("anonymous") == []
    assert json.loads(letter["body"].value)["id"] == batch.bad["anonymous"]
    assert letter["account"] is None
    assert await spine.count("inbox", **{"_id.id": batch.bad["anonymous"]}) == 0


async def test_anothers_reply_queue_is_not_used(spine: Spine, batch: Batch) -> None:
    (answer,) = batch.answers("reply_to")

    assert answer.type == "asset.register.accepted.v1"
    assert answer.queue == names.events_queue(batch.sender.user)
    assert await spine.count("inbox", **{"_id.id": batch.bad["reply_to"]}) == 1


async def test_an_unstorable_value_is_a_rejection_that_names_it(spine: Spine, batch: Batch) -> None:
    (answer,) = batch.answers("unstorable")

    assert answer.type == "asset.keep.rejected.v1"
    assert answer.data["code"] == "value.unstorable"
    assert "value.number" in answer.data["findings"][0]["field"]
    assert await spine.count("inbox", **{"_id.id": batch.bad["unstorable"]}) == 1
    assert await spine.count("trials") == 0


async def test_a_bug_is_held_and_not_remembered(spine: Spine, batch: Batch) -> None:
    (answer,) = batch.answers("bug")
    (letter,) = await dead(spine, "poisoned")

    assert (answer.type, answer.data["code"]) == ("asset.explode.held.v1", "message.held")
    assert letter["fault"].value["type"] == "RuntimeError"
    assert "explode_asset" in letter["fault"].value["stack"]
    assert json.loads(letter["body"].value)["id"] == batch.bad["bug"]
    assert await spine.count("inbox", **{"_id.id": batch.bad["bug"]}) == 0


async def test_a_message_with_copies_is_refused(working: Spine) -> None:
    """Below RabbitMQ 4 a CC header goes around the topic permission."""
    sender = await working.platform()
    body = json.dumps(sender.envelope(REGISTER, asset())).encode()
    await sender.publish(body, REGISTER, headers={"CC": ["user.register.v1"]})
    known = await sender.ask(REGISTER, asset())
    kept = {"account": sender.user, "reason": "identity"}
    await eventually(lambda: working.count("dead_letters", **kept))

    assert known.type == "asset.register.accepted.v1"
    assert [r.type for r in sender.received] == ["asset.register.accepted.v1"]
    assert await working.count("assets", registrant=sender.user) == 1


async def test_a_blind_copy_has_no_effect_of_its_own(working: Spine) -> None:
    """The broker takes a BCC header off: the copy is known by its key, which fits no other box."""
    sender = await working.platform()
    envelope = sender.envelope(REGISTER, asset())
    headers = {"BCC": ["user.register.v1"]}
    await sender.publish(json.dumps(envelope).encode(), REGISTER, headers=headers)
    accepted = await sender.answer(envelope["id"])
    copy = await sender.until(lambda: [r for r in sender.received if r.type == REJECTED])

    assert accepted.type == "asset.register.accepted.v1"
    assert [r.data["code"] for r in copy] == ["message.unknown-type"]
    assert await working.count("users", registrant=sender.user) == 0


async def test_a_type_that_nobody_takes_is_rejected_and_kept(working: Spine) -> None:
    sender = await working.platform()
    envelope = sender.envelope("asset.scrap.v1", {})
    await sender.publish(json.dumps(envelope).encode(), "asset.scrap.v1", message_id="scrap")
    told = await sender.until(lambda: list(sender.received))

    assert [(r.queue, r.type) for r in told] == [
        (names.events_queue(sender.user), "asset.scrap.rejected.v1")
    ]
    assert told[0].data["code"] == "message.unknown-type"
    assert told[0].envelope["correlationid"] in {"scrap", envelope["id"]}
    assert await working.count("inbox", **{"_id.id": envelope["id"]}) == 0
    (kept,) = await working.raw("dead_letters", account=sender.user)
    # A type that nobody knows may be anybody's words: a digest stands in its place.
    assert (kept["reason"], kept["type"].partition("-")[0]) == ("unroutable", "unknown")
