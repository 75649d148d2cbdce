"""A platform's side of the broker: one long-lived connection that asks and is answered."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
)
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelClosed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused
from yarl import URL

from contracts.envelope import CONTENT_TYPE
from topology import names
from workers.pause import Pause

LOGIN_S: Final = 30.0
"""How long a login is tried: the account of a new user appears shortly after the reply."""
CONNECT_S: Final = 10.0
CONFIRM_S: Final = 10.0
PAUSE_MAX_S: Final = 2.0
PREFETCH: Final = 500
DIRECT_REPLIES: Final = "amq.rabbitmq.reply-to"
LOGIN_REFUSED: Final = (AuthenticationError, ProbableAuthenticationError)


class LoginFailed(Exception):
    """The broker does not let the account in."""


class Unreachable(LoginFailed):
    """There is no broker to log in to."""


class PublishRefused(Exception):
    """The broker does not let this account publish this type."""


class NothingToWatch(Exception):
    """There are no events of this user here; the text says whose there are."""


@dataclass(slots=True)
class _Asked:
    """One message that waits for its answer."""

    command_id: str
    type: str
    body: bytes
    reply: asyncio.Future[bytes] = field(default_factory=asyncio.Future)


@asynccontextmanager
async def channel_of(
    url: str, user: str, reach_s: float = LOGIN_S
) -> AsyncIterator[AbstractChannel]:
    """Open a connection and its channel; LoginFailed if the broker refuses for LOGIN_S.

    And where there is none to ask for `reach_s`.
    """
    pause, loop = Pause(PAUSE_MAX_S), asyncio.get_running_loop()
    begun = loop.time()
    while True:
        try:
            connection = await _connected(url)
            break
        except CONNECTION_EXCEPTIONS as error:
            is_refused = isinstance(error, LOGIN_REFUSED)
            if loop.time() < begun + (LOGIN_S if is_refused else reach_s):
                await pause.wait()
                continue
            if is_refused:
                raise LoginFailed(
                    f"expected the broker to let {user} in within {LOGIN_S:.0f} s, got a refusal. "
                    "Are the keyring and the master key those of this backbone?"
                ) from error
            raise Unreachable(
                f"expected a broker within {reach_s:.0f} s, got: {_said(error)}. "
                "Is the backbone up? `flexspine up` starts it."
            ) from error
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        yield channel


def _said(error: Exception) -> str:
    """An error without the number that the system has for it, which tells a reader nothing."""
    return re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


async def _connected(url: str) -> AbstractConnection:
    connection = aio_pika.Connection(URL(url))
    try:
        await connection.connect(timeout=CONNECT_S)
    except BaseException:
        # One that never was connected is not closed by itself, and complains at the end.
        await connection.close()
        raise
    return connection


class Correspondent:
    """Asks in the name of one user; use it as an async context manager.

    After a lost connection all that is unanswered is sent again, the same bytes: the register
    gives the same answer.
    """

    def __init__(self, url: str, user: str, reach_s: float = LOGIN_S) -> None:
        """Connects on entry; `url` has the account in it, `reach_s` is for finding a broker."""
        self._url, self._reach_s = url, reach_s
        self._user = user
        # What the broker checks `user_id` against is its own name of the account.
        self._account = URL(url).user or user
        self._asked: dict[str, _Asked] = {}
        self._transmitted: dict[str, _Asked] = {}
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._publishing: set[asyncio.Task[None]] = set()
        self._alone = False
        """After a refused publish the unanswered go one by one, until it is known which it was."""

    @property
    def reply_to(self) -> str:
        """Its own queue; the shared front desk is answered where nobody else can read."""
        return DIRECT_REPLIES if self._user == names.FRONT_DESK else names.replies_queue(self._user)

    async def request(self, command_id: str, message_type: str, body: bytes) -> bytes:
        """Send and wait for the answer, however long; raises PublishRefused.

        A message with the id of one that waits goes after it.
        """
        asked = _Asked(command_id, message_type, body)
        previous = self._asked.get(command_id)
        if previous is not None:
            await asyncio.wait([previous.reply])
        self._asked[command_id] = asked
        self._transmit(asked)
        try:
            return await asked.reply
        finally:
            self._asked.pop(command_id, None)

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep the connection until cancelled; raises LoginFailed."""
        pause = Pause(PAUSE_MAX_S)
        occupied_s = 0.0
        while True:
            async with channel_of(self._url, self._user, self._reach_s) as channel:
                self._channel = channel
                if await self._listen(channel):
                    occupied_s = 0.0
                    self._exchange = await channel.get_exchange(names.COMMANDS, ensure=False)
                    ready()
                    await self._again()
                    await channel.closed()
                    self._exchange = None
            # Also after a connection that lasted: many programs lose theirs at the same moment.
            waited_s = pause.next_s()
            occupied_s += waited_s
            if occupied_s > LOGIN_S:
                raise LoginFailed(
                    f"expected to be the only program that reads {self.reply_to}, got another "
                    "one that reads it. End that one; what it reads of ours would be lost."
                )
            await asyncio.sleep(waited_s)

    async def _listen(self, channel: AbstractChannel) -> bool:
        """Consume the answers; False while another program does, which would take ours.

        Quorum queues know no exclusive consumers, so this asks who is there.
        """
        if self._user == names.FRONT_DESK:
            direct = await channel.get_queue(self.reply_to, ensure=False)
            await direct.consume(self._take, no_ack=True)
            return True
        queue = await channel.declare_queue(self.reply_to, passive=True)
        if queue.declaration_result.consumer_count:
            return False
        await queue.consume(self._take)
        return True

    async def _again(self) -> None:
        """Send what is unanswered, in the order in which it was asked."""
        self._transmitted.clear()
        for asked in list(self._asked.values()):
            if self._alone:
                await self._publish(asked)
            else:
                self._transmit(asked)
        self._alone = False

    def _transmit(self, asked: _Asked) -> None:
        task = asyncio.create_task(self._publish(asked))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, asked: _Asked) -> None:
        """Publish and see it confirmed; what fails is left to the next connection."""
        exchange = self._exchange
        if exchange is None or asked.reply.done():
            return
        transmission = uuid4().hex
        self._transmitted[transmission] = asked
        message = aio_pika.Message(
            asked.body,
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=self._account,
            # Returned messages are matched by this id: one of its own for each transmission.
            message_id=transmission,
            reply_to=self.reply_to,
        )
        try:
            await exchange.publish(message, asked.type, mandatory=True, timeout=CONFIRM_S)
        except ChannelClosed as error:
            self._refused(asked, error)
        except (*CONNECTION_EXCEPTIONS, TimeoutError):
            await self._hang_up(exchange)

    def _refused(self, asked: _Asked, error: ChannelClosed) -> None:
        """A refusal closes the channel for all that were under way; alone, it is this one's."""
        if not isinstance(error, ChannelAccessRefused):
            return
        if (self._alone or len(self._asked) == 1) and not asked.reply.done():
            asked.reply.set_exception(PublishRefused(str(error)))
        self._alone = True

    async def _hang_up(self, exchange: AbstractExchange) -> None:
        """Without a confirm nobody knows: a new connection sends everything again."""
        if self._exchange is exchange:
            self._exchange = None
            if self._channel is not None:
                await self._channel.close()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        asked = self._asked_of(message.body)
        if asked is not None and not asked.reply.done():
            asked.reply.set_result(message.body)
        if self._user != names.FRONT_DESK:
            await message.ack()

    def _asked_of(self, body: bytes) -> _Asked | None:
        """What an answer belongs to; one to an unreadable message names its transmission."""
        try:
            correlation = json.loads(body).get("correlationid")
        except (ValueError, AttributeError):
            return None
        return self._asked.get(correlation) or self._transmitted.get(correlation)


async def listen(
    url: str,
    user: str,
    queues: list[str],
    take: Callable[[bytes], Awaitable[None]],
    for_s: float | None = None,
) -> None:
    """Hand over what arrives in the user's own queues, until cancelled; raises LoginFailed.

    A message is acknowledged when it has been taken. `for_s` ends it, counted from when it listens
    first: how long it takes to begin depends on the machine.
    """

    async def consume(message: AbstractIncomingMessage) -> None:
        await take(message.body)
        await message.ack()

    try:
        async with asyncio.timeout(None) as limit:
            while True:
                async with channel_of(url, user) as channel:
                    for name in queues:
                        queue = await channel.get_queue(name, ensure=False)
                        await queue.consume(consume)
                    if for_s is not None and limit.when() is None:
                        limit.reschedule(asyncio.get_running_loop().time() + for_s)
                    await channel.closed()
    except TimeoutError:
        if not limit.expired():
            raise
