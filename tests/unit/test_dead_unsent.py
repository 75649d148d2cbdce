"""What could not be sent at all, by a replay or an edit: its letter is the operators' again."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from contracts.dead_edits import DeadUnsent
from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery
from handlers.bookkeeping import unattributed
from handlers.case import Outcome
from handlers.decision import Document, Put, Secret
from handlers.letters import Letter
from tests.builders import NOW, PLATFORM
from tests.decider import Decider
from tests.unit.test_dead import asked, crash, letters, operate, replay, run_through, states
from tests.unit.test_dead_editing import deciding, edited, sent

RAISED: Final = ("UnicodeEncodeError", "aiormq/channel.py:publish")


def unsent(decider: Decider, message: str | None = None, name: str = "a") -> Outcome:
    (letter,) = letters(decider)
    exception, top = RAISED
    fact = DeadUnsent(id=letter["_id"], message=message, exception=exception, top=top)
    one = Letter.fact(fact, id=f"unsent-{name}", time=NOW)
    (outcome,) = decider.decide(Delivery(one.body, one.type, BACKBONE))
    return outcome


def replaying() -> Decider:
    decider = deciding("on")
    run = operate(decider, "replay", which={"reason": "poisoned"}, why="Mended.")["id"]
    assert len(run_through(decider, run)) == 1
    assert states(decider) == ["replaying"]
    return decider


def failed(decider: Decider) -> Document:
    (letter,) = letters(decider)
    assert letter["state"] == "failed-again"
    assert (letter["reason"], letter["exception"], letter["top"]) == ("unsendable", *RAISED)
    return letter


def test_a_replay_that_cannot_be_sent_has_failed_again_with_the_reason() -> None:
    decider = replaying()
    assert unsent(decider).kind == "handled"
    letter = failed(decider)
    assert [one["state"] for one in letter["history"]] == ["open", "replaying", "failed-again"]
    assert "reason:unsendable" in letter["terms"]
    found = asked(decider, "get", id=letter["_id"])
    assert found["fault"]["type"] == RAISED[0]
    assert found["body"], "the message itself stays as it came"


def test_what_failed_so_is_replayed_again_at_once() -> None:
    decider = replaying()
    unsent(decider)
    (outcome,) = replay(decider, reason="unsendable")
    assert outcome.kind == "poisoned"
    assert letters(decider)[0]["times"] == 2


def test_an_edit_that_cannot_be_sent_gives_the_letter_back_and_another_may_follow() -> None:
    decider = deciding("on")
    first = edited(decider)
    (one,) = sent(decider, first)
    assert states(decider) == ["edited"]
    unsent(decider, one.message_id)
    assert failed(decider)["edited_to"] is None
    (second,) = sent(decider, edited(decider))
    assert states(decider) == ["edited"]
    assert second.message_id != one.message_id


def test_what_comes_late_or_twice_or_of_another_changes_nothing() -> None:
    decider = replaying()
    assert unsent(decider, "no edit", "b").kind == "idle"
    unsent(decider)
    assert unsent(decider).kind in {"duplicate", "idle"}
    assert unsent(decider, None, "c").kind == "idle"
    edited(decider)
    assert unsent(decider, None, "d").kind == "idle"
    assert unsent(decider, "another edit", "e").kind == "idle"
    assert states(decider) == ["edited"]


def test_what_was_erased_meanwhile_stays_erased() -> None:
    decider = replaying()
    (contents,) = decider.of("dead_contents")
    key = ("dead_contents", contents["_id"])
    erased = {n: type(v)(None) if n in {"body", "properties", "fault"} else v
              for n, v in contents.items()}  # fmt: skip
    decider.documents[key] = erased
    unsent(decider)
    failed(decider)
    assert decider.documents[key] == erased


@pytest.mark.parametrize(("sender", "key"), [(PLATFORM, PLATFORM), ("operator", unattributed(NOW))])
def test_its_contents_stay_under_the_key_that_they_came_under(sender: str, key: str) -> None:
    """An erasure destroys the sender's; the month's ends with the retention of its first month."""
    decider = Decider()
    decider.decide(crash("one", sender=sender))
    run = operate(decider, "replay", which={"reason": "poisoned"}, why="Mended.")["id"]
    run_through(decider, run)
    decider.now = NOW + timedelta(days=62)
    assert unattributed(decider.now) != unattributed(NOW)
    outcome = unsent(decider)
    (put,) = [one for one in outcome.writes if one.collection == "dead_contents"]
    assert isinstance(put, Put)
    assert isinstance(put.document["fault"], Secret)
    assert outcome.keyed_to == key


def test_it_says_which_release_could_not_send_it() -> None:
    decider = replaying()
    decider.rulebook = replace(decider.rulebook, version="2.0")
    unsent(decider)
    assert failed(decider)["version"] == "2.0"
