"""A small run of the moving shards in every test run; `python -m tests.chaos.shards` is longer."""

from pathlib import Path

import pytest

from tests.chaos.scene import Plan
from tests.chaos.shards import moved
from tests.servers import TestServers

pytestmark = [pytest.mark.connected, pytest.mark.chaos]


@pytest.mark.timeout(240)
async def test_every_promise_holds_while_shards_split_and_merge(
    servers: TestServers, tmp_path: Path
) -> None:
    plan = Plan(commands=3000, kinds=(), seed=7, users=4, writers=4, workers=2)

    summary = await moved(plan, servers, tmp_path, print)

    assert summary.report.faults == {
        "lost": [],
        "twice": [],
        "out of order": [],
        "unexplained": [],
    }
    assert summary.is_clean, summary.lines()
