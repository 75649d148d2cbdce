"""What of a message goes on to a shard: all of it, but for what the broker would act on."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.message import Message
from pamqp.commands import Basic

from handlers.admission import UNREADABLE_HEADERS, Delivery, Limits, Refusal, admit
from tests.builders import PLATFORM, delivery
from workers.passing import headers_of, properties_of
from workers.quota import OVER_QUOTA


def message(**given: Any) -> AbstractIncomingMessage:
    return cast("AbstractIncomingMessage", Message(b"{}", user_id=PLATFORM, **given))


def passed(**given: Any) -> Basic.Properties:
    return properties_of(message(**given), is_over_quota=False)


def test_what_the_sender_said_goes_on_as_it_is() -> None:
    said = {
        "message_id": "m-1",
        "reply_to": f"{PLATFORM}.replies",
        "correlation_id": "c",
        "content_type": "application/cloudevents+json",
        "priority": 3,
        "expiration": 60,
        "timestamp": datetime(2026, 3, 1, tzinfo=UTC),
        "headers": {"traceparent": "00-1-2-01", "own": 7},
    }
    found = passed(**said)
    assert (found.user_id, found.message_id, found.reply_to) == (PLATFORM, "m-1", said["reply_to"])
    assert (found.correlation_id, found.priority, found.expiration) == ("c", 3, "60000")
    assert found.timestamp == said["timestamp"]
    assert found.headers == said["headers"]


@pytest.mark.parametrize(
    "name",
    ["x-death", "x-first-death-queue", "x-last-death-reason", "x-delivery-count", OVER_QUOTA],
)
def test_what_the_broker_keeps_in_headers_stays_behind(name: str) -> None:
    """A message dead by its delivery limit and sent again with its deaths vanished."""
    assert headers_of({name: 1, "own": 7}, is_over_quota=False) == {"own": 7}


def test_what_is_over_the_quota_is_marked() -> None:
    assert headers_of({}, is_over_quota=True) == {OVER_QUOTA: True}


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_a_wish_for_copies_makes_none_and_is_refused_all_the_same(name: str) -> None:
    headers = headers_of({name: ["mailbox.users.0"]}, is_over_quota=False)
    assert name not in headers
    given: Delivery = delivery(headers=headers)
    refusal = admit(given, {}, Limits())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.tell) == ("identity", None)


@pytest.mark.parametrize(
    "given",
    [{"app_id": "\ufffd" * 200}, {"headers": {"own": object()}}],
)
def test_what_cannot_be_written_goes_on_as_its_sender_and_is_refused(given: Any) -> None:
    """The driver has read it: a text of invalid bytes is longer than it was."""
    found = passed(**given)
    assert (found.user_id, found.headers) == (PLATFORM, {UNREADABLE_HEADERS: True})
    refusal = admit(delivery(headers=found.headers), {}, Limits())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.tell) == ("undecodable", PLATFORM)
