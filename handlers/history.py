"""A user's history: what its record was at a moment, by what was known at another, and since."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from contracts.history import CHANGES_MAX, ReadUserHistory, UserChange, UserHistory
from contracts.messages import Contract
from contracts.users import UserView
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.documents import history_id, said_by
from handlers.erasing import tombstone
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.user_rules import user_not_found
from handlers.users import shown_user
from handlers.visibility import Standing, seen, standing_reads

REVISIONS_MAX: Final = 5000
"""Of how many changes a record is put together again."""
OPEN: Final = frozenset({"kind", "status", "status_at", "roles", "sub_roles"})
"""What whoever is related to a user may see of it, beside the groups."""


def _history_reads(query: ReadUserHistory, context: Context) -> Reads:
    yield from standing_reads("users", query.id, context.sender.user)


@reads(_history_reads)
def read_user_history(query: ReadUserHistory, view: View, context: Context) -> Contract | Rejected:
    """Answer with what the asker may see now: of the record as it was, and of each change.

    A user's rows are found by their ids, which say the revision.
    Rejects: user.not-found, cursor.foreign, user.history-too-long
    Source: U8.
    """
    found = seen("users", query.id, view, context)
    if found is None:
        return user_not_found(query.id)
    document, standing = found
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    is_first = query.cursor is None
    if is_first and document["revision"] > REVISIONS_MAX and _asks_for_a_past(query):
        return _too_long(document)
    after = int(after_of(query.cursor, question, context) or 0)
    upto = min(document["revision"], after + CHANGES_MAX) if query.changes else 0
    whole = range(1, document["revision"] + 1) if is_first and _asks_for_a_past(query) else ()
    wanted = sorted({*whole, *range(after + 1, upto + 1)})
    view.require(("history", history_id(query.id, revision)) for revision in wanted)
    rows = _rows(query, wanted, view)
    if "erased_at" in document:
        # Some may not have been gone through yet.
        rows = [tombstone(row, document["erased_at"]) for row in rows]
    further = query.changes and upto < document["revision"]
    return UserHistory(
        id=query.id,
        was=_was(query, document, rows, standing) if is_first else None,
        changes=tuple(_changes([r for r in rows if after < r["revision"] <= upto], standing)),
        cursor=cursor_of(str(upto), question, context) if further else None,
    )


def _question(query: ReadUserHistory) -> str:
    """The state is asked for once; what is known is part of every page's question."""
    return f"user.history/{query.id}/{_text(query.as_of)}/{_text(query.known_at)}"


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _asks_for_a_past(query: ReadUserHistory) -> bool:
    return query.as_of is not None or query.known_at is not None


def _rows(query: ReadUserHistory, wanted: Sequence[int], view: View) -> list[Document]:
    """The rows of the revisions, as far as they were known then."""
    found = (view.get("history", history_id(query.id, revision)) for revision in wanted)
    return [
        row
        for row in found
        if row is not None and (query.known_at is None or row["at"] <= query.known_at)
    ]


def _was(
    query: ReadUserHistory, document: Document, rows: Sequence[Document], standing: Standing
) -> UserView | None:
    """The record as of a moment; a change that is dated before its registration makes none."""
    if not _asks_for_a_past(query):
        return shown_user(document, standing)
    state = laid_over(rows, query.as_of)
    return shown_user({"_id": query.id, **state}, standing) if state else None


def laid_over(rows: Sequence[Document], as_of: datetime | None) -> dict[str, Any]:
    """A record as of a moment: each change that holds by then, laid over those before it.

    Before its registration there is nothing.
    """
    held = [row for row in rows if as_of is None or row["valid_from"] <= as_of]
    state: dict[str, Any] = {}
    if not held or held[0]["revision"] != 1:
        return state
    for row in held:
        kept = {n: v for n, v in state.items() if n not in row["removed"]}
        state = {**kept, **row["values"], "revision": row["revision"]}
    return state


def _changes(rows: Sequence[Document], standing: Standing) -> Iterator[UserChange]:
    for row in rows:
        erased = row.get("erased", [])
        names = {*row["values"], *row["removed"], *erased}
        # Of an erased user's record the groups are named to whom they would have been named.
        changed = sorted({*standing.names(sorted(names)), *(names & OPEN)})
        if not changed:
            continue
        yield UserChange(
            revision=row["revision"],
            recorded_at=row["at"],
            valid_from=row["valid_from"],
            by=row["by"],
            changed=tuple(changed),
            values=_values(row["values"], changed),
            erased_at=row.get("erased_at"),
        )


def _values(values: Mapping[str, Any], changed: Sequence[str]) -> dict[str, Any]:
    """The values that may be read; one whose key was destroyed is not there any more."""
    plain = ((name, said_by(value)) for name, value in values.items() if name in changed)
    return {name: value for name, value in plain if value is not None}


def _too_long(document: Document) -> Rejected:
    return reject(
        finding(
            "user.history-too-long",
            "as_of",
            expected=f"a user with at most {REVISIONS_MAX} changes",
            got=document["revision"],
            advice="Read the changes, without a moment, and put the record together from them.",
        )
    )
