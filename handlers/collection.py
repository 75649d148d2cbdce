"""What no mailbox decides: messages that the broker gave up on, and those that nobody takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from contracts.envelope import Finding
from contracts.findings import shorten
from handlers.admission import Delivery, Limits, Refusal, refuse_oversized
from handlers.letters import HELD_RULE

INTERNAL_PREFIX: Final = "flex-"
"""What accounts of the backbone itself begin with."""
REASONS: Final[Mapping[str, str]] = {
    "delivery_limit": "delivered again and again without being settled",
    "rejected": "rejected by a worker that could not answer it",
    "expired": "expired in a queue",
    "maxlen": "dropped from a full queue",
}
CAUSES: Final[Mapping[str, Literal["delivery-limit", "rejected", "expired", "dropped"]]] = {
    "delivery_limit": "delivery-limit",
    "rejected": "rejected",
    "expired": "expired",
    "maxlen": "dropped",
}
"""What the broker calls a cause -> what a letter says."""
COUNT: Final = "x-delivery-count"
"""Header in which the broker counts how often a message came back."""
TRIES_MAX: Final = 1_000_000


def collect(delivery: Delivery, limits: Limits) -> Refusal:
    """Say where and why the broker dead-lettered it; the sender is told that it is held.

    What is too large for any mailbox is not kept: a replay of it would be refused as well.
    """
    death = death_of(delivery.headers or {})
    # The broker delivers it under the dead-letter queue's key; its type is the key before that.
    delivery = replace(delivery, type=death.key or delivery.type)
    if (refusal := _oversized(delivery, limits)) is not None:
        return refusal
    finding = Finding(
        rule=HELD_RULE,
        field="",
        expected="a worker to settle it",
        got=f"{REASONS.get(death.reason, death.reason)} ({death.queue})",
        advice="An operator looks at it; its outcome follows. Sending it again does no harm.",
    )
    return Refusal(
        delivery=delivery,
        reason=CAUSES.get(death.reason, "dead-lettered"),
        finding=finding,
        dead=True,
        tell=delivery.user,
        held_id=_envelope_id(delivery.body),
        died_in=death.queue,
        tries=_tries(delivery.headers or {}),
        is_held=True,
    )


def _tries(headers: Mapping[str, Any]) -> int:
    """How often it was delivered; the broker counts how often it came back."""
    count = headers.get(COUNT)
    if not isinstance(count, int) or not 0 <= count < TRIES_MAX:
        return 1
    return count + 1


@dataclass(frozen=True, slots=True)
class Death:
    """Why a message died, in which queue, with which routing key it had come there, and when."""

    reason: str = "unknown"
    queue: str = ""
    key: str = ""
    at: str = ""


def death_of(headers: Mapping[str, Any]) -> Death:
    """What the broker says of how a message died."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    if not isinstance(first, Mapping):
        return Death()
    keys = first.get("routing-keys")
    key = keys[0] if isinstance(keys, list) and keys else ""
    said = (first.get("reason", "unknown"), first.get("queue", ""), key, first.get("time", ""))
    return Death(*map(shorten, said))


def _envelope_id(body: bytes) -> str | None:
    """The sender's id of the message, as far as it can be read."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return None
    given = raw.get("id") if isinstance(raw, dict) else None
    return shorten(given) if isinstance(given, str) else None


def is_internal(user: str | None) -> bool:
    """Whether it is the backbone itself."""
    return user is not None and user.startswith(INTERNAL_PREFIX)


def _oversized(delivery: Delivery, limits: Limits) -> Refusal | None:
    """The answer to what is too large; what the backbone itself says is kept whatever its size."""
    return None if is_internal(delivery.user) else refuse_oversized(delivery, limits)


def unrouted(delivery: Delivery, limits: Limits) -> Refusal:
    """Say that no binding takes the type; internal accounts are never told (loop guard).

    It is kept, since it may be our fault: a type that is published and not bound here; but for
    what no mailbox would take for its size.
    """
    if (refusal := _oversized(delivery, limits)) is not None:
        return refusal
    user = delivery.user
    internal = user is None or is_internal(user)
    finding = Finding(
        rule="message.unknown-type",
        field="type",
        expected="a type of the published list, with its version",
        got=shorten(delivery.type),
        advice="Correct the type and the routing key; nobody has seen the message.",
    )
    return Refusal(
        delivery=delivery,
        reason="unroutable",
        finding=finding,
        dead=True,
        tell=None if internal else user,
        held_id=_envelope_id(delivery.body),
    )
