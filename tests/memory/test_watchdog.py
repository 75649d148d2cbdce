"""The watchdog ends a process that does not get on although it could, and no other."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.memory.broker import until
from workers.store.protocol import Unavailable
from workers.watchdog import Watchdog

LIMIT_S = 60.0


@dataclass
class Box:
    name: str = "mailbox.tests.0"
    progress: int = 0
    is_busy: bool = True


@dataclass
class Kennel:
    """A watchdog, its clock, the database that it asks, and how often it has ended the process."""

    box: Box = field(default_factory=Box)
    now: float = 0.0
    answers: bool = True
    ends: list[str] = field(default_factory=list)

    async def ping(self) -> None:
        if not self.answers:
            raise Unavailable("outage")

    def end(self, reason: str, **_named: Any) -> None:
        self.ends.append(reason)


@pytest.fixture
def kennel() -> Kennel:
    return Kennel()


@pytest.fixture
def dog(kennel: Kennel) -> Watchdog:
    return Watchdog([kennel.box], kennel.ping, LIMIT_S, kennel.end, lambda: kennel.now)


async def look(dog: Watchdog, kennel: Kennel, *times: float) -> list[str]:
    for kennel.now in times:
        await dog.look()
    return kennel.ends


async def test_a_mailbox_that_commits_nothing_ends_the_process(
    dog: Watchdog, kennel: Kennel
) -> None:
    assert await look(dog, kennel, 0, 60) == []
    assert await look(dog, kennel, 61) == ["a mailbox holds messages and commits nothing"]


async def test_a_mailbox_that_gets_on_lives(dog: Watchdog, kennel: Kennel) -> None:
    for now in range(0, 600, 30):
        kennel.box.progress += 1
        assert await look(dog, kennel, now) == []


async def test_a_mailbox_without_messages_lives(dog: Watchdog, kennel: Kennel) -> None:
    kennel.box.is_busy = False
    assert await look(dog, kennel, 0, 600) == []
    kennel.box.is_busy = True
    assert await look(dog, kennel, 601, 660) == []


async def test_an_outage_of_the_database_ends_nobody(dog: Watchdog, kennel: Kennel) -> None:
    """The time that counts begins anew when the database is back."""
    await look(dog, kennel, 0)
    kennel.answers = False
    assert await look(dog, kennel, 300, 600) == []
    kennel.answers = True
    assert await look(dog, kennel, 601, 660) == []
    assert await look(dog, kennel, 662) != []


async def test_an_event_loop_that_does_not_turn_is_seen_from_a_thread() -> None:
    kennel = Kennel(box=Box(is_busy=False))
    dog = Watchdog([kennel.box], kennel.ping, 0.1, kennel.end)
    task = asyncio.create_task(dog.run())
    await until(lambda: dog._beat > 0)
    deadline = time.monotonic() + 5
    while not kennel.ends and time.monotonic() < deadline:
        pass
    task.cancel()
    assert kennel.ends[0] == "the event loop does not turn"


async def test_a_database_that_is_slow_to_answer_is_no_stuck_loop() -> None:
    kennel = Kennel(box=Box(is_busy=False))

    async def slow() -> None:
        await asyncio.sleep(0.5)

    dog = Watchdog([kennel.box], slow, 0.1, kennel.end)
    task = asyncio.create_task(dog.run())
    await asyncio.wait([task], timeout=0.4)
    task.cancel()
    assert kennel.ends == []
