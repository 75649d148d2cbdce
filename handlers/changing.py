"""Changes of shared data: who is told, who has acknowledged, and who has not for long.

Nothing is kept per change and party: of a user the latest changes of each group, in a tie up to
which revision its party has acknowledged; what is pending follows from both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.changes import (
    AcknowledgeChange,
    ChangeAcknowledged,
    ChangeState,
    ChangeUnacknowledged,
    ListPending,
    Pending,
    PendingPage,
)
from contracts.envelope import Finding
from contracts.messages import Contract
from contracts.notices import NoticeDue
from contracts.updates import UserUpdated
from handlers.bookkeeping import unattributed
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Handled,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.edges import COUNTED, READER, RELATIONS, edge, shared
from handlers.paging import after_of, cursor_of, foreign
from handlers.post import Post
from handlers.rights import GRANTABLE
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.telling import tell, tell_reads
from handlers.timing import CHANGES as KIND
from handlers.timing import TIMERS, timer_id, timer_row
from handlers.visibility import mandate_read, own, seen, standing_reads

CHANGES: Final = "changes"
"""Collection: for a user when each group that can be shared was changed."""
WAIT_DAYS: Final = 14
"""After how many days a user is told that a change of its data was not acknowledged."""
CHANGES_MAX: Final = 20
"""How many changes of a group are remembered: of more that one party misses, the first is then
taken for later than it was."""
_QUESTION: Final = "change.pending"


@dataclass(frozen=True, slots=True)
class Missed:
    """What one party has not acknowledged."""

    groups: tuple[str, ...]
    since: datetime
    revision: int


def missed(row: Document, changes: Document | None, now: datetime) -> Missed | None:
    """What a party has not acknowledged of what was shared with it at the change, and still is."""
    known, readable = row.get("acknowledged", 0), shared(row, now)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for group, made in (changes or {}).get("groups", {}).items():
        new = [one for one in made if one["revision"] > known and group in shared(row, one["at"])]
        if new and group in readable:
            found[group] = new
    if not found:
        return None
    every = [one for new in found.values() for one in new]
    return Missed(
        groups=tuple(sorted(found)),
        since=min(one["at"] for one in every),
        revision=max(one["revision"] for one in every),
    )


def spread_reads(fact: UserUpdated, context: Context) -> Reads:
    """Whom it is told, and what has changed before."""
    yield from tell_reads(fact, context)
    if context.cursor is None:
        yield CHANGES, fact.id


def spread(fact: UserUpdated, view: View, context: Context) -> Handled:
    """Tell everyone who may read what has changed, and remember when it was.

    Source: U9.
    """
    done = tell(fact, view, context)
    if context.cursor is not None:
        return done
    return replace(done, writes=(*done.writes, *_remembered(fact, view, context)))


def _remembered(fact: UserUpdated, view: View, context: Context) -> Iterator[Put]:
    groups = {name.partition(".")[0] for name in fact.changed} & GRANTABLE
    if not groups:
        return
    was = view.get(CHANGES, fact.id)
    before = was or {"groups": {}, "timer": None}
    at = context.at or context.now
    entry = {"revision": fact.revision, "at": at}
    more = {g: [*before["groups"].get(g, ()), entry][-CHANGES_MAX:] for g in sorted(groups)}
    timer = before["timer"]
    if timer is None:
        due = at + timedelta(days=WAIT_DAYS)
        timer = _timer(fact.id, due)
        yield Put(TIMERS, {"_id": timer, "revision": 1, **timer_row(KIND, due, fact.id)})
    revision = was["revision"] + 1 if was is not None else 1
    document = {"_id": fact.id, "revision": revision, "timer": timer}
    yield Put(CHANGES, {**document, "groups": {**before["groups"], **more}}, was)


def _timer(user: str, due: datetime) -> str:
    return timer_id(due, f"{user}/{KIND}")


def _acknowledge_reads(command: AcknowledgeChange, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield mandate_read(None, context.sender.user)
    yield CHANGES, command.id


@reads(_acknowledge_reads)
def acknowledge_change(command: AcknowledgeChange, view: View, context: Context) -> Decision:
    """Record up to which revision the sender has taken over what a user shares with it.

    Whoever reads nothing of a user is told the same as of one that there is not.
    Rejects: change.not-shared, change.revision-old, change.revision-ahead
    Source: U9.
    """
    user, party = command.id, context.sender.user
    found = seen("users", user, view, context)
    was = view.get(RELATIONS, edge(user, party))
    if found is None or was is None or READER not in found[1].held:
        return _not_shared(user)
    known = was.get("acknowledged", 0)
    state = ChangeState(id=user, party=party, revision=command.revision)
    if command.revision == known:
        return Accepted(user, state, user)
    lacking = missed(was, view.get(CHANGES, user), context.now)
    least = max(known, lacking.revision if lacking is not None else 0)
    if findings := tuple(_unfit(command.revision, least, found[0]["revision"])):
        return reject(*findings)
    after = {**was, "acknowledged": command.revision, "revision": was["revision"] + 1}
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=state,
        writes=(Put(RELATIONS, after, was),),
        events=(ChangeAcknowledged(id=user, by=party, revision=command.revision),),
    )


def _unfit(revision: int, least: int, now: int) -> Iterator[Finding]:
    if revision > now:
        yield finding(
            "change.revision-ahead",
            "revision",
            expected=f"a revision that there is: at most {now}",
            got=revision,
            advice="Take the revision from the answer to `user.get.v1`.",
        )
    elif revision < least:
        yield finding(
            "change.revision-old",
            "revision",
            expected=f"a revision from {least} on",
            got=revision,
            advice="Read the data again with `user.get.v1`, and acknowledge its revision.",
        )


def _not_shared(user: str) -> Rejected:
    return reject(
        finding(
            "change.not-shared",
            "id",
            expected="the id of a user who shares data with you",
            got=user,
            advice="Ask with `sharing.list.v1` what is shared with you.",
        )
    )


def _pending_reads(query: ListPending, context: Context) -> Reads:
    yield CHANGES, context.sender.user
    yield RELATIONS, _page(query, context)


def _page(query: ListPending, context: Context) -> Span:
    return Span("entity", context.sender.user, after_of(query.cursor, _QUESTION, context))


@reads(_pending_reads)
def list_pending(query: ListPending, view: View, context: Context) -> Contract | Rejected:
    """Answer with those who have not acknowledged a change of the asker's data.

    Rejects: cursor.foreign
    Source: U9.
    """
    if findings := tuple(foreign(query.cursor, _QUESTION, context)):
        return reject(*findings)
    rows, further = view.page(RELATIONS, _page(query, context))
    found = _missing(rows, view.get(CHANGES, context.sender.user), view, context.now)
    return PendingPage(
        pending=tuple(
            Pending(party=party, groups=one.groups, since=one.since, revision=one.revision)
            for party, one in found.items()
        ),
        cursor=cursor_of(further, _QUESTION, context) if further else None,
    )


def _missing(
    rows: Sequence[Document], changes: Document | None, view: View, now: datetime
) -> Mapping[str, Missed]:
    """By party what it has not acknowledged; who may not read it yet has nothing to acknowledge."""
    found = {row["party"]: one for row in rows if (one := missed(row, changes, now)) is not None}
    view.require(("users", party) for party in found)
    users = {party: view.get("users", party) for party in found}
    return {
        party: one for party, one in found.items() if (users[party] or {}).get("status") in COUNTED
    }


def remind_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, what has changed, a page of those who may read it, and the user's count."""
    yield TIMERS, fact.timer
    yield CHANGES, fact.id
    yield "sequences", fact.id
    yield RELATIONS, Span("entity", fact.id, context.cursor or "")


def remind(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Count who has not acknowledged for long, a page at a time, and tell the user how many.

    Source: U9.
    """
    keyed_to, post = unattributed(context.now), Post(view, context)
    timer, changes = view.get(TIMERS, fact.timer), view.get(CHANGES, fact.id)
    if timer is None:
        return Handled(keyed_to)
    if changes is None:
        # Its user was erased: without this the timer would be announced for ever.
        post.drop(TIMERS, fact.timer)
        return Handled(keyed_to, post.writes)
    rows, further = view.page(RELATIONS, Span("entity", fact.id, context.cursor or ""))
    upto = timer["due"] - timedelta(days=WAIT_DAYS)
    late = [m for m in _missing(rows, changes, view, context.now).values() if m.since <= upto]
    count = timer.get("count", 0) + len(late)
    times = [one.since for one in late] + ([timer["since"]] if timer.get("since") else [])
    if further:
        post.put(TIMERS, fact.timer, {"count": count, "since": min(times, default=None)})
        return Handled(keyed_to, post.writes, cursor=further)
    post.drop(TIMERS, fact.timer)
    post.put(CHANGES, fact.id, {"timer": _next(fact.id, changes, upto, post)})
    if count:
        told = ChangeUnacknowledged(id=fact.id, count=count, days=WAIT_DAYS, since=min(times))
        post.send(own(fact.id, told), ChangeUnacknowledged.message_type, fact.id)
    return Handled(keyed_to, post.writes, tuple(post.told))


def _next(user: str, changes: Document, upto: datetime, post: Post) -> str | None:
    """The timer of the first change that had not waited for long by now, if there is one."""
    made = (one["at"] for entries in changes["groups"].values() for one in entries)
    first = min((at for at in made if at > upto), default=None)
    if first is None:
        return None
    due = first + timedelta(days=WAIT_DAYS)
    post.add(TIMERS, key := _timer(user, due), timer_row(KIND, due, user))
    return key
