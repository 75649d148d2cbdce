"""What an operator is told whose command has not been decided in time."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import typer

from contracts.messages import check_type
from topology.catalog import build
from workers.cli import asking
from workers.cli.lines import Line
from workers.cli.sending import Settled

NOTE = "dead.note.v1"
SPLIT = "shard.split.v1"


async def told(monkeypatch: pytest.MonkeyPatch, kind: str, silent: str) -> list[str]:
    """Ask a command, or its check, that gets no answer; the ids by which it was asked."""
    scopes: list[str] = []

    async def deliver(
        _place: Any, lines: Sequence[Line], take: Callable[[Settled], None], *_limits: Any
    ) -> None:
        for one in lines:
            scopes.append(one.scope)
            is_silent = (one.envelope or {})["type"] == silent
            silence = Settled(one, "unanswered", "silence", "no answer")
            take(silence if is_silent else Settled(one, "accepted", reply=b'{"data": {}}'))

    monkeypatch.setattr(asking, "deliver", deliver)
    place: Any = None  # Nothing of it is asked, since nothing is delivered.
    with pytest.raises(typer.Exit):
        await asking.asked(place, kind, {})
    return scopes


@pytest.mark.parametrize(
    ("kind", "look"), [(NOTE, "`flexspine dead show <id>`"), (SPLIT, "`flexspine shard list`")]
)
async def test_a_command_that_waits_says_how_to_see_that_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    look: str,
) -> None:
    scopes = await told(monkeypatch, kind, kind)
    said = capsys.readouterr().err
    assert len(set(scopes)) == 2, "asked again it is another command"
    assert f"look with {look}" in said
    assert "before you ask again" in said


async def test_one_that_was_only_checked_says_that_no_worker_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await told(monkeypatch, NOTE, check_type(NOTE))
    assert "Does a worker run?" in capsys.readouterr().err


def test_every_command_that_is_asked_here_has_what_shows_its_outcome() -> None:
    kinds = [one for one in build() if one.partition(".")[0] in asking.LOOK]
    assert {NOTE, SPLIT} <= set(kinds)
    assert all("{" not in asking.behind(kind) for kind in kinds)
