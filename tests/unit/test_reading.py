"""Reading many assets with one question: in which order, what is left out, and what it costs."""

from typing import Any, Final
from uuid import uuid4

import pytest

from handlers import assets
from handlers.decision import Document
from tests.builders import OWNER, PLATFORM, STRANGER, command, issued
from tests.decider import Decider, rules, said
from tests.unit.operations.assets import battery
from tests.unit.operations.table import confirmed
from tests.unit.operations.trial import Counting

MANY: Final = [issued("BAT", 4000 + 100 * n) for n in range(1000)]
THEIRS: Final = issued("BAT", 300_000)
"""An asset of a stranger."""
MISSING: Final = issued("BAT", 400_000)
POOLS: Final = [issued("PFL", 5000 + 100 * n) for n in range(4)]


def stored(*rows: tuple[str, Document]) -> Counting:
    found = Counting({})
    users = (("users", confirmed(one)) for one in (PLATFORM, STRANGER, OWNER))
    found.documents |= {(name, row["_id"]): row for name, row in (*users, *rows)}
    return found


@pytest.fixture
def decider() -> Counting:
    return stored(
        *(battery(one) for one in MANY),
        *(battery(one, asset_type="PFL") for one in POOLS),
        battery(THEIRS, registrant=STRANGER, owner=STRANGER),
    )


def ask(decider: Decider, *ids: str, sender: str = PLATFORM) -> Any:
    question = command("asset.get.v2", {"ids": list(ids)}, sender=sender, id=str(uuid4()))
    return said(decider.ask(question))[1]


def shown(answer: Any) -> list[str]:
    return [one["id"] for one in answer["assets"]]


def test_a_thousand_come_in_the_order_in_which_they_were_asked_for(decider: Counting) -> None:
    wanted = [*MANY[500:], *MANY[:500]]
    answer = ask(decider, *wanted)
    assert shown(answer) == wanted
    assert (answer["unknown"], answer["left"]) == ([], [])
    # As many rounds as for one: nothing is looked up one by one.
    many, decider.rounds = decider.rounds, []
    ask(decider, MANY[0])
    assert len(many) == len(decider.rounds)


def test_each_looks_as_it_does_alone(decider: Counting) -> None:
    (one,) = ask(decider, MANY[7])["assets"]
    alone = command("asset.get.v1", {"id": MANY[7]}, sender=PLATFORM, id=str(uuid4()))
    assert said(decider.ask(alone)) == ("asset.get.accepted.v1", one)


def test_one_that_is_named_twice_comes_once(decider: Counting) -> None:
    answer = ask(decider, MANY[1], MANY[0], MANY[1], MISSING, MISSING)
    assert (shown(answer), answer["unknown"]) == ([MANY[1], MANY[0]], [MISSING])


def test_what_is_hidden_is_as_unknown_as_what_there_is_not(decider: Counting) -> None:
    hidden = ask(decider, MANY[0], THEIRS)
    rounds, decider.rounds = decider.rounds, []
    missing = ask(decider, MANY[0], MISSING)
    assert (hidden["unknown"], missing["unknown"]) == ([THEIRS], [MISSING])
    assert rounds == decider.rounds


def test_where_none_is_known_nothing_is_found(decider: Counting) -> None:
    answer = ask(decider, THEIRS, MISSING)
    assert rules(answer) == [("asset.not-found", "data.ids")]
    alone = command("asset.get.v1", {"id": THEIRS}, sender=PLATFORM, id=str(uuid4()))
    found = said(decider.ask(alone))
    assert (found[0], rules(found[1])) == (
        "asset.get.rejected.v1",
        [("asset.not-found", "data.id")],
    )
    assert found[1]["findings"][0]["got"] == THEIRS


def test_what_has_no_room_is_left_and_asked_for_next(
    decider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ANSWER_BYTES_MAX", 2000)
    got: list[str] = []
    waiting = [*MANY[:30], MISSING]
    questions = 0
    while waiting:
        answer = ask(decider, *waiting)
        assert answer["unknown"] == [one for one in waiting if one == MISSING]
        assert shown(answer)
        got += shown(answer)
        waiting = answer["left"]
        questions += 1
    assert got == MANY[:30]
    assert questions > 1


def test_an_asset_that_is_larger_than_an_answer_comes_alone(
    decider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ANSWER_BYTES_MAX", 1)
    answer = ask(decider, *MANY[:3])
    assert (shown(answer), answer["left"]) == (MANY[:1], MANY[1:3])


def test_a_thousand_large_ones_stay_within_bounds() -> None:
    """Each with details of the size that is allowed at most: the answer is still a message."""
    large = {f"key-{n}": "x" * 100 for n in range(70)}
    decider = stored(*(battery(one, details=large) for one in MANY))
    answer = ask(decider, *MANY)
    size = sum(len(str(one)) for one in answer["assets"])
    assert 0 < size < 1.1 * assets.ANSWER_BYTES_MAX
    assert answer["left"]
    assert [*shown(answer), *answer["left"]] == MANY


def test_of_portfolios_there_are_fewer_in_an_answer(
    decider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "PORTFOLIOS_MAX", 2)
    wanted = [POOLS[0], MANY[0], POOLS[1], MANY[1], POOLS[2], MANY[2]]
    answer = ask(decider, *wanted)
    assert (shown(answer), answer["left"]) == (wanted[:4], wanted[4:])
    assert answer["assets"][0]["members"]["count"] == 0
    # The sums of both are looked up together.
    rounds, decider.rounds = decider.rounds, []
    ask(decider, POOLS[0])
    assert len(rounds) == len(decider.rounds)


def test_who_watches_is_told_of_each_that_was_shown(
    decider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in MANY[:3]:
        row = {"_id": one, "revision": 1, "watchers": [OWNER]}
        decider.documents["watches", one] = row
    monkeypatch.setattr(assets, "ANSWER_BYTES_MAX", 1)
    question = command("asset.get.v2", {"ids": MANY[:3]}, sender=PLATFORM, id=str(uuid4()))
    letter = decider.ask(question)
    assert letter is not None
    assert [note.type for note in letter.noted] == ["access.noted.v1"]


@pytest.mark.parametrize("count", [0, 1001])
def test_no_more_than_a_thousand(decider: Counting, count: int) -> None:
    answer = ask(decider, *[MANY[0]] * count)
    assert "findings" in answer
