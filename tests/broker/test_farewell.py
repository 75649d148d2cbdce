"""Who leaves reads its answers: it retires and erases itself on one connection, at leisure."""

import pytest

from tests.broker.logins import accepted, end_farewell, is_shut_out
from tests.broker.test_standing import is_gone
from tests.spine import LIMIT_S, Platform, Spine, asset, eventually
from topology import names

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]


async def erased(party: Platform) -> str:
    answer = await accepted(party, "user.erase.v1", id=party.user, confirm_id=party.user)
    return str(answer["state"])


async def has_settled(spine: Spine) -> bool:
    """Whether the reconciler has gone through all that it was told of."""
    queue = await spine.inspector.call("GET", f"queues/{{vhost}}/{names.ACCOUNTS_QUEUE}")
    return bool(queue.get("messages", 1) == 0) and await spine.count("outbox") == 0


async def test_who_retires_right_after_its_registration_reads_both_answers(working: Spine) -> None:
    """The reconciler is still at work for the registration, and must not end what it makes."""
    party = await working.platform()
    assert (await accepted(party, "user.retire.v1", id=party.user))["status"] == "retired"
    await eventually(lambda: has_settled(working))
    refused = await party.ask("asset.register.v1", asset())
    assert refused.data["code"] == "sender.suspended"
    assert await erased(party) == "running"
    await eventually(lambda: has_settled(working))
    assert await erased(party) in {"running", "done"}
    assert not party.connection.is_closed
    await end_farewell(working, party)
    await eventually(lambda: is_gone(working, party.user))
    assert await is_shut_out(working, party.user, party.password)
    assert [row["state"] for row in await working.raw("accounts", user=party.user)] == ["ended"] * 2
    assert await working.count("timers", kind="farewell") == 0


async def test_neither_other_facts_nor_a_restart_shorten_it(lone: Spine) -> None:
    async with lone.running():
        party = await lone.platform()
        extra = f"{party.user}/night"
        for kind, more in (("set", {"key_hash": "A" * 48}), ("end", {})):
            await accepted(party, f"account.{kind}.v1", account=extra, **more)
        await accepted(party, "user.retire.v1", id=party.user)
    async with lone.running():
        await eventually(lambda: has_settled(lone))
        # What was on its way is done, and what had ended before is gone nevertheless.
        assert not await lone.has_account(extra)
        assert await erased(party) == "running"
        (timer,) = await lone.raw("timers", kind="farewell")
        (user,) = await lone.raw("users", _id=party.user)
        assert (timer["due"] - user["erased_at"]).total_seconds() == 60
        assert timer["due"] > user["status_at"]
        assert await lone.has_account(party.user)


async def test_who_is_retired_by_an_operator_is_out_at_once(working: Spine) -> None:
    operator, party = await working.operator(), await working.platform()
    await accepted(operator, "user.retire.v1", id=party.user)
    await eventually(lambda: is_gone(working, party.user), LIMIT_S)
    assert await working.count("timers", kind="farewell") == 0


async def test_the_others_hear_what_ends_with_it(working: Spine) -> None:
    """The market of its interest when it retires; its delegate and an owner when it is erased."""
    operator = await working.operator()
    leaver, mo = await working.platform(roles=["fsp"]), await working.platform(roles=["special"])
    await accepted(operator, "user.grant-role.v1", id=mo.user, roles=["mo"])
    delegate, owner = [await working.platform(roles=[role]) for role in ("fsp", "owner")]
    await accepted(leaver, "interest.express.v1", to=[mo.user], note="Four batteries.")
    await accepted(leaver, "mandate.give.v1", delegate=delegate.user)
    battery = str((await accepted(owner, "asset.register.v1", **asset()))["id"])
    tie = {"id": battery, "party": leaver.user, "relation": "fsp"}
    await accepted(owner, "asset.relate.v1", **tie)

    await accepted(leaver, "user.retire.v1", id=leaver.user)
    gone = await heard(mo, "interest.withdrawn.v1")
    assert (gone["id"], gone["to"], gone["by"]) == (leaver.user, mo.user, leaver.user)
    notices = await accepted(mo, "notice.list.v1")
    assert notices["notices"] == []
    assert await erased(leaver) == "running"
    ended = await heard(delegate, "mandate.ended.v1")
    assert (ended["id"], ended["delegate"]) == (leaver.user, delegate.user)
    unrelated = await heard(owner, "asset.unrelated.v1")
    assert (unrelated["id"], unrelated["party"]) == (battery, leaver.user)
    await operator.until(lambda: [r for r in operator.received if r.type == "user.erased.v1"])
    await accepted(owner, "asset.relate.v1", **tie | {"party": delegate.user})
    await heard(delegate, "asset.related.v1")
    assert await working.count("events", recipient=leaver.user) == 0


async def heard(party: Platform, kind: str) -> dict[str, object]:
    """What the first event of a kind said to a party."""
    found = await party.until(lambda: [r for r in party.received if r.type == kind])
    return found[0].data
