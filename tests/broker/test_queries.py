"""Queries and checks: who gets which answer, over which way, and what a bug costs."""

import json
from typing import Any, Final

import pytest

from tests.spine import DIRECT_REPLY, Platform, Spine, asset, eventually, user
from topology import names

pytestmark = pytest.mark.connected

BANK: Final = {"account_name": "Example", "iban": "GB82WEST12345698765432"}
ABSENT: Final = "USR-0000-0000-0000-0"


@pytest.fixture(scope="module")
async def platform(working: Spine) -> Platform:
    return await working.platform(bank=BANK, roles=["aggregator"])


@pytest.fixture(scope="module")
async def stranger(working: Spine) -> Platform:
    return await working.platform()


@pytest.fixture(scope="module")
async def operator(working: Spine) -> Platform:
    return await working.operator()


@pytest.fixture(scope="module")
async def customer(platform: Platform) -> str:
    """A user that the platform has registered, and who has no account."""
    data = user(kind="person", name="Ada Example", roles=["owner"], bank=BANK)
    reply = await platform.ask("user.register.v1", data, onbehalfof="customer 7")
    return str(reply.data["id"])


async def test_oneself_is_shown_whole(platform: Platform) -> None:
    reply = await platform.ask("user.get.v1", {"id": platform.user})

    assert (reply.type, reply.queue) == (
        "user.get.accepted.v1",
        names.replies_queue(platform.user),
    )
    assert reply.data["bank"] == BANK
    assert "masked" not in reply.data or not reply.data["masked"]


async def test_whom_one_registered_is_shown_with_the_bank_masked(
    platform: Platform, customer: str
) -> None:
    reply = await platform.ask("user.get.v1", {"id": customer})

    assert (reply.data["name"], reply.data["registrant"]) == ("Ada Example", platform.user)
    assert reply.data["masked"] == ["bank"]
    assert reply.data["bank"]["iban"].endswith("432")
    assert BANK["iban"] not in reply.body.decode()


async def test_an_operator_sees_any_user_with_the_bank_masked(
    operator: Platform, customer: str
) -> None:
    reply = await operator.ask("user.get.v1", {"id": customer})

    assert (reply.data["name"], reply.data["masked"]) == ("Ada Example", ["bank"])


async def test_a_stranger_cannot_tell_what_it_may_not_see_from_what_is_not(
    stranger: Platform, platform: Platform, customer: str
) -> None:
    device = (await platform.ask("asset.register.v1", asset())).data["id"]
    hidden = [
        await stranger.ask("user.get.v1", {"id": customer}),
        await stranger.ask("user.get.v1", {"id": platform.user}),
        await stranger.ask("asset.get.v1", {"id": device}),
    ]

    assert [reply.data["code"] for reply in hidden] == [
        "user.not-found",
        "user.not-found",
        "asset.not-found",
    ]
    assert (await platform.ask("asset.get.v1", {"id": device})).data["id"] == device


async def test_a_check_finds_all_faults_and_changes_nothing(
    working: Spine, platform: Platform
) -> None:
    tables = ("assets", "claims", "inbox", "history", "commands", "outbox")
    before = {name: await working.count(name) for name in tables}

    good = await platform.ask("asset.register.check.v1", asset())
    wrong = asset(lifecycle="planned", commissioned_on="2020-01-01") | {"owner": ABSENT}
    bad = await platform.ask("asset.register.check.v1", wrong)

    assert (good.type, good.data) == (
        "asset.register.check.accepted.v1",
        {"verdict": "acceptable"},
    )
    assert bad.type == "asset.register.check.rejected.v1"
    assert bad.data["findings"]
    assert {name: await working.count(name) for name in tables} == before


async def test_direct_reply_to_is_answered(working: Spine, platform: Platform) -> None:
    channel = await platform.connection.channel()
    queue = await channel.get_queue(DIRECT_REPLY, ensure=False)
    direct: list[dict[str, Any]] = []

    async def hear(message: Any) -> None:
        direct.append(json.loads(message.body))

    await queue.consume(hear, no_ack=True)
    commands = await channel.get_exchange(names.COMMANDS, ensure=False)
    whole = Platform(platform.user, "", platform.connection, channel, commands, DIRECT_REPLY)
    for kind, data in (("user.get.v1", {"id": platform.user}), ("asset.register.v1", asset())):
        command = await whole.send(kind, data)
        await eventually(lambda: _among(direct, command))  # noqa: B023  awaited at once

    assert [reply["type"] for reply in direct] == [
        "user.get.accepted.v1",
        "asset.register.accepted.v1",
    ]
    await channel.close()


async def _among(replies: list[dict[str, Any]], command: str) -> bool:
    return any(reply["correlationid"] == command for reply in replies)


async def test_an_answer_to_anothers_queue_comes_as_an_event(
    platform: Platform, stranger: Platform
) -> None:
    heard = len(stranger.received)
    envelope = platform.envelope("user.get.v1", {"id": platform.user})
    elsewhere = names.replies_queue(stranger.user)
    await platform.publish(json.dumps(envelope).encode(), "user.get.v1", reply_to=elsewhere)
    reply = await platform.answer(envelope["id"])
    await stranger.ask("user.get.v1", {"id": stranger.user})

    assert reply.queue == names.events_queue(platform.user)
    assert [r.envelope["correlationid"] for r in stranger.received[heard:]] != [envelope["id"]]
    assert len(stranger.received) == heard + 1


async def test_an_answer_whose_queue_is_gone_comes_as_an_event(platform: Platform) -> None:
    envelope = platform.envelope("user.get.v1", {"id": platform.user})
    gone = f"{platform.user}.gone"
    await platform.publish(json.dumps(envelope).encode(), "user.get.v1", reply_to=gone)

    assert (await platform.answer(envelope["id"])).queue == names.events_queue(platform.user)


async def test_a_bug_costs_one_question_and_the_asker_is_told(
    working: Spine, platform: Platform
) -> None:
    asked = await platform.send("asset.ponder.v1", {"words": "why"})
    after = await platform.ask("user.get.v1", {"id": platform.user})
    held = await platform.answer(asked)
    (kept,) = await working.raw("dead_letters", reason="rejected")
    (letter,) = await working.opened("dead_contents", _id=kept["_id"])

    assert after.type == "user.get.accepted.v1"
    assert (held.type, held.queue) == ("asset.ponder.held.v1", names.events_queue(platform.user))
    assert held.data["code"] == "message.held"
    assert json.loads(letter["body"].value)["id"] == asked
    assert (kept["account"], kept["queue"]) == (platform.user, names.query_queue("assets"))
    assert await working.waiting(names.dead_queue("assets")) == 0


@pytest.mark.parametrize("body", [b"{", b'{"id": 7}', b"\x00"])
async def test_an_unreadable_question_is_answered_by_an_event(
    platform: Platform, body: bytes
) -> None:
    await platform.publish(body, "user.get.v1", message_id=(mark := f"mark {body!r}"))
    answer = await platform.answer(mark)

    assert (answer.type, answer.data["code"]) == ("user.get.rejected.v1", "message.undecodable")
