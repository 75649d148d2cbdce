"""What is on its way: records that the relay has in hand, and what became of a page of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from outbox.publisher import PublishBlockedError, PublishFailedError
from outbox.quarantine import recipient_of
from outbox.record import Cipher, OutboxRecord


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record that waits; one that was read from the store is opened when its turn comes."""

    id: str
    entity: str
    recipient: str
    opened: Callable[[], OutboxRecord]

    @classmethod
    def of_row(cls, row: Mapping[str, Any], unseal: Cipher) -> "Parcel":
        """One that the scan has read."""
        recipient = recipient_of(row["exchange"], row["key"], row["entity"])
        opened = partial(OutboxRecord.of_row, row, unseal)
        return cls(row["_id"], row["entity"], recipient, opened)

    @classmethod
    def of_record(cls, record: OutboxRecord) -> "Parcel":
        """One that was handed over."""
        recipient = recipient_of(record.exchange, record.key, record.entity)
        return cls(record.id, record.entity, recipient, lambda: record)


@dataclass(frozen=True, slots=True)
class Page:
    """What became of the rows that were on their way together."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[Parcel, PublishFailedError]] = field(default_factory=list)

    @property
    def is_blocked(self) -> bool:
        """Whether the broker gave no answer at all to something."""
        return any(isinstance(error, PublishBlockedError) for _, error in self.failed)
