"""Translating in bulk through the desk: a thousand at once, in as many look-ups as for one."""

import json
from typing import Any, Final

import pytest

from contracts.links import TRANSLATED_MAX
from handlers.admission import Limits
from handlers.letters import Letter
from tests.builders import NOW, command, issued, user
from tests.decider import RULEBOOK, VAULT, reply
from tests.memory.workshop import Workshop, open_workshop
from workers.queries import Desk
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.vault import Sealed

COUNT: Final = 40
"""How many users with data keys of their own there are; the rest of a thousand is not known."""


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.count = store, 0

    async def load(self, *args: Any) -> Any:
        self.count += 1
        return await self.store.load(*args)

    async def holding(self, *args: Any) -> Any:
        self.count += 1
        return await self.store.holding(*args)


@pytest.fixture
async def linked() -> tuple[Workshop, str, dict[str, str]]:
    """A platform that has registered users by its own references."""
    workshop = await open_workshop()
    (first,) = await workshop.run(
        command("user.register.v1", user(roles=["aggregator"]), sender="operator", id="platform")
    )
    platform = str(reply(first)[1]["id"])
    wishes = [
        command("user.register.v1", user(), sender=platform, id=f"r{n}", onbehalfof=f"customer {n}")
        for n in range(COUNT)
    ]
    outcomes = await workshop.run(*wishes)
    ids = {f"customer {n}": str(reply(o)[1]["id"]) for n, o in enumerate(outcomes)}
    return workshop, platform, ids


async def ask(store: Any, sender: str, **data: Any) -> Any:
    desk = Desk(store, VAULT, RULEBOOK, Limits(), lambda: NOW)
    letter = await desk.answer(command("user.translate.v1", data, sender=sender, id="q"))
    assert isinstance(letter, Letter)
    assert letter.type == "user.translate.accepted.v1", letter.body
    return json.loads(letter.body)["data"]


async def test_a_thousand_cost_as_many_look_ups_as_one(
    linked: tuple[Workshop, str, dict[str, str]],
) -> None:
    workshop, platform, ids = linked
    unknown = [issued("USR", 1_000_000 + 100 * n) for n in range(TRANSLATED_MAX // 2 - COUNT)]
    external = [{"scheme": "own", "value": f"customer {n}"} for n in range(TRANSLATED_MAX // 2)]
    many, one = Counting(workshop.store), Counting(workshop.store)
    found = await ask(many, platform, external=external, ids=[*ids.values(), *unknown])
    # One that has a name and one that has none, of which it is looked whether it is an alias.
    few = [*list(ids.values())[:1], *unknown[:1]]
    await ask(one, platform, external=external[:1], ids=few)
    assert many.count == one.count
    assert {e["value"]: e["id"] for e in found["external"] if "id" in e} == ids
    back = {n["id"]: n["external"] for n in found["ids"]}
    assert len(back) == TRANSLATED_MAX // 2
    assert {e[0]["value"]: i for i, e in back.items() if e} == ids


async def test_nothing_is_opened_that_was_not_asked_for(
    linked: tuple[Workshop, str, dict[str, str]],
) -> None:
    """From an external id to ours no value need be opened: spoilt ones are in nobody's way."""
    workshop, platform, ids = linked
    rows = workshop.store._documents["links"]
    for row in workshop.rows("links"):
        spoilt = Sealed(row["value"].key, b"spoilt")
        rows[row["_id"]] = encode_row({**row, "value": spoilt})
    external = [{"scheme": "own", "value": "customer 3"}]
    found = await ask(workshop.store, platform, external=external)
    assert found["external"][0]["id"] == ids["customer 3"]
