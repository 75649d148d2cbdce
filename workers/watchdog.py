"""The watchdog: ends a process that holds messages and does not get on although it could."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from workers.store.protocol import Unavailable

log = structlog.get_logger()
LOOKS: Final = 10
"""How often within the limit it is looked."""
EXIT_STUCK: Final = 70
"""Exit code: an internal fault (sysexits' EX_SOFTWARE); whoever supervises starts it again."""


class Watched(Protocol):
    """A mailbox, as far as the watchdog is concerned."""

    name: str

    @property
    def progress(self) -> int:
        """Higher with each batch that it gets done, and with each attempt at one that failed."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether it holds messages that are not acked."""
        ...


def end(reason: str, **named: str | float) -> None:
    """End the process at once: a stop in order would wait for what is stuck."""
    log.critical("watchdog.ends", reason=reason, **named)
    os._exit(EXIT_STUCK)


@dataclass(slots=True)
class Watchdog:
    """Two looks: at each mailbox from the event loop, at the event loop from a thread.

    An outage of the database is no reason, since a new process would wait for it as well: neither
    of all of it, nor of commits alone. What ends the process is that nothing comes back at all.
    """

    mailboxes: Sequence[Watched]
    ping: Callable[[], Awaitable[None]]
    limit_s: float
    end: Callable[..., None] = end
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Mailbox -> its progress then, and since when it has been busy with the database at hand."""
    _beat: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Look for ever."""
        self._beat = self.clock()
        thread = threading.Thread(target=self._watch_loop, name="watchdog", daemon=True)
        thread.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                # Apart, since a look waits for a database that may be slow.
                tasks.create_task(self._keep_beating())
                while True:
                    await self.look()
                    await asyncio.sleep(self.limit_s / LOOKS)
        finally:
            self._ended.set()

    async def _keep_beating(self) -> None:
        while True:
            self._beat = self.clock()
            await asyncio.sleep(self.limit_s / LOOKS)

    async def look(self) -> None:
        """End the process if a mailbox is busy and no attempt at a commit ends for too long."""
        try:
            await self.ping()
        except Unavailable:
            self._since.clear()
            return
        now = self.clock()
        for mailbox in self.mailboxes:
            progress, since = self._since.get(mailbox.name, (-1, now))
            if not mailbox.is_busy:
                self._since.pop(mailbox.name, None)
            elif progress != mailbox.progress:
                self._since[mailbox.name] = (mailbox.progress, now)
            elif now - since > self.limit_s:
                self.end("a mailbox holds messages and commits nothing", mailbox=mailbox.name)

    def _watch_loop(self) -> None:
        while not self._ended.wait(self.limit_s / LOOKS):
            if self.clock() - self._beat > self.limit_s:
                self.end("the event loop does not turn", seconds=self.limit_s)
