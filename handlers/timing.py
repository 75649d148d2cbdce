"""Timers as documents: what waits for a time, by kinds; deciding on one deletes its row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

TIMERS: Final = "timers"
GATHERED: Final = "gathered"
"""Kind of timer: a pot of notices is told."""
SHARING: Final = "sharing"
"""Kind of timer: what is shared comes to its end."""
CHANGES: Final = "changes"
"""Kind of timer: it is looked who has not acknowledged."""
LAPSES: Final = "lapses"
"""Kind of timer: a planned asset is overdue."""
OBJECTS: Final = "objects"
"""Kind of timer: an object is deleted."""
FAREWELL: Final = "farewell"
"""Kind of timer: who has retired itself is let in no more."""


def timer_id(due: datetime, name: str) -> str:
    """Id of a timer's row; the rows sort by their time."""
    return f"{due:%Y%m%dT%H%M%S.%f}/{name}"


def name_of(timer: str) -> str:
    """What a timer is for, out of its id."""
    return timer.partition("/")[2]


def timer_row(kind: str, due: datetime, user: str) -> Mapping[str, Any]:
    """What a new timer says: of which kind it is, when it comes, and whose it is."""
    return {"state": "waiting", "kind": kind, "due": due, "user": user}
