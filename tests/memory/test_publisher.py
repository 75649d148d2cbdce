"""The publisher: who cancelled, the driver or ourselves."""

import asyncio
from typing import Any

import pytest

from outbox.publisher import Publisher, PublishFailedError


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
