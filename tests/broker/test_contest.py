"""One organisation, registered by two platforms at once while its mailbox changes its owner."""

import asyncio
import secrets
from typing import Final

import pytest

from tests.spine import Platform, Spine, eventually, user
from topology import names

pytestmark = pytest.mark.connected

REGISTER: Final = "user.register.v1"
ACCEPTED: Final = "user.register.accepted.v1"
ATTEMPTED: Final = "user.duplicate-attempted.v1"
USERS: Final = names.mailbox("users")
EACH: Final = 100
BEFORE_THE_KILL: Final = 20
COMPANY: Final = "04366849"
SPELLINGS: Final = (COMPANY, "4366849", " 4366849 ", "0436 6849")
"""One number as people write it: with and without its zero, with spaces."""


async def owner_of(spine: Spine) -> int:
    rows = await spine.raw("lanes", _id=USERS)
    return int(rows[0]["owner"].split(":")[1]) if rows and rows[0]["owner"] else 0


async def register(platform: Platform, number: int) -> str:
    claims = {"company_number": SPELLINGS[number % len(SPELLINGS)]}
    data = user(secrets.token_urlsafe(24), claims=claims, roles=["aggregator"])
    return await platform.send(REGISTER, data, onbehalfof=f"customer {number}")


async def gathered(spine: Spine, recipient: str) -> int:
    """How many attempts a user was told of, at once and in what is summed up for it."""
    told = await spine.count("events", recipient=recipient, type=ATTEMPTED)
    pots = await spine.raw("pots", recipient=recipient)
    return told + sum(int(pot["kinds"].get(ATTEMPTED, 0)) for pot in pots)


@pytest.mark.timeout(180)
async def test_two_hundred_registrations_of_one_organisation_make_one_user(lone: Spine) -> None:
    """One id, 199 refusals; the incumbent is told once at once and of the rest in sum."""
    async with lone.process(lease_s=3) as first, lone.process(lease_s=3) as second:
        both = [await lone.platform(name=f"Platform {n}") for n in range(2)]
        sent = await asyncio.gather(*(_all_of(platform, n) for n, platform in enumerate(both)))
        await both[0].answered(sent[0][:BEFORE_THE_KILL])
        holder = await owner_of(lone)
        victim, other = (first, second) if holder == first.pid else (second, first)
        victim.kill()

        async def taken_over() -> bool:
            return await owner_of(lone) == other.pid

        await eventually(taken_over)
        for platform, ids in zip(both, sent, strict=True):
            await platform.answered(ids, 60)
        answers = [platform.answers(i) for p, platform in enumerate(both) for i in sent[p]]
        accepted = {a.body: a.data for found in answers for a in found if a.type == ACCEPTED}
        codes = [found[0].data.get("code") for found in answers if found[0].type != ACCEPTED]
        (incumbent,) = {data["id"] for data in accepted.values()}
        winner = next(p for p in both if any(a.type == ACCEPTED for a in p.received))

        async def all_told() -> bool:
            return await gathered(lone, incumbent) == 2 * EACH - 1

        await eventually(all_told, 60)
        await eventually(lambda: lone.settled(names.NOTICES), 60)
    registered = await lone.raw("users", registrant={"$in": [p.user for p in both]})
    claims = await lone.raw("claims", holder=incumbent, scheme="company_number")
    at_once = [
        await lone.count("events", recipient=u, type=ATTEMPTED) for u in (incumbent, winner.user)
    ]

    assert {len({a.body for a in found}) for found in answers} == {1}
    assert (len(accepted), len(codes), set(codes)) == (1, 2 * EACH - 1, {"user.duplicate"})
    assert [row["_id"] for row in registered] == [incumbent]
    assert len(claims) == 1
    # The registrant hears of the other platform's attempts, and not of its own.
    assert await gathered(lone, winner.user) == EACH
    assert at_once == [1, 1]


async def _all_of(platform: Platform, which: int) -> list[str]:
    return [await register(platform, which * EACH + n) for n in range(EACH)]
