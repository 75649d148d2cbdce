"""What one setting changes: names, addresses and keys, and nothing that is the live backbone's."""

from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from topology.catalog import build
from topology.definitions import definitions
from topology.naming import LIVE, Naming
from topology.sharding import build as build_plan
from workers.addresses import Addresses
from workers.settings import Settings
from workers.vault import Vault

MASTER: Final = bytes(range(32))
SANDBOX: Final = Naming(is_sandbox=True)
ACCOUNTS: Final = ("operator", "flex-relay", "USR-0000-0000-0000-0", "USR-0000-0000-0000-0/bulk")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_is_found_again_on_its_own_side_alone(account: str) -> None:
    for mine, other in ((LIVE, SANDBOX), (SANDBOX, LIVE)):
        assert mine.own(mine.at_broker(account)) == account
        assert other.own(mine.at_broker(account)) is None
    assert LIVE.at_broker(account) == account


def test_a_message_without_an_account_is_nobodys() -> None:
    assert LIVE.own(None) is None
    assert SANDBOX.own(None) is None


def test_no_account_from_outside_is_listed_like_one_of_the_sandbox() -> None:
    assert SANDBOX.listed("sandbox.operator") == "operator"
    assert SANDBOX.listed("operator") == "outside:operator"
    assert LIVE.listed("operator") == "operator"
    assert LIVE.listed("sandbox.operator") == "sandbox.operator"


@pytest.mark.parametrize(
    ("live", "sandbox"),
    [
        ("amqp://host:5672/", "amqp://host:5672/sandbox"),
        ("amqp://host:5672", "amqp://host:5672/sandbox"),
        ("amqp://host/%2F", "amqp://host/sandbox"),
        ("amqp://host/flex", "amqp://host/flex-sandbox"),
        ("amqps://admin:key@host/a%2Fb", "amqps://host/a%2Fb-sandbox"),
    ],
)
def test_the_sandbox_has_a_virtual_host_of_its_own(live: str, sandbox: str) -> None:
    found = Addresses(live, "http://host:15672", "mongodb://host").sandboxed()
    assert found.amqp_url == sandbox
    assert found.amqp_as("operator", "key").split("://")[1].startswith("sandbox.operator:key@")
    assert found.management_as("admin", "key").account == "admin"
    assert found.management_as("admin", "key").naming == SANDBOX


def test_one_setting_changes_database_folder_and_every_key(tmp_path: Path) -> None:
    given = {"folder": tmp_path, "master_key": SecretStr(MASTER.hex())}
    live, sandbox = Settings.read(**given), Settings.read(sandbox=True, **given)
    assert (live.database, sandbox.database) == ("flexspine", "flexspine-sandbox")
    assert (live.home, sandbox.home) == (tmp_path, tmp_path / "sandbox")
    assert live.master == MASTER
    mine, theirs = Vault(sandbox.master), Vault(live.master)
    assert mine.password("flex-worker") != theirs.password("flex-worker")
    assert mine.fingerprint("lei", "X") != theirs.fingerprint("lei", "X")
    assert mine.id_number("a") != theirs.id_number("a")


def test_an_embedded_sandbox_has_a_master_key_of_its_own(tmp_path: Path) -> None:
    live, sandbox = Settings.read(folder=tmp_path), Settings.read(folder=tmp_path, sandbox=True)
    assert live.master != sandbox.master
    written = [(tmp_path / name).read_text() for name in ("master.key", "sandbox/master.key")]
    assert written[0] != written[1]


def test_copied_settings_are_not_the_sandbox_of_the_sandbox(tmp_path: Path) -> None:
    settings = Settings.read(folder=tmp_path, sandbox=True)
    assert settings.model_copy().database == settings.database
    assert Settings.read(**settings.model_dump()).home == settings.home


def test_definitions_of_the_sandbox_name_no_live_account() -> None:
    plan = build_plan(build())
    found = definitions(plan, "sandbox", lambda name: f"hash of {name}", SANDBOX)
    named = {row["name"] for row in found["users"]}
    for rows in (found["permissions"], found["topic_permissions"]):
        named |= {row["user"] for row in rows}
    assert {name for name in named if not name.startswith("sandbox.")} == set()
    assert {row["password_hash"] for row in found["users"]} == {
        f"hash of {account.name}" for account in plan.accounts
    }
    assert found["vhosts"] == [{"name": "sandbox", "tags": ["flexspine-sandbox"]}]
