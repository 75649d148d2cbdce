"""Every confirmed command has exactly one outcome, and every change its event."""

import json
from collections import Counter
from typing import Any, Final

import pytest

from tests.spine import Platform, Received, Spine, asset, eventually
from topology import names

pytestmark = [pytest.mark.connected, pytest.mark.chaos]

REGISTER: Final = "asset.register.v1"
UPDATE: Final = "asset.update.v1"
MAILBOX: Final = names.mailbox("assets")
COMMANDS: Final = 691
TAKEN: Final = 23
"""How many of them ask for a device that another of them has."""
KILLS: Final = (100, 300, 500)
"""How many are decided when the worker is killed."""


def devices() -> list[dict[str, Any]]:
    """A register of as many devices as the embedded capacity register of one network has rows."""
    serials = [f"SERIAL-{n:04d}" for n in range(COMMANDS - TAKEN)]
    taken = serials[:: len(serials) // TAKEN][:TAKEN]
    return [asset(serial) for serial in (*serials, *taken)]


async def outcomes(spine: Spine, sender: Platform) -> int:
    return await spine.count("inbox", **{"_id.user": sender.user})


async def kill_at(spine: Spine, sender: Platform, decided: int) -> int:
    """Run the worker until so many are decided, and kill it."""

    async def reached() -> bool:
        return await outcomes(spine, sender) >= decided

    async with spine.process(lease_s=1, batch_size_max=20, prefetch_max=60) as process:
        await eventually(reached)
        process.kill()
        await process.wait()
    return await outcomes(spine, sender)


def by_command(sender: Platform) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for message in sender.received:
        found.setdefault(message.envelope["correlationid"], []).append(message)
    return found


async def test_each_command_has_one_outcome_whenever_the_worker_dies(lone: Spine) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
    ids = [await sender.send(REGISTER, data) for data in devices()]

    died_at = [await kill_at(lone, sender, decided) for decided in KILLS]
    async with lone.running(lease_s=1):
        await sender.answered(ids, 40)
        await eventually(lambda: lone.settled(MAILBOX))
    answers = by_command(sender)
    stored = await lone.raw("assets")
    events = [r.data["id"] for r in operator.received if r.type == "asset.registered.v1"]

    assert all(decided < COMMANDS for decided in died_at), died_at
    assert sorted(answers) == sorted(ids)
    assert all(len({answer.body for answer in found}) == 1 for found in answers.values())
    kinds = Counter(found[0].type.split(".")[-2] for found in answers.values())
    assert kinds == {"accepted": COMMANDS - TAKEN, "rejected": TAKEN}
    # Once each: by the sender's serials, by the inbox, by the claims, by the history.
    assert len({row["identity"]["serial"] for row in stored}) == len(stored) == COMMANDS - TAKEN
    issued = {f[0].data["id"] for f in answers.values() if f[0].type.endswith("accepted.v1")}
    assert issued == {row["_id"] for row in stored}
    assert await lone.count("inbox", **{"_id.user": sender.user}) == COMMANDS
    assert await lone.count("claims") == len(stored)
    assert await lone.count("history", entity={"$in": sorted(issued)}) == len(stored)
    assert await lone.count("dead_letters") == 0
    # No event without its change, no change without its event; a repeat is allowed.
    assert set(events) == issued


async def test_changes_of_one_entity_keep_their_order(lone: Spine) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        issued = [(await sender.ask(REGISTER, asset())).data["id"] for _ in range(3)]
    before = await outcomes(lone, sender)
    ids = [
        await sender.send(UPDATE, {"id": issued[n % 3], "capability": {"power_kw": n + 1}})
        for n in range(300)
    ]

    await kill_at(lone, sender, before + 60)
    await kill_at(lone, sender, before + 150)
    async with lone.running(lease_s=1):
        await sender.answered(ids, 40)
        await eventually(lambda: lone.settled(MAILBOX))

    for entity in issued:
        revisions = [
            r.data["revision"]
            for r in operator.received
            if r.type == "asset.updated.v1" and r.data["id"] == entity
        ]
        # A repeat goes back to what was not confirmed; new ones never leave a gap.
        highest = 1
        for revision in revisions:
            assert revision <= highest + 1, revisions
            highest = max(highest, revision)
        assert highest == 101
    stored = {row["_id"]: row["capability"]["power_kw"] for row in await lone.raw("assets")}
    assert [int(stored[entity].to_decimal()) for entity in issued] == [298, 299, 300]


async def test_a_resent_file_changes_nothing(lone: Spine) -> None:
    """A sender that does not know what was confirmed sends all of it again."""
    async with lone.running():
        sender = await lone.platform()
    bodies = [
        json.dumps(sender.envelope(REGISTER, asset(f"RESENT-{n}"))).encode() for n in range(200)
    ]
    for body in bodies:
        await sender.publish(body, REGISTER)
    died_at = await kill_at(lone, sender, 50)
    for body in bodies:
        await sender.publish(body, REGISTER)
    async with lone.running(lease_s=1):
        await sender.until(
            lambda: (
                all(len(found) >= 2 for found in by_command(sender).values())
                and len(by_command(sender)) == len(bodies)
            )
        )
        await eventually(lambda: lone.settled(MAILBOX))

    assert died_at < len(bodies)
    assert all(len({a.body for a in found}) == 1 for found in by_command(sender).values())
    assert await lone.count("assets") == await outcomes(lone, sender) == len(bodies)
