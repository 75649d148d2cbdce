"""One `up` per folder: a lock that lasts as long as the process, and says whose it is."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = "up.lock"
PRIVATE: Final = 0o600


class Occupied(Exception):
    """Another `up` has the folder; the text says which and what to do instead."""


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Have the folder for oneself; raises Occupied.

    The kernel takes the lock off at the end of the process, whichever end that is. Servers do not
    inherit it, so that those which survive a SIGKILL are found again by the next `up`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE)
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = lock.read().strip() or "unknown yet"
            raise Occupied(
                f"a backbone already runs in {folder.absolute()} (pid {pid}); use it, "
                "or `flexspine work` for a standby."
            ) from None
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
