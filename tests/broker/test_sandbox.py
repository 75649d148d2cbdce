"""A backbone and its sandbox on one RabbitMQ and one MongoDB: neither can touch the other."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aio_pika
import bson
import pytest
from aiormq.exceptions import AMQPError
from yarl import URL

from tests.servers import TestServers
from tests.spine import MASTER, Platform, Spine, asset, eventually, open_sandbox, open_spine, user
from topology import names
from topology.catalog import build
from topology.management import Management
from topology.naming import PREFIX, Naming
from topology.sharding import build as build_plan
from workers.accounts import AccountWorker
from workers.addresses import Addresses
from workers.backbone import StartError, apply_topology, open_backbone
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place
from workers.cli.plans import audit, drifts, repaired
from workers.loading import Loader

pytestmark = pytest.mark.connected

ROOT: Final = Path(__file__).resolve().parents[2]
RESTLESS: Final = {"lanes", "present"}
"""Collections of the leases, which every process renews all the time."""
INTERNAL: Final = (
    names.TOPOLOGY_ACCOUNT, names.RECONCILER_ACCOUNT, names.WORKER_ACCOUNT, names.RELAY_ACCOUNT,
    names.OPERATOR, names.FRONT_DESK,
)  # fmt: skip


@dataclass(frozen=True)
class Two:
    """The live backbone and its sandbox, both at work."""

    live: Spine
    sandbox: Spine


@dataclass(frozen=True)
class Held:
    """All that a backbone has: its documents, its messages, its accounts with their keys."""

    documents: Mapping[str, tuple[int, str]]
    messages: Mapping[str, int]
    accounts: Mapping[str, str]

    @property
    def told(self) -> str:
        documents = sum(count for count, _ in self.documents.values())
        messages = sum(self.messages.values())
        return f"{documents} documents, {messages} messages, {len(self.accounts)} accounts"


def figure(text: str) -> None:
    """Shown by `pytest -s`."""
    sys.stdout.write(f"\n{text}\n")


@pytest.fixture(scope="module")
async def two(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    async with (
        open_spine(servers, "beside", tmp_path_factory.mktemp("beside")) as live,
        open_sandbox(servers, live) as sandbox,
        live.running(),
        sandbox.running(),
    ):
        yield Two(live, sandbox)


async def held(spine: Spine) -> Held:
    """What there is once nothing is under way any more."""
    await eventually(lambda: at_rest(spine))
    documents = {}
    for name in sorted(await spine.database.list_collection_names()):
        if name not in RESTLESS:
            rows = await spine.raw(name)
            digest = sha256(b"".join(bson.encode(row) for row in rows)).hexdigest()
            documents[name] = (len(rows), digest)
    queues = await spine.inspector.call("GET", "queues/{vhost}?columns=name")
    messages = {row["name"]: await spine.waiting(row["name"]) for row in queues}
    return Held(documents, messages, await keys(spine))


async def at_rest(spine: Spine) -> bool:
    """Whether no mailbox holds anything and nothing waits to be sent."""
    queues = (names.mailbox("users"), names.mailbox("assets"), names.NOTICES, names.ACCOUNTS_QUEUE)
    return all([await spine.settled(queue) for queue in queues])


async def keys(spine: Spine) -> dict[str, str]:
    """The broker's hash of each account's key, of the accounts that are this backbone's."""
    naming = spine.addresses.naming
    permitted = {row["user"] for row in await permissions(spine)}
    return {
        row["name"]: row["password_hash"]
        for row in await spine.inspector.call("GET", "users")
        if naming.own(row["name"]) and row["name"] in permitted
    }


async def permissions(spine: Spine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await spine.inspector.call("GET", "vhosts/{vhost}/permissions")
    return found


async def refusal(url: str) -> str:
    """How the broker refuses a login; empty where it lets somebody in."""
    connection = aio_pika.Connection(URL(url))
    try:
        await connection.connect(timeout=10)
    except (AMQPError, ConnectionError) as error:
        return type(error).__name__
    finally:
        await connection.close()
    return ""


async def busy(spine: Spine) -> tuple[Platform, str]:
    """Have a backbone register, update, refuse, answer and tell; give the user and its asset."""
    party = await spine.platform(roles=["fsp"])
    registered = await party.ask("asset.register.v1", asset())
    assert registered.type == "asset.register.accepted.v1", registered.envelope
    number = str(registered.data["id"])
    change = {"id": number, "capability": {"power_kw": 7.2}}
    assert (await party.ask("asset.update.v1", change)).type == "asset.update.accepted.v1"
    assert (await party.ask("asset.get.v1", {"id": number})).type == "asset.get.accepted.v1"
    assert (await party.ask("asset.register.v1", {})).type == "asset.register.rejected.v1"
    return party, number


def place(spine: Spine, folder: Path | None = None) -> Place:
    """As the command line has it; the topology's own account asks."""
    account = AccountKeys(folder or spine.settings.home)
    return Place(spine.settings, spine.addresses, spine.vault, account)


@pytest.mark.parametrize("busy_one", ["sandbox", "live"])
async def test_a_command_to_the_one_changes_nothing_in_the_other(two: Two, busy_one: str) -> None:
    """Documents, messages, accounts and keys are counted and compared, every byte of them."""
    doing, idle = (two.sandbox, two.live)[:: 1 if busy_one == "sandbox" else -1]
    before, mine = await held(idle), await held(doing)
    await busy(doing)
    after, now = await held(idle), await held(doing)
    assert after == before
    counts = {
        name: (mine.documents.get(name, (0, ""))[0], count)
        for name, (count, _) in now.documents.items()
    }
    assert counts["users"][1] == counts["users"][0] + 1
    assert counts["assets"][1] == counts["assets"][0] + 1
    assert len(now.accounts) == len(mine.accounts) + 2
    figure(f"{busy_one} busy: {mine.told} -> {now.told}; the other {before.told} -> {after.told}")


async def test_a_login_of_the_one_is_refused_by_the_other(two: Two) -> None:
    live, sandbox = two.live, two.sandbox
    users = [(await busy(spine))[0] for spine in (live, sandbox)]
    tried = 0
    for own, other, party in ((live, sandbox, users[0]), (sandbox, live, users[1])):
        logins = {name: own.vault.password(name) for name in INTERNAL}
        logins |= {party.user: party.password, names.bulk_account(party.user): party.password}
        vhost = urlsplit(other.addresses.amqp_url).path
        for name, password in logins.items():
            assert await refusal(own.addresses.amqp_as(name, password)) == ""
            there = urlsplit(own.addresses.amqp_as(name, password))._replace(path=vhost)
            assert await refusal(there.geturl()), f"{name} in the other virtual host"
            assert await refusal(other.addresses.amqp_as(name, password)), f"{name}, other's name"
            tried += 2
    figure(f"{tried} logins with the key of the one refused by the other")
    # What lets in nobody might be a broker that is down, so that each was let in at home first.
    theirs = {row["user"] for row in await permissions(live)}
    assert not [name for name in theirs if name.startswith(PREFIX)]
    ours = {row["user"] for row in await permissions(sandbox)}
    strangers = {name for name in ours if not name.startswith(PREFIX)}
    assert len(strangers) == 1, "only the administrator who applied the topology"


async def test_suspension_in_the_one_leaves_the_other(two: Two) -> None:
    (ours, battery), (theirs, _) = await busy(two.live), await busy(two.sandbox)
    operator = await two.sandbox.operator()
    answer = await operator.ask("user.suspend.v1", {"id": theirs.user, "reason": "security"})
    assert answer.type == "user.suspend.accepted.v1", answer.envelope
    await operator.close()
    await eventually(lambda: gone(theirs))
    url = two.sandbox.addresses.amqp_as(theirs.user, theirs.password)
    await eventually(lambda: refusal(url))
    assert not await gone(ours)
    assert (await ours.ask("asset.get.v1", {"id": battery})).type == "asset.get.accepted.v1"


async def gone(party: Platform) -> bool:
    return party.channel.is_closed


@pytest.mark.parametrize("which", ["sandbox", "live"])
async def test_the_reconciler_of_the_one_cannot_reach_an_account_of_the_other(
    two: Two, which: str
) -> None:
    """Even told to remove an account of the very name, it removes and disconnects nobody."""
    mine, other = (two.sandbox, two.live)[:: 1 if which == "sandbox" else -1]
    (party, number), before = await busy(other), None
    before = await held(other)
    account = mine.addresses.naming.at_broker(names.RECONCILER_ACCOUNT)
    password = mine.vault.password(names.RECONCILER_ACCOUNT)
    async with (
        open_backbone(mine.settings, mine.addresses) as backbone,
        Management(mine.addresses.management_as(account, password)) as management,
    ):
        worker = AccountWorker(
            Loader(backbone.store, backbone.vault), management, backoff_max_s=1, closing_s=1
        )
        for name in (party.user, names.bulk_account(party.user)):
            await worker.reconcile(party.user, name)
            assert await management.disconnect(name, "a trial") == 0
            assert not await management.user_exists(name)
    assert await held(other) == before
    assert not await gone(party)
    assert (await party.ask("asset.get.v1", {"id": number})).type == "asset.get.accepted.v1"


async def test_the_reports_of_drift_look_at_their_own_and_repairs_do_not_fight(
    two: Two, servers: TestServers
) -> None:
    for spine in (two.live, two.sandbox):
        await busy(spine)
        await held(spine)
        # The tests' own types are not of the plan.
        await repaired(place(spine), [servers.administrator])
    known = [servers.administrator]
    before = [await keys(spine) for spine in (two.live, two.sandbox)]
    for spine in (two.live, two.sandbox):
        assert await differing(spine, known) == []
    # The same damage to both: an account of a user is gone, and a right of an internal one.
    damaged = []
    for spine in (two.live, two.sandbox):
        at = spine.addresses.naming.at_broker
        (named,) = (await spine.raw("accounts", state="active"))[-1:]
        victim = at(named["_id"]).replace("/", "%2F")
        await spine.inspector.call("DELETE", f"users/{victim}")
        await spine.inspector.call("DELETE", f"permissions/{{vhost}}/{at(names.RELAY_ACCOUNT)}")
        damaged.append(named["_id"])
    found = [await differing(spine, known) for spine in (two.live, two.sandbox)]
    for one, account in zip(found, damaged, strict=True):
        assert {("account", account), ("account", names.RELAY_ACCOUNT)} <= set(one)
    await asyncio.gather(*(repaired(place(spine), known) for spine in (two.live, two.sandbox)))
    for spine, then in zip((two.live, two.sandbox), before, strict=True):
        assert await differing(spine, known) == []
        assert (await keys(spine)).keys() == then.keys()


async def differing(spine: Spine, known: list[str]) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in await drifts(place(spine), known)]


async def test_an_account_from_outside_is_surplus_and_never_deleted(
    two: Two, servers: TestServers
) -> None:
    """A live account that somebody has let into the sandbox is reported by a name of its own."""
    party, _ = await busy(two.live)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    path = f"permissions/{{vhost}}/{party.user}"
    await two.sandbox.inspector.call("PUT", path, **everything)
    known = [servers.administrator]
    try:
        assert ("account", f"outside:{party.user}") in await differing(two.sandbox, known)
        await repaired(place(two.sandbox), known)
        url = two.live.addresses.amqp_as(party.user, party.password)
        assert await refusal(url) == ""
    finally:
        await two.sandbox.inspector.call("DELETE", path)


async def test_a_message_of_a_live_account_is_nobodys_in_the_sandbox(two: Two) -> None:
    """Even with rights in the virtual host: the live operator is not the sandbox's."""
    password = two.live.vault.password(names.OPERATOR)
    vhost = urlsplit(two.sandbox.addresses.amqp_url).path
    url = urlsplit(two.live.addresses.amqp_as(names.OPERATOR, password))._replace(path=vhost)
    path = f"permissions/{{vhost}}/{names.OPERATOR}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    await two.sandbox.inspector.call("PUT", path, **everything)
    before = await two.sandbox.count("users")
    dead = await two.sandbox.count("dead_letters", reason="identity")
    try:
        party = await Platform.connect(url.geturl(), names.OPERATOR, password, listen=False)
        await party.send("user.register.v1", user())
        await eventually(lambda: more_dead(two.sandbox, dead))
        await party.close()
    finally:
        await two.sandbox.inspector.call("DELETE", path)
    assert await two.sandbox.count("users") == before


async def more_dead(spine: Spine, than: int) -> bool:
    return await spine.count("dead_letters", reason="identity") == than + 1


async def test_ids_fingerprints_and_senders_differ(two: Two) -> None:
    """The same command in both makes another id and another claim; whoever hears can tell them."""
    ids, claims, senders = [], [], []
    for spine in (two.live, two.sandbox):
        before = {row["_id"] for row in await spine.raw("claims")}
        operator = await spine.operator()
        data = user(name="Twin Power Ltd", claims={"company_number": "99770077"})
        command = await operator.send("user.register.v1", data, id="twin")
        ids.append((await operator.answer(command)).data["id"])
        await operator.close()
        claims.append({row["_id"] for row in await spine.raw("claims")} - before)
        senders.append(await sender_of_an_event(spine))
    assert ids[0] != ids[1]
    assert not claims[0] & claims[1]
    assert senders == ["flex-relay", "sandbox.flex-relay"]


async def sender_of_an_event(spine: Spine) -> str | None:
    """The account that the broker vouches for on what a user is told."""
    party = await spine.platform(listen=False)
    await party.send("asset.register.v1", asset())
    replies = await party.channel.get_queue(names.replies_queue(party.user), ensure=False)
    message = await replies.get(timeout=10, fail=False)
    while message is None:
        message = await replies.get(timeout=10, fail=False)
    await message.ack()
    return message.user_id


async def test_a_database_of_the_other_kind_is_refused(two: Two) -> None:
    name = two.live.settings.mongo_database
    wrongly = two.live.settings.model_copy(update={"mongo_database": f"{name}-sandbox"})
    with pytest.raises(StartError, match=r"begun as the sandbox's. Set FLEXSPINE_SANDBOX=true"):
        async with open_backbone(wrongly, two.live.addresses):
            pass
    # A live database that is called as a sandbox's would be.
    live = two.live.settings.model_copy(update={"mongo_database": f"{name}-x-sandbox"})
    sandbox = two.sandbox.settings.model_copy(update={"mongo_database": f"{name}-x"})
    try:
        async with open_backbone(live, two.live.addresses):
            pass
        with pytest.raises(StartError, match=r"begun as the live backbone's. Unset FLEXSPINE_SAND"):
            async with open_backbone(sandbox, two.sandbox.addresses):
                pass
    finally:
        await two.live.database.client.drop_database(f"{name}-x-sandbox")


async def test_a_virtual_host_of_the_other_kind_is_refused(two: Two, servers: TestServers) -> None:
    login = (servers.administrator, servers.password)
    there = two.sandbox.addresses
    as_live = Addresses(there.amqp_url, there.management_url, there.mongo_url)
    before = await held(two.sandbox)
    with pytest.raises(StartError, match=r"virtual host of the live backbone.*FLEXSPINE_SANDBOX"):
        await apply_topology(as_live, two.live.vault, build_plan(build()), *login)
    assert await held(two.sandbox) == before
    here = two.live.addresses
    as_sandbox = Addresses(
        here.amqp_url, here.management_url, here.mongo_url, Naming(is_sandbox=True)
    )
    before = await held(two.live)
    with pytest.raises(StartError, match=r"virtual host of the sandbox.*Delete it"):
        await apply_topology(as_sandbox, two.sandbox.vault, build_plan(build()), *login)
    assert await held(two.live) == before


@asynccontextmanager
async def beside(two: Two, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of the command line: that of the live backbone, and the one setting."""
    given = two.live.addresses.urls | {
        "master_key": MASTER.hex(),
        "folder": str(folder),
        "mongo_database": two.live.settings.mongo_database,
        "sandbox": "true",
    }
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_")}
    yield outside | {f"FLEXSPINE_{name.upper()}": value for name, value in given.items()}


async def flexspine(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    program = str(Path(sys.executable).with_name("flexspine"))
    process = await asyncio.create_subprocess_exec(
        program, *words, cwd=ROOT, env=dict(environment), stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    return int(process.returncode or 0), out.decode() + err.decode()


@pytest.mark.timeout(240)
async def test_one_setting_and_the_command_line_is_in_the_sandbox(two: Two, tmp_path: Path) -> None:
    """Apply, seed twice, and log in as each of the test identities; the live one is as it was."""
    before = await held(two.live)
    async with beside(two, tmp_path) as environment:
        code, said = await flexspine(environment, "topology", "apply")
        assert (code, said.strip()) == (0, "The broker holds the plan.")
        code, first = await flexspine(environment, "sandbox", "seed")
        assert code == 0, first
        seeded = await held(two.sandbox)
        code, second = await flexspine(environment, "sandbox", "seed")
        assert (code, second) == (0, first)
        assert (await held(two.sandbox)).documents == seeded.documents
        roles = {row["roles"][0]: row["_id"] for row in await two.sandbox.raw("users")
                 if row["_id"] in first}  # fmt: skip
        assert roles.keys() == {
            "owner", "aggregator", "fsp", "mpp", "mo", "so", "special", "verifier", "operator",
        }  # fmt: skip
        kept = AccountKeys(tmp_path / "sandbox")
        for number in roles.values():
            await eventually(partial(two.sandbox.has_account, number))
            url = two.sandbox.addresses.amqp_as(number, str(kept.password(number)))
            assert await refusal(url) == ""
        code, said = await flexspine(environment, "key", roles["fsp"])
        told = dict(line.split(maxsplit=1) for line in said.splitlines())
        assert told["account"] == f"sandbox.{roles['fsp']}"
        assert told["key"] == kept.password(roles["fsp"])
        hello = str(ROOT / "examples" / "hello.jsonl")
        code, said = await flexspine(environment, "send", hello, "--json")
        assert {one["outcome"] for one in json.loads(said)["outcomes"]} == {"accepted"}, said
    assert await held(two.live) == before
    figure(f"{len(roles)} test identities; the sandbox has {seeded.told}")


async def test_test_identities_have_no_place_in_the_live_backbone(two: Two, tmp_path: Path) -> None:
    async with beside(two, tmp_path) as environment:
        live = environment | {"FLEXSPINE_SANDBOX": "false"}
        code, said = await flexspine(live, "sandbox", "seed")
    assert code == 2
    assert "expected FLEXSPINE_SANDBOX=true, got the live backbone" in said


async def test_the_account_that_asks_is_the_sandboxs_own(two: Two) -> None:
    async with audit(place(two.sandbox)) as asked:
        assert asked.account == f"{PREFIX}{names.TOPOLOGY_ACCOUNT}"
