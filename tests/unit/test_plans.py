"""What the `topology` commands print that need no broker."""

import base64
import hashlib
import json

import pytest
import typer
from typer.testing import CliRunner

from topology import names
from topology.asyncapi import document
from topology.catalog import build as build_catalog
from topology.definitions import definitions
from topology.drift import Drift
from topology.plan import own_keys
from topology.sharding import build as build_plan
from workers import __version__
from workers.cli import plans
from workers.cli.main import EPILOG, build
from workers.cli.place import Place
from workers.vault import Vault

MASTER = bytes(range(32))
PLAN = build_plan(build_catalog())


def printed(*words: str) -> str:
    result = CliRunner().invoke(build(), ["topology", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_asyncapi_is_the_document_of_this_version() -> None:
    assert json.loads(printed("asyncapi")) == document(build_catalog(), __version__)


def test_definitions_need_no_key_without_accounts() -> None:
    said = json.loads(printed("definitions", "--vhost", "spine"))
    assert said == json.loads(json.dumps(definitions(PLAN, "spine")))


def test_definitions_with_accounts_let_in_whom_the_master_key_lets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEXSPINE_MASTER_KEY", MASTER.hex())
    said = json.loads(printed("definitions", "--accounts"))
    assert [user["name"] for user in said["users"]] == [account.name for account in PLAN.accounts]
    for user in said["users"]:
        salted = base64.b64decode(user["password_hash"])
        password = Vault(MASTER).password(user["name"]).encode()
        assert salted[4:] == hashlib.sha256(salted[:4] + password).digest()


def test_patterns_are_shown_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Square brackets would be taken for markup."""
    pattern = own_keys(names.OPERATOR)

    async def drifted(*_: object) -> list[Drift]:
        rights = {"read": pattern}
        return [Drift("topic permission", "operator on flex.events", "missing", rights)]

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(plans, "drifts", drifted)

    async def said(*_: object) -> None:
        """Nothing of a setting."""

    monkeypatch.setattr(Place, "of", lambda _settings: None)
    monkeypatch.setattr(plans, "_setting", said)
    with pytest.raises(typer.Exit) as ended:
        plans.diff(known=None, as_json=False)
    assert ended.value.exit_code == 3
    assert pattern in capsys.readouterr().out


def test_exit_codes_are_said() -> None:
    assert "3 the broker, or a rebuild, holds something else than expected" in EPILOG
