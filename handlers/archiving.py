"""What the archive keeps of a written document in clear, and with whose erasure the rest goes."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.dead import DiscardDead, NoteDead, ReplayDead
from contracts.dead_edits import ApproveDead, EditDead
from contracts.messages import register_of_entity
from handlers.bookkeeping import REGISTERS
from handlers.case import Outcome
from handlers.decision import Document, Put
from handlers.erasing import REMAINS

COMMANDS: Final = frozenset({"accepted", "rejected"})
FACTS: Final = frozenset({"handled", "continued"})
LEFT_OUT: Final = frozenset(
    {
        "inbox",
        "events",
        "dead_letters",
        "dead_contents",
        "dead_notes",
        "dead_runs",
        "dead_edits",
        "losses",
        "parked",
    }
)
"""Collections that no rebuild needs of the archive: the first is made again from the entries, the
others tell of what was said, failed or waited."""
UNREPEATED: Final = frozenset(
    one.message_type for one in (ReplayDead, DiscardDead, NoteDead, EditDead, ApproveDead)
)
"""Commands that a rebuild does not decide again: they rest on dead letters, which it has not.

All that they write is left out.
"""
REDERIVED: Final = frozenset({"history", "object_chunks"})
"""Left out where a command wrote them: they follow from its other writes and from its body."""
SUBJECTS: Final[Mapping[str, str]] = {
    "users": "_id",
    "directory": "_id",
    "changes": "_id",
    "subscriptions": "_id",
    "claims": "holder",
    "evidence": "user",
    "interests": "user",
    "links": "entity",
    "proofs": "person",
    "placements": "person",
    "places": "person",
}
"""Collection -> the field that names with whose erasure a document goes, or what of it does."""


def gone_with(collection: str, document: Document) -> str | None:
    """The user under whose data key the archive keeps a document; None for one that outlasts all.

    These are the rows that an erasure drops or rewrites; what it leaves stands in clear here too.
    """
    subject = document.get(SUBJECTS.get(collection, ""))
    if isinstance(subject, str) and register_of_entity(subject) == "users":
        return subject
    return None


OUTLASTED: Final = frozenset({"users"})
"""Collections of whose documents something outlasts the erasure of its user."""


def remaining(document: Document) -> Document:
    """What of a user outlasts its erasure."""
    return {name: value for name, value in document.items() if name in REMAINS}


def is_kept(outcome: Outcome, collection: str) -> bool:
    """Whether the archive keeps what an outcome writes to a collection."""
    if collection in LEFT_OUT:
        return False
    return outcome.kind in FACTS or collection not in REDERIVED


def named_changes(outcome: Outcome) -> Mapping[str, dict[str, Any]]:
    """By entity, which fields a command has given and taken away: history without its values."""
    return {
        write.document["entity"]: {
            "names": sorted(write.document["values"]),
            "removed": write.document["removed"],
        }
        for write in outcome.writes
        if isinstance(write, Put) and write.collection == "history" and outcome.kind in COMMANDS
    }


def has_history(collection: str) -> bool:
    """Whether a command's write to the collection has a row of history beside it."""
    return collection in REGISTERS
