"""The ground on which contestants meet: servers, and a virtual host and databases of our own."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from bench.accounts import Account, Administrator, fits
from bench.load import Party
from bench.places import EVENTS, OUTPUTS, QUEUES, Servers
from contracts.taxonomy import USER_PREFIX
from topology import catalog, names
from topology.sharding import build as build_plan
from workers import embedded
from workers.addresses import Addresses
from workers.cli.place import SERVERS
from workers.settings import Settings
from workers.store.mongo import MongoStore
from workers.vault import Vault

VHOST: Final = "flexspine-bench"
"""Whatever else a broker serves, the bench empties queues of this virtual host only."""
PREFIX: Final = "bench-"
"""Of every database that the bench makes."""
BASE: Final = f"{PREFIX}base"
"""The database with the parties in it and nothing else."""
RUN: Final = f"{PREFIX}run"
"""The database in which a round happens."""
RIVALS: Final = f"{PREFIX}rivals"
"""The database of a rival's run."""
PARTIES: Final = "bench-parties"
"""Whose derived key every party logs in with."""
USER: Final = f"{USER_PREFIX}-"
"""How the id of every registered user begins, and so the names of its accounts."""

NO_QUOTA: Final = 100_000_000
"""Commands or questions of one account a minute, where a quota is not what is measured."""
OURS: Final = re.compile(rf"{BASE}|{RUN}|{RIVALS}|{PREFIX}(assets|users)-\d+")
"""The databases that the bench makes; others of that beginning are somebody else's."""

Documents = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Testbed:
    """Servers that are up, and how to look at them from outside."""

    __test__ = False  # Its name begins like a test class, which pytest would try to collect.

    settings: Settings
    addresses: Addresses
    vault: Vault
    administrator: Administrator
    made: set[str]
    """Accounts that there were not before, by now."""
    pids: Mapping[str, int]
    """Process ids of embedded servers; empty where the servers are others'."""
    client: AsyncMongoClient[dict[str, Any]]
    channel: AbstractChannel
    """An administrator's, for looking, emptying and declaring."""

    @property
    def admin_url(self) -> str:
        """The broker's address with the administrator's login."""
        account = self.administrator.account
        return self.addresses.amqp_as(account.name, account.password)

    @property
    def servers(self) -> Servers:
        """What a rival is told."""
        return Servers(self.admin_url, self.addresses.mongo_url, RIVALS)

    def on(self, database: str) -> Settings:
        """The settings of workers that serve one database."""
        return self.settings.model_copy(update={"mongo_database": database})

    def database(self, name: str) -> Documents:
        """One database, for counting."""
        return self.client[name]

    def party(self, user: str, *, bulk: bool = False) -> Party:
        """A registered user of the bench, with its ordinary account or that for bulk loads."""
        account = names.bulk_account(user) if bulk else user
        url = self.addresses.amqp_as(account, self.vault.password(PARTIES))
        return Party(user, account, names.BULK if bulk else names.COMMANDS, url)

    async def copy(self, source: str, target: str) -> None:
        """Make one database equal to another, on the server."""
        await self.client.drop_database(target)
        # `$out` keeps the options and indexes of what is there.
        store = MongoStore(self.addresses.mongo_url, target)
        await store.install()
        await store.close()
        for name in await self.client[source].list_collection_names():
            out = {"$out": {"db": target, "coll": name}}
            await (await self.client[source][name].aggregate([out])).to_list()

    async def empty(self, queues: Sequence[str]) -> None:
        """Take everything out of the queues."""
        for queue in queues:
            found = await self.channel.get_queue(queue, ensure=False)
            await found.purge()

    async def waiting(self, queue: str) -> int:
        """Messages in a queue that nobody holds."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

    async def clear_rival(self, name: str) -> None:
        """Fresh queues and a fresh database for a rival."""
        await self.client.drop_database(RIVALS)
        for queue in (QUEUES[name], OUTPUTS):
            await self.channel.queue_delete(queue)
            await self.channel.declare_queue(
                queue, durable=True, arguments={"x-queue-type": "quorum"}
            )
        exchange = await self.channel.declare_exchange(
            EVENTS, aio_pika.ExchangeType.TOPIC, durable=True
        )
        await (await self.channel.get_queue(OUTPUTS)).bind(exchange, "#")


@asynccontextmanager
async def open_testbed(settings: Settings, folder: Path | None) -> AsyncIterator[Testbed]:
    """Embedded servers in the folder (a temporary one if none is kept), unless settings name any.

    On the servers of others everything that was made is taken away in the end: databases, virtual
    host, accounts. An account that was there before is not touched, and one with another password
    than ours stops the bench before anything is made.
    """
    plan = build_plan(catalog.build(), settings.shards_max)
    with _served(settings, folder) as (served, given, account, pids):
        url = urlsplit(given.amqp_url)._replace(path=f"/{VHOST}").geturl()
        addresses = replace(given, amqp_url=url)
        vault, administrator = Vault(served.master), Administrator(addresses, account)
        await administrator.others(plan, vault.password)
        async with AsyncExitStack() as stack:
            client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
                addresses.mongo_url, w="majority"
            )
            await stack.enter_async_context(client)
            made: set[str] = set()
            if not pids:
                stack.push_async_callback(_leave, administrator, vault, client, made)
            await _make_vhost(administrator)
            await administrator.apply(plan, vault.password, made)
            login = addresses.amqp_as(account.name, account.password)
            connection = await stack.enter_async_context(await aio_pika.connect(login))
            channel = await connection.channel()
            yield Testbed(served, addresses, vault, administrator, made, pids, client, channel)


async def _make_vhost(administrator: Administrator) -> None:
    await administrator.ask("PUT", f"vhosts/{VHOST}")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    name = quote(administrator.account.name, safe="")
    await administrator.ask("PUT", f"permissions/{VHOST}/{name}", everything)


@contextmanager
def _served(
    settings: Settings, folder: Path | None
) -> Iterator[tuple[Settings, Addresses, Account, Mapping[str, int]]]:
    if settings.amqp_url and settings.management_url and settings.mongo_url:
        login = urlsplit(settings.amqp_url)
        account = Account(
            unquote(login.username or names.TOPOLOGY_ACCOUNT),
            unquote(login.password or "")
            or Vault(settings.master).password(names.TOPOLOGY_ACCOUNT),
        )
        given = Addresses(settings.amqp_url, settings.management_url, settings.mongo_url)
        yield settings, given, account, {}
        return
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="flexspine-bench-")))
        served = settings.model_copy(update={"folder": folder})
        password = Vault(served.master).password(names.TOPOLOGY_ACCOUNT)
        running = embedded.start(folder / SERVERS, names.TOPOLOGY_ACCOUNT, password)
        stack.callback(running.stop)
        account = Account(names.TOPOLOGY_ACCOUNT, password)
        yield served, running.urls, account, running.pids


async def _leave(
    administrator: Administrator,
    vault: Vault,
    client: AsyncMongoClient[dict[str, Any]],
    made: set[str],
) -> None:
    """Take away what the bench made on servers that serve others too."""
    held = {row["name"]: row for row in await administrator.ask("GET", "users")}
    rights = await administrator.ask("GET", f"vhosts/{VHOST}/permissions")
    # Parties of a run that was killed are those of our virtual host that have the parties' key.
    parties = {row["user"] for row in rights if row["user"].startswith(USER)}
    left = {name for name in parties if fits(held[name], vault.password(PARTIES))}
    await administrator.take_away(made | left)
    await administrator.ask("DELETE", f"vhosts/{VHOST}")
    for name in await client.list_database_names():
        if OURS.fullmatch(name):
            await client.drop_database(name)
