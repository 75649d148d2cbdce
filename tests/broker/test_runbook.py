"""The runbook's own words, executed, and the tests that it names."""

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker.test_readme import _run, newcomer

__all__ = ["newcomer"]
pytestmark = [pytest.mark.connected, pytest.mark.timeout(400)]

ROOT: Final = Path(__file__).resolve().parents[2]
PRACTICE: Final = (
    (ROOT / "docs" / "runbook.md")
    .read_text(encoding="utf-8")
    .partition("\n## Practice\n")[2]
    .partition("\n## ")[0]
)
LIMIT_S: Final = 180
"""For several commands one after the other, each of which starts a program."""
BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", PRACTICE, re.MULTILINE | re.DOTALL)


def test_each_block_does_what_the_runbook_says(newcomer: Mapping[str, str]) -> None:
    status, rescue, _ = BLOCKS
    told = _run(status, newcomer)
    assert "mailbox.assets.0" in told
    said = json.loads(told.splitlines()[-1])
    assert {lane["name"] for lane in said["lanes"] if lane["owner"]} >= {"mailbox.assets.0"}
    assert said["outbox"]["records"] == 0
    found = _rescued("practice", rescue, newcomer)
    assert found["entries"]["verified"] > 5
    assert "unrepeated" not in found["entries"]


def _rescued(database: str, block: str, newcomer: Mapping[str, str]) -> Mapping[str, Any]:
    """Copied, restored there and made again: what the rebuild says, that nothing differs."""
    kept, restored, rebuilt = _run(block, newcomer, LIMIT_S).splitlines()[-3:]
    assert " copied to " in kept
    same = f"into the database {database}, read back and found to be the same. Next: "
    assert same in restored
    assert kept.partition(" copied")[0] == restored.partition(" restored")[0]
    found: Mapping[str, Any] = json.loads(rebuilt)
    assert (found["differences"], found["documents"]) == (0, []), rebuilt
    return found


def test_a_dead_letter_to_practise_with_fails_again_and_is_given_up(
    newcomer: Mapping[str, str],
) -> None:
    said = _run(BLOCKS[2], newcomer, LIMIT_S)
    steps = ["message.undecodable", "open, 1x", "1 failed-again", "failed-again, 2x", "1 discarded"]
    found = [said.find(step) for step in steps]
    assert found == sorted(found), said
    assert -1 not in found, said


def test_nothing_differs_after_the_dead_letter_was_given_up(newcomer: Mapping[str, str]) -> None:
    """The same lines once more, into databases of other names: those have to be empty."""
    found = _rescued("once-more", BLOCKS[1].replace("practice", "once-more"), newcomer)
    assert found["entries"]["unrepeated"] == len(re.findall("dead (?:replay|discard)", BLOCKS[2]))


def test_the_tests_that_the_runbook_names_are_there() -> None:
    named = re.findall(r"`(tests/[a-z_/]+)\.py::(test_[a-z_]+)`", PRACTICE)
    assert len(named) == 7
    for module, test in named:
        assert hasattr(importlib.import_module(module.replace("/", ".")), test), test
