"""What an operator chooses of an analysis, and why one stops; known without the packages for it."""

import re
from dataclasses import dataclass
from typing import Any, Final

from contracts.duplicates import CaseKind
from workers.analysis.registers import REGISTERS

SHARED_MAX: Final = 50
"""Of a block that more records share nobody is a candidate."""
MEMORY: Final = "3GB"
"""What DuckDB keeps in memory at most; the rest it writes beside its file."""


class AnalysisStopped(Exception):
    """An analysis cannot begin or go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a run."""

    register: CaseKind = "assets"
    """Which register is looked through."""
    shared: int = SHARED_MAX
    at_least: float | None = None
    """From which probability on to look, where it is not that of the register."""
    memory: str = MEMORY
    parts: bool = True
    """Whether parts of one site are cases too."""
    anew: bool = False
    """Whether a run that is not done is thrown away."""
    score_from: float | None = None
    """The scorer's score from which on a case is opened, where it is not that of the register."""

    def __post_init__(self) -> None:
        """Refuse a size that DuckDB would not understand, before anything is made."""
        if not _SIZE.fullmatch(self.memory):
            raise AnalysisStopped(
                f"expected for --memory a number with KB, MB, GB or TB, got {self.memory!r}. "
                f"Write it as {MEMORY}."
            )

    @property
    def least(self) -> float:
        """Probability, by what Splink has learned, from which on a pair is a candidate."""
        own = self.at_least
        return REGISTERS[self.register].least if own is None else own

    @property
    def score_min(self) -> float:
        """The score, by the scorer of the registrations, from which on a case is opened."""
        own = self.score_from
        return REGISTERS[self.register].score_min if own is None else own

    def lasting(self) -> dict[str, Any]:
        """Those that decide what is found, and stay the same until the run is done."""
        return {name: getattr(self, name) for name in _LASTING}


_SIZE: Final = re.compile(r"[0-9]+(\.[0-9]+)?[KMGT]i?B", re.IGNORECASE)
_LASTING: Final = ("register", "shared", "least", "parts")
