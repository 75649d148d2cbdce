"""What no mailbox decides: dead letters of the broker, and messages that nobody takes."""

import json
from typing import Any

import pytest

from handlers.admission import Limits, Refusal
from handlers.collection import collect, unrouted
from handlers.letters import Letter
from tests.builders import NOW, PLATFORM, delivery, envelope
from tests.decider import VAULT, said

LIMITS = Limits(body_bytes_max=200_000)
DEATH = {
    "reason": "delivery_limit",
    "queue": "mailbox.assets.0",
    "routing-keys": ["asset.update.v1"],
    "count": 1,
}


def told(refusal: Refusal) -> tuple[str, Any, str | None]:
    """Type, data and correlation of what the sender is told."""
    letter = Letter.refusal(refusal, VAULT, NOW)
    assert letter is not None
    assert (letter.recipient, letter.reply_to) == (PLATFORM, None)
    return *said(letter), json.loads(letter.body).get("correlationid")


def dead(headers: Any = None, body: bytes | None = None) -> Refusal:
    """A delivery from a dead-letter queue, under whose key it comes."""
    given = json.dumps(envelope()).encode() if body is None else body
    return collect(
        delivery(given, type="dead.assets", headers=headers, message_id="transport-1"), LIMITS
    )


def test_dead_letter_is_kept_and_its_sender_told_that_it_is_held() -> None:
    refusal = dead({"x-death": [DEATH, {"reason": "rejected"}]})
    kind, data, correlation = told(refusal)
    assert (kind, correlation) == ("asset.update.held.v1", "command-1")
    assert data["code"] == "message.held"
    assert "delivered again and again" in data["message"]
    assert "mailbox.assets.0" in data["message"]
    assert (refusal.dead, refusal.delivery.type) == (True, "asset.update.v1")


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"x-death": None},
        {"x-death": []},
        {"x-death": "forged"},
        {"x-death": ["forged"]},
        {"x-death": [{}]},
        {"x-death": [{"reason": 7, "queue": ["x"], "routing-keys": "x"}]},
        {"x-death": [{"routing-keys": [b"\xff"]}]},
    ],
    ids=repr,
)
def test_headers_that_say_nothing_are_no_reason_to_lose_it(headers: Any) -> None:
    refusal = dead(headers)
    assert (refusal.dead, refusal.tell) == (True, PLATFORM)
    kind, data, correlation = told(refusal)
    assert (kind, data["code"]) == ("message.held.v1", "message.held")
    assert correlation == "command-1"


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"\xff", b"[]", b'{"id": 7}', b"[" * 100_000], ids=lambda b: b[:9]
)
def test_unreadable_dead_letter_is_recognised_by_its_message_id(body: bytes) -> None:
    assert dead({"x-death": [DEATH]}, body).correlation == "transport-1"


def test_nobody_is_told_of_a_dead_letter_without_an_identity() -> None:
    assert collect(delivery(account=None), LIMITS).tell is None


def test_type_that_nobody_takes_is_told_and_kept() -> None:
    refusal = unrouted(delivery(envelope("asset.explode.v1")), LIMITS)
    kind, data, correlation = told(refusal)
    assert (kind, data["code"]) == ("asset.explode.rejected.v1", "message.unknown-type")
    assert (data["findings"][0]["field"], data["findings"][0]["got"]) == (
        "type",
        "asset.explode.v1",
    )
    assert (correlation, refusal.dead) == ("command-1", True)
    assert (refusal.reason, refusal.is_held) == ("unroutable", False)


def test_key_that_is_no_type_is_told_under_a_type_of_its_own() -> None:
    assert told(unrouted(delivery(type="nonsense"), LIMITS))[0] == "message.rejected.v1"


@pytest.mark.parametrize("account", [None, "", "flex-relay", "flex-worker"])
def test_the_backbone_does_not_talk_to_itself(account: str | None) -> None:
    refusal = unrouted(delivery(account=account), LIMITS)
    assert (refusal.tell, Letter.refusal(refusal, VAULT, NOW)) == (None, None)


@pytest.mark.parametrize("says", [collect, unrouted])
def test_what_is_too_large_for_any_mailbox_is_told_and_not_kept(says: Any) -> None:
    refusal = says(delivery(b"x" * 200_001, message_id="large"), LIMITS)
    _, data, correlation = told(refusal)
    assert (refusal.reason, refusal.dead, refusal.is_held) == ("oversized", False, False)
    assert (data["code"], correlation) == ("message.oversized", "large")
    assert data["findings"][0]["got"] == "200001"


@pytest.mark.parametrize("says", [collect, unrouted])
def test_what_the_backbone_itself_says_is_kept_whatever_its_size(says: Any) -> None:
    refusal = says(delivery(b"x" * 200_001, account="flex-relay"), LIMITS)
    assert (refusal.dead, refusal.reason == "oversized") == (True, False)
