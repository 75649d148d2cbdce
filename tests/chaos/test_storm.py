"""A small storm in every test run; `make chaos` runs the long ones."""

from pathlib import Path
from typing import Final

import pytest

from tests.chaos.scene import Plan
from tests.chaos.storm import storm
from tests.servers import TestServers

pytestmark = [pytest.mark.connected, pytest.mark.chaos]

KINDS: Final = (
    "leases.steal",
    "leases.steal",
    "worker.freeze",
    "worker.kill",
    "clocks.shift",
    "connections.close",
)
"""Servers are not killed here: they belong to the whole run, and other tests kill theirs."""
COMMANDS: Final = 1500


@pytest.mark.timeout(150)
async def test_every_promise_holds_in_a_small_storm(servers: TestServers, tmp_path: Path) -> None:
    plan = Plan(commands=COMMANDS, kinds=KINDS, seed=7, users=4, writers=4)

    summary = await storm(plan, servers, tmp_path, print)

    assert summary.report.faults == {
        "lost": [],
        "twice": [],
        "out of order": [],
        "unexplained": [],
    }
    assert [one.kind for one in summary.struck if one.recovered_s is not None] == list(KINDS)
    assert summary.is_clean
