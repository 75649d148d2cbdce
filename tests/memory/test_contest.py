"""Two platforms register one device at the same moment, decided by two lanes over one store."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest

from handlers import suspecting
from handlers.duplicates import CASES
from tests.builders import PLATFORM, STRANGER, asset, command, user_document
from tests.decider import reply
from tests.memory.analysed import Operator, analysed
from tests.memory.shards import Shards
from workers.engine import Engine
from workers.store.codec import decode, encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Conflict

ROUNDS: Final = 1_000
BOTH: Final = (PLATFORM, STRANGER)
SPOT: Final = {"postcode": "CB7 9AA"}


@pytest.fixture
async def shards() -> Shards:
    store = MemoryStore()
    await store.install()
    lease = await store.acquire("tests", "tests", 60)
    assert lease is not None
    rows = [encode_row(user_document(one, status="confirmed")) for one in BOTH]
    await store.commit(Commit("tests", lease.epoch, 1, inserts={"users": rows}))
    opened = Shards(store, Random(7))  # noqa: S311  # chance that is the same each time
    await opened.open()
    return opened


def registration(number: int, sender: str, **data: Any) -> Any:
    name = str(UUID(int=number * 2 + BOTH.index(sender)))
    return command("asset.register.v1", asset(**data), sender=sender, id=name)


async def taken_over(engine: Engine, number: int) -> None:
    """Every tenth time another owner of the lane comes while the former one still decides."""
    if number % 10 == 0:
        lease = await engine.store.store.acquire(  # type: ignore[attr-defined]  # behind its pace
            engine.lease.lane, "tests", 60
        )
        assert lease is not None
        engine.resume(lease)


async def contest(shards: Shards, number: int, **data: Any) -> list[Any]:
    """What both lanes answer to the same device, each of another platform."""

    async def one(engine: Engine, sender: str) -> Any:
        given = registration(number, sender, **data)
        await taken_over(engine, number)
        while True:
            try:
                (outcome,) = await engine.run([given])
            except Conflict:
                continue
            return reply(outcome)

    lanes = zip(shards.commands, BOTH, strict=True)
    return await asyncio.gather(*(one(lane.engine, sender) for lane, sender in lanes))


def nameless(number: int) -> dict[str, Any]:
    """A device without an identifier: its name, its spot and its power alone say which it is."""
    return {
        "identity": {},
        "name": f"Meadow Farm {number}",
        "location": {"point": {"latitude": 50.5 + number / 100, "longitude": -1.5}},
        "capability": {"power_kw": 5000 + number},
    }


def twins(shards: Shards) -> set[tuple[str, ...]]:
    """The pairs that are one device: those of one name."""
    by_name: dict[str, list[str]] = {}
    for one in kept(shards, "assets"):
        by_name.setdefault(one["name"], []).append(one["_id"])
    return {tuple(sorted(ids)) for ids in by_name.values()}


def kept(shards: Shards, collection: str) -> list[Any]:
    return [decode(row) for row in shards.store._documents.get(collection, {}).values()]


@pytest.mark.timeout(300)
async def test_a_device_with_make_and_serial_has_one_id(shards: Shards) -> None:
    """A thousand times, with takeovers between."""
    for number in range(ROUNDS):
        identity = {"make": "Acme", "serial": f"SN-{number:05d}"}
        answers = await contest(shards, number, identity=identity)
        kinds = sorted(kind for kind, _ in answers)
        assert kinds == ["asset.register.accepted.v1", "asset.register.rejected.v1"]
    assert len(kept(shards, "assets")) == ROUNDS


@pytest.mark.timeout(300)
async def test_without_an_identifier_the_later_one_becomes_a_case(shards: Shards) -> None:
    """Both write the row of their place: the second is folded again, and sees the first."""
    rounds = ROUNDS // 5
    for number in range(rounds):
        answers = await contest(shards, number, **nameless(number))
        assert [kind for kind, _ in answers] == ["asset.register.accepted.v1"] * 2
    assert len(kept(shards, "assets")) == 2 * rounds
    pairs = {tuple(case["records"]) for case in kept(shards, CASES)}
    assert len(pairs) == rounds


@pytest.mark.timeout(300)
async def test_what_level_one_did_not_see_the_analysis_finds(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred pairs of two platforms, registered with nothing to compare them by."""
    rounds = ROUNDS // 5
    with monkeypatch.context() as blind:
        blind.setattr(suspecting, "tokens_of", lambda *_, **__: ())
        for number in range(rounds):
            await contest(shards, number, **nameless(number))
    assert kept(shards, CASES) == []
    summary = await analysed(shards.store, tmp_path, Operator(shards.commands[0].engine))
    assert summary["records"] == 2 * rounds
    cases = kept(shards, CASES)
    assert summary["sent"] == {"opened": len(cases), "unchanged": 0, "left": 0}
    found = {tuple(case["records"]) for case in cases if case["verdict"] in {"same", "unsure"}}
    assert {pair for pair in twins(shards) if pair not in found} == set()
    assert len(twins(shards)) == rounds


async def test_what_level_one_made_a_case_of_the_analysis_finds_too(
    shards: Shards, tmp_path: Path
) -> None:
    """The case stays one: the analysis has scored it anew, and opens none beside it."""
    for number in range(20):
        await contest(shards, number, **nameless(number))
    before = {tuple(case["records"]) for case in kept(shards, CASES)}
    await analysed(shards.store, tmp_path, Operator(shards.commands[0].engine))
    cases = {tuple(case["records"]): case["found_by"] for case in kept(shards, CASES)}
    assert before == twins(shards)
    assert {cases[pair] for pair in before} == {"analysis"}
