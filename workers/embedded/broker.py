"""The embedded RabbitMQ: finding its program, its private environment, its start and readiness."""

import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path

import httpx

from workers.embedded.errors import ServerFailed, ServerMissing
from workers.embedded.ports import LOOPBACK, Ports, check_free
from workers.embedded.process import Process

READY_LIMIT_S = 50.0
LEADERS_LIMIT_S = 5.0
STOP_LIMIT_S = 30.0
DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,255}")
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
ELECTED = "queue '{name}' in vhost '{vhost}': candidate -> leader"
CONFIGURATION = """\
listeners.tcp.1 = {host}:{ports.amqp}
management.tcp.ip = {host}
management.tcp.port = {ports.management}
default_user = {administrator}
default_pass = {password}
default_user_tags.administrator = true
# A frozen peer is noticed in seconds; the default of a minute is for slow networks.
heartbeat = 10
# The machine is shared with the database, the workers and somebody's desktop.
vm_memory_high_watermark.relative = 0.25
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 67108864
log.console.level = info
"""


class Broker:
    """One RabbitMQ node of one folder, and the port mapper that belongs to it alone."""

    def __init__(self, folder: Path, ports: Ports, administrator: str, password: str) -> None:
        """Prepare; nothing is started yet."""
        for word, value in (("name", administrator), ("password", password)):
            if not PLAIN.fullmatch(value):
                raise ServerFailed(
                    f"an administrator's {word} of letters, digits and . _ ~ - only",
                    "another character, or nothing",
                    "choose one that needs no quoting in a configuration file and a URL",
                )
        self._folder = folder
        self._ports = ports
        self._administrator = administrator
        self._password = password
        self._process: Process | None = None

    @property
    def process(self) -> Process | None:
        """Give the node's process if it runs, whoever started it."""
        return Process.find("rabbitmq", self._folder)

    @property
    def mapper(self) -> Process | None:
        """Give the port mapper's process if it runs, whoever started it."""
        return Process.find("epmd", self._folder)

    @property
    def amqp_url(self) -> str:
        """Give the address for AMQP, without an account."""
        return f"amqp://{LOOPBACK}:{self._ports.amqp}/"

    @property
    def management_url(self) -> str:
        """Give the address of the management API, without an account."""
        return f"http://{LOOPBACK}:{self._ports.management}"

    def spawn(self) -> None:
        """Start the node unless it still runs; `wait` tells when it is of use."""
        self._process = self.process
        if self._process is not None:
            return
        server, mapper = find_rabbitmq(), find_epmd()
        ports = self._ports
        check_free([ports.amqp, ports.management, ports.distribution], self._folder.parent)
        environment = self._environment()
        self._configure()
        if self.mapper is None:
            check_free([ports.epmd], self._folder.parent)
            epmd = Process.spawn("epmd", self._folder, [mapper, "-address", LOOPBACK], environment)
            # Without this the node would start a mapper of its own, which nobody would end.
            epmd.wait_until("epmd to listen", lambda: _deaf(ports.epmd), READY_LIMIT_S)
        self._process = Process.spawn("rabbitmq", self._folder, [server], environment)

    def wait(self) -> None:
        """Return once the node speaks AMQP and knows the administrator."""
        process = self._process
        if process is None:
            return
        account = httpx.BasicAuth(self._administrator, self._password)
        # trust_env off: a proxy named in the environment must not see loopback requests.
        with httpx.Client(base_url=self.management_url, auth=account, trust_env=False) as client:
            expected = f"RabbitMQ on {self.amqp_url}"
            process.wait_until(expected, lambda: self._complaint(client), READY_LIMIT_S)
            deadline = time.monotonic() + LEADERS_LIMIT_S
            process.wait_until(
                "leaders of the quorum queues",
                lambda: self._leaderless(client) if time.monotonic() < deadline else "",
                READY_LIMIT_S,
            )

    def _complaint(self, client: httpx.Client) -> str:
        try:
            answer = client.get("/api/whoami", timeout=5)
        except httpx.TransportError as error:
            return f"no answer from its management API ({error})"
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise ServerFailed(
                f"the broker to know its administrator {self._administrator}",
                "401: its data were made with another name or password",
                f"use the settings the data were made with, or delete {self._folder.parent}",
            )
        if answer.status_code != httpx.codes.OK:
            return f"{answer.status_code} from its management API"
        return _mute(self._ports.amqp)

    def _leaderless(self, client: httpx.Client) -> str:
        """Complain of the quorum queues that have not elected their leader since the start.

        On RabbitMQ 3.10 a `basic.get` in the half second between the opening of the port and the
        election is never answered. No API tells the state of the election; the node's log does.
        A queue declared in the instant before a SIGKILL may never elect one (seen on 3.10), hence
        the limit: the other queues are of use.
        """
        queues = client.get("/api/queues?columns=name,vhost,type", timeout=5).json()
        log = (self._folder / "rabbitmq.log").read_text(errors="replace")
        waiting = [
            queue["name"]
            for queue in queues
            if queue.get("type") == "quorum" and ELECTED.format(**queue) not in log
        ]
        return f"no leader yet of {', '.join(waiting[:5])}" if waiting else ""

    def _configure(self) -> None:
        for name in ("home", "data", "conf.d"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(
            self._folder / "rabbitmq.conf",
            CONFIGURATION.format(
                host=LOOPBACK,
                ports=self._ports,
                administrator=self._administrator,
                password=self._password,
            ),
        )
        _write_private(self._folder / "advanced.config", "[].\n")
        _write_private(self._folder / "enabled_plugins", "[rabbitmq_management].\n")
        cookie = self._folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            _write_private(cookie, secrets.token_hex(20))

    def _environment(self) -> dict[str, str]:
        """Give a whole environment: nothing of the caller's may change the node."""
        at = self._folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": str(at / "home"),
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            # Makes the start script replace itself by the node, so that the recorded process id
            # is the node's and not that of a shell which would have to pass signals on.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "flexspine@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self._ports.amqp),
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Several nodes and the tests share the cores: bound schedulers would all choose
            # the same ones.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_MNESIA_BASE": str(at / "data"),
            "RABBITMQ_LOG_BASE": str(at / "data"),
            "RABBITMQ_LOGS": "-",
            "ERL_CRASH_DUMP": str(at / "crash.dump"),
            "RABBITMQ_PID_FILE": str(at / "data" / "node.pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(at / "none"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(at / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(at / "advanced.config"),
        }


def find_rabbitmq() -> str:
    """Give the path of RabbitMQ's own start script, never Debian's wrapper of it."""
    if named := os.environ.get("FLEXSPINE_RABBITMQ"):
        if os.access(named, os.X_OK):
            return named
        raise ServerMissing(
            "a program where FLEXSPINE_RABBITMQ says", named, "correct or unset FLEXSPINE_RABBITMQ"
        )
    if os.access(DEBIAN, os.X_OK):
        return str(DEBIAN)
    found = shutil.which("rabbitmq-server")
    # The wrapper in sbin switches to the account `rabbitmq`, which cannot write our folder.
    if found is not None and Path(found).resolve().name != "rabbitmq-script-wrapper":
        return found
    raise _missing("a rabbitmq-server program", f"looked at {DEBIAN} and PATH")


def find_epmd() -> str:
    """Give the path of Erlang's port mapper."""
    if found := shutil.which("epmd"):
        return found
    raise _missing("Erlang's epmd program", "looked at PATH")


def _missing(program: str, looked_in: str) -> ServerMissing:
    return ServerMissing(
        program,
        looked_in,
        "`apt-get install rabbitmq-server` as root (`make setup` does it); or set "
        "FLEXSPINE_RABBITMQ; or set FLEXSPINE_AMQP_URL to a broker that runs elsewhere",
    )


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _deaf(port: int) -> str:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError as error:
        return str(error)
    return ""


def _mute(port: int) -> str:
    """Complain unless the port answers AMQP's greeting with a method frame (type 1)."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            connection.sendall(PROTOCOL_HEADER)
            answer = connection.recv(1)
    except OSError as error:
        return f"no AMQP ({error})"
    return "" if answer == b"\x01" else f"{answer!r} instead of AMQP"
