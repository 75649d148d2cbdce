"""The loopback ports of one folder: chosen once, remembered, so that its data survive a restart."""

import json
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from workers.embedded.errors import ServerFailed

LOOPBACK = "127.0.0.1"
# Below Linux's range of ephemeral ports (32768 and up): a port from that range could be in use
# by anybody's outgoing connection when the servers are started again.
FIRST, COUNT = 20_000, 12_000
TRIES = 200


class Ports(NamedTuple):
    """The ports that belong to one folder."""

    amqp: int
    management: int
    distribution: int
    epmd: int
    mongo: int


def of_folder(folder: Path) -> Ports:
    """Give the folder's remembered ports, choosing free ones the first time."""
    path = folder / "ports.json"
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(_choose()._asdict(), indent=2) + "\n")
        draft.replace(path)
    try:
        return Ports(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        expected = f"the ports {', '.join(Ports._fields)} as JSON in {path}"
        raise ServerFailed(expected, str(error), f"delete {folder} to begin anew") from error


def check_free(ports: Iterable[int], folder: Path) -> None:
    """Raise if another program listens where the folder's servers are about to."""
    for port in ports:
        if not _is_free(port):
            raise ServerFailed(
                f"port {port} of {folder / 'ports.json'} to be free",
                "another program listening on it",
                f"stop that program, or delete {folder} to begin anew with other ports",
            )


def _choose() -> Ports:
    chosen: list[int] = []
    for _ in range(TRIES):
        port = FIRST + secrets.randbelow(COUNT)
        if port not in chosen and _is_free(port):
            chosen.append(port)
        if len(chosen) == len(Ports._fields):
            return Ports(*chosen)
    raise ServerFailed(
        f"{len(Ports._fields)} free ports from {FIRST} to {FIRST + COUNT}",
        f"{len(chosen)} in {TRIES} tries",
        "end programs that hold ports",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do; without it a port stays refused for a minute after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
