"""The publisher: who cancelled, the driver or ourselves."""

import asyncio
from typing import Any

import pytest

from outbox.publisher import Publisher, PublishFailedError
from tests.memory.broker import until


class Stuck:
    """A connection on which no channel can be opened."""

    def __init__(self) -> None:
        self.breaks = asyncio.Event()

    async def channel(self, **_: Any) -> None:
        """Wait as on a peer that says nothing, until the heartbeat gives it up."""
        await self.breaks.wait()
        raise asyncio.CancelledError


def publisher_on(connection: Any) -> Publisher:
    publisher = Publisher("amqp://unused/", timeout_s=60)
    publisher._connection = connection
    return publisher


async def test_connection_that_breaks_while_a_channel_is_opened_is_a_failure() -> None:
    """Taken for a wish of ours it would end the relay."""
    connection = Stuck()
    connection.breaks.set()
    with pytest.raises(PublishFailedError, match="no new channel: ConnectionError"):
        await publisher_on(connection).renew()


async def test_our_own_cancellation_ends_the_wait() -> None:
    renewing = asyncio.create_task(publisher_on(Stuck()).renew())
    await asyncio.sleep(0)
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing


class Opening:
    """A channel that opens, and closes when it may."""

    def __init__(self, *, answers: bool = True) -> None:
        """`answers` says whether what lies under it can be had."""
        self.reopen_callbacks: set[Any] = set()
        self.may_close, self.is_closed = asyncio.Event(), False
        self._answers = answers

    async def get_underlay_channel(self) -> Any:
        if not self._answers:
            raise ConnectionError
        return Underlay()

    async def close(self) -> None:
        await self.may_close.wait()
        self.is_closed = True


class Underlay:
    """What the wire is laid on."""


class Giving:
    """A connection that gives these channels, one after the other."""

    def __init__(self, *channels: Opening) -> None:
        self._channels = list(channels)

    async def channel(self, **_: Any) -> Opening:
        return self._channels.pop(0)


async def test_channel_that_cannot_be_used_takes_no_place() -> None:
    """The one before is closed by the renewal that works, and not lost by one that fails."""
    first, useless, second = Opening(), Opening(answers=False), Opening()
    publisher = publisher_on(Giving(first, useless, second))
    await publisher.renew()
    with pytest.raises(PublishFailedError):
        await publisher.renew()
    await publisher.renew()
    first.may_close.set()
    await until(lambda: first.is_closed)


async def test_channels_that_are_slow_to_close_are_all_closed() -> None:
    """A task that nobody keeps may be gone before its end."""
    channels = [Opening() for _ in range(3)]
    publisher = publisher_on(Giving(*channels))
    for _ in channels:
        await publisher.renew()
    assert len(publisher._closing) == 2
    for channel in channels:
        channel.may_close.set()
    await until(lambda: not publisher._closing)
    assert [channel.is_closed for channel in channels] == [True, True, False]


class Clinging:
    """A connection whose end waits for its own callback, cancelled or not, as the driver's does."""

    async def close(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()


async def test_a_stop_does_not_wait_for_a_broker_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that blocks who publishes, for want of memory, reads no farewell either."""
    monkeypatch.setattr("outbox.stalled.LEAVE_S", 0.05)
    async with asyncio.timeout(5):
        stopping = asyncio.create_task(publisher_on(Clinging()).stop())
        await asyncio.wait([stopping], timeout=2)
        assert stopping.done()
