"""One server process: started in its own session, found again by its record, ended by its id."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from workers.embedded.errors import ServerFailed

POLL_S = 0.02


class Process:
    """A process known by its id and the moment it began, so that a re-used id is not mistaken."""

    def __init__(self, name: str, folder: Path, pid: int, began: int) -> None:
        """Hold the identity of a process whose record is in the folder."""
        self.name = name
        self.pid = pid
        self._began = began
        self._log = folder / f"{name}.log"
        self._record = folder / f"{name}.pid"

    @classmethod
    def find(cls, name: str, folder: Path) -> "Process | None":
        """Give the process that an earlier start left running in this folder, if it still does."""
        try:
            record = json.loads((folder / f"{name}.pid").read_text())
            process = cls(name, folder, int(record["pid"]), int(record["began"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return process if process.alive() else None

    @classmethod
    def spawn(
        cls, name: str, folder: Path, command: Sequence[str], environment: Mapping[str, str]
    ) -> "Process":
        """Start the command in a session of its own, so that a Ctrl-C here does not reach it."""
        log = str(folder / f"{name}.log")
        # Not subprocess.Popen: it claims its child, and warns when the owner of a server that is
        # meant to stay lets go of it.
        pid = os.posix_spawn(
            command[0],
            list(command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        process = cls(name, folder, pid, _state(pid)[0])
        process._record.write_text(json.dumps({"pid": pid, "began": process._began}))
        return process

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        began, zombie = _state(self.pid)
        if began == self._began and zombie:
            with suppress(ChildProcessError):
                # Our own child stays in the process table until it is waited for.
                os.waitpid(self.pid, os.WNOHANG)
        return began == self._began and not zombie

    def wait_until(self, expected: str, probe: Callable[[], str], limit_s: float) -> None:
        """Return once the probe gives no complaint; raise with its last one after the limit."""
        deadline = time.monotonic() + limit_s
        while complaint := probe():
            if not self.alive():
                raise ServerFailed(
                    expected,
                    f"the end of its process {self.pid}",
                    "read the end of its log, below",
                    self._log,
                )
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{expected} within {limit_s:.0f} s",
                    complaint,
                    "start again on a less busy machine, or read the end of its log, below",
                    self._log,
                )
            time.sleep(POLL_S)

    def ask_to_end(self) -> None:
        """Ask for a clean end; `wait_for_end` waits for it."""
        if self.alive():
            with suppress(ProcessLookupError):
                # Not the group: Erlang's node needs its helper processes until its own end.
                os.kill(self.pid, signal.SIGTERM)
                # A process that a test stopped with SIGSTOP notices nothing until it continues.
                os.kill(self.pid, signal.SIGCONT)

    def wait_for_end(self, limit_s: float) -> None:
        """Return when the process is gone, which is forced after the limit."""
        if not self._gone_within(limit_s):
            self.kill()
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End at once, as a power cut would, and return when the process is gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if not self._gone_within(10):
            raise ServerFailed(
                f"the end of {self.name} after SIGKILL",
                f"process {self.pid} still there after 10 s",
                "look for a hung disk or file system",
            )

    def _gone_within(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def _state(pid: int) -> tuple[int, bool]:
    """Give the kernel's start time of a process in clock ticks, and whether it is a mere zombie."""
    try:
        # The second field is the program's name in brackets and may itself hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, True
    state, threads, began = fields[0], int(fields[17]), int(fields[19])
    # While other threads end, the first is a zombie already, but files and ports are still held.
    return began, state in "ZX" and threads <= 1
