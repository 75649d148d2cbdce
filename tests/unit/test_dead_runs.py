"""What an operator is told of dead letters, by what is answered: no question goes unexplained."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from contracts.dead import Which
from workers.cli import dead, dead_edits, dead_runs
from workers.cli.dead_options import SELECTORS, counted, many
from workers.cli.main import build

KEY: Final = "20261129T170000000-0123456789abcdef0123456789abcdef"
RUN: Final = "0123456789abcdef" * 2
SINCE: Final = "2026-11-29T17:00:00Z"
WHY: Final = ("--why", "mended")
LETTER: Final = {
    "id": KEY,
    "state": "open",
    "reason": "poisoned",
    "exception": "RuntimeError",
    "type": "asset.register.v1",
    "times": 1,
    "history": [{"at": SINCE, "by": "", "state": "open"}],
}

Answers = Mapping[str, Mapping[str, Any]]
Dead = Callable[..., Result]


class Asked(list[tuple[str, Mapping[str, Any]]]):
    """What was asked, in order."""


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> Dead:
    """Run `dead` with what each type is answered."""

    def run(*words: str, **answers: Mapping[str, Any]) -> Result:
        async def answer(_place: Any, kind: str, data: Mapping[str, Any], *_: Any) -> Any:
            asked.append((kind, data))
            return answers[kind.removeprefix("dead.").removesuffix(".v1").replace(".", "_")]

        for module in (dead, dead_runs, dead_edits):
            monkeypatch.setattr(module, "asked", answer)
            monkeypatch.setattr(module.Place, "of", lambda _settings: None)
        monkeypatch.setattr(dead_runs, "POLL_S", 0.0)
        return CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(build(), ["dead", *words])

    return run


def progress(counts: Mapping[str, int], outcomes: Mapping[str, int], left_out: int = 0) -> Any:
    done = sum(counts.values())
    run = {"state": "ended", "matched": done + left_out, "done": done, "left_out": left_out}
    return {"groups": [], "counts": counts, "outcomes": outcomes, "run": run}


def replayed(told: Dead, groups: Mapping[str, Any], **more: Mapping[str, Any]) -> Result:
    count = {"matched": groups["run"]["matched"]}
    return told(
        "replay", "--reason", "poisoned", *WHY, "--yes",
        replay_check=count, replay={"id": RUN, **count}, groups=groups, **more,
    )  # fmt: skip


def test_a_run_says_how_the_resolved_ones_have_ended(told: Dead) -> None:
    said = replayed(told, progress({"resolved": 30}, {"accepted": 1, "rejected": 29}, 2))
    assert said.exit_code == 0
    assert "30 resolved (1 accepted, 29 rejected)\n2 letters left out: ended" in said.stdout
    assert f"flexspine dead list --run {RUN} --state resolved" in said.stderr


def test_a_run_of_which_one_has_failed_again_ends_with_1_and_says_how_to_list_it(
    told: Dead,
) -> None:
    said = replayed(told, progress({"resolved": 1, "failed-again": 2}, {"accepted": 1}))
    assert said.exit_code == 1
    assert "2 failed-again, 1 resolved (1 accepted)" in said.stdout
    assert f"flexspine dead list --run {RUN} --state failed-again" in said.stderr


def test_a_run_that_is_not_waited_for_says_which_it_is(told: Dead) -> None:
    said = told(
        "replay", "--reason", "poisoned", *WHY, "--yes", "--no-wait",
        replay_check={"matched": 1}, replay={"id": RUN, "matched": 1},
    )  # fmt: skip
    assert (said.exit_code, said.stdout) == (
        0, f"run {RUN} goes on: flexspine dead list --run {RUN}\n",
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_what_means_no_letter_says_by_what_letters_are_meant_and_asks_nothing(
    told: Dead, asked: Asked, verb: str
) -> None:
    said = told(verb, *WHY)
    words = " ".join(said.output.replace("│", " ").split())
    assert (said.exit_code, asked) == (2, [])
    assert "expected an option that says which letters are meant: --id, --fingerprint," in words
    assert all(f"--{name}" in words for name in SELECTORS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "discarded"}, f"the letter is discarded since {SINCE}, by operator"),
        (
            {"state": "resolved", "outcome": "rejected"},
            f"the letter is resolved (rejected) since {SINCE}, by operator",
        ),
        ({}, "the letter is open, but a question, erased, or kept in part"),
    ],
)
def test_one_letter_that_is_not_taken_says_why(
    told: Dead, changes: Mapping[str, Any], why: str
) -> None:
    past = [{"at": SINCE, "by": "operator", "state": "discarded"}]
    page = {"letters": [{**LETTER, "history": past, **changes}]}
    said = told("replay", "--id", KEY, *WHY, "--yes", replay_check={"matched": 0}, list=page)
    assert (said.exit_code, said.stdout) == (0, f"none was taken: {why}\n")
    found = progress({}, {}, 1)
    one = {"matched": 1}
    said = told(
        "replay", "--id", KEY, *WHY, "--yes",
        replay_check=one, replay={"id": RUN, **one}, groups=found, list=page,
    )  # fmt: skip
    assert said.stdout == f"none was taken: {why}\n"


def test_letters_are_meant_by_the_same_options_everywhere(
    told: Dead, asked: Asked, tmp_path: Path
) -> None:
    given = {name: f"some {name}" for name in SELECTORS} | {"id": KEY, "run": RUN}
    options = [word for name, value in given.items() for word in (f"--{name}", value)]
    page: Mapping[str, Any] = {"letters": []}
    told("list", *options, list=page)
    told("export", "--to", str(tmp_path / "letters.jsonl"), *options, list=page)
    told("replay", *WHY, *options, replay_check={"matched": 1})
    told("discard", *WHY, *options, discard_check={"matched": 1})
    assert [data["which"] for _, data in asked] == [given] * 4
    assert SELECTORS.keys() == Which.model_fields.keys()


def test_a_list_says_that_there_are_more(told: Dead) -> None:
    said = told("list", "--limit", "2", list={"letters": [LETTER] * 3})
    assert said.stdout.count(KEY) == 2
    assert said.stderr == "the first 2; there are more: --limit 4 shows twice as many\n"
    said = told("list", "--limit", "3", "--json", list={"letters": [LETTER] * 3})
    assert (len(json.loads(said.stdout)), said.stderr) == (3, "")


def test_an_empty_list_says_so_and_why_a_type_that_nobody_knows_is_not_found(told: Dead) -> None:
    page: Mapping[str, Any] = {"letters": []}
    assert told("list", list=page).output == "there is no letter\n"
    assert told("list", "--type", "asset.register.v1", list=page).output == (
        "no letter is meant by this\n"
    )
    said = told("list", "--type", "asset.regster.v1", list=page).output
    assert "begins with `unknown-`" in said
    assert "flexspine dead list --reason unroutable" in said
    said = told("replay", "--type", "asset.regster.v1", *WHY, replay_check={"matched": 0}).stdout
    assert "none was taken" in said
    assert "begins with `unknown-`" in said


def test_one_is_one_letter(told: Dead) -> None:
    said = told("discard", "--reason", "poisoned", *WHY, discard_check={"matched": 1})
    assert said.stdout == "1 letter matches; nothing was done: --yes does it\n"
    assert told("note", KEY, "words", note={"notes": 1}).stdout == "1 note\n"
    assert (many(0), many(2, "note")) == ("0 letters", "2 notes")


def test_a_resolved_letter_is_listed_with_what_became_of_it(told: Dead) -> None:
    ended = {**LETTER, "state": "resolved", "outcome": "rejected"}
    assert "resolved (rejected), 1x" in told("list", list={"letters": [ended]}).stdout
    group = {
        "fingerprint": "0123456789abcdef", "reason": "poisoned", "type": "t", "exception": "E",
        "top": "", "counts": {"resolved": 2}, "outcomes": {"rejected": 2},
    }  # fmt: skip
    found = {**group, "groups": [group]}
    assert told("groups", groups=found).stdout.count("2 resolved (2 rejected)") == 2


def test_an_older_worker_that_tells_no_outcomes_is_understood() -> None:
    assert counted({"resolved": 2, "open": 1}) == "1 open, 2 resolved"


def test_an_edit_that_is_sent_says_what_shows_its_answer(told: Dead, tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text("{}")
    sent = {"id": RUN, "message": "m", "state": "sent"}
    words = ("edit", KEY, "--data", str(tmp_path / "new.json"), *WHY)
    assert "flexspine watch" in told(*words, "--yes", edit=sent).stdout
