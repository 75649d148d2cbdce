"""Promise 5: properties that the driver cannot read cost their own message, not the connection."""

import json
from typing import Any, Final
from uuid import uuid4

import pytest
from pamqp import encode

from tests.spine import Platform, Spine, asset

pytestmark = pytest.mark.connected

REGISTER: Final = "asset.register.v1"
REJECTED: Final = "asset.register.rejected.v1"
END_OF_TIME: Final = (2**63 - 1).to_bytes(8)


@pytest.fixture
async def sender(working: Spine) -> Platform:
    return await working.platform()


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(name: bytes, value: bytes) -> bytes:
    entry = short(name) + value
    return len(entry).to_bytes(4) + entry


MALFORMED: Final = {
    "a moment that no clock shows": ("timestamp", END_OF_TIME, "asset.register.accepted.v1"),
    "a header name that is not UTF-8": ("table", table(b"\xff", b"t\x01"), REJECTED),
    "a header of that moment": ("table", table(b"when", b"T" + END_OF_TIME), REJECTED),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_it_is_answered_and_so_is_the_next_command(
    sender: Platform, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind, encoded, answer = MALFORMED[name]
    envelope, message_id = sender.envelope(REGISTER, asset()), uuid4().hex
    properties: dict[str, Any] = {"timestamp": 1} if kind == "timestamp" else {"headers": {"a": 1}}
    # Our own driver writes what another client may send: these bytes for one type of property.
    with monkeypatch.context() as other_client:
        other_client.setitem(encode.METHODS, kind, lambda _value: encoded)
        body = json.dumps(envelope).encode()
        await sender.publish(body, REGISTER, message_id=message_id, **properties)
    following = await sender.send(REGISTER, asset())

    await sender.answered([following], limit_s=5)
    correlation = message_id if answer == REJECTED else str(envelope["id"])
    assert (await sender.answer(correlation, limit_s=5)).type == answer
