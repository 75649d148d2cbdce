"""Every attack of the table is refused on the real broker, and nothing is leaked by it."""

from collections.abc import AsyncIterator

import pytest

from tests.broker.attacks import ATTACKS, SETTINGS, Row, arena_of, attempted, looked, table
from tests.broker.guesses import SHOWN
from tests.broker.offences import Arena
from tests.spine import Spine

pytestmark = pytest.mark.connected

ROWS: list[Row] = []


@pytest.fixture(scope="module")
async def arena(spine: Spine) -> AsyncIterator[Arena]:
    """Attacker and victim; in the end the table is printed, and the victim has heard nothing."""
    async with spine.running(**SETTINGS):
        arena = await arena_of(spine)
        yield arena
        if ROWS:
            print(f"\n{table(ROWS)}\n{len(ROWS)} attacks")  # noqa: T201 - for `pytest -s`


@pytest.mark.parametrize("name", ATTACKS)
async def test_it_is_refused_and_leaks_nothing(arena: Arena, name: str) -> None:
    ROWS.append(await attempted(arena, name))


async def test_what_anybody_is_shown_is_no_more_than_the_page_says(arena: Arena) -> None:
    """The page on connecting says so to everybody; what is shown besides has to be said there."""
    shown = {row.attack: row.code for row in [await looked(arena, name) for name in SHOWN]}
    print("", *shown.items(), sep="\n")  # noqa: T201 - for `pytest -s`
    assert shown == {
        "passive declaration of another's events": "0 messages, 1 consumers",
        "passive declaration of a mailbox": "0 messages, 1 consumers",
        "passive declaration of dead letters": "0 messages, 1 consumers",
        "passive declaration of nobody's events": "NOT_FOUND",
        "passive declaration of an exchange": "that it is there",
        "a user's id as an owner, dry run": "accepted, or asset.owner-unknown",
        "a user's id as a delegate, dry run": "accepted, or mandate.party-unknown",
    }


async def test_the_victim_has_heard_of_nothing(arena: Arena) -> None:
    """What had been on its way to the victim would have come before this answer, or with it."""
    reply = await arena.two.ask("user.get.v1", {"id": arena.two.user})
    queues = {received.queue for received in arena.two.received}
    assert reply.data["id"] == arena.two.user
    assert queues == {arena.two.reply_to}


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 40
