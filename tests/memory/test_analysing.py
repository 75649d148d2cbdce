"""The analysis of a register: what it finds, repeats, resumes, and leaves where it is."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from splink.internals.exceptions import SplinkException
from splink.internals.linker_components.training import LinkerTraining

from handlers.decision import Secret
from handlers.duplicates import CASES
from handlers.matching.comparing import compare
from handlers.matching.reading import of_asset
from tests.builders import NOW, PLATFORM, STRANGER, command, issued, user_document
from tests.decider import reply
from tests.given import ROOT
from tests.memory.analysed import (
    HERE,
    Operator,
    analysed,
    in_small_pages,
    in_small_portions,
    learned,
    silent,
)
from tests.memory.shards import Shards
from tests.memory.test_real_doubles import SEED, capacity, doubled
from workers.addresses import Addresses
from workers.analysis import exporting, judging, linking, run
from workers.analysis.options import AnalysisStopped, Options
from workers.analysis.run import Analysis
from workers.analysis.table import Table
from workers.cli.analysing import _packages, _print
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place
from workers.settings import Settings
from workers.store.codec import decode, encode, encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit
from workers.vault import Sealed, Vault

pytestmark = pytest.mark.timeout(240)

SPACED = 64
"""Ids are given to each number that is so far from the one before, so that all can be ids."""


def document(number: int, **changes: Any) -> dict[str, Any]:
    """An asset as the register keeps it, alike in nothing to that of another number."""
    names = ("Meadow", "Harbour", "Quarry", "Orchard", "Viaduct", "Lighthouse", "Foundry", "Abbey")
    return {
        "_id": issued("SOL", 10_000 + number * SPACED),
        "revision": 1,
        "asset_type": "SOL",
        "registrant": PLATFORM,
        "status": "provisional",
        "lifecycle": "operating",
        "name": f"{names[number % len(names)]} {chr(97 + number // 8 % 26)}{'aeiou'[number % 5]}rn",
        "location": {"point": {"latitude": 50 + number / 50, "longitude": -1.0}},
        "capability": {"power_kw": 100.0 + 37 * number},
    } | changes


async def register_of(*documents: dict[str, Any], collection: str = "assets") -> MemoryStore:
    store = MemoryStore()
    await store.install()
    lease = await store.acquire("tests", "tests", 60)
    assert lease is not None
    rows = [encode_row(one) for one in documents]
    users = [encode_row(user_document(one, status="confirmed")) for one in (PLATFORM, STRANGER)]
    await store.commit(Commit("tests", lease.epoch, 1, inserts={"users": users}))
    await store.commit(Commit("tests", lease.epoch, 2, inserts={collection: rows}))
    return store


def twins(count: int = 40) -> list[dict[str, Any]]:
    """Assets, and of every fourth another registration by somebody else."""
    ours = [document(number) for number in range(count)]
    theirs = [
        document(number) | {"_id": issued("SOL", 90_000 + number * SPACED), "registrant": STRANGER}
        for number in range(0, count, 4)
    ]
    return [*ours, *theirs]


def twice(documents: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Pairs of one name."""
    by_name: dict[str, list[str]] = {}
    for one in documents:
        by_name.setdefault(one["name"], []).append(one["_id"])
    return {tuple(sorted(ids)) for ids in by_name.values() if len(ids) > 1}


def found(folder: Path) -> list[Any]:
    """The cases of a run as its file holds them."""
    table = Table(folder / run.FILE, "1GB")
    try:
        return table.cases(0, 1_000_000)
    finally:
        table.close()


async def opened(store: MemoryStore) -> Operator:
    shards = Shards(store, random.Random(7))  # noqa: S311  # chance that is the same each time
    await shards.open()
    return Operator(shards.commands[0].engine)


def written(folder: Path) -> bytes:
    """All bytes that a run has left."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def mode(folder: Path) -> int:
    """Who may do what with it."""
    return folder.stat().st_mode & 0o777


def left_in(folder: Path) -> set[str]:
    """What a run has left."""
    return {path.name for path in folder.iterdir()}


def cases(store: MemoryStore) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = map(decode, store._documents.get(CASES, {}).values())
    return {tuple(row["records"]): row for row in rows}


async def test_pairs_become_cases_with_the_scorers_verdict(tmp_path: Path) -> None:
    documents = twins()
    by_id = {one["_id"]: one for one in documents}
    store = await register_of(*documents)
    summary = await analysed(store, tmp_path, await opened(store))
    kept = cases(store)
    assert twice(documents) <= kept.keys()
    for (one, other), case in kept.items():
        judged = compare(of_asset(by_id[one]), of_asset(by_id[other]))
        assert (case["verdict"], case["score"]) == (judged.verdict, judged.score)
        assert [reason["weight"] for reason in case["reasons"]] == [
            reason.weight for reason in judged.reasons
        ]
        assert (case["found_by"], case["model"]) == ("analysis", judging.MODEL)
    assert summary["sent"]["opened"] == len(kept)
    assert summary["candidates"] == sum(summary["verdicts"].values())


async def test_what_is_one_over_several_links_has_one_cluster(tmp_path: Path) -> None:
    three = [document(0, _id=issued("SOL", n * 5_000)) for n in (1, 2, 3)]
    store = await register_of(*three, document(9))
    summary = await analysed(store, tmp_path, await opened(store))
    smallest = min(one["_id"] for one in three)
    assert [case["cluster"] for case in cases(store).values()] == [smallest] * 3
    assert (summary["clusters"], summary["largest_cluster"]) == (1, 3)


async def test_the_same_register_gives_the_same_pairs_scores_and_model(tmp_path: Path) -> None:
    store = await register_of(*twins())
    both = [tmp_path / "first", tmp_path / "second"]
    for folder in both:
        await analysed(store, folder)
    first, second = map(found, both)
    assert first == second
    assert len(first) >= 10
    assert learned(both[0]) == learned(both[1])


async def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    store = await register_of(*twins())
    operator = await opened(store)
    first = await analysed(store, tmp_path / "first", operator)
    before = cases(store)
    second = await analysed(store, tmp_path / "second", operator)
    assert second["sent"] == {"opened": 0, "unchanged": first["sent"]["opened"], "left": 0}
    assert cases(store) == before


async def test_what_was_dismissed_stays_dismissed(tmp_path: Path) -> None:
    store = await register_of(*twins())
    operator = await opened(store)
    await analysed(store, tmp_path / "first", operator)
    case = next(iter(cases(store).values()))
    said = {"id": case["_id"], "reason": "same-place"}
    (outcome,) = await operator.engine.run(
        [command("duplicates.dismiss.v1", said, sender="operator", id="dismissal")]
    )
    assert reply(outcome)[0] == "duplicates.dismiss.accepted.v1"
    await analysed(store, tmp_path / "second", operator)
    assert cases(store)[tuple(case["records"])]["status"] == "dismissed"


async def test_a_dry_run_opens_nothing_and_the_next_run_sends_what_it_found(tmp_path: Path) -> None:
    store = await register_of(*twins())
    operator = await opened(store)
    tried = await analysed(store, tmp_path)
    assert (tried["sent"], cases(store)) == (None, {})
    done = await analysed(store, tmp_path, operator)
    assert done["sent"]["opened"] == tried["cases"] >= len(twice(twins()))


async def test_a_dry_run_shows_the_likeliest_pairs_and_no_more_than_are_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await register_of(*twins())
    tried = await analysed(store, tmp_path)
    run = Analysis.open(tmp_path, Options(memory="1GB"), silent, HERE)
    try:
        every, few = run.first_pairs(1000), run.first_pairs(3)
    finally:
        run.close()
    scores = [one["score"] for one in every]
    assert (len(every), few) == (tried["cases"], every[:3])
    assert scores == sorted(scores, reverse=True)
    _print({**tried, "pairs": few})
    said = capsys.readouterr().out
    assert f"… and {len(every) - 3} more, less likely ones" in said
    assert all(one[name] in said for one in few for name in ("id", "other", "verdict"))
    assert "of persons, retired" not in said
    _print({**tried, "left_out": 3, "pairs": []})
    assert "3: assets of persons, retired ones" in capsys.readouterr().out


async def test_parts_of_one_site_are_cases_unless_that_is_not_wanted(tmp_path: Path) -> None:
    halves = [
        document(n, name=f"Meadow Farm {side}", location=document(0)["location"])
        for n, side in enumerate(("North", "South"))
    ]
    store = await register_of(*halves)
    told = await analysed(store, tmp_path / "told")
    assert (told["verdicts"], told["cases"]) == ({"part_of": 1}, 1)
    left = await analysed(store, tmp_path / "left", parts=False)
    assert (left["verdicts"], left["cases"]) == ({"part_of": 1}, 0)


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize("stage", ["export", "train", "find", "judge", "send"])
async def test_a_run_that_was_ended_goes_on(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, ended behind the first of a stage: found is what an unbroken run finds."""
    in_small_pages(monkeypatch)
    store = await register_of(*twins())
    await analysed(store, tmp_path / "unbroken")

    def until(now: str, done: int, total: int | None) -> None:
        if now == stage:
            raise Killed

    operator = await opened(store)
    folder = tmp_path / "broken"
    with pytest.raises(Killed):
        await analysed(store, folder, operator, told=until)
    seen: list[str] = []

    def noted(now: str, done: int, total: int | None) -> None:
        seen.append(now)

    summary = await analysed(store, folder, operator, told=noted)
    assert found(folder) == found(tmp_path / "unbroken")
    kept = cases(store)
    assert twice(twins()) <= kept.keys()
    assert sum(summary["sent"].values()) == len(kept)
    # What was done before is not done again.
    stages = ["export", "train", "find", "judge", "send"]
    assert not set(stages[: stages.index(stage)]) & set(seen)


@pytest.mark.parametrize("stage", ["export", "judge"])
async def test_a_process_that_was_killed_leaves_a_run_that_goes_on(
    stage: str, tmp_path: Path
) -> None:
    """By the signal that nobody can catch, between two pages."""
    words = f"from tests.memory.test_analysing import dying; dying({str(tmp_path)!r}, {stage!r})"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", words, cwd=ROOT)
    assert await child.wait() == -signal.SIGKILL
    records = {"export": PAGES["export"], "judge": len(twins())}
    judged = {"export": 0, "judge": PAGES["judge"]}
    assert written_by(tmp_path) == (records[stage], judged[stage])
    store = await register_of(*twins())
    summary = await analysed(store, tmp_path)
    whole = await analysed(store, tmp_path / "whole")
    assert found(tmp_path) == found(tmp_path / "whole")
    assert summary["verdicts"] == whole["verdicts"]


def written_by(folder: Path) -> tuple[int, int]:
    """Records, and candidates that are judged, of a process that is gone."""
    table = Table(folder / run.FILE, "1GB")
    try:
        return table.count("records"), table.number("judged")
    finally:
        table.close()


PAGES: Final = {"export": 7, "judge": 3}
"""Of the pages of the process that is killed."""


def dying(folder: str, stage: str) -> None:
    """Be killed behind the first page of a stage."""

    def until(now: str, done: int, total: int | None) -> None:
        if now == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    async def begin() -> None:
        await analysed(await register_of(*twins()), Path(folder), told=until)

    exporting.PAGE, judging.PAGE = PAGES["export"], PAGES["judge"]  # type: ignore[misc]
    asyncio.run(begin())


async def test_a_run_goes_on_with_its_own_choices_only(tmp_path: Path) -> None:
    store = await register_of(*twins(8))
    await analysed(store, tmp_path)
    with pytest.raises(AnalysisStopped, match="--anew"):
        await analysed(store, tmp_path, shared=7)
    assert (await analysed(store, tmp_path, shared=7, anew=True))["records"] == 10


@pytest.mark.parametrize("other", ["database", "database hosts", "broker"])
async def test_a_run_goes_on_with_its_own_register_only(other: str, tmp_path: Path) -> None:
    """Neither are records of two mixed, nor are cases of one sent to the other."""
    store = await register_of(*twins(8))
    await analysed(store, tmp_path)
    there, operator = HERE | {other: "elsewhere"}, await opened(store)
    with pytest.raises(AnalysisStopped, match=rf"begun with \({other} .*got {other} elsewhere"):
        await analysed(store, tmp_path, operator, place=there)
    assert operator.sent == []
    assert (await analysed(store, tmp_path, place=there, anew=True))["records"] == 10


async def test_a_run_goes_on_with_its_own_scorer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await register_of(*twins(8))
    await analysed(store, tmp_path)
    monkeypatch.setattr(judging, "MODEL", "analysis-2")
    with pytest.raises(AnalysisStopped, match=r"scorer analysis-1.*got scorer analysis-2"):
        await analysed(store, tmp_path)


@pytest.mark.parametrize("name", ["flexspine", "splink", "duckdb"])
async def test_a_run_goes_on_with_what_made_its_blocks_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of it makes other rows, blocks and numbers of blocks."""
    store = await register_of(*twins(8))
    await analysed(store, tmp_path)
    with monkeypatch.context() as other:
        if name == "flexspine":
            other.setattr(run, "__version__", "99.1")
        else:
            other.setitem(linking.VERSIONS, name, "99.1")
        with pytest.raises(AnalysisStopped, match=rf"begun with \({name} .*got {name} 99\.1"):
            await analysed(store, tmp_path)
    assert (await analysed(store, tmp_path))["records"] == 10


async def test_a_run_of_a_version_that_said_less_is_begun_anew(tmp_path: Path) -> None:
    store = await register_of(*twins(8))
    await analysed(store, tmp_path)
    table = Table(tmp_path / run.FILE, "1GB")
    kept = table.marked("begun_with")
    table.mark("begun_with", {one: kept[one] for one in kept if one not in {"register", "duckdb"}})
    table.close()
    with pytest.raises(AnalysisStopped, match=r"say its register, duckdb.*with --anew") as stopped:
        await analysed(store, tmp_path)
    assert "None" not in str(stopped.value)
    assert (await analysed(store, tmp_path, anew=True))["records"] == 10


def varied() -> list[dict[str, Any]]:
    """Pairs of one thing, and two parts of one site, which have a lower score."""
    halves = [
        document(80 + n, name=f"Meadow Farm {side}", location=document(80)["location"])
        for n, side in enumerate(("North", "South"))
    ]
    return [*twins(), *halves]


async def test_cases_are_opened_from_the_least_score_on(tmp_path: Path) -> None:
    store = await register_of(*varied())
    tried = await analysed(store, tmp_path)
    scores = sorted(row[3] for row in found(tmp_path))
    least = scores[-1]
    kept = [row[:2] for row in found(tmp_path) if row[3] >= least]
    assert 0 < len(kept) < len(scores)
    assert tried["cases"] == len(scores)
    assert tried["cases_from"] == {
        str(score): sum(one >= score for one in scores) for score in run.SCORES
    }
    # What is sent from may still be chosen behind a dry run.
    done = await analysed(store, tmp_path, await opened(store), score_min=least)
    assert cases(store).keys() == {tuple(sorted(pair)) for pair in kept}
    assert done["sent"]["opened"] == done["cases"] == len(kept)
    assert done["cases_from"] == tried["cases_from"]


async def test_when_some_are_sent_the_least_score_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_portions(monkeypatch, 4)
    store = await register_of(*varied())
    operator = await opened(store)

    def until(now: str, done: int, total: int | None) -> None:
        if now == "send":
            raise Killed

    with pytest.raises(Killed):
        await analysed(store, tmp_path, operator, told=until, score_min=0.5)
    with pytest.raises(AnalysisStopped, match=r"begun with \(score_min 0\.5\), got score_min 0\.7"):
        await analysed(store, tmp_path, operator, score_min=0.7)
    done = await analysed(store, tmp_path, operator, score_min=0.5)
    assert sum(done["sent"].values()) == done["cases"] == len(cases(store))
    assert done["cases"] == done["cases_from"]["0.5"]


def test_a_place_says_which_register_it_is_without_a_login(tmp_path: Path) -> None:
    addresses = Addresses(
        "amqp://who:secret@broker:5672/live/",
        "http://broker:15672",
        "mongodb://who:secret@b:27017,a:27017/?replicaSet=rs",
    )
    settings = Settings(folder=tmp_path)
    place = Place(settings, addresses, Vault(settings.master), AccountKeys(tmp_path))
    assert place.register() == {
        "database": "flexspine",
        "database hosts": "a:27017,b:27017",
        "broker": "broker:5672/live",
    }


@pytest.mark.parametrize("last", [1, 2])
async def test_a_kill_while_a_run_is_thrown_away_leaves_one_that_begins_anew(
    last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the first file, or behind the last one that holds the marks."""
    store = await register_of(*twins(8))
    operator = await opened(store)
    await analysed(store, tmp_path, operator)
    unlink, gone = Path.unlink, []

    def until(path: Path, *, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        gone.append(path.name)
        if len(gone) == last:
            raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", until)
        with pytest.raises(Killed):
            await analysed(store, tmp_path)
    assert gone == ["model.json", run.FILE][:last]
    assert (await analysed(store, tmp_path))["records"] == 10


async def test_a_model_that_another_run_has_left_is_not_taken_for_the_training(
    tmp_path: Path,
) -> None:
    (tmp_path / run.MODEL).write_text("{}")
    assert (await analysed(await register_of(*twins(8)), tmp_path))["records"] == 10
    assert learned(tmp_path)["records"] == 10


async def test_a_folder_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    """Also the one of a run that was begun before."""
    for _ in range(2):
        tmp_path.chmod(0o755)  # noqa: ASYNC240  nothing else is waiting
        await analysed(await register_of(*twins(8)), tmp_path)
        assert mode(tmp_path) == 0o700


async def test_a_folder_of_others_too_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # noqa: ASYNC240  nothing else is waiting
    (tmp_path / "letter.txt").write_text("to somebody")
    with pytest.raises(AnalysisStopped, match=r"got letter\.txt in a folder for others too"):
        await analysed(await register_of(), tmp_path)
    assert (mode(tmp_path), left_in(tmp_path)) == (0o755, {"letter.txt"})


async def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnalysisStopped, match="name another --folder"):
        await analysed(await register_of(), tmp_path / "file")


async def test_a_quote_in_the_name_of_the_folder_is_no_fault(tmp_path: Path) -> None:
    store = await register_of(*twins(8))
    summary = await analysed(store, tmp_path / "o'brien", await opened(store))
    assert summary["sent"]["opened"] == summary["cases"] >= 2


async def test_of_what_was_compared_nothing_stays_when_it_is_sent(tmp_path: Path) -> None:
    store = await register_of(*twins())
    plain = [b"Meadow", b"meadow", b"Harbour", b"harbour"]
    tried = await analysed(store, tmp_path)
    assert any(word in written(tmp_path) for word in plain)
    done = await analysed(store, tmp_path, await opened(store))
    assert [word for word in plain if word in written(tmp_path)] == []
    assert left_in(tmp_path) == {run.FILE, run.MODEL}
    same = ("records", "candidates", "verdicts", "cases", "clusters")
    assert [done[name] for name in same] == [tried[name] for name in same]


async def test_a_kill_before_what_was_compared_is_gone_sends_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process only takes it away."""
    store = await register_of(*twins())
    operator, replace = await opened(store), Path.replace

    def until(path: Path, target: Path) -> Path:
        if path.suffix == ".new" and path.stem == "register":
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", until)
        with pytest.raises(Killed):
            await analysed(store, tmp_path, operator)
    sent = len(operator.sent)
    done = await analysed(store, tmp_path, operator)
    assert len(operator.sent) == sent
    assert done["sent"]["opened"] == done["cases"] == len(cases(store))
    assert left_in(tmp_path) == {run.FILE, run.MODEL}
    assert b"Meadow" not in written(tmp_path)


async def test_a_portion_that_goes_again_has_the_time_of_the_first_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the same message by the same id, whatever the spool remembers."""
    in_small_portions(monkeypatch, 4)
    store = await register_of(*twins())
    operator, seen = await opened(store), []

    async def lost(*portion: Any) -> Any:
        seen.append(portion)
        if len(seen) == 2:
            raise Killed
        return await operator(*portion)

    with pytest.raises(Killed):
        await analysed(store, tmp_path, lost, now=NOW - timedelta(hours=1))
    await analysed(store, tmp_path, lost)
    assert seen[2] == seen[1]
    assert [time for _, _, time, _ in seen[:4]] == [
        *["2026-03-01T11:00:00.000Z"] * 3,
        "2026-03-01T12:00:00.000Z",
    ]


async def test_where_nothing_comes_of_the_training_what_is_assumed_finds_the_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Splink stops where a share is too small to be a number."""

    def hopeless(*_: Any, **__: Any) -> None:
        raise ValueError("m_probability value 0.0 is below the minimum")

    monkeypatch.setattr(
        LinkerTraining, "estimate_parameters_using_expectation_maximisation", hopeless
    )
    store = await register_of(*twins())
    operator = await opened(store)
    await analysed(store, tmp_path, operator)
    assert twice(twins()) <= cases(store).keys()
    assert len(learned(tmp_path)["rules_without_result"]) == 3


async def test_a_folder_has_one_analysis_at_a_time(tmp_path: Path) -> None:
    """Of two processes the second one says so; the first one is not disturbed."""
    held = Table(tmp_path / run.FILE, "1GB")
    words = f"from tests.memory.test_analysing import found, Path; found(Path({str(tmp_path)!r}))"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", words, cwd=ROOT, stderr=PIPE)
    _, told = await child.communicate()
    held.close()
    assert b"AnalysisStopped" in told
    assert b"End the other analysis in this folder" in told
    assert b"more --memory" not in told


async def test_what_is_no_database_is_a_sentence_without_advice_on_memory(tmp_path: Path) -> None:
    (tmp_path / run.FILE).write_bytes(b"no database" * 1_000)
    with pytest.raises(AnalysisStopped, match="name another --folder") as stopped:
        await analysed(await register_of(), tmp_path)
    assert "more --memory" not in str(stopped.value)


async def test_too_little_memory_is_a_sentence_and_the_run_goes_on_with_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise SplinkException("a page of SQL") from duckdb.OutOfMemoryException("no block left")

    store = await register_of(*twins())
    with monkeypatch.context() as little:
        little.setattr(linking, "_linker", full)
        with pytest.raises(AnalysisStopped, match=r"to train .*no block left.*Give more --memory"):
            await analysed(store, tmp_path)
    assert (await analysed(store, tmp_path))["cases"] >= len(twice(twins()))


@pytest.mark.parametrize("size", ["lots", "3", "GB", "-1GB", "3GB'; SELECT '1", "3GB\n"])
def test_memory_that_is_no_size_is_a_sentence(size: str) -> None:
    with pytest.raises(AnalysisStopped, match="for --memory a number with KB, MB, GB or TB"):
        Options(memory=size)


@pytest.mark.parametrize("size", ["3GB", "0.5gib", "512MB"])
def test_memory_that_is_a_size_is_taken(size: str, tmp_path: Path) -> None:
    Table(tmp_path / run.FILE, Options(memory=size).memory).close()


async def test_of_a_persons_asset_nothing_is_in_the_folder(tmp_path: Path) -> None:
    """Nor of a retired one, or a portfolio."""
    sealed = encode(
        document(1, is_personal=True) | {"name": Secret("Rosebud Lane")},
        lambda _: Sealed(PLATFORM, b"box"),
    )
    store = await register_of(document(2), document(3, lifecycle="retired"))
    store._documents["assets"][document(1)["_id"]] = sealed
    summary = await analysed(store, tmp_path)
    assert (summary["records"], summary["left_out"]) == (1, 2)
    content = written(tmp_path)
    assert document(2)["_id"].encode() in content
    assert document(1)["_id"].encode() not in content


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_hardly_anything_to_compare_is_no_fault(count: int, tmp_path: Path) -> None:
    store = await register_of(*(document(number) for number in range(count)))
    summary = await analysed(store, tmp_path, await opened(store))
    assert (summary["records"], summary["sent"]["opened"]) == (count, 0)


def test_without_its_packages_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [one for one in sys.modules if one.startswith("workers.analysis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("workers.analysis.run", raising=False)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(AnalysisStopped, match="group analysis, got no module duckdb"):
        _packages()


@pytest.mark.timeout(300)
async def test_of_a_hundred_doubles_in_the_capacity_register_all_are_found(tmp_path: Path) -> None:
    """Name typed again, moved by 30 m, power in two figures, no connection told."""
    chance = random.Random(SEED)  # noqa: S311  a choice that can be repeated
    real = capacity()
    chosen = chance.sample(sorted(real), 100)
    ids = {one: issued("SOL", 10_000 + nth * SPACED) for nth, one in enumerate(sorted(real))}
    theirs = {one: issued("SOL", 900_000 + nth * SPACED) for nth, one in enumerate(chosen)}
    documents = [row | kept_as(ids[one]) for one, row in real.items()]
    documents += [doubled(real[one], chance) | kept_as(theirs[one]) for one in chosen]
    summary = await analysed(await register_of(*documents), tmp_path)
    pairs = {tuple(sorted((ids[one], theirs[one]))) for one in chosen}
    verdicts = {tuple(sorted(row[:2])): row[2] for row in found(tmp_path)}
    assert pairs <= verdicts.keys()
    decided = [verdicts[pair] for pair in pairs]
    assert sum(one in {"same", "unsure"} for one in decided) >= 95, summary


def kept_as(asset: str) -> dict[str, Any]:
    return {"_id": asset, "revision": 1, "registrant": STRANGER, "lifecycle": "operating"}
