"""What is on its way: records that the relay has in hand, and what became of a page of them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from outbox.publisher import Delivered, PublishBlockedError, PublishFailedError
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


Sent = tuple[Parcel, asyncio.Future[Delivered] | None]
"""A parcel and what becomes of it; None where it could not be put on its way."""


async def settled(sent: Iterable[Sent]) -> set[str]:
    """Wait until the broker has answered; give the recipients for whom it has no queue."""
    heard = [(parcel, outcome) for parcel, outcome in sent if outcome is not None]
    if heard:
        await asyncio.wait([outcome for _, outcome in heard])
    return {
        parcel.recipient
        for parcel, outcome in heard
        if outcome.exception() is None and outcome.result() is Delivered.UNHEARD
    }


@dataclass(frozen=True, slots=True)
class Page:
    """What became of the rows that were on their way together."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[Parcel, PublishFailedError]] = field(default_factory=list)
    unmade: set[str] = field(default_factory=set)
    """Recipients whose queues are still to be made."""

    @property
    def is_blocked(self) -> bool:
        """Whether the broker gave no answer at all to something."""
        return any(isinstance(error, PublishBlockedError) for _, error in self.failed)
