"""What is sent in the place of a dead letter's message: the bytes, and what they are held to."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.envelope import SPEC_VERSION, Finding, user_urn
from handlers.admission import Delivery


def unread(delivery: Delivery) -> Iterable[Finding]:
    """Where nobody has said which types there are, nothing is sent."""
    raise LookupError(f"expected what the backbone takes, got nothing that knows {delivery.type!r}")


@dataclass(frozen=True, slots=True)
class Edits:
    """What every edit is held to here."""

    read: Callable[[Delivery], Iterable[Finding]] = unread
    """What the backbone would say against a message that arrives, in whatever lane."""
    need_approval: bool = False
    """Whether an operator's edit waits for a second operator."""


def encoded(value: Any) -> bytes:
    """JSON as it was meant, not three times as long; raises ValueError for what is none."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def body_of(edit: Mapping[str, Any], data: Mapping[str, Any], at: datetime) -> bytes:
    """The message of an edit; the same bytes however often, for the same moment."""
    return encoded(
        {
            "specversion": SPEC_VERSION,
            "id": edit["message"],
            "source": user_urn(edit["by"]),
            "type": edit["type"],
            "time": at.isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "causationid": edit["original"].value,
            "data": data,
        }
    )
