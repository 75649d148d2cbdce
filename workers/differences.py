"""What a rebuild finds to be other than the archive says, as lines that can be read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DIFFERENCES_MAX: Final = 1000
"""How many differences are kept; all are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as the archive says it was."""

    place: str
    """Batch and index of the entry; empty for what is of no batch."""
    what: str
    """`revision`, `decision`, `write`, `unreadable` or `document`."""
    collection: str
    """Of a decision the type of the command."""
    key: str
    said: str
    """What is the matter with it; names of fields, and never what they hold."""

    def __str__(self) -> str:
        parts = (self.place, self.what, f"{self.collection} {self.key}", self.said)
        return ": ".join(part for part in parts if part)


@dataclass(slots=True)
class Report:
    """What was applied, what of it was decided again, and everything that differs."""

    batches: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    """By what became of them: verified, different, or why they could not be verified."""
    writes: int = 0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)

    def differ(self, place: str, what: str, named: tuple[str, Any], said: str) -> None:
        """Count one difference, and keep it while there is room."""
        self.found += 1
        if len(self.differences) < DIFFERENCES_MAX:
            one = Difference(place, what, named[0], key_in_words(named[1]), said)
            self.differences.append(one)


def key_in_words(key: object) -> str:
    """The key of a document on one line: of an inbox row its user and id, `operator/1234`."""
    if isinstance(key, Mapping):
        return "/".join(map(str, key.values()))
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def fields_in_words(was: object, now: object) -> str:
    """In which fields two documents differ, without what these hold."""
    if not isinstance(was, Mapping) or not isinstance(now, Mapping):
        return "it differs"
    absent = object()
    names = sorted(was.keys() | now.keys())
    return "other " + ", ".join(n for n in names if was.get(n, absent) != now.get(n, absent))
