"""Deliveries as the broker makes them, so far as a lane looks at them, and waiting for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiormq.exceptions import ChannelInvalidStateError

from topology import names


@dataclass(eq=False)
class FakeChannel:
    """A channel that remembers what was acked on it; closed ones refuse."""

    is_closed: bool = False
    acked: list[tuple[int, bool]] = field(default_factory=list)

    async def basic_ack(self, delivery_tag: int, *, multiple: bool = False) -> None:
        if self.is_closed:
            raise ChannelInvalidStateError("closed")
        self.acked.append((delivery_tag, multiple))


@dataclass(eq=False)
class FakeMessage:
    """One delivery; its body says which."""

    channel: Any
    delivery_tag: int
    body: bytes
    routing_key: str = "trial.keep.v1"
    user_id: str | None = None
    message_id: str | None = None
    reply_to: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    content_encoding: str | None = None
    redelivered: bool = False
    exchange: str = names.COMMANDS


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks go on until something is true."""
    async with asyncio.timeout(5):
        while True:
            if holds():
                return
            await asyncio.sleep(0)


async def settled() -> None:
    """Let everything happen that can happen without waiting."""
    for _ in range(50):
        await asyncio.sleep(0)
