"""What it costs to ask whether a type needs an agreement: one query for a batch, and when."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from handlers.conditions import CONDITIONS
from handlers.decision import Put
from handlers.edges import RELATIONS, edge
from tests.builders import asset, command, user
from tests.memory.workshop import Workshop, open_workshop
from workers.store.memory import MemoryStore

Loads = list[Mapping[str, Collection[Any]]]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    """What the store is asked for, load by load: each is one query."""
    seen: Loads = []
    load = MemoryStore.load

    async def counted(self: MemoryStore, keys: Mapping[str, Collection[Any]]) -> Any:
        seen.append({name: set(wanted) for name, wanted in keys.items()})
        return await load(self, keys)

    monkeypatch.setattr(MemoryStore, "load", counted)
    return seen


def batch(name: str, sender: str) -> list[Any]:
    return [
        command(
            data=asset(identity={"make": "Acme", "serial": f"{name}-{number}"}),
            sender=sender,
            id=f"{name}-{number}",
        )
        for number in range(50)
    ]


async def registered(workshop: Workshop) -> str:
    (outcome,) = await workshop.run(
        command("user.register.v1", user(), sender="operator", id="user")
    )
    assert outcome.kind == "accepted"
    (key,) = [
        w.document["_id"] for w in outcome.writes if isinstance(w, Put) and w.collection == "users"
    ]
    return str(key)


async def test_a_batch_without_conditions_costs_one_query_more_in_no_further_round(
    loads: Loads,
) -> None:
    workshop = await open_workshop()
    sender = await registered(workshop)
    loads.clear()
    outcomes = await workshop.run(*batch("free", sender))
    assert {outcome.kind for outcome in outcomes} == {"accepted"}
    asked = [load for load in loads if CONDITIONS in load]
    assert [load[CONDITIONS] for load in asked] == [{"asset.register", "asset.register.v1"}]
    assert asked == [loads[0]]
    assert "users" in loads[0]


async def test_a_batch_that_needs_an_agreement_looks_once_for_each_sender(loads: Loads) -> None:
    workshop = await open_workshop()
    sender = await registered(workshop)
    loads.clear()
    await workshop.run(*batch("free", sender))
    rounds = len(loads)
    needs = {"url": "https://example.com", "sha256": "0" * 64, "needed_for": ["asset.register.v1"]}
    terms = {"id": "terms", "title": "Terms", **needs}
    await workshop.run(command("agreement.publish.v1", terms, sender="operator", id="publish"))
    loads.clear()
    outcomes = await workshop.run(*batch("bound", sender))
    assert {outcome.kind for outcome in outcomes} == {"rejected"}
    assert len(loads) == rounds + 1
    (looked,) = [load[RELATIONS] for load in loads if RELATIONS in load]
    assert looked == {edge("terms", sender)}
