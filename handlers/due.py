"""Timers whose time has come: by its kind, what follows."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.notices import NoticeDue
from handlers.changing import remind, remind_reads
from handlers.decision import Context, Handled, Reads, View
from handlers.expiring import expire, expire_reads
from handlers.gathered import tell_gathered, tell_gathered_reads
from handlers.lapsing import lapse, lapse_reads
from handlers.leaving import leave, leave_reads
from handlers.objects import expire_object, expire_object_reads
from handlers.timing import CHANGES, FAREWELL, GATHERED, LAPSES, OBJECTS, SHARING

BY_KIND: Final[Mapping[str, tuple[Any, Any]]] = {
    GATHERED: (tell_gathered, tell_gathered_reads),
    SHARING: (expire, expire_reads),
    CHANGES: (remind, remind_reads),
    LAPSES: (lapse, lapse_reads),
    OBJECTS: (expire_object, expire_object_reads),
    FAREWELL: (leave, leave_reads),
}
"""Kind of timer -> what follows, and what that reads; each drops the timer's row."""


def due_reads(fact: NoticeDue, context: Context) -> Reads:
    """What the kind of the timer looks at."""
    _, of_kind = BY_KIND[fact.kind]
    yield from of_kind(fact, context)


def due(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Do what the kind of the timer says, once: who comes later finds no timer."""
    decide, _ = BY_KIND[fact.kind]
    done: Handled = decide(fact, view, context)
    return done
