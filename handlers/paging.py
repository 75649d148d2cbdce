"""Cursors: where a page ends, signed, so that they fit their asker and its question alone."""

from collections.abc import Iterator
from typing import Final

from contracts.envelope import Finding
from handlers.decision import Context
from handlers.rules import finding

SIGNATURE: Final = 32
_SEPARATOR: Final = "~"


def cursor_of(after: str, question: str, context: Context) -> str:
    """The cursor with which the asker of a question gets what is behind `after`."""
    return f"{after}{_SEPARATOR}{_signature(after, question, context)}"


def after_of(cursor: str | None, question: str, context: Context) -> str:
    """Where a page begins; of what is not ours, at the beginning (see `foreign`)."""
    if cursor is None:
        return ""
    after, _, signature = cursor.rpartition(_SEPARATOR)
    return after if signature == _signature(after, question, context) else ""


def foreign(cursor: str | None, question: str, context: Context) -> Iterator[Finding]:
    """Refuse a cursor that was given to another, or for another question."""
    if cursor is not None and not after_of(cursor, question, context):
        yield finding(
            "cursor.foreign",
            "cursor",
            expected="the cursor of an answer to this question of yours",
            advice="Ask without a cursor to begin anew, and change nothing else between pages.",
        )


def _signature(after: str, question: str, context: Context) -> str:
    said = f"{context.sender.user}\x1f{question}\x1f{after}"
    return context.identity.fingerprint("cursor", said)[:SIGNATURE]
