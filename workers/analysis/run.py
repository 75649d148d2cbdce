"""One analysis of the register in its folder, stage after stage; a run that was ended goes on."""

import json
import resource
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from contracts.duplicates import PAIRS_MAX
from workers.analysis import exporting, judging, linking
from workers.analysis.options import AnalysisStopped, Options
from workers.analysis.table import Table, in_words
from workers.store.protocol import ReadStore

FILE: Final = "register.duckdb"
MODEL: Final = "model.json"
AT_ONCE: Final = 20
"""Portions that are sent before the mark is moved; those of a run that was ended go again."""
KIBIBYTES: Final = 1024

Told = Callable[[str, int, int | None], None]
"""A stage, what is done of it, and of how many where that is known."""
Send = Callable[[str, int, Sequence[Mapping[str, Any]]], Awaitable[Sequence[Mapping[str, Any]]]]
"""A run's name, the number of the first portion, and portions -> what each was answered with."""


@dataclass(slots=True)
class Analysis:
    """A run; what it has done is in its folder."""

    folder: Path
    options: Options
    told: Told
    table: Table

    @classmethod
    def open(cls, folder: Path, options: Options, told: Told) -> "Analysis":
        """Go on with what the folder holds; a run that is done, or is not wanted, begins anew."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        table = Table(folder / FILE, options.memory)
        if options.anew or table.marked("done"):
            table.close()
            for name in (FILE, f"{FILE}.wal", MODEL):
                (folder / name).unlink(missing_ok=True)
            table = Table(folder / FILE, options.memory)
        wanted = options.lasting()
        if (kept := table.marked("options") or wanted) != wanted:
            table.close()
            raise AnalysisStopped(
                f"expected the choices with which the run in {folder} was begun ({kept}), got "
                f"{wanted}. Repeat these, or begin anew with --anew."
            )
        if table.marked("run") is None:
            table.mark("run", uuid4().hex)
            table.mark("options", wanted)
        return cls(folder, options, told, table)

    def close(self) -> None:
        """Close the file, and take away what DuckDB has spilled."""
        self.table.close()
        shutil.rmtree(self.folder / "spill", ignore_errors=True)

    async def export(self, store: ReadStore, now: datetime) -> None:
        """The register as a table, as it is now, or was when the run began."""
        if self.table.marked("began_at") is None:
            self.table.mark("began_at", now.isoformat(timespec="seconds"))
        with self._timed("export"):
            await exporting.export(self.table, store, lambda n: self.told("export", n, None))

    def choose(self) -> None:
        """The training, and the pairs that are candidates."""
        path = self.folder / MODEL
        with self._timed("train"):
            if not path.exists():
                self.table.prepare(self.options.shared)
                linking.train(self.table, path, lambda *done: self.told("train", *done))
        with self._timed("find"):
            if not self.table.marked("found"):
                model = json.loads(path.read_text())
                linking.find(
                    self.table, model, self.options.least, lambda *done: self.told("find", *done)
                )
                self.table.order()
                self.table.mark("found", value=True)

    def judge(self) -> None:
        """Each candidate scored by the one scorer."""
        with self._timed("judge"):
            judging.judge(
                self.table, lambda *done: self.told("judge", *done), parts=self.options.parts
            )

    async def send(self, send: Send) -> None:
        """Open the cases, a hundred in each command, some commands at once."""
        run, joined = self.table.marked("run"), judging.joined(self.table)
        total = -(-self.table.count("cases") // PAIRS_MAX)
        with self._timed("send"):
            for first in range(self.table.number("sent"), total, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, total))
                portions = [judging.portion(self.table, n, joined) for n in numbers]
                answers = await send(run, first, portions)
                counts = Counter(self.table.marked("answers") or {})
                for answer in answers:
                    counts.update({name: len(answer[name]) for name in ANSWERED})
                with self.table.at_once():
                    self.table.mark("answers", dict(counts))
                    self.table.mark("sent", numbers.stop)
                self.told("send", numbers.stop, total)
        self.table.mark("done", value=True)

    def summary(self) -> dict[str, Any]:
        """What came of it, in figures."""
        marked, joined = self.table.marked, judging.joined(self.table)
        sizes = Counter(joined.values())
        answers = marked("answers") or {}
        return {
            "folder": str(self.folder),
            "model": judging.MODEL,
            "began_at": marked("began_at"),
            "records": self.table.count("records"),
            "left_out": self.table.number("left_out"),
            "candidates": self.table.count("candidates"),
            "verdicts": dict(sorted((marked("verdicts") or {}).items())),
            "cases": self.table.count("cases"),
            "clusters": len(sizes),
            "largest_cluster": max(sizes.values(), default=0),
            "sent": {name: answers.get(name, 0) for name in ANSWERED} if marked("done") else None,
            "seconds": {name: round(spent, 1) for name, spent in (marked("seconds") or {}).items()},
            "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIBIBYTES,
        }

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Seconds of a stage, over all the processes that have worked on it."""
        began = time.monotonic()
        with in_words(f"to {stage} with --memory {self.options.memory}"):
            yield
        seconds = self.table.marked("seconds") or {}
        spent = seconds.get(stage, 0.0) + time.monotonic() - began
        self.table.mark("seconds", seconds | {stage: spent})


ANSWERED: Final = ("opened", "unchanged", "left")
"""What the reply to a portion counts."""
