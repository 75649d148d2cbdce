"""A batch whose commands ask for more: what was decided stands while nothing of it has changed."""

from dataclasses import replace
from typing import Any, Final

import pytest

from handlers.admission import admit
from handlers.case import Outcome, Rounds
from handlers.decision import Context, Put, View
from handlers.fold import fold
from tests.builders import NOW, PLATFORM, asset, command
from tests.decider import RULEBOOK, Decider, reply
from topology.catalog import contracts_of

KEEP: Final = "trial.keep.v1"
CHASE: Final = "trial.chase.v1"
UPDATE: Final = "asset.update.v1"


def counting(*types: str) -> tuple[Decider, list[str]]:
    """A register that notes each time that one of these types is decided."""
    noted: list[str] = []

    def noting(kind: str) -> Any:
        handler = RULEBOOK.handlers[kind]

        def function(message: Any, view: View, context: Context) -> Any:
            noted.append(context.command_id)
            return handler.function(message, view, context)

        return replace(handler, function=function)

    handlers = {**RULEBOOK.handlers, **{kind: noting(kind) for kind in types}}
    return Decider(rulebook=replace(RULEBOOK, handlers=handlers)), noted


def changed(outcome: Outcome) -> tuple[str, int]:
    kind, data = reply(outcome)
    return kind, data["revision"]


def registered(decider: Decider) -> str:
    given = asset(identity={"make": "Acme", "serial": "SN-4711"})
    (outcome,) = decider.decide(command("asset.register.v1", given))
    return str(reply(outcome)[1]["id"])


def test_who_asks_for_more_has_no_neighbour_decided_twice() -> None:
    decider, noted = counting(KEEP, CHASE)
    outcomes = decider.decide(
        command(KEEP, {"id": "a"}, id="keep-a"),
        command(CHASE, {"steps": 3}, id="chase"),
        command(KEEP, {"id": "b"}, id="keep-b"),
    )
    assert [outcome.kind for outcome in outcomes] == ["accepted"] * 3
    assert [noted.count(one) for one in ("keep-a", "chase", "keep-b")] == [1, 4, 1]


def test_what_stands_on_a_change_of_one_that_asked_for_more_is_decided_anew() -> None:
    decider, noted = counting(UPDATE)
    one = registered(decider)
    device = {"make": "Acme", "serial": "SN-4712"}
    outcomes = decider.decide(
        command(UPDATE, {"id": one, "identity": device}, id="device"),
        command(UPDATE, {"id": one, "name": "Roof"}, id="name"),
    )
    # The second was decided while the first still lacked its claims, and once more behind it.
    assert noted.count("name") > 1
    assert noted[-2:] == ["device", "name"]
    assert [changed(outcome) for outcome in outcomes] == [
        ("asset.update.accepted.v1", 2),
        ("asset.update.accepted.v1", 3),
    ]
    document = decider.documents["assets", one]
    assert (document["revision"], document["name"]) == (3, "Roof")
    assert document["identity"]["serial"] == "SN-4712"


@pytest.mark.parametrize("steps", [1, 5])
def test_a_repeated_command_of_one_batch_stays_a_repetition(steps: int) -> None:
    decider, noted = counting(KEEP)
    outcomes = decider.decide(
        command(KEEP, {"id": "a"}, id="keep-a"),
        command(CHASE, {"steps": steps}, id="chase"),
        command(KEEP, {"id": "a"}, id="keep-a"),
    )
    assert [outcome.kind for outcome in outcomes] == ["accepted", "accepted", "duplicate"]
    assert noted == ["keep-a"]
    assert decider.documents["trials", "a"]["revision"] == 1


def test_what_was_looked_at_is_told_with_what_was_found() -> None:
    found = {"_id": PLATFORM}
    view = View({"users": {PLATFORM: found}, "trials": {"a": None}})
    view.get("users", PLATFORM)
    view.get("trials", "a")
    looked = dict(view.looked)
    assert looked == {("users", PLATFORM): found, ("trials", "a"): None}
    assert view.still_shows(looked)
    view.begin()
    assert view.looked == {}
    # Equal is not the same: what was written again may be decided on again.
    view.changed["users", PLATFORM] = dict(found)
    assert not view.still_shows(looked)


def test_rows_that_fail_for_what_is_remembered_cost_that_one_alone() -> None:
    """A fault that shows only when the rows are made anew is that command's, as any other is."""
    decider, _ = counting(KEEP)
    arrivals = [
        (n, admit(one, contracts_of(decider.rulebook.handlers), decider.limits))
        for n, one in enumerate(
            [command(KEEP, {"id": "a"}, id="keep-a"), command(KEEP, {"id": "b"}, id="keep-b")]
        )
    ]
    loaded: dict[str, dict[Any, Any]] = {}
    rounds = Rounds()
    failing: set[str] = set()

    def rows(outcome: Outcome) -> None:
        (first, *_) = outcome.writes
        if isinstance(first, Put) and first.document["_id"] in failing:
            raise RuntimeError("a key that does not open")

    def kinds() -> list[str]:
        while True:
            folded = fold(arrivals, View(loaded), decider.rulebook, NOW, rows, rounds=rounds)
            if not folded.missing:
                return [outcome.kind for outcome, _ in folded.outcomes]
            decider._load(folded.missing, loaded)

    assert kinds() == ["accepted", "accepted"]
    failing.add("a")
    assert kinds() == ["poisoned", "accepted"]
