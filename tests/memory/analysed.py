"""An analysis of a register in memory, whose cases are opened by a lane of it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.builders import NOW, command
from tests.decider import reply
from workers.analysis import exporting, judging, run
from workers.analysis.options import Options
from workers.analysis.run import Analysis
from workers.engine import Engine

HERE: Final = {"database": "tests", "database hosts": "here:1", "broker": "here:2"}


def in_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages, and several portions that are sent one by one, of a register of a few."""
    monkeypatch.setattr(exporting, "PAGE", 7)
    monkeypatch.setattr(judging, "PAGE", 3)
    in_small_portions(monkeypatch, 4)


def in_small_portions(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    """So many cases in each command, which are sent one by one."""
    monkeypatch.setattr(run, "AT_ONCE", 1)
    for module in (run, judging):
        monkeypatch.setattr(module, "PAIRS_MAX", pairs)


def silent(stage: str, done: int, total: int | None) -> None:
    """Say nothing."""


class Operator:
    """Sends portions as the command line does, to an engine instead of the broker."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sent: list[Mapping[str, Any]] = []

    async def __call__(
        self, run: str, first: int, time: str, portions: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        answers = []
        for number, data in enumerate(portions, start=first):
            self.sent.append(data)
            given = command(
                "duplicates.open.v1", data, sender="operator", id=f"{run[:12]}-{number}", time=time
            )
            (outcome,) = await self.engine.run([given])
            kind, told = reply(outcome)
            assert kind == "duplicates.open.accepted.v1", told
            answers.append(told)
        return answers


async def analysed(
    store: Any,
    folder: Path,
    send: Any = None,
    told: Any = silent,
    *,
    place: Mapping[str, str] = HERE,
    now: datetime = NOW,
    score_min: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """All stages of a run, the last only where somebody sends; its figures."""
    chosen = Options(memory="1GB", score_from=score_min, **options)
    begun = Analysis.open(folder, chosen, told, place)
    try:
        await begun.export(store, NOW)
        begun.choose()
        begun.judge()
        if send is not None:
            await begun.send(send, lambda: now)
        return begun.summary()
    finally:
        begun.close()


def learned(folder: Path) -> dict[str, Any]:
    """The model that a run has left beside it."""
    found: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return found
