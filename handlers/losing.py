"""What users' own queues have lost: counted for each user, while what was told stays in `events`.

The broker drops the oldest of a full queue, and hands over what it drops, what expires and what is
rejected. Nothing of it is kept but how many there were and where they stood: a user that misses
some asks for them with `event.replay.v1`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from contracts.findings import shorten
from contracts.losing import PersonalLost
from contracts.taxonomy import BACKBONE
from handlers.admission import Arrival, Delivery, Limits, Refusal
from handlers.bookkeeping import unattributed
from handlers.collection import CAUSES, collect, death_of
from handlers.decision import Context, Handled, Put, Reads, View
from handlers.signature import Handler

LOSSES: Final = "losses"
_QUEUE: Final = re.compile(
    r"^(?P<user>USR-[0-9A-Z-]+|operator|front-desk)\.(?P<queue>events|replies)$"
)
_SEQUENCE: Final = re.compile(r"^[1-9][0-9]{0,17}$")


def admit_lost(
    delivery: Delivery, _contracts: Mapping[str, type[Any]], limits: Limits
) -> Arrival | Refusal:
    """Take what has left a user's queue as a fact; anything else that comes here is a dead letter.

    The same one in the same second is the same loss: what the broker delivers again counts once.
    It is known by its own id, which says nothing, and not by a digest of what it says.
    """
    death = death_of(delivery.headers or {})
    match = _QUEUE.match(death.queue)
    if match is None:
        return collect(delivery, limits)
    said = _said(delivery.body)
    place = f"{death.queue}/{shorten(said.get('id', ''))}/{death.at}"
    return Arrival(
        user=BACKBONE,
        id=place,
        type=PersonalLost.message_type,
        digest=sha256(place.encode()).digest(),
        delivery=replace(delivery, type=PersonalLost.message_type, account=BACKBONE),
        message=PersonalLost.model_validate(
            {
                "id": match["user"],
                "queue": match["queue"],
                "reason": CAUSES.get(death.reason, "unknown"),
                "sequence": _sequence(said),
            }
        ),
        header=None,
    )


def _said(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _sequence(said: Mapping[str, Any]) -> int | None:
    """Its number among all that the user was told; replies have none."""
    given = said.get("sequence")
    return int(given) if isinstance(given, str) and _SEQUENCE.match(given) else None


def lost_reads(fact: PersonalLost, context: Context) -> Reads:
    """What this user has lost before."""
    yield LOSSES, fact.id


def count_lost(fact: PersonalLost, view: View, context: Context) -> Handled:
    """Count it; between `first` and `last` sequence is what the user may ask for.

    Source: promise 4 of the architecture: a subscriber that lost messages asks for a replay.
    """
    was = view.get(LOSSES, fact.id)
    before: Mapping[str, Any] = was or {"revision": 0, "events": 0, "replies": 0, "reasons": {}}
    numbers = [n for n in (before.get("first"), before.get("last"), fact.sequence) if n is not None]
    document = {
        "_id": fact.id,
        "revision": before["revision"] + 1,
        "events": before["events"] + (fact.queue == "events"),
        "replies": before["replies"] + (fact.queue == "replies"),
        "reasons": {
            **before["reasons"],
            fact.reason: before["reasons"].get(fact.reason, 0) + 1,
        },
        "first": min(numbers, default=None),
        "last": max(numbers, default=None),
        "at": context.now,
    }
    return Handled(unattributed(context.now), (Put(LOSSES, document, was),))


FACTS: Final = {
    PersonalLost.message_type: Handler(PersonalLost, count_lost, lost_reads),
}
"""What the lane of users' dead messages decides."""
