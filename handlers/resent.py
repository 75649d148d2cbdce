"""A dead letter on its way back: what of the message goes to the hop that sends it again.

That sends it in its sender's name, for which it needs an account of its own; so the letter travels
to it as one message of the backbone, from the outbox like any other.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contracts.dead import REPLAYED
from handlers.decision import Document

CURSOR: Final = "x-flexspine-cursor"
"""Header of a fact that is replayed: how far it had been told."""
STRIPPED: Final = ("x-death", "x-first-death", "x-last-death", "x-delivery", "x-acquired")
"""What headers begin with that the broker acts on, or counts by: with those of a message that died
of its delivery limit, it was lost when it died again."""
DUE: Final = "x-flexspine-due"
"""Header by which the hop knows when a letter is to be sent, in milliseconds since 1970; it goes no
further. As a header a hop of an earlier version bears it."""
COPIES: Final = frozenset({"cc", "bcc"})
OURS: Final = frozenset({REPLAYED, DUE})
TYPE: Final = "dead.resent.v1"


@dataclass(frozen=True, slots=True)
class Resent:
    """The original message, and which letter it is."""

    letter: str
    type: str
    account: str | None
    body: bytes
    message_id: str | None = None
    reply_to: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, letter: Document, contents: Document, due: datetime | None = None) -> "Resent":
        """The message of a letter whose contents can be read, and when it is to be sent."""
        properties = contents["properties"].value
        headers = {n: v for n, v in properties["strings"].items() if not _is_brokers(n)}
        headers[REPLAYED] = letter["_id"]
        if "cursor" in properties:
            headers[CURSOR] = properties["cursor"]
        if due is not None:
            headers[DUE] = str(round(due.timestamp() * 1000))
        return cls(
            letter=letter["_id"],
            type=properties["type"],
            account=properties["account"],
            body=contents["body"].value,
            message_id=properties["message_id"],
            reply_to=properties["reply_to"],
            content_encoding=properties["content_encoding"],
            headers=headers,
        )

    def early(self, now: datetime) -> timedelta:
        """How long it is until it is to be sent; zero where that is over."""
        if (said := self.headers.get(DUE)) is None:
            return timedelta()
        due = datetime.fromtimestamp(int(said) / 1000, UTC)
        return max(due - now, timedelta())

    @property
    def carried(self) -> Mapping[str, str]:
        """The headers with which it is sent."""
        return {name: value for name, value in self.headers.items() if name != DUE}

    @classmethod
    def named(cls, packed: bytes) -> tuple[str, str | None] | None:
        """Letter and, of an edit, message of what was packed, also where the rest cannot be read.

        None where not even that can.
        """
        try:
            said = json.loads(packed)
        except (ValueError, RecursionError):
            return None
        letter = said.get("letter") if isinstance(said, dict) else None
        if not isinstance(letter, str):
            return None
        headers, message = said.get("headers"), said.get("message_id")
        is_replay = isinstance(headers, dict) and REPLAYED in headers
        return letter, message if isinstance(message, str) and not is_replay else None

    @property
    def mark(self) -> Mapping[str, str]:
        """The header that says which letter it is."""
        return {REPLAYED: self.letter}

    def packed(self) -> bytes:
        """As one message."""
        said: dict[str, Any] = {
            "letter": self.letter,
            "type": self.type,
            "account": self.account,
            "message_id": self.message_id,
            "reply_to": self.reply_to,
            "content_encoding": self.content_encoding,
            "headers": dict(self.headers),
            "body": b64encode(self.body).decode(),
        }
        return json.dumps(said, ensure_ascii=True).encode()

    @classmethod
    def unpacked(cls, packed: bytes) -> "Resent":
        """What was packed, also by a version that says more."""
        said = json.loads(packed)
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        return cls(**{**known, "body": b64decode(said["body"])})


def _is_brokers(name: str) -> bool:
    lowered = name.lower()
    return lowered in COPIES or lowered.startswith(STRIPPED) or lowered in OURS
