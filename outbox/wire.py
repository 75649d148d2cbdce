"""Many messages at once on one channel: written together, each with a confirm of its own.

The driver's own publish waits for the socket after each message: five times the work.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, Final
from uuid import uuid4

from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

PERSISTENT: Final = 2
Address = tuple[str, str, bool]
"""Exchange, routing key, and whether the broker returns what reaches no queue."""
ADDRESSES_MAX: Final = 1024
"""How many addresses are remembered in the form in which they travel."""


class Wire:
    """Publishes on a channel in confirm mode that nobody else publishes on.

    It does what the driver's `basic_publish` does to the channel's books, so that the driver's
    reader finds whose confirm, return or refusal it has read, and a broken channel fails them all.
    """

    def __init__(
        self, channel: AbstractChannel, account: str, content_type: str, timeout_s: float
    ) -> None:
        """Take the channel over; its confirms come within `timeout_s` or are given up.

        The broker vouches to every receiver that `account` has sent it.
        """
        self._channel: Any = channel
        self._account = account
        self._content_type = content_type
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._writing: Any = None
        self._sent: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._watching: asyncio.TimerHandle | None = None
        # Returned messages are matched by this id: one of its own for each transmission.
        self._run, self._numbers = uuid4().hex, count()
        self._addressed = lru_cache(ADDRESSES_MAX)(self._addressed_now)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return bool(self._channel.is_closed)

    def send(
        self, address: Address, body: bytes, kind: str, headers: Mapping[str, Any]
    ) -> asyncio.Future[Any]:
        """Write a persistent message; the future ends with what the broker says of it.

        That is a value for a confirm, PublishError for a return, DeliveryError for a refusal, what
        the channel ended with, and cancellation where nothing was said in time.
        Raises at once what cannot be written.
        """
        message_id = f"{self._run}{next(self._numbers)}"
        properties = Basic.Properties(
            content_type=self._content_type,
            delivery_mode=PERSISTENT,
            message_id=message_id,
            message_type=kind,
            user_id=self._account,
            headers=dict(headers) or None,
        )
        return self._watched(address, properties, body)

    def pass_on(
        self, address: Address, properties: Basic.Properties, body: bytes
    ) -> asyncio.Future[Any]:
        """Write somebody else's message as it came.

        Where it is to be returned if nobody has a queue for it, it needs an id that no other one
        on its way has: the driver drops a return without one, and takes the message for confirmed.
        The future ends as that of `send`. Raises at once what cannot be written.
        """
        _, _, is_returned = address
        if not is_returned:
            return self._transmit(address, properties, body)
        if (
            not properties.message_id
            or properties.message_id in self._channel.message_id_delivery_tag
        ):
            raise ValueError("expected an id that no message on its way has")
        return self._watched(address, properties, body)

    def _watched(
        self, address: Address, properties: Basic.Properties, body: bytes
    ) -> asyncio.Future[Any]:
        """Write a message whose return the driver's reader finds by its id."""
        tags, message_id = self._channel.message_id_delivery_tag, properties.message_id
        confirm = self._transmit(address, properties, body)
        tags[message_id] = self._channel.delivery_tag
        confirm.add_done_callback(lambda _: tags.pop(message_id, None))
        return confirm

    def _transmit(
        self, address: Address, properties: Basic.Properties, body: bytes
    ) -> asyncio.Future[Any]:
        channel = self._channel
        written = self._addressed(address) + self._content(body, properties)
        # Fails on a closed channel, and is failed by the driver when the channel closes.
        confirm: asyncio.Future[Any] = channel.create_future()
        channel.delivery_tag += 1
        channel.confirmations[channel.delivery_tag] = confirm
        self._waiting.append(written)
        self._sent.append((self._loop.time() + self._timeout_s, confirm))
        if self._writing is None or self._writing.done():
            self._writing = channel.create_task(self._write())
        if self._watching is None:
            self._watch()
        return confirm

    def _addressed_now(self, address: Address) -> bytes:
        exchange, key, mandatory = address
        method = Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
        return frame.marshal(method, self._channel.number)

    def _content(self, body: bytes, properties: Basic.Properties) -> bytes:
        number = self._channel.number
        header = ContentHeader(body_size=len(body), properties=properties)
        size = self._channel.max_content_size
        parts = (body[start : start + size] for start in range(0, len(body), size))
        bodies = (frame.marshal(ContentBody(part), number) for part in parts)
        return b"".join((frame.marshal(header, number), *bodies))

    async def _write(self) -> None:
        """Write what was sent meanwhile as one piece, as fast as the socket takes it."""
        while self._waiting:
            written, self._waiting = b"".join(self._waiting), []
            while self._sent and self._sent[0][1].done():
                self._sent.popleft()
            drained = self._channel.create_future()
            piece = ChannelFrame(written, should_close=False, drain_future=drained)
            await self._channel.write_queue.put(piece)
            # What broke the connection is said by the confirms.
            with suppress(Exception):
                await drained

    def _watch(self) -> None:
        """Give up what waited too long, and look again when the oldest will have."""
        now, self._watching = self._loop.time(), None
        while self._sent:
            until, confirm = self._sent[0]
            if not confirm.done() and until > now:
                self._watching = self._loop.call_at(until, self._watch)
                return
            self._sent.popleft()
            confirm.cancel()
