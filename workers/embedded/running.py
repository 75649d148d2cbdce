"""Both servers of one folder as one thing that is started, stopped and, by tests, killed."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from workers.addresses import Addresses
from workers.embedded import broker as rabbitmq
from workers.embedded import database as mongodb
from workers.embedded.broker import Broker
from workers.embedded.database import Database
from workers.embedded.ports import of_folder


class Running:
    """The running servers of one folder; made by `start`."""

    def __init__(self, folder: Path, broker: Broker, database: Database) -> None:
        """Hold both servers; nothing is started here."""
        self._folder = folder
        self._broker = broker
        self._database = database

    @property
    def urls(self) -> Addresses:
        """Give the addresses, which stay the same for the life of the folder."""
        return Addresses(self._broker.amqp_url, self._broker.management_url, self._database.url)

    @property
    def pids(self) -> Mapping[str, int]:
        """Give the process ids of what runs: `rabbitmq`, `epmd` and `mongod`."""
        known = (self._broker.process, self._broker.mapper, self._database.process)
        return {process.name: process.pid for process in known if process}

    def start(self) -> None:
        """Start what does not run and return when both servers are of use."""
        with _alone(self._folder):
            before = self.pids
            try:
                self._broker.spawn()
                self._database.spawn()
                self._broker.wait()
                self._database.wait()
            except BaseException:
                # A half-started pair would hold ports and memory, and nobody would know of it.
                self._end(sparing=before)
                raise

    def stop(self) -> None:
        """End both servers cleanly, also those that an earlier start left, and wait for it."""
        with _alone(self._folder):
            self._end(sparing={})

    def kill_broker(self) -> None:
        """End the broker as a power cut would; `start` brings it back on the same data."""
        if process := self._broker.process:
            process.kill()

    def kill_database(self) -> None:
        """End the database as a power cut would; `start` brings it back on the same data."""
        if process := self._database.process:
            process.kill()

    def _end(self, sparing: Mapping[str, int]) -> None:
        servers = (
            (self._broker.process, rabbitmq.STOP_LIMIT_S),
            (self._database.process, mongodb.STOP_LIMIT_S),
            (self._broker.mapper, 1.0),
        )
        ending = [(p, limit_s) for p, limit_s in servers if p and p.name not in sparing]
        for process, _ in ending:
            process.ask_to_end()
        for process, limit_s in ending:
            process.wait_for_end(limit_s)


def start(folder: Path, administrator: str, password: str) -> Running:
    """Start (or find) the servers of a folder; the account is the broker's only one at first.

    The database listens on loopback only and knows no accounts: embedded servers are for one
    person's machine, tests and benches.
    """
    home = folder.absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(home):
        ports = of_folder(home)
        for name in ("broker", "database"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        broker = Broker(home / "broker", ports, administrator, password)
        running = Running(home, broker, Database(home / "database", ports))
    running.start()
    return running


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time start or stop the servers of a folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
