"""Telling again: a page of what a user was told, as far as it may see it now."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from contracts.notices import ReplayAsked
from contracts.taxonomy import USER_PREFIX
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Put, Reads, Sender, Span, Told, View
from handlers.post import event_row
from handlers.visibility import again, mandate_read, standing_reads, standing_to

PAUSE: Final = timedelta(milliseconds=200)
"""Between two pages: a replay takes no more than a part of the lane."""


def _span(fact: ReplayAsked, context: Context) -> Span:
    after = context.cursor or event_row(fact.id, fact.from_sequence - 1)
    return Span("recipient", fact.id, after)


def replay_reads(fact: ReplayAsked, context: Context) -> Reads:
    """A page of what the user was told, and the record of the replay."""
    yield "replays", fact.id
    yield "events", _span(fact, context)


def replay(fact: ReplayAsked, view: View, context: Context) -> Handled:
    """Tell a page again, filtered by what its reader may see now; then the next page, or the end.

    Source: U5.
    """
    rows, further = view.page("events", _span(fact, context))
    wanted = [row for row in rows if _is_wanted(row, fact)]
    subjects = {str(row["subject"]) for row in wanted} - {fact.id}
    view.require(
        key for subject in subjects for key in standing_reads(_register(subject), subject, fact.id)
    )
    view.require(mandate_read(view.get(_register(s), s), fact.id) for s in subjects)
    told = (_told(row, fact, view, context) for row in wanted)
    keyed_to = unattributed(context.now)
    is_last = not further or further >= event_row(fact.id, fact.upto)
    if not is_last:
        return Handled(keyed_to, (), tuple(filter(None, told)), further, PAUSE)
    was = view.get("replays", fact.id)
    ended: tuple[Put, ...] = ()
    if was is not None:
        after = {"state": "ended", "at": context.now, "revision": was["revision"] + 1}
        ended = (Put("replays", {**was, **after}, was),)
    return Handled(keyed_to, ended, tuple(filter(None, told)))


def _is_wanted(row: Document, fact: ReplayAsked) -> bool:
    late_enough = fact.from_time is None or row["at"] >= fact.from_time
    return bool(row["sequence"] <= fact.upto and late_enough)


def _register(subject: str) -> str:
    return "users" if subject.startswith(f"{USER_PREFIX}-") else "assets"


def _told(row: Document, fact: ReplayAsked, view: View, context: Context) -> Told | None:
    """One event as it is told again; None where its reader may not know of it any more."""
    data: Mapping[str, Any] | None = row["data"].value
    if data is None:
        return None
    subject, standing = str(row["subject"]), None
    if subject != fact.id:
        reader, register = Sender(fact.id, frozenset(), "confirmed"), _register(subject)
        document = view.get(register, subject)
        standing = standing_to((register, subject), document, reader, view, context.now)
    visible = again(fact.id, standing, data)
    if visible is None:
        return None
    return Told(
        id=row["event"],
        visible=visible,
        type=row["type"],
        sequence=row["sequence"],
        at=row["at"],
        subject=subject,
        causation=row["causation"],
        is_replayed=True,
    )
