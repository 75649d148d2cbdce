"""The papers say what the code does: every code has its row, and the README stays short."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest

import contracts.values
from contracts.dead_values import DeadReason
from contracts.duplicates import DismissalReason
from contracts.envelope import USER_URN
from contracts.findings import FALLBACK, STANDARD_RULES
from contracts.values.rule import Rule
from handlers.admission import Arrival, Limits, admit
from handlers.keeping import RETENTION
from tests.builders import command
from topology import catalog
from workers.settings import PREFIX, Settings
from workers.store.indexes import INDEXES

ROOT: Final = Path(__file__).resolve().parents[2]
RUNBOOK: Final = ROOT / "docs" / "runbook.md"
CODE: Final = r"[a-z-]+\.[a-z-]+"
NEVER_SENT: Final = frozenset(
    {
        "bm-unit.format",  # no contract has the field yet
        "bm-unit.prefix",
        "command-id.format",  # a message without a readable id is message.undecodable
        "message.identity",  # nobody is known who could be told
    }
)


def _sources(*folders: str) -> str:
    paths = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def codes_in_code() -> set[str]:
    """Every code that a sender can be answered with, as the sources spell them."""
    modules = pkgutil.iter_modules(contracts.values.__path__)
    values = [importlib.import_module(f"contracts.values.{module.name}") for module in modules]
    found = {rule.code for v in values for rule in vars(v).values() if isinstance(rule, Rule)}
    # Two rules are made with their limits in them, where they are used.
    found |= {"text.length", "quantity.range", FALLBACK[0]} | {
        r for r, _ in STANDARD_RULES.values()
    }
    pure = _sources("handlers", "contracts")
    found |= set(re.findall(rf'(?:rule=|finding\(\s*|_finding\()\(?"({CODE})"', pure))
    found |= set(re.findall(r'"((?:message|envelope|sender)\.[a-z-]+)"', pure))
    found |= {f"message.{reason}" for reason in ("undecodable", "source", "oversized")}
    return found | set(re.findall(r'"(line\.[a-z]+)"', _sources("workers/cli")))


def test_every_code_has_one_row_and_every_row_a_code() -> None:
    told: list[str] = []
    for page in (ROOT / "docs" / "registers").glob("*.md"):
        rows = re.findall(rf"^\| `({CODE})` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(rows) == len(set(rows)), page.name
        told += rows
    assert set(told) == codes_in_code() - NEVER_SENT


def test_runbook_names_every_setting_and_no_other() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `({PREFIX}[A-Z_]+)` \|", page, re.MULTILINE)
    assert rows == [PREFIX + name.upper() for name in Settings.model_fields]


def test_the_table_of_the_state_names_every_collection_once() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    state = page.partition("\n## State\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", state, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(named) == sorted(INDEXES)


def test_the_runbook_says_how_long_each_collection_is_kept() -> None:
    assert RETENTION.keys() == INDEXES.keys()
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    part = page.partition("\n## How long what is kept\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| ([^|]+) \|", part, re.MULTILINE)
    assert {name: (how_long, why) for name, how_long, why in rows} == dict(RETENTION)
    assert len(rows) == len(RETENTION)


@pytest.mark.parametrize("folder", ["contracts", "handlers", "outbox", "topology", "workers"])
def test_the_map_names_every_module_once(folder: str) -> None:
    """In its part of the map, which ends where the next folder begins."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    part = re.search(rf"^ {folder}/ .*?(?=^ +▼|^```)", page, re.MULTILINE | re.DOTALL)
    assert part is not None
    lines = [line.partition("│")[2].strip() for line in part[0].splitlines()[1:]]
    # The words follow after two spaces or more.
    named = [name for line in lines for name in re.split(r"  +", line)[0].split()]
    there = [path for path in (ROOT / folder).iterdir() if path.name[0] not in "_."]
    modules = [path.stem if path.is_file() else f"{path.name}/" for path in there]
    assert sorted(named) == sorted(modules)


def test_readme_is_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_runbook_names_every_reason_for_which_a_message_is_dead() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| `reason` |"))
    assert [one for one in get_args(DeadReason) if f"`{one}`" not in row] == []


def lines_to_paste() -> list[dict[str, Any]]:
    """What operators are told to send, but for the line that is wrong so as to be refused."""
    text = RUNBOOK.read_text(encoding="utf-8")
    given = re.findall(r"^echo '(\{.*\})' \| (?:\.venv/bin/)?flexspine send -", text, re.MULTILINE)
    return [line for line in map(json.loads, given) if "id" not in line]


@pytest.mark.parametrize("line", lines_to_paste(), ids=lambda line: str(line["type"]))
def test_a_line_that_is_to_be_sent_is_right(line: dict[str, Any]) -> None:
    entry = catalog.build()[line["type"]]
    sender = line["source"].removeprefix(USER_URN)
    assert sender in entry.contract.senders
    delivery = command(line["type"], line["data"], sender=sender)
    found = admit(delivery, {line["type"]: entry.contract}, Limits())
    assert isinstance(found, Arrival), found
    assert found.findings == ()


def test_each_step_with_a_case_has_its_line() -> None:
    steps = {f"duplicates.{verb}.v1" for verb in ("list", "get", "assign", "dismiss", "merge")}
    told = {line["type"] for line in lines_to_paste()}
    assert steps | {"duplicates.split.v1", "user.suspend.v1", "user.reinstate.v1"} <= told
    words = RUNBOOK.read_text(encoding="utf-8").partition("A reason of a dismissal is")[2]
    said = re.findall(r"`([a-z-]+)`", words.partition("\n")[0])
    assert said == list(get_args(DismissalReason))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_no_table_is_broken_by_an_empty_line(page: Path) -> None:
    """Rows behind an empty line are no table of their own: that has a rule under its head."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, (last, row, rule) in enumerate(zip(lines, lines[1:], lines[2:], strict=False)):
        if not last and row.startswith("|"):
            assert rule.startswith("|--"), f"line {number + 2}: {row[:40]}"
