"""The last minute of who leaves: it reads its answers, and is let in no more after that."""

import pytest

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.leaving import FAREWELL_TIME
from tests.builders import NOW, PLATFORM
from tests.decider import Decider, events
from tests.unit.test_accounts import BULK, send, set_account
from workers.timers import letter_of


@pytest.fixture
def decider() -> Decider:
    return Decider()


def account_rows(decider: Decider) -> list[tuple[str, str, bool]]:
    return [(row["_id"], row["state"], "key_hash" in row) for row in decider.of("accounts")]


def test_a_user_retires_itself_and_its_keys_are_forgotten(decider: Decider) -> None:
    """It is let in until it could read the answer; then the backbone itself is told."""
    set_account(decider)
    set_account(decider, BULK)
    kind, data = send(decider, "user.retire.v1", id=PLATFORM)
    assert (kind, data["status"]) == ("user.retire.accepted.v1", "retired")
    assert account_rows(decider) == [(PLATFORM, "leaving", False), (BULK, "leaving", False)]
    assert [name for name, _ in events(send.outcome)] == ["user.retired.v1"]
    decider.now = NOW + FAREWELL_TIME
    (over,) = decider.due()
    assert account_rows(decider) == [(PLATFORM, "ended", False), (BULK, "ended", False)]
    assert events(over) == [("user.left.v1", {"id": PLATFORM})]
    assert decider.of("timers") == []
    assert decider.consequences([over]) == []


def test_who_erases_itself_in_time_has_that_time_once_more(decider: Decider) -> None:
    set_account(decider)
    send(decider, "user.retire.v1", id=PLATFORM)
    (first,) = decider.of("timers")
    decider.now = NOW + FAREWELL_TIME / 2
    for _ in range(2):
        answer = send(decider, "user.erase.v1", id=PLATFORM, confirm_id=PLATFORM)
        assert answer[0] == "user.erase.accepted.v1"
        (timer,) = decider.of("timers")
        assert timer["due"] == decider.now + FAREWELL_TIME
    decider.now = first["due"]
    old = letter_of(first, decider.now)
    assert [o.kind for o in decider.decide(Delivery(old.body, old.type, BACKBONE))] == ["idle"]
    assert account_rows(decider) == [(PLATFORM, "leaving", False)]
    decider.now = timer["due"]
    assert [events(one) for one in decider.due()] == [[("user.left.v1", {"id": PLATFORM})]]
    assert account_rows(decider) == [(PLATFORM, "ended", False)]


def test_who_is_retired_by_an_operator_is_let_in_no_more(decider: Decider) -> None:
    set_account(decider)
    send(decider, "user.retire.v1", OPERATOR, id=PLATFORM)
    assert account_rows(decider) == [(PLATFORM, "ended", False)]
    send(decider, "user.erase.v1", PLATFORM, id=PLATFORM, confirm_id=PLATFORM)
    assert decider.of("timers") == []
