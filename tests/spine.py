"""One whole backbone for connected tests: its own virtual host and database, and its parties."""

import asyncio
import json
import os
import secrets
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.abc import AbstractIncomingMessage as Incoming
from aiormq.exceptions import ProbableAuthenticationError
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from yarl import URL

from contracts.envelope import user_urn
from handlers.decision import View
from tests.broker import registers
from tests.servers import TestServers
from topology import catalog, names
from topology.apply import password_hash
from topology.catalog import Entry
from topology.management import vhost_of
from topology.naming import PREFIX as PREFIX_OF_SANDBOX
from topology.sharding import build as build_plan
from workers.addresses import Addresses
from workers.app import Workers
from workers.backbone import Backbone, apply_topology, open_backbone
from workers.loading import Loaded, Loader
from workers.settings import PREFIX, Settings
from workers.store.codec import key_of
from workers.vault import Vault

MASTER: Final = bytes(range(32))
"""The same for the whole run: accounts of the broker are shared by its virtual hosts."""
LIMIT_S: Final = 20.0
READY_LIMIT_S: Final = 60.0
"""How long a worker's process may take to start: its imports alone take 15 s on a busy machine."""
POLL_S: Final = 0.02
DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"
ENTRIES: Final[Mapping[str, Entry]] = catalog.build((*catalog.REGISTER_MODULES, registers))

ROOT: Final = Path(__file__).parents[1]
WORKER: Final = """
import uvloop
from workers.addresses import Addresses
from workers.app import work
from workers.settings import PREFIX, Settings
settings = Settings.read()
addresses = Addresses(settings.amqp_url, settings.management_url, settings.mongo_url)
uvloop.run(work(settings, addresses, lambda: print("worker is ready", flush=True)))
"""

T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T]], limit_s: float = LIMIT_S) -> T:
    """Ask again until the answer is true, and give it; the last one is said after the limit."""
    deadline = time.monotonic() + limit_s
    while not (answer := await probe()):
        if time.monotonic() > deadline:
            pytest.fail(f"expected a true answer within {limit_s} s, got {answer!r} until the end")
        await asyncio.sleep(POLL_S)
    return answer


@dataclass(frozen=True)
class Received:
    """A message that a party got, and from which of its queues."""

    queue: str
    key: str
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read

    @property
    def type(self) -> str:
        return str(self.envelope["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.envelope["data"]
        return data


@dataclass
class Platform:
    """A party of the backbone with its own account and connection, as ordinary as any."""

    user: str
    password: str
    connection: AbstractConnection
    channel: AbstractChannel
    commands: AbstractExchange
    reply_to: str
    account: str = ""
    """What the broker calls the account, where that is not the user: in a sandbox."""
    received: list[Received] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def connect(cls, url: str, user: str, password: str, *, listen: bool = True) -> Self:
        """Log in and consume both queues of the account."""
        connection = await aio_pika.connect(url)
        channel = await connection.channel()
        commands = await channel.get_exchange(names.COMMANDS, ensure=False)
        reply_to = names.replies_queue(user) if user != names.FRONT_DESK else DIRECT_REPLY
        account = URL(url).user or user
        party = cls(user, password, connection, channel, commands, reply_to, account)
        if user == names.FRONT_DESK:
            queue = await channel.get_queue(DIRECT_REPLY, ensure=False)
            await queue.consume(party._heard(DIRECT_REPLY), no_ack=True)
        elif listen:
            await party.listen(names.events_queue(user), names.replies_queue(user))
        return party

    async def listen(self, *queues: str) -> None:
        """Consume queues besides those that every account has."""
        for name in queues:
            queue = await self.channel.get_queue(name, ensure=False)
            await queue.consume(self._heard(name))

    def _heard(self, queue: str) -> Callable[[Incoming], Awaitable[None]]:
        async def hear(message: Incoming) -> None:
            self.received.append(Received(queue, message.routing_key or "", message.body))
            self._arrived.set()
            if queue != DIRECT_REPLY:
                await message.ack()

        return hear

    async def close(self) -> None:
        await self.connection.close()

    def envelope(self, kind: str, data: Mapping[str, Any], **attributes: Any) -> dict[str, Any]:
        """A valid envelope; any attribute may be set to something else."""
        return {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": user_urn(self.user),
            "type": kind,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "data": data,
        } | attributes

    async def publish(self, body: bytes, key: str, **properties: Any) -> None:
        """Publish raw bytes and wait for the confirm; every property may be set or left out."""
        given: dict[str, Any] = {
            "user_id": self.account or self.user,
            "reply_to": self.reply_to,
            "message_id": uuid4().hex,
            "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
        } | properties
        await self.commands.publish(aio_pika.Message(body, **given), key)

    async def send(self, kind: str, data: Mapping[str, Any], **attributes: Any) -> str:
        """Send a valid message and give its id; the broker has it then."""
        envelope = self.envelope(kind, data, **attributes)
        await self.publish(json.dumps(envelope).encode(), kind)
        return str(envelope["id"])

    def answers(self, command_id: str) -> list[Received]:
        """Everything that came with this correlation so far."""
        return [r for r in self.received if r.envelope.get("correlationid") == command_id]

    async def until(self, holds: Callable[[], T], limit_s: float = LIMIT_S) -> T:
        """Wait until what was received satisfies the condition."""
        try:
            async with asyncio.timeout(limit_s):
                while not (found := holds()):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            seen = [(r.queue, r.type) for r in self.received[-10:]]
            pytest.fail(f"expected more to arrive within {limit_s} s, got last {seen}")
        return found

    async def answer(self, command_id: str, limit_s: float = LIMIT_S) -> Received:
        """The first message that answers a command."""
        return (await self.until(lambda: self.answers(command_id), limit_s))[0]

    async def answered(self, ids: Sequence[str], limit_s: float = LIMIT_S) -> None:
        """Return when each of the commands has an answer."""
        waiting, seen = set(ids), 0

        def all_there() -> bool:
            nonlocal seen
            while seen < len(self.received):
                waiting.discard(self.received[seen].envelope.get("correlationid", ""))
                seen += 1
            return not waiting

        await self.until(all_there, limit_s)

    async def ask(self, kind: str, data: Mapping[str, Any], **attributes: Any) -> Received:
        """Send a message and give its answer."""
        return await self.answer(await self.send(kind, data, **attributes))


class Inspector:
    """An administrator of the broker, for looking and for breaking things; parties have none."""

    def __init__(self, url: str, account: tuple[str, str], vhost: str) -> None:
        """Connect at the first request."""
        self._client = httpx.AsyncClient(base_url=url, auth=account, timeout=10, trust_env=False)
        self.vhost = quote(vhost, safe="")

    async def call(self, method: str, path: str, **body: Any) -> Any:
        """Call the management API; `{vhost}` in the path is ours."""
        answer = await self._client.request(
            method, f"/api/{path.format(vhost=self.vhost)}", json=body or None
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def connections(self, account: str) -> list[str]:
        """Names of the connections of one account in our virtual host."""
        found = await self.call("GET", "vhosts/{vhost}/connections")
        return [c["name"] for c in found or () if c.get("user") == account]

    async def kill_connections(self, account: str, at_least: int = 1) -> int:
        """Close all connections of an account, which the API learns of a little late."""
        found = await eventually(lambda: self._at_least(account, at_least))
        for name in found:
            await self.call("DELETE", f"connections/{quote(name, safe='')}")
        return len(found)

    async def _at_least(self, account: str, count: int) -> list[str]:
        found = await self.connections(account)
        return found if len(found) >= count else []

    async def make_vhost(self, administrator: str) -> None:
        await self.call("PUT", "vhosts/{vhost}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await self.call("PUT", f"permissions/{{vhost}}/{administrator}", **everything)

    async def drop_vhost(self) -> None:
        """Drop the virtual host and the accounts of users that could use nothing else."""
        for row in await self.call("GET", "vhosts/{vhost}/permissions") or ():
            if row["user"].removeprefix(PREFIX_OF_SANDBOX).startswith("USR-"):
                await self.call("DELETE", f"users/{quote(row['user'], safe='')}")
        await self.call("DELETE", "vhosts/{vhost}")

    async def close(self) -> None:
        await self._client.aclose()


async def is_refused(url: str) -> bool:
    """Whether the broker lets nobody in at this address.

    The connection is closed here: one that failed would close itself when it is collected, which
    may be where no event loop runs.
    """
    connection = aio_pika.Connection(URL(url))
    try:
        await connection.connect()
    except ProbableAuthenticationError:
        return True
    finally:
        await connection.close()
    return False


@dataclass
class Spine:
    """A backbone of its own: what it runs on, who takes part, and what its database holds."""

    addresses: Addresses
    settings: Settings
    vault: Vault
    inspector: Inspector
    database: AsyncDatabase[dict[str, Any]]
    _stack: AsyncExitStack
    _operators: list[Platform] = field(default_factory=list)

    @asynccontextmanager
    async def running(
        self,
        adapt: Callable[[Backbone], Backbone] = lambda backbone: backbone,
        **changes: Any,
    ) -> AsyncIterator[Workers]:
        """Run the workers in this loop; `changes` are settings. The end is a graceful stop."""
        settings = self.settings.model_copy(update=changes)
        async with open_backbone(settings, self.addresses, ENTRIES) as backbone:
            workers = Workers(adapt(backbone))
            ready = asyncio.Event()
            task = asyncio.create_task(workers.run(ready.set))
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            try:
                if task.done():
                    task.result()
                yield workers
            finally:
                workers.stop()
                await task

    @asynccontextmanager
    async def process(self, **changes: Any) -> AsyncIterator[Process]:
        """Run the workers in a process of their own, which may be killed; logs are in the folder.

        Returns when it is ready; whether it owns a mailbox then is another question.
        """
        given = self.settings.model_dump(exclude={"master_key", "folder"}, exclude_none=True)
        given |= changes | self.addresses.urls | {"master_key": MASTER.hex()}
        environment = {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}
        log = self.settings.folder / f"worker-{uuid4().hex[:8]}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", WORKER),
                cwd=ROOT, env=environment, stdout=output, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        try:
            await eventually(lambda: _says_ready(log), READY_LIMIT_S)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def connect(self, user: str, password: str, **options: Any) -> Platform:
        """A party whose account exists; it is gone with the spine."""
        url = self.addresses.amqp_as(user, password)
        party = await Platform.connect(url, user, password, **options)
        self._stack.push_async_callback(party.close)
        return party

    async def again(self, party: Platform) -> Platform:
        """The same party after its connection was lost, with what it had received before."""
        back = await self.connect(party.user, party.password)
        back.received[:0] = party.received
        return back

    async def operator(self) -> Platform:
        """The operator, who hears of every domain event too.

        A former one is closed: two would share its queues, and each would get a part.
        """
        for former in self._operators:
            await former.close()
        party = await self.connect(names.OPERATOR, self.vault.password(names.OPERATOR))
        self._operators[:] = [party]
        await party.listen(names.domain_queue(names.OPERATOR))
        return party

    async def front_desk(self) -> Platform:
        """The shared account through which one registers."""
        return await self.connect(names.FRONT_DESK, self.vault.password(names.FRONT_DESK))

    async def platform(self, **data: Any) -> Platform:
        """Register at the front desk and log in with the key of that registration."""
        options = {name: data.pop(name) for name in ("listen",) if name in data}
        desk, key = await self.front_desk(), secrets.token_urlsafe(24)
        reply = await desk.ask("user.register.v1", user(key, **data))
        await desk.close()
        assert reply.type == "user.register.accepted.v1", reply.envelope
        issued = str(reply.data["id"])
        await eventually(lambda: self.has_account(issued))
        return await self.connect(issued, key, **options)

    async def has_account(self, name: str) -> bool:
        """Whether somebody can log in as this; the key comes last."""
        held = quote(self.addresses.naming.at_broker(name), safe="")
        account = await self.inspector.call("GET", f"users/{held}")
        return bool(account and account["password_hash"])

    async def count(self, collection: str, **wanted: Any) -> int:
        return int(await self.database[collection].count_documents(wanted))

    async def raw(self, collection: str, **wanted: Any) -> list[dict[str, Any]]:
        """Documents as they are stored, in the order of their ids."""
        return await self.database[collection].find(wanted).sort("_id").to_list(None)

    async def opened(self, collection: str, **wanted: Any) -> list[dict[str, Any]]:
        """Documents with their secrets open."""
        keys = [key_of(row["_id"]) for row in await self.raw(collection, **wanted)]
        async with open_backbone(self.settings, self.addresses, ENTRIES) as backbone:
            loaded = Loaded()
            await Loader(backbone.store, self.vault).read([(collection, k) for k in keys], loaded)
        view = View(loaded.documents)
        return [dict(view.get(collection, key) or {}) for key in keys]

    async def settled(self, mailbox: str) -> bool:
        """Whether nothing waits in a queue, nor is held un-acked, nor waits in the outbox."""
        return await self.waiting(mailbox) == 0 and await self.count("outbox") == 0

    async def waiting(self, queue: str) -> int:
        """Messages that nobody holds; after a stop of the workers, all there are."""
        account = (names.TOPOLOGY_ACCOUNT, self.vault.password(names.TOPOLOGY_ACCOUNT))
        async with await aio_pika.connect(self.addresses.amqp_as(*account)) as connection:
            channel = await connection.channel()
            declared = await channel.declare_queue(queue, passive=True)
            return int(declared.declaration_result.message_count or 0)


async def _says_ready(log: Path) -> bool:
    said = await asyncio.to_thread(log.read_text, errors="replace")
    return "worker is ready" in said


def user(key: str | None = None, **data: Any) -> dict[str, Any]:
    """Data of a registration, of a name that nobody else has; with a key it gets an account."""
    hashed = {"account_key_hash": password_hash(key)} if key is not None else {}
    name = f"Example Power {uuid4().hex} Ltd"
    return {"kind": "organisation", "name": name, "roles": ["fsp"]} | hashed | data


def asset(serial: str | None = None, **data: Any) -> dict[str, Any]:
    """Data of a battery that nobody else has."""
    return {
        "asset_type": "BAT",
        "identity": {"make": "Acme", "serial": serial or uuid4().hex},
        "connection": {"mpan_export": "2000000000015"},
        "capability": {"power_kw": 3.6},
    } | data


@asynccontextmanager
async def open_spine(
    servers: TestServers, name: str, folder: Path, *, shards_max: int = 1
) -> AsyncIterator[Spine]:
    """Make virtual host, database and topology of this name, and take them away in the end."""
    named = f"{name}-{uuid4().hex[:8]}"
    urls = servers.urls
    amqp_url = urlsplit(urls.amqp_url)._replace(path=f"/{named}").geturl()
    addresses = Addresses(amqp_url, urls.management_url, urls.mongo_url)
    async with _opened(servers, addresses, named, folder, shards_max=shards_max) as opened:
        yield opened


@asynccontextmanager
async def open_sandbox(servers: TestServers, live: Spine) -> AsyncIterator[Spine]:
    """The sandbox of a backbone, on its servers: all that differs is the one setting."""
    name, folder = live.settings.mongo_database, live.settings.folder
    async with _opened(servers, live.addresses, name, folder, sandbox=True) as opened:
        yield opened


@asynccontextmanager
async def _opened(
    servers: TestServers,
    given: Addresses,
    named: str,
    folder: Path,
    *,
    sandbox: bool = False,
    shards_max: int = 1,
) -> AsyncIterator[Spine]:
    addresses = given.sandboxed() if sandbox else given
    account = (servers.administrator, servers.password)
    settings = Settings.read(
        sandbox=sandbox,
        shards_max=shards_max,
        folder=folder,
        mongo_database=named,
        master_key=SecretStr(MASTER.hex()),
        backoff_max_s=0.5,
        lease_s=5,
    )
    async with AsyncExitStack() as stack:
        vhost = vhost_of(addresses.amqp_url)
        inspector = Inspector(addresses.management_url, account, vhost)
        stack.push_async_callback(inspector.close)
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            addresses.mongo_url, tz_aware=True
        )
        stack.push_async_callback(client.close)
        if not sandbox:  # That of a sandbox is made by whoever applies its topology.
            await inspector.make_vhost(servers.administrator)
        stack.push_async_callback(inspector.drop_vhost)
        stack.push_async_callback(client.drop_database, settings.database)
        vault = Vault(settings.master)
        await apply_topology(addresses, vault, build_plan(ENTRIES, shards_max), *account)
        yield Spine(addresses, settings, vault, inspector, client[settings.database], stack)


def _name(request: pytest.FixtureRequest) -> str:
    return str(request.module.__name__).rpartition(".")[2].replace("_", "-")


@pytest.fixture(scope="module")
async def spine(
    servers: TestServers, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Spine]:
    """A backbone for one module of tests, its workers not running yet."""
    async with open_spine(servers, _name(request), tmp_path_factory.mktemp("spine")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def working(spine: Spine) -> AsyncIterator[Spine]:
    """The same with its workers running."""
    async with spine.running():
        yield spine


@pytest.fixture
async def lone(
    servers: TestServers, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Spine]:
    """A backbone for one test that starts and stops the workers as it likes."""
    async with open_spine(servers, _name(request), tmp_path) as opened:
        yield opened
