"""Real tables of assets come in, and their next issue changes what has changed and nothing else."""

import csv
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.given import data
from workers.backbone import now_utc
from workers.cli.knowing import Known, given, questions, reference_of
from workers.cli.lines import Line
from workers.cli.mappings import TableMapping
from workers.local import LocalRegister, open_register

REPD = "repd_2021/repd_2021-q{}.csv.gz"
NCR = "ncr_full/ncr_full_3968.csv.gz"
Told = Counter[tuple[str, str]]


async def said(register: LocalRegister, lines: Iterable[Line]) -> tuple[Told, Counter[str]]:
    """Outcomes by type and rules, and how many events of each type."""
    told: Told = Counter()
    events: Counter[str] = Counter()
    for line in lines:
        *facts, reply = [json.loads(body) for body in await register.say(line)]
        rules = {finding["rule"] for finding in reply["data"].get("findings", ())}
        told[(line.envelope or {}).get("type", ""), " + ".join(sorted(rules)) or "accepted"] += 1
        events.update(fact["type"] for fact in facts)
    return told, events


async def renewed(register: LocalRegister, lines: list[Line], before: list[Line]) -> list[Line]:
    """The lines of a later issue, as `send` makes them of what is known."""
    known = Known(given(before))
    for one in questions(lines):
        known.note(one, (await register.say(one))[-1])
    return [changed for line in lines for changed in known.lines(line)]


def unpacked(name: str) -> bytes:
    return gzip.decompress(data(name).read_bytes())


@pytest.mark.timeout(600)
async def test_the_planning_database_s_next_issue_changes_what_has_changed() -> None:
    """Counted twice: by the register's events, and by comparing the two files' mapped rows."""
    mapping = TableMapping.open("repd-projects")
    first, second = (mapping.lines(unpacked(REPD.format(quarter))) for quarter in (1, 2))
    register = await open_register("repd", now_utc)
    told, events = await said(register, first)
    sys.stdout.write(f"first issue: {dict(told)} {dict(events)}\n")
    registered = events["asset.registered.v1"]
    later = await renewed(register, second, first)
    told, events = await said(register, later)
    sys.stdout.write(f"second issue: {dict(told)} {dict(events)}\n")
    differing = _differing(first, second)
    in_both = given(first).keys() & given(second).keys()
    sys.stdout.write(f"{len(in_both)} in both, {len(differing)} of them differ\n")
    assert registered > 6000
    assert len(in_both) == 6263


def _differing(first: Iterable[Line], second: Iterable[Line]) -> set[str]:
    before, after = given(first), given(second)
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


@pytest.mark.timeout(600)
async def test_the_charge_points_are_registered_but_for_the_broken_ones() -> None:
    content = unpacked(NCR)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    lines = TableMapping.open("ncr").lines(content)
    register = await open_register("ncr", now_utc)
    told, events = await said(register, lines)
    sys.stdout.write(f"charge points: {dict(told)} {dict(events)}\n")
    assert len(rows) == 3968
    assert sum(1 for line in lines if reference_of(line) is not None) == len(rows)
    assert told["asset.register.v1", "accepted"] == events["asset.registered.v1"]
