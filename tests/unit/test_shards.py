"""The map of shards: who may change it, and how far a move is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from contracts.draining import ShardDrained, ShardSettled
from contracts.envelope import compose
from contracts.messages import Event
from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery
from handlers.draining import MARKERS
from tests.builders import NOW, command
from tests.decider import RULEBOOK, Decider, events, reply, rules, said

FOUR = [0, 1, 2, 3]


@pytest.fixture
def decider() -> Decider:
    book = replace(RULEBOOK, handlers={**RULEBOOK.handlers, **MARKERS}, shards_max=4)
    return Decider(rulebook=book)


def order(kind: str, **data: Any) -> Any:
    """A change by an operator, under an id of its own."""
    given = {"id": "assets"} | data
    return command(f"shard.{kind}.v1", given, sender="operator", id=str(uuid4()))


def told(decider: Decider, kind: str, **given: Any) -> tuple[Mapping[str, Any], list[str]]:
    """The map that is answered, and the types of what happened."""
    (outcome,) = decider.decide(order(kind, **given))
    answered, data = reply(outcome)
    assert answered == f"shard.{kind}.accepted.v1", data
    return dict(data), [name for name, _ in events(outcome)]


def fact(decider: Decider, event: Event) -> list[str]:
    """What happens by a marker; the types of the events."""
    letter = compose(id=uuid4().hex, type=event.message_type, time=NOW, data=event)
    (outcome,) = decider.decide(Delivery(letter, event.message_type, BACKBONE))
    return [name for name, _ in events(outcome)] if outcome.kind == "handled" else [outcome.kind]


def drained(decider: Decider, shard: int, phase: str, version: int = 1) -> list[str]:
    marker = {"id": "assets", "version": version, "shard": shard, "phase": phase}
    return fact(decider, ShardDrained.model_validate(marker))


def settled(decider: Decider, version: int = 1) -> list[str]:
    return fact(decider, ShardSettled(id="assets", version=version))


def listed(decider: Decider) -> Mapping[str, Any]:
    kind, data = said(decider.ask(order("list")))
    assert kind == "shard.list.accepted.v1"
    return dict(data)


def refused(decider: Decider, kind: str, **data: Any) -> list[tuple[str, str]]:
    (outcome,) = decider.decide(order(kind, **data))
    answered, found = reply(outcome)
    assert answered == f"shard.{kind}.rejected.v1", found
    return rules(found)


def test_nobody_has_changed_anything(decider: Decider) -> None:
    assert listed(decider) == {
        "id": "assets",
        "version": 0,
        "placed": [{"cells": "*.*.*", "shard": 0}],
        "drained": [],
    }


def test_a_split_goes_through_its_phases_in_order(decider: Decider) -> None:
    """Bulk loads first, so that the others are held back as shortly as may be."""
    data, happened = told(decider, "split", shard=0, into=FOUR)
    assert (data["version"], data["phase"], happened) == (1, "bulk", ["shard.moving.v1"])
    assert {one["shard"] for one in data["placed"]} == {0}
    assert {one["shard"] for one in data["becoming"]} == set(FOUR)
    assert drained(decider, 0, "bulk") == ["shard.draining.v1"]
    assert listed(decider)["phase"] == "ordinary"
    assert drained(decider, 0, "ordinary") == []
    assert listed(decider)["phase"] == "sending"
    assert settled(decider) == ["shard.moved.v1"]
    done = listed(decider)
    assert done.keys() == {"id", "version", "placed", "drained"}
    assert done["placed"] == data["becoming"]


def test_every_shard_that_something_leaves_has_to_be_through(decider: Decider) -> None:
    split(decider)
    _, happened = told(decider, "merge", shards=[1, 2, 3], into=0)
    assert happened == ["shard.moving.v1"]
    move = listed(decider)["version"]
    assert drained(decider, 1, "bulk", move) == []
    assert drained(decider, 2, "bulk", move) == []
    assert listed(decider)["drained"] == [1, 2]
    assert drained(decider, 3, "bulk", move) == ["shard.draining.v1"]
    assert listed(decider)["drained"] == []


def split(decider: Decider) -> None:
    """One shard into four, to the end."""
    told(decider, "split", shard=0, into=FOUR)
    for phase in ("bulk", "ordinary"):
        drained(decider, 0, phase)
    settled(decider)


def test_markers_of_another_move_or_phase_do_nothing(decider: Decider) -> None:
    assert drained(decider, 0, "bulk") == ["idle"]
    assert settled(decider) == ["idle"]
    told(decider, "split", shard=0, into=FOUR)
    before = listed(decider)
    assert drained(decider, 0, "ordinary") == ["idle"]
    assert drained(decider, 0, "bulk", version=7) == ["idle"]
    assert settled(decider) == ["idle"]
    assert listed(decider) == before
    drained(decider, 0, "bulk")
    assert drained(decider, 0, "bulk") == ["idle"]


def test_one_move_at_a_time(decider: Decider) -> None:
    told(decider, "split", shard=0, into=FOUR)
    assert refused(decider, "split", shard=0, into=[0, 1]) == [("shard.under-way", "")]
    assert refused(decider, "move", cells="_A.*.*", to=1) == [("shard.under-way", "")]


@pytest.mark.parametrize(
    ("done", "again"), [((), "shard.moving.v1"), (("bulk",), "shard.draining.v1"),
                        (("bulk", "ordinary"), "shard.draining.v1")]
)  # fmt: skip
def test_the_same_wish_again_sets_its_move_going_again(
    decider: Decider, done: tuple[str, ...], again: str
) -> None:
    """Whatever was lost of it: the announcement is said again, as far as the move is."""
    told(decider, "split", shard=0, into=FOUR)
    for phase in done:
        drained(decider, 0, phase)
    before = listed(decider)
    _, happened = told(decider, "split", shard=0, into=FOUR)
    assert happened == [again]
    assert listed(decider) == before


def test_a_wish_that_moves_nothing_changes_nothing(decider: Decider) -> None:
    _, happened = told(decider, "move", cells="*.*.*", to=0)
    assert happened == []
    assert listed(decider)["version"] == 0


def test_cells_are_moved_by_name(decider: Decider) -> None:
    data, _ = told(decider, "move", cells="_A.BAT.*", to=2)
    moved = {one["cells"] for one in data["becoming"] if one["shard"] == 2}
    assert moved == {f"_A.BAT.{nibble}" for nibble in "0123456789abcdef"}


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        ("split", {"shard": 0, "into": [0, 4]}, [("shard.undeclared", "data.into")]),
        ("split", {"shard": 1, "into": [1, 2]}, [("shard.empty", "data.shard")]),
        ("merge", {"shards": [2, 3], "into": 0}, [("shard.empty", "data.shards")] * 2),
        ("merge", {"shards": [0], "into": 9}, [("shard.undeclared", "data.into")]),
        ("move", {"cells": "_A.*.*", "to": 4}, [("shard.undeclared", "data.to")]),
        (
            "move",
            {"id": "users", "cells": "_A.*.*", "to": 1},
            [("shard.register-unknown", "data.id")],
        ),
        ("split", {"shard": 0, "into": [1, 1]}, [("field.type", "data")]),
        ("move", {"cells": "A.BAT.7", "to": 1}, [("field.format", "data.cells")]),
        ("split", {"shard": 16, "into": [0]}, [("field.range", "data.shard")]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    decider: Decider, kind: str, data: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert refused(decider, kind, **data) == found
    assert decider.of("shards") == []


def test_with_one_shard_there_is_nothing_to_split_into(decider: Decider) -> None:
    decider.rulebook = replace(decider.rulebook, shards_max=1)
    assert refused(decider, "split", shard=0, into=[0, 1]) == [("shard.undeclared", "data.into")]
