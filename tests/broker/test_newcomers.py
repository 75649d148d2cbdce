"""What a new user is told before the broker has its queue: nothing of it is lost, or overtakes."""

import secrets
from dataclasses import replace
from typing import Any

import pytest

from tests.broker.scene import accepted, personal
from tests.spine import Platform, Spine, eventually, user
from workers.backbone import Backbone

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]
AGGREGATOR = {"name": "Village Batteries Ltd", "roles": ["aggregator"]}


def without_management(backbone: Backbone) -> Backbone:
    """The management API is away, so that no queue can be made."""
    addresses = replace(backbone.addresses, management_url="http://127.0.0.1:1")
    return replace(backbone, addresses=addresses)


async def register(by: Platform, key: str | None, reference: str, **data: Any) -> str:
    given = user(key, **AGGREGATOR | data)
    return str((await accepted(by, "user.register.v1", given, onbehalfof=reference))["id"])


async def is_sent(spine: Spine) -> bool:
    return await spine.count("outbox") == 0


async def is_held(spine: Spine, keys: list[str]) -> bool:
    """Whether nothing else is in the outbox; what was delivered is taken out a little later."""
    return [row["key"] for row in await spine.raw("outbox")] == keys


async def is_told(spine: Spine, who: str, count: int) -> bool:
    (row,) = await spine.raw("sequences", _id=who) or [{"last": 0}]
    return bool(row["last"] == count)


async def test_what_was_told_before_the_queue_is_in_it_when_the_account_is_there(
    working: Spine,
) -> None:
    """Twenty at once, each of which logs in as soon as it can, and asks for nothing again."""
    platform, key = await working.platform(), secrets.token_urlsafe(24)
    issued = [await register(platform, key, f"client {n}", name=f"Client {n}") for n in range(20)]
    for who in issued:
        await eventually(lambda who=who: working.has_account(who))  # type: ignore[misc]
        party = await working.connect(who, key)
        await party.until(lambda p=party: personal(p))  # type: ignore[misc]
        (first,) = personal(party)
        assert (first.type, first.envelope["sequence"]) == ("user.registered.v1", "1")
        assert "replayed" not in first.envelope
        await party.close()
    assert await working.count("replays") == 0


async def test_it_waits_for_as_long_as_the_queue_cannot_be_made(lone: Spine) -> None:
    """And in its order; meanwhile others are told, and a restart changes nothing."""
    key = secrets.token_urlsafe(24)
    async with lone.running():
        platform, mo = await lone.platform(**BANKED), await lone.platform(roles=["special"])
    async with lone.running(without_management):
        new = await register(platform, key, "CLIENT-7")
        for group in ("contacts", "bank"):
            await accepted(platform, "sharing.grant.v1", {"party": new, "groups": [group]})
        await eventually(lambda: is_told(lone, new, 3))
        await accepted(platform, "sharing.grant.v1", {"party": mo.user, "groups": ["bank"]})
        await mo.until(lambda: personal(mo))
        kinds = ("user.registered.v1", "sharing.granted.v1", "sharing.granted.v1")
        await eventually(lambda: is_held(lone, [f"{new}.{kind}" for kind in kinds]))
    async with lone.running():
        await eventually(lambda: lone.has_account(new))
        party = await lone.connect(new, key)
        await party.until(lambda: personal(party)[2:])
        assert [one.envelope["sequence"] for one in personal(party)] == ["1", "2", "3"]
        await eventually(lambda: is_sent(lone))


async def test_nobody_is_waited_for_who_has_no_account_or_wants_less(working: Spine) -> None:
    """Who gets an account later asks for what it was told before."""
    operator, platform = await working.operator(), await working.platform()
    without = await register(platform, None, "CLIENT-8", name="Without Ltd")
    less = await working.platform(name="Less Ltd")
    queue = await less.channel.get_queue(f"{less.user}.events", ensure=False)
    await queue.bind("flex.events", f"{less.user}.asset.#")
    await queue.unbind("flex.events", f"{less.user}.#")
    await accepted(operator, "user.confirm.v1", {"id": less.user})
    await eventually(lambda: is_told(working, less.user, 1))
    await eventually(lambda: is_told(working, without, 1))
    await eventually(lambda: is_sent(working))
    assert personal(less) == []
    key = secrets.token_urlsafe(24)
    account = {"account": without, "key_hash": user(key)["account_key_hash"]}
    await accepted(operator, "account.set.v1", account)
    await eventually(lambda: working.has_account(without))
    party = await working.connect(without, key)
    # That it has an account is told after the account was made up, and so it is not lost.
    await party.until(lambda: personal(party))
    assert [(one.type, one.envelope["sequence"]) for one in personal(party)] == [
        ("account.changed.v1", "2")
    ]
    await accepted(party, "event.replay.v1", {"from_sequence": 1})
    await party.until(lambda: [one for one in party.received if one.type == "user.registered.v1"])


BANKED = {
    "name": "Harbour Flex Ltd",
    "contacts": [{"name": "Bo Desk", "email": "bo@example.com"}],
    "bank": {"account_name": "Harbour Flex", "sort_code": "202015", "account_number": "31926819"},
}
