"""What has to be looked at, and that papers, rules and dashboard name what there is."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.builders import NOW
from workers.alarms import (
    ALARMS,
    OF_BROKER,
    OF_DATABASE,
    Glance,
    Lane,
    Lost,
    Queue,
    alarms,
    unknown,
)
from workers.metrics import Metrics

OPERATIONS: Final = Path(__file__).resolve().parents[2] / "docs" / "operations"
RUNBOOK: Final = OPERATIONS.parent / "runbook.md"
WELL: Final = Glance(
    at=NOW,
    queues=(Queue("mailbox.assets.0", 5, 1, 20.0), Queue("mailbox.assets.0.bulk", 0, 0, 0.0)),
    lanes=(Lane("mailbox.assets.0", "here:1", 3, 40),),
    has_primary=True,
    present=1,
)
CASES: Final[dict[str, Glance]] = {
    "broker-away": replace(WELL, queues=None),
    "broker-blocked": replace(WELL, blocked=("disk",)),
    "database-away": replace(WELL, lanes=None),
    "database-without-primary": replace(WELL, has_primary=False),
    "not-consumed": replace(WELL, queues=(Queue("mailbox.users.0", 0, 0, 0.0),)),
    "mailbox-full": replace(WELL, queues=(Queue("mailbox.users.0", 900_000, 1, 1.0),)),
    "outbox-old": replace(WELL, outbox=(3, 61.0)),
    "dead-letters": replace(WELL, dead=(1, 5.0)),
    "dead-letters-old": replace(WELL, dead=(1, 4000.0)),
    "events-lost": replace(WELL, lost=Lost(7, 0, 30.0, {"USR-1": 7})),
    "contention": replace(WELL, parked=101),
}


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(OPERATIONS / "alerts.yaml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def named(text: str) -> set[str]:
    return set(re.findall(r"flexspine_[a-z_]+", text))


def test_all_is_well_where_it_is() -> None:
    assert list(alarms(WELL)) == []
    assert WELL.throughput == 20.0


@pytest.mark.parametrize("name", CASES)
def test_each_alarm_has_its_case(name: str) -> None:
    assert [alarm for alarm, _ in alarms(CASES[name])] == [name]
    assert CASES[name].as_json()["alarms"][0]["alarm"] == name


def test_what_a_server_that_is_away_could_tell_is_unknown() -> None:
    assert unknown(WELL) == frozenset()
    assert unknown(replace(WELL, queues=None)) == OF_BROKER
    assert unknown(replace(WELL, has_primary=False)) == OF_DATABASE
    gone = unknown(Glance(NOW))
    assert gone == ALARMS - {"broker-away", "database-away"}


def test_no_alarm_is_without_its_case() -> None:
    assert CASES.keys() == ALARMS


def test_every_metric_that_is_named_exists() -> None:
    there = Metrics().names()
    dashboard = json.loads((OPERATIONS / "dashboard.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    wanted = set.union(*(named(text) for text in (*shown, *(rule["expr"] for rule in rules()))))
    assert wanted
    assert wanted <= there
    # And nothing is counted that nobody looks at.
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in there}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in wanted} == families


def test_the_runbook_says_what_to_do_for_each_alarm_and_rule() -> None:
    page = RUNBOOK.read_text(encoding="utf-8").partition("\n## Alarms\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == CASES.keys() | {rule["alert"] for rule in rules()}
