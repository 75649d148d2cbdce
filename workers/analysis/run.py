"""One analysis of the register in its folder, stage after stage; a run that was ended goes on."""

import resource
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from contracts.duplicates import PAIRS_MAX
from workers import __version__
from workers.analysis import exporting, judging, linking
from workers.analysis.options import AnalysisStopped, Options
from workers.analysis.registers import REGISTERS, Register
from workers.analysis.table import SPILL, Table, in_words
from workers.store.protocol import ReadStore

FILE: Final = "register.duckdb"
MODEL: Final = "model.json"
PARTS: Final = ("model.*", "register.new*", f"{FILE}.*", FILE)
"""What a run leaves, in the order in which it is thrown away: the file says that it is to be."""
OTHERS: Final = 0o077
"""Rights of others than the owner."""
AT_ONCE: Final = 20
"""Portions that are sent before the mark is moved; those of a run that was ended go again."""
KIBIBYTES: Final = 1024
SCORES: Final = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
"""From which on it is said how many cases there are."""

Told = Callable[[str, int, int | None], None]
"""A stage, what is done of it, and of how many where that is known."""
Answers = Sequence[Mapping[str, Any]]
Send = Callable[[str, int, str, Sequence[Mapping[str, Any]]], Awaitable[Answers]]
"""A run's name, number of the first portion, time, portions -> what each was answered with."""


@dataclass(slots=True)
class Analysis:
    """A run; what it has done is in its folder."""

    folder: Path
    options: Options
    told: Told
    table: Table

    @classmethod
    def open(
        cls, folder: Path, options: Options, told: Told, place: Mapping[str, str]
    ) -> "Analysis":
        """Go on with what the folder holds; a run that is done, or is not wanted, begins anew.

        `place` says by names of its own where the register is: only that one's run goes on.
        """
        _claim(folder)
        table = Table(folder / FILE, options.memory)
        if options.anew or table.marked("done"):
            table.close()
            for path in _parts(folder):
                path.unlink(missing_ok=True)
            table = Table(folder / FILE, options.memory)
        wanted = {**options.lasting(), **place, **_made_by()}
        if table.marked("run") is None:
            with table.at_once():
                table.mark("run", uuid4().hex)
                table.mark("begun_with", wanted)
        try:
            # What is sent from may be chosen until the first is.
            _go_on(table, folder, {**wanted, "score_min": options.score_min})
        except AnalysisStopped:
            table.close()
            raise
        return cls(folder, options, told, table)

    @property
    def register(self) -> Register:
        """That which is looked through."""
        return REGISTERS[self.options.register]

    def close(self) -> None:
        """Close the file, and take away what DuckDB has spilled."""
        self.table.close()
        shutil.rmtree(self.folder / SPILL, ignore_errors=True)

    async def export(self, store: ReadStore, now: datetime) -> None:
        """The register as a table, as it is now, or was when the run began."""
        if self.table.marked("began_at") is None:
            self.table.mark("began_at", now.isoformat(timespec="seconds"))
        with self._timed("export"):
            await exporting.export(
                self.table, self.register, store, lambda n: self.told("export", n, None)
            )

    def choose(self) -> None:
        """The training, and the pairs that are candidates."""
        with self._timed("train"):
            # The file is for people: another run's may lie there.
            if (model := self.table.marked("model")) is None:
                self.table.prepare(self.options.shared)
                path = self.folder / MODEL
                model = linking.train(
                    self.table, self.register, path, lambda *done: self.told("train", *done)
                )
                self.table.mark("model", model)
        with self._timed("find"):
            if not self.table.marked("found"):
                linking.find(
                    self.table, model, self.options.least, lambda *done: self.told("find", *done)
                )
                self.table.order()
                self.table.mark("found", value=True)

    def judge(self) -> None:
        """Each candidate scored by the one scorer."""
        with self._timed("judge"):
            judging.judge(
                self.table,
                self.register,
                lambda *done: self.told("judge", *done),
                parts=self.options.parts,
            )

    async def send(self, send: Send, clock: Callable[[], datetime]) -> None:
        """Open the cases, a hundred in each command, some commands at once.

        What was compared is not kept any longer then: it is plain.
        """
        self._decide_what_is_sent()
        run, joined = self.table.marked("run"), judging.joined(self.table)
        total = -(-self.table.count("cases") // PAIRS_MAX)
        with self._timed("send"):
            for first in range(self.table.number("sent"), total, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, total))
                portions = [judging.portion(self.table, n, joined) for n in numbers]
                answers = await send(run, first, self._time(first, clock), portions)
                counts = Counter(self.table.marked("answers") or {})
                for answer in answers:
                    counts.update({name: len(answer[name]) for name in ANSWERED})
                with self.table.at_once():
                    self.table.mark("answers", dict(counts))
                    self.table.mark("sent", numbers.stop)
                self.told("send", numbers.stop, total)
        self.table.mark("counts", {name: self._count(name) for name in COUNTED})
        self.table.strip("done")

    def _decide_what_is_sent(self) -> None:
        """Leave out cases below the least score, before the first is sent: portions are counted."""
        begun_with, least = self.table.marked("begun_with"), self.options.score_min
        if "score_min" in begun_with:
            return
        with self.table.at_once():
            self.table.mark("cases_from", self._cases_from())
            self.table.mark("begun_with", {**begun_with, "score_min": least})
            self.table.keep(least)

    def _cases_from(self) -> dict[str, int]:
        """How many cases there are from some scores on."""
        kept: dict[str, int] | None = self.table.marked("cases_from")
        return kept or {str(score): self.table.scored(score) for score in SCORES}

    def _time(self, first: int, clock: Callable[[], datetime]) -> str:
        """The time of portions: kept, so that they are the same bytes whenever they go again."""
        kept = self.table.marked("time") or {}
        if kept.get("first") != first:
            now = clock().astimezone(UTC).isoformat(timespec="milliseconds")
            kept = {"first": first, "time": now.replace("+00:00", "Z")}
            self.table.mark("time", kept)
        return str(kept["time"])

    def _count(self, name: str) -> int:
        """Rows of a table, also when the run is done."""
        counts = self.table.marked("counts") or {}
        return int(counts[name]) if name in counts else self.table.count(name)

    def summary(self) -> dict[str, Any]:
        """What came of it, in figures."""
        marked, joined = self.table.marked, judging.joined(self.table)
        sizes = Counter(joined.values())
        answers = marked("answers") or {}
        return {
            "register": self.register.name,
            "folder": str(self.folder),
            "model": judging.MODEL,
            "began_at": marked("began_at"),
            "records": self._count("records"),
            "left_out": self.table.number("left_out"),
            "candidates": self._count("candidates"),
            "verdicts": dict(sorted((marked("verdicts") or {}).items())),
            "score_min": self.options.score_min,
            "cases": self.table.scored(self.options.score_min),
            "cases_from": self._cases_from(),
            "clusters": len(sizes),
            "largest_cluster": max(sizes.values(), default=0),
            "sent": {name: answers.get(name, 0) for name in ANSWERED} if marked("done") else None,
            "seconds": {name: round(spent, 1) for name, spent in (marked("seconds") or {}).items()},
            "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIBIBYTES,
        }

    def first_pairs(self, most: int) -> list[dict[str, Any]]:
        """What would be opened, the likeliest first, so that somebody may look before."""
        names = ("id", "other", "verdict", "score")
        rows = self.table.likeliest(most, self.options.score_min)
        return [dict(zip(names, row, strict=True)) for row in rows]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Seconds of a stage, over all the processes that have worked on it."""
        began = time.monotonic()
        with in_words(f"to {stage} with --memory {self.options.memory}"):
            yield
        seconds = self.table.marked("seconds") or {}
        spent = seconds.get(stage, 0.0) + time.monotonic() - began
        self.table.mark("seconds", seconds | {stage: spent})


def _made_by() -> dict[str, str]:
    """What makes rows, blocks, pairs and scores: with another one the rest would not fit."""
    return {"scorer": judging.MODEL, "flexspine": __version__, **linking.VERSIONS}


def _go_on(table: Table, folder: Path, wanted: Mapping[str, Any]) -> None:
    """Stop where the run in the folder is another one than is wanted."""
    kept = {"score_min": wanted["score_min"], **(table.marked("begun_with") or {})}
    if unsaid := [name for name in wanted if name not in kept]:
        raise AnalysisStopped(
            f"expected a run in {folder} that was begun by this version, got one that does not "
            f"say its {', '.join(unsaid)}. Begin anew with --anew, or name another --folder."
        )
    if changed := [name for name in wanted if kept[name] != wanted[name]]:
        begun, got = (
            ", ".join(f"{name} {one[name]}" for name in changed) for one in (kept, wanted)
        )
        raise AnalysisStopped(
            f"expected what the run in {folder} was begun with ({begun}), got {got}. "
            "Repeat that, name another --folder, or begin anew with --anew."
        )


def _parts(folder: Path) -> list[Path]:
    """The files of a run, the one that holds its marks last."""
    return [path for pattern in PARTS for path in sorted(folder.glob(pattern))]


def _claim(folder: Path) -> None:
    """Make the folder, or take one that is the run's alone, readable by its owner only."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & OTHERS:
            strange = sorted({*folder.iterdir()} - {*_parts(folder), folder / SPILL})
            if strange:
                raise AnalysisStopped(
                    f"expected that others than its owner may not read {folder}, or that nothing "
                    f"else is in it, got {strange[0].name} in a folder for others too. "
                    "Name a --folder that is not there yet."
                )
            folder.chmod(0o700)
    except OSError as error:
        raise AnalysisStopped(
            f"expected to keep the run in {folder}, got: {error.strerror}. "
            "Correct its rights, or name another --folder."
        ) from error


COUNTED: Final = ("records", "candidates")
"""Tables of which a run that is done keeps the size only."""
ANSWERED: Final = ("opened", "unchanged", "left")
"""What the reply to a portion counts."""
