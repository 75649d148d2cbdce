"""A message as it is passed on to a shard: its bytes and properties, but for what the broker reads.

The broker makes copies by `CC` and `BCC`, and adds to the headers where a message has died.
"""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aio_pika.abc import AbstractIncomingMessage
from pamqp.commands import Basic

from handlers.admission import UNREADABLE_HEADERS
from outbox.wire import Address
from workers.quota import OVER_QUOTA

COPIES: Final = frozenset({"CC", "BCC"})
BROKERS: Final = frozenset({"x-delivery-count", "x-acquired-count"})
DEATHS: Final = ("x-death", "x-first-death", "x-last-death")
UNWRITABLE: Final = (ValueError, TypeError, struct.error, OverflowError, AttributeError)
"""What the driver raises for a value that it has read and cannot write."""


class Passing(Protocol):
    """What publishes somebody else's messages on a channel, each with a confirm of its own."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        ...

    def pass_on(
        self, address: Address, properties: Basic.Properties, body: bytes
    ) -> asyncio.Future[Any]:
        """Write a message; the future ends with what the broker says of it."""
        ...


@dataclass(slots=True)
class Parcel:
    """One message on its way to a shard; `cell` says to which, by the map of that moment."""

    message: AbstractIncomingMessage
    key: str
    cell: str
    properties: Basic.Properties


def headers_of(headers: Mapping[str, Any], *, is_over_quota: bool) -> dict[str, Any]:
    """The headers without those that the broker would act on.

    A copy's are in small letters, which mean nothing to the broker: so the shard still sees that
    the sender wanted copies, and refuses it as it would have without a directory.
    """
    kept = {
        name.lower() if name in COPIES else name: value
        for name, value in headers.items()
        if name not in BROKERS and name != OVER_QUOTA and not name.startswith(DEATHS)
    }
    return kept | ({OVER_QUOTA: True} if is_over_quota else {})


def properties_of(message: AbstractIncomingMessage, *, is_over_quota: bool) -> Basic.Properties:
    """The sender's properties, with such headers; of a message that cannot be written, its sender.

    Then it is refused by the shard, which answers the sender.
    """
    properties = message.properties
    properties.headers = headers_of(message.headers or {}, is_over_quota=is_over_quota) or None
    try:
        properties.marshal()
    except UNWRITABLE:
        return Basic.Properties(user_id=message.user_id, headers={UNREADABLE_HEADERS: True})
    return properties
