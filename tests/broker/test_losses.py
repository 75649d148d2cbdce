"""What a subscriber's full queue loses is counted, and comes again by a replay."""

from collections.abc import Mapping
from typing import Any

import pytest

from handlers.dead_letters import LETTERS
from handlers.losing import LOSSES
from tests.broker.test_replay import changed, events, registered, replayed, sequences, told
from tests.spine import ENTRIES, Spine, eventually
from topology import names
from topology.plan import Policy
from topology.sharding import build
from workers.glancing import looked

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

KEPT = 5
"""How many messages a user's queue holds in these tests."""


def personal() -> Policy:
    (policy,) = [one for one in build(ENTRIES, 1).policies if one.name == "personal"]
    return policy


async def narrow(spine: Spine, user: str, **more: Any) -> None:
    """The policy of users' queues, with another limit."""
    policy, queue = personal(), names.events_queue(user)
    definition = {**dict(policy.definition), **more}
    body = {"pattern": policy.pattern, "apply-to": policy.apply_to, "definition": definition}
    await spine.inspector.call("PUT", "policies/{vhost}/personal", **body)
    wanted = {name: definition[name] for name in more}

    async def applied() -> bool:
        row = await spine.inspector.call("GET", f"queues/{{vhost}}/{queue}")
        there: Mapping[str, Any] = (row or {}).get("effective_policy_definition") or {}
        return {name: there.get(name) for name in wanted} == wanted

    await eventually(applied)


async def lost(spine: Spine, user: str, count: int) -> bool:
    found = await spine.raw(LOSSES, _id=user)
    return bool(found) and found[0]["events"] == count


async def test_what_a_full_queue_drops_is_counted_and_a_replay_brings_each(lone: Spine) -> None:
    async with lone.running():
        away, other = await lone.platform(listen=False), await lone.platform()
        await narrow(lone, away.user, **{"max-length": KEPT})
        assets = await registered(other, 4, owner=away.user)
        await eventually(lambda: told(lone, away.user, 4))
        for number in range(2):
            await changed(other, assets, number)
            await eventually(lambda: told(lone, away.user, 4 * (number + 2)))  # noqa: B023  at once
        await eventually(lambda: lost(lone, away.user, 12 - KEPT))
        (row,) = await lone.raw(LOSSES)
        glance = await looked(lone.settings, lone.addresses, lone.vault)
        await narrow(lone, away.user, **{"max-length": 1000})

        await away.listen(names.replies_queue(away.user), names.events_queue(away.user))
        await away.until(lambda: len(events(away)) == KEPT)
        again, end = await replayed(away, from_sequence=row["first"], upto=row["last"])

    assert row["reasons"] == {"dropped": 12 - KEPT}
    assert (row["first"], row["last"]) == (1, 12 - KEPT)
    assert sequences(events(away)) == [8, 9, 10, 11, 12]
    assert sequences(again) == [1, 2, 3, 4, 5, 6, 7]
    assert end["told"] == 12 - KEPT
    assert glance.lost.events == 12 - KEPT
    assert glance.lost.users == {away.user: 12 - KEPT}
    assert await lone.waiting(names.LOST_QUEUE) == 0
    assert await lone.count(LETTERS) == 0


async def test_what_expires_is_counted_too(lone: Spine) -> None:
    async with lone.running():
        away, other = await lone.platform(listen=False), await lone.platform()
        await narrow(lone, away.user, **{"message-ttl": 200})
        await registered(other, 3, owner=away.user)
        await eventually(lambda: lost(lone, away.user, 3))
        (row,) = await lone.raw(LOSSES, _id=away.user)
    assert row["reasons"] == {"expired": 3}
