"""Telling again: a page of what a user was told, as far as it may see it now."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from contracts.messages import register_of_entity
from contracts.notices import ReplayAsked, ReplayEnded
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Put, Reads, Told, View
from handlers.entry import sender_of
from handlers.kinds import NAMES
from handlers.post import Post, event_row
from handlers.senders import RESERVED, Sender
from handlers.spans import Span
from handlers.visibility import Standing, again, mandate_read, own, standing_reads, standing_to
from handlers.watching import may_watch

PAUSE: Final = timedelta(milliseconds=500)
"""Between two pages: a replay takes a part of the lane only, and is about as fast as the events of
one user leave, each after the confirm of the one before: what is new to it waits behind them."""


def _span(fact: ReplayAsked, context: Context) -> Span:
    after = context.cursor or event_row(fact.id, fact.from_sequence - 1)
    return Span("recipient", fact.id, after)


def replay_reads(fact: ReplayAsked, context: Context) -> Reads:
    """A page of what the user was told, the record of the replay, and the user's count."""
    yield "replays", fact.id
    yield "sequences", fact.id
    if fact.id not in RESERVED:
        yield "users", fact.id
    yield "events", _span(fact, context)


def replay(fact: ReplayAsked, view: View, context: Context) -> Handled:
    """Tell a page again, filtered by what its reader may see now; then the next page, or the end.

    Each page says in the record that the replay is alive. One that a later replay has taken the
    place of, because nothing was heard of it for long, ends itself.
    Source: U5.
    """
    keyed_to, was = unattributed(context.now), view.get("replays", fact.id)
    if was is None or (was["run"], was["state"]) != (fact.run, "running"):
        return Handled(keyed_to)
    rows, further = view.page("events", _span(fact, context))
    wanted = [row for row in rows if _is_wanted(row, fact)]
    standings = _standings(wanted, fact, view, context)
    told = tuple(filter(None, (_told(row, fact, standings) for row in wanted)))
    is_last = not further or further >= event_row(fact.id, fact.upto)
    first = was["first"] or (wanted[0]["sequence"] if wanted else None)
    record: dict[str, Any] = {**was, "at": context.now, "told": was["told"] + len(told)}
    record["first"] = first
    record |= {"revision": was["revision"] + 1, "state": "ended" if is_last else "running"}
    if not is_last:
        return Handled(keyed_to, (Put("replays", record, was),), told, further, PAUSE)
    post = Post(view, context)
    ended = ReplayEnded(
        id=fact.id, from_sequence=first or fact.upto + 1, upto=fact.upto, told=record["told"]
    )
    post.send(own(fact.id, ended), ReplayEnded.message_type, fact.id)
    return Handled(keyed_to, (Put("replays", record, was), *post.writes), (*told, *post.told))


def _is_wanted(row: Document, fact: ReplayAsked) -> bool:
    late_enough = fact.from_time is None or row["at"] >= fact.from_time
    return bool(row["sequence"] <= fact.upto and late_enough)


def _mentioned(row: Document) -> Iterator[str]:
    """Whom and what an event tells of: its subject, and what a digest sums up."""
    yield str(row["subject"])
    data = row["data"].value or {}
    yield from data.get("subjects", ())
    yield from data.get("readers") or ()


def _standings(
    rows: Iterable[Document], fact: ReplayAsked, view: View, context: Context
) -> Mapping[str, Standing]:
    """What the reader is by now to everything that a page tells of, but for itself."""
    subjects = {subject for row in rows for subject in _mentioned(row)} - {fact.id}
    view.require(key for s in subjects for key in standing_reads(register_of_entity(s), s, fact.id))
    view.require(mandate_read(view.get(register_of_entity(s), s), fact.id) for s in subjects)
    # What a reserved identity was told, it was told as what it is; of others, roles make no party.
    roles = RESERVED.get(fact.id, frozenset())
    reader = Sender(fact.id, roles, sender_of(fact.id, view).status)
    return {
        s: standing_to((register, s), view.get(register, s), reader, view, context.now)
        for s, register in ((s, register_of_entity(s)) for s in sorted(subjects))
    }


def _read_still(data: Mapping[str, Any], standings: Mapping[str, Standing]) -> Mapping[str, Any]:
    """What a digest sums up, with the readers of those assets alone that may still be watched."""
    if (readers := data.get("readers")) is None:
        return data
    return {**data, "readers": {a: by for a, by in readers.items() if may_watch(standings[a])}}


def _told(row: Document, fact: ReplayAsked, standings: Mapping[str, Standing]) -> Told | None:
    """One event as it is told again; None where its reader may not know of it any more."""
    data: Mapping[str, Any] | None = row["data"].value
    if data is None:
        return None
    subject = str(row["subject"])
    unknown = frozenset(s for s, standing in standings.items() if not standing.may_see)
    # What names its reader is about the reader, who may be nothing to the subject any more.
    names_reader = data.get(NAMES.get(row["type"], "")) == fact.id
    standing = None if names_reader else standings.get(subject)
    visible = again(fact.id, standing, _read_still(data, standings), unknown)
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
