"""What the broker itself gave up on, as a delivery to be kept as a dead letter."""

import json
from collections.abc import Mapping
from typing import Any, Final

from contracts.envelope import Finding
from contracts.findings import shorten
from handlers.admission import Delivery, Refusal

REASONS: Final[Mapping[str, str]] = {
    "delivery_limit": "delivered again and again without being settled",
    "rejected": "rejected by a worker that could not answer it",
    "expired": "expired in a queue",
    "maxlen": "dropped from a full queue",
}


def collect(delivery: Delivery) -> Refusal:
    """Say where and why the broker dead-lettered it; the sender is told that it is held."""
    reason, queue = _death(delivery.headers or {})
    finding = Finding(
        rule="message.held",
        field="",
        expected="a worker to settle it",
        got=f"{REASONS.get(reason, reason)} ({queue})",
        advice="An operator looks at it; its outcome follows. Sending it again does no harm.",
    )
    return Refusal(
        delivery=delivery,
        reason="dead-lettered",
        finding=finding,
        dead=True,
        tell=delivery.user,
        held_id=_envelope_id(delivery.body),
    )


def _death(headers: Mapping[str, Any]) -> tuple[str, str]:
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    if not isinstance(first, Mapping):
        return "unknown", ""
    return shorten(first.get("reason", "unknown")), shorten(first.get("queue", ""))


def _envelope_id(body: bytes) -> str | None:
    """The sender's id of the message, as far as it can be read."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return None
    given = raw.get("id") if isinstance(raw, dict) else None
    return shorten(given) if isinstance(given, str) else None
