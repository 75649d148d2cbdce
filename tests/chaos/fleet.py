"""Worker processes that are killed, frozen and replaced, each with a clock of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import STDOUT, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.chaos.worker import READY
from tests.spine import MASTER, ROOT, Spine, eventually
from workers.settings import PREFIX

READY_S: Final = 90.0
"""A worker waits for the broker for half a minute, and is then started again."""
END_S: Final = 60.0
AGAIN_S: Final = 0.5
ATTEMPTS_MAX: Final = 5
EXCERPT: Final = 1000


class Fleet:
    """Some slots, in each of which a worker process runs; one that ends by itself is replaced."""

    def __init__(self, spine: Spine, size: int, **changes: Any) -> None:
        """Make the slots; `start` fills them."""
        self._folder = spine.settings.folder
        given = spine.settings.model_dump(exclude={"master_key", "folder"}, exclude_none=True)
        given |= changes | spine.addresses.urls | {"master_key": MASTER.hex()}
        self._settings: Mapping[str, Any] = given
        self.lease_s = float(given["lease_s"])
        self.size = size
        self.ended: list[str] = []
        """Workers that ended without being told to."""
        self._processes: dict[int, Process] = {}
        self._logs: dict[int, Path] = {}
        self._watching: dict[int, asyncio.Task[None]] = {}
        self._begun = 0

    async def start(self, slot: int) -> None:
        """Put a worker into a slot and return when it is ready."""
        self.shift_clock(slot, 0)
        ended = len(self.ended)
        self._watching[slot] = asyncio.create_task(self._watch(slot, await self._spawned(slot)))

        async def ready() -> bool:
            # One that ends before it is ready is replaced, but not for ever.
            said = self._logs[slot].read_text(errors="replace")
            if len(self.ended) - ended >= ATTEMPTS_MAX:
                raise RuntimeError(f"expected a worker in slot {slot}, got: {said[-EXCERPT:]}")
            return READY in said

        await eventually(ready, READY_S)

    async def kill(self, slot: int) -> None:
        """End a worker as a power cut would."""
        await self._end(slot, signal.SIGKILL)

    async def terminate(self, slot: int) -> None:
        """Ask a worker to end, and wait until it has."""
        await self._end(slot, signal.SIGTERM)

    def slot_of(self, owner: str) -> int | None:
        """The slot of the worker that calls itself so in its leases."""
        pid = int(owner.split(":")[1])
        return next((slot for slot, p in self._processes.items() if p.pid == pid), None)

    def freeze(self, slot: int) -> None:
        """Stop a worker in the middle of whatever it does."""
        self._processes[slot].send_signal(signal.SIGSTOP)

    def thaw(self, slot: int) -> None:
        """Let it go on, with no idea of how long it was away."""
        with suppress(ProcessLookupError):
            self._processes[slot].send_signal(signal.SIGCONT)

    def shift_clock(self, slot: int, seconds: float) -> None:
        """Set a worker's clock that much ahead of the real one, or behind it."""
        path = self._folder / f"clock-{slot}"
        fresh = path.with_suffix(".new")
        fresh.write_text(str(seconds))
        # In one step: the worker reads the file at any moment.
        fresh.replace(path)

    async def stop(self) -> None:
        """Ask all to end."""
        await asyncio.gather(*(self.terminate(slot) for slot in list(self._processes)))

    async def _spawned(self, slot: int) -> Process:
        self._begun += 1
        log = self._folder / f"worker-{slot}-{self._begun:03d}.log"
        environment = {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {f"{PREFIX}{name.upper()}": str(v) for name, v in self._settings.items()}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.worker", str(self._folder / f"clock-{slot}")),
                cwd=ROOT, env=environment, stdout=output, stderr=STDOUT,
            )  # fmt: skip
        self._processes[slot], self._logs[slot] = process, log
        return process

    async def _watch(self, slot: int, process: Process) -> None:
        while True:
            code = await process.wait()
            self.ended.append(f"slot {slot}, worker {self._begun}: exit code {code}")
            await asyncio.sleep(AGAIN_S)
            process = await self._spawned(slot)

    async def _end(self, slot: int, how: signal.Signals) -> None:
        self._watching.pop(slot).cancel()
        process = self._processes.pop(slot)
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            self.ended.append(f"slot {slot}: still there {END_S:.0f} s after {how.name}")
            process.kill()
            await process.wait()
