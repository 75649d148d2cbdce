"""Plan against broker: every kind of drift is made and seen, and definitions leave none."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from contracts.taxonomy import USER_PREFIX
from tests.servers import TestServers
from tests.spine import ENTRIES, MASTER, Inspector, Spine
from topology import names
from topology.apply import apply, password_hash
from topology.catalog import build
from topology.definitions import definitions
from topology.drift import Drift, compare
from topology.management import Address, Management, ManagementError
from topology.plan import Plan, user_plan
from topology.sharding import build as build_plan
from workers.vault import Vault

pytestmark = pytest.mark.connected

FLEXSPINE = Path(sys.executable).with_name("flexspine")
PLAN = build_plan(ENTRIES)


def address(servers: TestServers, vhost: str) -> Address:
    return Address(servers.urls.management_url, servers.administrator, servers.password, vhost)


async def drifts(servers: TestServers, spine: Spine, *registered: str) -> list[Drift]:
    vhost = urlsplit(spine.addresses.amqp_url).path.removeprefix("/")
    return await compared(servers, vhost, PLAN, *registered)


async def compared(servers: TestServers, vhost: str, plan: Plan, *registered: str) -> list[Drift]:
    async with Management(address(servers, vhost)) as management:
        accounts = {user: {user: True, f"{user}/bulk": True} for user in registered}
        return compare(plan, await management.holdings(), {servers.administrator}, accounts)


def brief(found: list[Drift]) -> set[tuple[str, str, str]]:
    return {(drift.kind, drift.name, drift.state) for drift in found}


async def test_what_apply_has_made_is_the_plan(lone: Spine, servers: TestServers) -> None:
    assert await drifts(servers, lone) == []


async def test_what_is_missing_is_seen(lone: Spine, servers: TestServers) -> None:
    ask = lone.inspector.call
    await ask("DELETE", "exchanges/{vhost}/flex.dead")
    await ask("DELETE", "queues/{vhost}/query.assets")
    await ask("DELETE", "policies/{vhost}/kept")
    await ask("DELETE", "permissions/{vhost}/flex-relay")
    await ask("DELETE", "topic-permissions/{vhost}/front-desk")
    found = brief(await drifts(servers, lone))
    assert {state for _, _, state in found} == {"missing"}
    assert found >= {
        ("exchange", "flex.dead", "missing"),
        ("queue", "query.assets", "missing"),
        ("binding", "flex.commands -> queue query.assets (asset.get.v1)", "missing"),
        ("binding", "flex.dead -> queue dead.assets (dead.assets)", "missing"),
        ("policy", "kept", "missing"),
        ("account", "flex-relay", "missing"),
        ("topic permission", "front-desk on flex.commands", "missing"),
    }


async def test_what_is_surplus_is_seen(lone: Spine, servers: TestServers) -> None:
    ask = lone.inspector.call
    await ask("PUT", "exchanges/{vhost}/mine", type="fanout", durable=True)
    await ask("PUT", "queues/{vhost}/mine", durable=True)
    await ask("PUT", "policies/{vhost}/mine", pattern="^mine$", definition={"max-length": 1})
    await ask("POST", "bindings/{vhost}/e/flex.domain/q/mine", routing_key="#")
    await ask("POST", "bindings/{vhost}/e/flex.events/e/flex.commands", routing_key="USR-1.#")
    rights = {"write": ".*", "read": "^$"}
    await ask("PUT", "topic-permissions/{vhost}/flex-relay", exchange="flex.events", **rights)
    stranger = f"stranger-{secrets.token_hex(4)}"
    await ask("PUT", f"users/{stranger}", password_hash="", tags="")
    await ask("PUT", f"permissions/{{vhost}}/{stranger}", configure="", **rights)
    try:
        assert brief(await drifts(servers, lone)) == {
            ("exchange", "mine", "surplus"),
            ("queue", "mine", "surplus"),
            ("policy", "mine", "surplus"),
            ("binding", "flex.domain -> queue mine (#)", "surplus"),
            ("binding", "flex.events -> exchange flex.commands (USR-1.#)", "surplus"),
            ("topic permission", "flex-relay on flex.events", "surplus"),
            ("account", stranger, "surplus"),
        }
    finally:
        await ask("DELETE", f"users/{stranger}")


async def test_what_is_different_is_seen(lone: Spine, servers: TestServers) -> None:
    ask = lone.inspector.call
    await ask("DELETE", "exchanges/{vhost}/flex.unrouted")
    await ask("PUT", "exchanges/{vhost}/flex.unrouted", type="topic", durable=True)
    await ask("POST", "bindings/{vhost}/e/flex.unrouted/q/unrouted", routing_key="")
    await ask("DELETE", "queues/{vhost}/operator.replies")
    await ask("PUT", "queues/{vhost}/operator.replies", durable=True)
    limits = {"max-length": 5}
    await ask("PUT", "policies/{vhost}/personal", pattern=names.PERSONAL_PATTERN, definition=limits)
    await ask("PUT", "permissions/{vhost}/flex-worker", configure="", write=".*", read=".*")
    rights = {"exchange": "flex.commands", "write": ".*", "read": "^$"}
    await ask("PUT", "topic-permissions/{vhost}/front-desk", **rights)
    assert brief(await drifts(servers, lone)) == {
        ("exchange", "flex.unrouted", "different"),
        ("queue", "operator.replies", "different"),
        ("policy", "personal", "different"),
        ("account", "flex-worker", "different"),
        ("topic permission", "front-desk on flex.commands", "different"),
    }


async def test_a_tag_that_an_account_has_got_is_seen(lone: Spine, servers: TestServers) -> None:
    vault, account = Vault(MASTER), names.RELAY_ACCOUNT
    hashed = password_hash(vault.password(account))
    ask = lone.inspector.call
    await ask("PUT", f"users/{account}", password_hash=hashed, tags="monitoring")
    try:
        (drift,) = await drifts(servers, lone)
    finally:
        await ask("PUT", f"users/{account}", password_hash=hashed, tags="")
    assert (drift.name, drift.expected, drift.got) == (
        account,
        {"tags": []},
        {"tags": ["monitoring"]},
    )


async def test_a_registered_user_is_listed_when_it_has_more(
    lone: Spine, servers: TestServers
) -> None:
    ask = lone.inspector.call
    async with lone.running():
        party = await lone.platform()
        assert await drifts(servers, lone, party.user) == []
        events = names.events_queue(party.user)
        await ask("POST", f"bindings/{{vhost}}/e/flex.events/q/{events}", routing_key="#")
        own = f"{party.user}.asset.#"
        await ask("POST", f"bindings/{{vhost}}/e/flex.events/q/{events}", routing_key=own)
        assert brief(await drifts(servers, lone, party.user)) == {
            ("binding", f"flex.events -> queue {events} (#)", "surplus")
        }


async def test_an_account_that_is_of_no_registered_user_is_listed(
    lone: Spine, servers: TestServers
) -> None:
    """The command asks the register; an account of a user's name and rights alone is none."""
    plan = user_plan(f"{USER_PREFIX}-{secrets.token_hex(4).upper()}")
    vhost = urlsplit(lone.addresses.amqp_url).path.removeprefix("/")
    async with lone.running():
        await lone.platform()
    database = lone.settings.mongo_database
    before = run(servers, vhost, "diff", "--json", database=database)
    async with Management(address(servers, vhost)) as management:
        await apply(plan, management, lambda _name: "")
    after = run(servers, vhost, "diff", "--json", database=database)
    listed = [one for one in json.loads(after.stdout) if one not in json.loads(before.stdout)]
    assert {one["state"] for one in listed} == {"surplus"}
    made = {queue.name for queue in plan.queues} | {account.name for account in plan.accounts}
    assert {one["name"] for one in listed} >= made


async def test_a_virtual_host_that_is_none_is_said(servers: TestServers) -> None:
    with pytest.raises(ManagementError, match="none of that name"):
        await compared(servers, "nowhere", PLAN)


# Definitions.


@asynccontextmanager
async def fresh(servers: TestServers) -> AsyncIterator[str]:
    """The name of a virtual host that is not there yet, and is not afterwards."""
    vhost = f"definitions-{secrets.token_hex(4)}"
    account = (servers.administrator, servers.password)
    inspector = Inspector(servers.urls.management_url, account, vhost)
    try:
        yield vhost
    finally:
        await inspector.drop_vhost()
        await inspector.close()


async def test_imported_definitions_are_the_plan(servers: TestServers) -> None:
    """With accounts, as a new broker gets them: virtual host, rights and all."""
    vault, plan = Vault(MASTER), build_plan(build())
    async with fresh(servers) as vhost:
        made = definitions(plan, vhost, lambda name: password_hash(vault.password(name)))
        async with Management(address(servers, "/")) as management:
            await management.import_definitions(made)
        assert await compared(servers, vhost, plan) == []


async def test_a_virtual_host_takes_them_without_accounts(servers: TestServers) -> None:
    plan = build_plan(build())
    account = (servers.administrator, servers.password)
    async with fresh(servers) as vhost:
        inspector = Inspector(servers.urls.management_url, account, vhost)
        await inspector.call("PUT", "vhosts/{vhost}")
        await inspector.call("POST", "definitions/{vhost}", **definitions(plan, vhost))
        await inspector.close()
        kinds = {kind for kind, _, _ in brief(await compared(servers, vhost, plan))}
        assert kinds == {"account", "limits", "topic permission"}


# The command.


def run(
    servers: TestServers, vhost: str, *words: str, database: str = "flexspine"
) -> subprocess.CompletedProcess[str]:
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_")}
    path = f"/{quote(vhost, safe='')}"
    given = {
        "FLEXSPINE_AMQP_URL": urlsplit(servers.amqp_url)._replace(path=path, query="").geturl(),
        "FLEXSPINE_MANAGEMENT_URL": servers.urls.management_url,
        "FLEXSPINE_MONGO_URL": servers.urls.mongo_url,
        "FLEXSPINE_MONGO_DATABASE": database,
        "FLEXSPINE_MASTER_KEY": MASTER.hex(),
    }
    return subprocess.run(  # noqa: S603 - our own command
        [FLEXSPINE, "topology", *words],
        env=outside | given,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_diff_ends_with_3_and_says_each_difference(servers: TestServers) -> None:
    account = (servers.administrator, servers.password)
    async with fresh(servers) as vhost:
        inspector = Inspector(servers.urls.management_url, account, vhost)
        await inspector.make_vhost(servers.administrator)
        assert run(servers, vhost, "apply").returncode == 0
        clean = run(servers, vhost, "diff")
        await inspector.call("PUT", "queues/{vhost}/mine", durable=True)
        await inspector.close()
        shown, told = run(servers, vhost, "diff"), run(servers, vhost, "diff", "--json")
    assert (clean.returncode, clean.stdout) == (0, "The broker holds the plan, and nothing else.\n")
    assert (shown.returncode, told.returncode) == (3, 3)
    assert "mine" in shown.stdout
    (drift,) = json.loads(told.stdout)
    assert (drift["kind"], drift["name"], drift["state"]) == ("queue", "mine", "surplus")
