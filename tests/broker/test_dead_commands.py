"""An operator's commands where nothing answers: they end soon, and say what is to be done."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.broker.test_send import place_of
from tests.spine import Spine
from workers.cli.asking import ANSWER_S, NO_WORKER, asked
from workers.embedded.ports import LOOPBACK

pytestmark = pytest.mark.connected
LETTER = "20261129T170000000-0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("dead.groups.v1", {}),
        ("dead.note.v1", {"id": LETTER, "note": "a note"}),
    ],
)
async def test_without_a_worker_it_ends_within_seconds_and_says_so(
    lone: Spine, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, data: dict[str, Any]
) -> None:
    begun = time.monotonic()
    with pytest.raises(typer.Exit) as ended:
        await asked(place_of(lone, tmp_path), kind, data)
    assert ended.value.exit_code == 1
    assert time.monotonic() - begun < 3 * ANSWER_S
    assert NO_WORKER in capsys.readouterr().err


async def test_without_a_broker_too(
    lone: Spine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_of(lone, tmp_path)
    nowhere = replace(place.addresses, amqp_url=f"amqp://{LOOPBACK}:1/")
    begun = time.monotonic()
    with pytest.raises(typer.Exit) as ended:
        await asked(replace(place, addresses=nowhere), "dead.groups.v1", {})
    assert ended.value.exit_code == 1
    assert time.monotonic() - begun < 3 * ANSWER_S
    assert "Is the backbone up? `flexspine up` starts it." in capsys.readouterr().err
