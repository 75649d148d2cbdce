"""Channels: who may say something to whom, and that nobody else reads it."""

import itertools
import json
from typing import Any, Final

import pytest

from contracts.taxonomy import OPERATOR
from handlers.case import Outcome
from handlers.letters import Letter
from tests.builders import OWNER, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import Decider, reply, rules

SEND: Final = "channel.send.v1"
MARKET: Final = issued("USR", 5000)
SYSTEM: Final = issued("USR", 5100)
WORDS: Final = "The bid of the twelfth stands."


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", MARKET] = user_document(MARKET, roles=["mo"])
    made.documents["users", SYSTEM] = user_document(SYSTEM, roles=["so"])
    return made


COUNT: Final = itertools.count()


def say(decider: Decider, sender: str, to: str, text: str = WORDS) -> Outcome:
    known = f"say-{next(COUNT)}"
    data = {"to": to, "text": text}
    (outcome,) = decider.decide(command(SEND, data, sender=sender, id=known))
    return outcome


def told(outcome: Outcome) -> list[Letter]:
    return [letter for letter in outcome.letters if letter.kind == "personal"]


def content(letter: Letter) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(letter.body)
    return said


def test_an_fsp_addresses_an_mo_who_answers(decider: Decider) -> None:
    first, answer, more = (
        say(decider, PLATFORM, MARKET),
        say(decider, MARKET, PLATFORM, "It does."),
        say(decider, PLATFORM, MARKET, "Good."),
    )
    assert reply(first) == (
        "channel.send.accepted.v1",
        {"id": f"{PLATFORM}/{MARKET}", "to": MARKET},
    )
    (letter,) = told(first)
    assert (letter.recipient, letter.type) == (MARKET, "channel.received.v1")
    assert content(letter)["data"] == {"id": MARKET, "by": PLATFORM, "text": WORDS}
    assert [content(one)["sequence"] for o in (first, more) for one in told(o)] == ["1", "2"]
    assert [one.recipient for one in told(answer)] == [PLATFORM]
    assert [row["_id"] for row in decider.of("channels")] == [f"{PLATFORM}/{MARKET}"]


@pytest.mark.parametrize(
    ("sender", "to"),
    [
        (MARKET, PLATFORM),
        (SYSTEM, MARKET),
        (MARKET, SYSTEM),
        (PLATFORM, STRANGER),
        (PLATFORM, OWNER),
        (PLATFORM, PLATFORM),
        (PLATFORM, issued("USR", 9000)),
        (PLATFORM, "front-desk"),
    ],
    ids=["mo first", "so to mo", "mo to so", "fsp to fsp", "fsp to owner", "oneself", "nobody",
         "front desk"],
)  # fmt: skip
def test_whom_one_may_not_address_is_refused_in_the_same_words(
    decider: Decider, sender: str, to: str
) -> None:
    outcome = say(decider, sender, to)
    (finding,) = reply(outcome)[1]["findings"]
    expected = "a user who has addressed you, or whom your roles may address first"
    assert (finding["rule"], finding["expected"]) == ("channel.closed", expected)
    assert told(outcome) == []
    assert decider.of("channels") == []


@pytest.mark.parametrize("status", ["rejected", "retired", "suspended"])
def test_who_has_left_is_addressed_no_more(decider: Decider, status: str) -> None:
    """Neither first nor on a channel that is open: there is nobody who could read it."""
    say(decider, PLATFORM, MARKET)
    for one in (MARKET, SYSTEM):
        was = decider.documents["users", one]
        decider.documents["users", one] = {**was, "status": status}
    kept = len(decider.of("events"))
    said = [reply(say(decider, PLATFORM, to)) for to in (MARKET, SYSTEM)]
    if status == "suspended":
        assert [kind for kind, _ in said] == ["channel.send.accepted.v1"] * 2
        return
    assert len(decider.of("events")) == kept
    nobody = reply(say(decider, PLATFORM, issued("USR", 9000)))[1]["findings"]
    for _, data in said:
        assert [one | {"got": ""} for one in data["findings"]] == [nobody[0] | {"got": ""}]


def test_another_mo_may_not_answer_in_its_place(decider: Decider) -> None:
    say(decider, PLATFORM, MARKET)
    assert rules(reply(say(decider, SYSTEM, PLATFORM))[1]) == [("channel.closed", "data.to")]


def test_an_operator_may_be_addressed_and_answers(decider: Decider) -> None:
    asked, answered = say(decider, OWNER, OPERATOR), say(decider, OPERATOR, OWNER)
    assert [one.recipient for one in (*told(asked), *told(answered))] == [OPERATOR, OWNER]


def test_nobody_but_the_two_sees_the_text(decider: Decider) -> None:
    outcome = say(decider, PLATFORM, MARKET)
    letters = [one for one in outcome.letters if WORDS.encode() in one.body]
    assert [one.recipient for one in letters] == [MARKET]
    assert [one for one in outcome.letters if one.kind == "domain"] == []
    assert WORDS not in repr(outcome.writes)
    (row,) = decider.of("events")
    assert row["data"].value["text"] == WORDS


def test_it_is_told_again_to_its_recipient(decider: Decider) -> None:
    say(decider, PLATFORM, MARKET)
    ask = command("event.replay.v1", {"from_sequence": 1}, sender=MARKET, id="again")
    again, ended = decider.consequences(decider.decide(ask))
    assert ended.type == "event.replay-ended.v1"
    assert content(again)["data"]["text"] == WORDS
    assert content(again)["replayed"] == "true"


@pytest.mark.parametrize("text", ["", "x" * 4001])
def test_the_text_has_a_length(decider: Decider, text: str) -> None:
    assert reply(say(decider, PLATFORM, MARKET, text))[0] == "channel.send.rejected.v1"
    assert reply(say(decider, PLATFORM, MARKET, "x" * 4000))[0] == "channel.send.accepted.v1"
