"""Acknowledging out of order: each delivery once, by whomever it is done."""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.memory.broker import settled, until
from workers.acking import Acks


@dataclass
class Channel:
    """What the broker has un-acked; it closes the channel for a tag that it does not know."""

    unacked: set[int]
    refused: list[int] = field(default_factory=list)

    async def basic_ack(self, tag: int, *, multiple: bool) -> None:
        if tag not in self.unacked:
            self.refused.append(tag)
        self.unacked -= {one for one in self.unacked if one == tag or (multiple and one < tag)}
        # The socket takes it a little later, and others go on meanwhile.
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.acking.SOON_S", 0)
    monkeypatch.setattr("workers.acking.LONG_S", 0)


async def test_what_is_acknowledged_apart_is_not_acknowledged_with_the_others_too() -> None:
    """A line that ends acknowledges the rest while those behind a long one are under way."""
    channel, failed = Channel(set(range(1, 10))), list[BaseException]()
    acks = Acks(channel, failed.append)
    for tag in (3, 5, 7, 9):
        acks.add(tag)
    await until(lambda: 3 not in channel.unacked)
    assert 9 in channel.unacked, "the test is of what happens in between"
    for tag in (1, 2, 4, 6, 8):
        acks.add(tag)
    await acks.flush()
    await settled()
    assert (channel.refused, channel.unacked, failed) == ([], set(), [])
