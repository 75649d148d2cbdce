"""Mailboxes and their owners: shared by processes, taken over, and with a lane for bulk loads."""

import asyncio
import json
import time
from typing import Any, Final

import pytest

from tests.spine import Platform, Spine, asset, eventually
from topology import names

pytestmark = [pytest.mark.connected]

REGISTER: Final = "asset.register.v1"
UPDATE: Final = "asset.update.v1"
ASSETS: Final = names.mailbox("assets")
MAILBOXES: Final = (ASSETS, names.NOTICES, names.mailbox("users"))
LEASE_S: Final = 3.0
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def owners(spine: Spine) -> dict[str, str]:
    """Mailbox -> the connection of its consumer, as the broker lists them."""
    listed = await spine.inspector.call("GET", "consumers/{vhost}") or ()
    return {
        c["queue"]["name"]: c["channel_details"]["connection_name"]
        for c in listed
        # Of a channel that has only just been opened the broker says an empty list.
        if c["queue"]["name"] in MAILBOXES and c["channel_details"]
    }


async def pids(spine: Spine) -> dict[str, int]:
    """Mailbox -> the process that holds its lease."""
    rows = await spine.raw("lanes", _id={"$in": list(MAILBOXES)})
    return {row["_id"]: int(row["owner"].split(":")[1]) for row in rows if row["owner"]}


async def test_two_processes_share_the_mailboxes_and_one_takes_over(lone: Spine) -> None:
    """The broker's list of consumers says who owns what; nothing is lost or reordered."""
    async with lone.process(lease_s=LEASE_S) as first, lone.process(lease_s=LEASE_S) as second:

        async def shared() -> dict[str, int]:
            found = await pids(lone)
            return found if set(found.values()) == {first.pid, second.pid} else {}

        async def consumed_by_two() -> bool:
            found = await owners(lone)
            return len(found) == len(MAILBOXES) and len(set(found.values())) == len(MAILBOXES)

        held = await eventually(shared)
        await eventually(consumed_by_two)
        sender, operator = await lone.platform(), await lone.operator()
        entity = (await sender.ask(REGISTER, asset())).data["id"]
        victim = first if held[ASSETS] == first.pid else second
        other = second if victim is first else first
        ids = [await power(sender, entity, n) for n in range(50)]
        await sender.answered(ids[:10])
        victim.kill()
        killed = time.monotonic()
        ids += [await power(sender, entity, n) for n in range(50, 100)]

        async def taken_over() -> bool:
            return set((await pids(lone)).values()) == {other.pid}

        await eventually(taken_over)
        lasted = time.monotonic() - killed
        await sender.answered(ids)
        await eventually(lambda: lone.settled(ASSETS))
    assert lasted <= LEASE_S + 0.5, lasted
    assert {len({a.body for a in sender.answers(i)}) for i in ids} == {1}
    revisions = [
        r.data["revision"]
        for r in operator.received
        if r.type == "asset.updated.v1" and r.data["id"] == entity
    ]
    assert list(dict.fromkeys(revisions)) == list(range(2, 102))


async def power(sender: Platform, entity: str, number: int) -> str:
    return await sender.send(UPDATE, {"id": entity, "capability": {"power_kw": number + 1}})


async def test_a_bulk_load_delays_nobody(lone: Spine) -> None:
    """While thousands wait in the second queue, an ordinary command is answered soon."""
    async with lone.running():
        sender, other = await lone.platform(), await lone.platform()
    loader = await bulk(lone, sender)
    waiting = [json.dumps(sender.envelope(REGISTER, asset())).encode() for _ in range(2000)]
    await asyncio.gather(*[loader.publish(body, REGISTER) for body in waiting])
    asked = await other.send(REGISTER, asset())
    async with lone.running(batch_size_max=50, prefetch_max=100):
        await other.answer(asked)
        before = len(sender.received)
        ids = [json.loads(body)["id"] for body in waiting]
        await sender.answered(ids, 40)
    assert before < len(waiting) / 4
    assert await lone.count("assets") == len(waiting) + 1


async def bulk(spine: Spine, sender: Platform) -> Platform:
    """The same user's account for bulk loads; its replies come to the user's own queue."""
    account = names.bulk_account(sender.user)
    await eventually(lambda: spine.has_account(account))
    party = await spine.connect(account, sender.password, listen=False)
    party.commands = await party.channel.get_exchange(names.BULK, ensure=False)
    party.reply_to = sender.reply_to
    return party


async def test_bulk_account_reaches_no_ordinary_mailbox(lone: Spine) -> None:
    async with lone.running():
        sender = await lone.platform()
        loader = await bulk(lone, sender)
        loader.commands = await loader.channel.get_exchange(names.COMMANDS, ensure=False)
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            await loader.publish(b"{}", REGISTER)


@pytest.mark.parametrize("headers", [{"traceparent": TRACE, "tracestate": "vendor=7"}])
async def test_reply_and_event_carry_the_trace_of_their_command(
    working: Spine, headers: dict[str, Any]
) -> None:
    sender = await working.platform(listen=False)
    password = working.vault.password(names.OPERATOR)
    operator = await working.connect(names.OPERATOR, password, listen=False)
    heard: list[tuple[str, Any]] = []

    async def hear(message: Any) -> None:
        heard.append((message.type, dict(message.headers)))
        await message.ack()

    for party, queue in (
        (sender, sender.reply_to),
        (operator, names.domain_queue(names.OPERATOR)),
    ):
        found = await party.channel.get_queue(queue, ensure=False)
        await found.consume(hear)
    body = json.dumps(sender.envelope(REGISTER, asset())).encode()
    await sender.publish(body, REGISTER, headers=headers | {"x-own": "kept to itself"})

    async def both() -> bool:
        traced = {kind for kind, found in heard if found == headers}
        return traced >= {"asset.register.accepted.v1", "asset.registered.v1"}

    await eventually(both)
