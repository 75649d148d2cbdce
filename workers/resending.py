"""The hop of dead letters: sends them again in their senders' names, one after the other, slowly.

It decides nothing and writes nothing: what is to be sent comes from the outbox, and what becomes of
it is written where it is decided, also of what cannot be sent: that is a fact, sent like the rest.
Sent twice is harmless, since the inbox knows what was decided.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import DeliveryError, PublishError
from faststream.rabbit import RabbitBroker
from pamqp.commands import Basic
from pydantic import ValidationError

from contracts.dead_edits import DeadUnsent
from contracts.envelope import CONTENT_TYPE
from handlers.dead_letters import top_of
from handlers.letters import Letter
from handlers.resent import Resent
from outbox.stalled import BROKER_FAULTS
from outbox.wire import PERSISTENT
from topology import names
from topology.naming import LIVE, Naming
from workers.mailbox import subscribe
from workers.owning import consuming, first_of, own_when_free
from workers.passing import UNWRITABLE, Passing
from workers.pause import Pause
from workers.shares import Shares
from workers.store.protocol import LaneStore, Lease

log = structlog.get_logger()
PREFETCH: Final = 1
KEY_CHARACTERS_MAX: Final = 63
"""So many fit into a routing key, which has 255 bytes, however many bytes each of them has."""
EARLY_S_MAX: Final = 1.0
"""A portion is of one second: what says that it is due later is by another clock, and goes at once.
Kept for a second each, letters of a clock that is ahead would pile up."""
PROPERTIES_BYTES_MAX: Final = 100 * 1024
"""So many fit into a frame, which has 128 KiB: with more the broker ends the connection, and the
hop would come back with the same message for ever."""


@dataclass(slots=True)
class Resending:
    """The hop in this process; one process at a time has it, by lease and single consumer."""

    owner: str
    store: LaneStore
    shares: Shares
    make_broker: Callable[[], RabbitBroker]
    make_wire: Callable[[Any], Passing]
    """What publishes on a channel."""
    per_second: int
    lease_s: float
    backoff_max_s: float
    clock: Callable[[], datetime]
    naming: Naming = LIVE
    name: str = names.REPLAY_QUEUE
    progress: int = 0
    """Higher with each message that was sent again, and with each attempt that failed."""
    is_busy: bool = False
    """Whether one is on its way."""
    _free_at: float = 0.0
    """When the next one may be sent."""
    _wire: tuple[Any, Passing] | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _error: BaseException | None = None

    def give_way(self) -> None:
        """Leave the queue to another process; what is on its way comes to that one again."""
        self._leaving.set()

    def stop(self) -> None:
        """Give the queue up."""
        self._stopping.set()
        self.give_way()

    async def run(self) -> None:
        """Send again whenever the queue is free, until stopped."""
        await own_when_free(self, self._own, self._stopping)

    async def _own(self, lease: Lease, _losses: Pause) -> None:
        self._leaving, self._error = asyncio.Event(), None
        broker = self.make_broker()
        subscribe(broker, self.name, PREFETCH, self.take)
        async with consuming(self, broker, lambda: lease, self._ended) as renewing:
            log.info("replay.owned", epoch=lease.epoch)
            if self._stopping.is_set():
                self.give_way()
            await first_of(renewing, asyncio.create_task(self._lasting()))

    def _ended(self) -> None:
        self._wire, self.is_busy = None, False
        self.progress += 1

    async def _lasting(self) -> None:
        await self._leaving.wait()
        if self._error is not None:
            raise ConnectionError(str(self._error)) from self._error

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Wait as long as the rate wants, then send one again and acknowledge it.

        Not afterwards: with the acknowledgement the broker delivers the next one, which is a task
        of its own. What is found out after the queue was left is nothing to who has it by then.
        """
        leaving, begins = self._leaving, max(time.monotonic(), self._free_at)
        self._free_at = begins + 1 / self.per_second
        await asyncio.sleep(begins - time.monotonic())
        if leaving.is_set() or message.channel.is_closed:
            return
        self.is_busy = True
        try:
            await self._done_with(message, leaving)
        except Exception as error:
            # Whatever it was: un-acked it is the only one that the broker delivers, so that the hop
            # would own its queue and stand still. As after a lost connection it begins anew.
            if not isinstance(error, BROKER_FAULTS):
                log.exception("replay.failed", bytes=len(message.body))
            if leaving is self._leaving:
                self._error = error
            leaving.set()
        finally:
            if leaving is self._leaving:
                self.is_busy = False

    async def _done_with(self, message: AbstractIncomingMessage, leaving: asyncio.Event) -> None:
        """Acknowledge it once it is due and sent, or once it is told that nobody can send it.

        They are taken one at a time: left where it is, it would keep those behind it there for
        ever. One that does not even say of which letter it is has nobody to tell, and goes.
        """
        tag = int(message.delivery_tag or 0)
        try:
            resent = Resent.unpacked(message.body)
            early_s = resent.early(self.clock()).total_seconds()
            await asyncio.sleep(early_s if early_s <= EARLY_S_MAX else 0)
            if leaving.is_set() or message.channel.is_closed:
                return
            await self._surely(message, resent)
        except BROKER_FAULTS:
            raise
        except Exception as error:
            log.exception("replay.unsendable", bytes=len(message.body))
            fact = self._unsent(message.body, error)
            if fact is None:
                await message.channel.basic_reject(tag, requeue=False)
                return
            await self._surely(message, fact)
        await message.channel.basic_ack(tag)

    def _unsent(self, packed: bytes, error: Exception) -> Resent | None:
        """The fact that it could not be sent, to its letter; None where nothing names one."""
        named = Resent.named(packed)
        if named is None:
            return None
        key, message = named
        raised, top = type(error).__qualname__, top_of(error)
        try:
            fact = DeadUnsent(id=key, message=message, exception=raised, top=top)
        except ValidationError:
            return None
        one = Letter.fact(fact, id=uuid4().hex, time=self.clock())
        return Resent(letter=key, type=one.type, account=names.RELAY_ACCOUNT, body=one.body)

    async def _surely(self, message: AbstractIncomingMessage, resent: Resent) -> None:
        """Have a queue take it, and the broker confirm that, however long the queue is full.

        What no queue is bound for goes to where commands of unknown types end: there it is written
        down that it failed again, and why; so does what cannot be written under its own key. The
        alternate exchange does the same, but is a policy, and without that the broker confirms what
        it throws away.
        """
        pause, wire = Pause(self.backoff_max_s), self._wire_on(message.channel)
        # A fact of the backbone is bound to no type: whatever it says goes to where facts go.
        is_fact = resent.account == names.RELAY_ACCOUNT
        exchanges = (names.REPLAY_FACTS if is_fact else names.REPLAY, names.UNROUTED)
        while True:
            for exchange in exchanges:
                error = await self._heard(wire, exchange, resent)
                if error is None:
                    log.info("replay.sent", letter=resent.letter)
                    return
                if not isinstance(error, (PublishError, *UNWRITABLE)):
                    break
                said = type(error).__name__
                log.warning("replay.returned", letter=resent.letter, exchange=exchange, error=said)
            if isinstance(error, UNWRITABLE):
                raise error
            if not isinstance(error, DeliveryError):
                raise ConnectionError(str(error)) from error
            await pause.wait()

    async def _heard(self, wire: Passing, exchange: str, resent: Resent) -> BaseException | None:
        """Send it once: what the broker says against it, PublishError where no queue took it.

        Also what the driver says, of UNWRITABLE, where it cannot write it.
        """
        key = resent.type if exchange != names.UNROUTED else _writable(resent.type)
        try:
            confirm = wire.pass_on((exchange, key, True), self._properties(resent), resent.body)
        except UNWRITABLE as error:
            self.progress += 1
            return error
        await asyncio.wait([confirm])
        self.progress += 1
        if confirm.cancelled():
            raise TimeoutError("no confirm")
        return confirm.exception()

    def _wire_on(self, channel: Any) -> Passing:
        if self._wire is None or self._wire[0] is not channel:
            self._wire = channel, self.make_wire(channel)
        return self._wire[1]

    def _properties(self, resent: Resent) -> Basic.Properties:
        """The sender's; where they cannot be written, the sender and the letter alone.

        One without a `message_id` gets its letter's, by which the broker's return is known.
        """
        user = self.naming.at_broker(resent.account) if resent.account is not None else None
        properties = Basic.Properties(
            content_type=CONTENT_TYPE,
            content_encoding=resent.content_encoding,
            delivery_mode=PERSISTENT,
            message_id=resent.message_id or resent.letter,
            message_type=resent.type,
            reply_to=resent.reply_to,
            user_id=user,
            headers=dict(resent.carried),
        )
        try:
            size = len(properties.marshal())
        except UNWRITABLE:
            return Basic.Properties(
                delivery_mode=PERSISTENT,
                message_id=resent.letter,
                user_id=user,
                headers=dict(resent.mark),
            )
        if size > PROPERTIES_BYTES_MAX:
            raise ValueError(f"expected properties of {PROPERTIES_BYTES_MAX} bytes, got {size}")
        return properties


def _writable(kind: str) -> str:
    """A type as a routing key that the driver can write, for an exchange that does not read it."""
    return kind.encode(errors="replace").decode()[:KEY_CHARACTERS_MAX]
