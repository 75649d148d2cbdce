"""The notices' commands and queries: what a user chooses, is told again, and has to do."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from contracts.envelope import Finding
from contracts.messages import Contract
from contracts.notices import (
    Choice,
    CloseNotices,
    ListNotices,
    Notice,
    NoticePage,
    NoticesState,
    ReplayAsked,
    ReplayEvents,
    ReplayState,
    SetSubscription,
    SubscriptionState,
)
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Drop,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.kinds import KINDS
from handlers.paging import after_of, cursor_of, foreign
from handlers.post import DIGEST_MINUTES, shelf
from handlers.rules import check, finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.watching import unwatchable, watch_reads, watched

REPLAY_PAUSE: Final = timedelta(seconds=5)
"""How long after the end of a replay its user may ask for the next one."""
REPLAY_SILENCE_MAX: Final = timedelta(minutes=10)
"""After how long without a page a replay counts as dead, as when its fact is a dead letter."""
CHOICES_MAX: Final = 1000
"""How many assets a user may choose for one by one."""
BY_TYPE: Final = {kind.message_type: rule for kind, rule in KINDS.items()}


def _subscription_reads(command: SetSubscription, context: Context) -> Reads:
    yield "subscriptions", context.sender.user
    yield from watch_reads(command, context)


@reads(_subscription_reads)
def set_subscription(command: SetSubscription, view: View, context: Context) -> Decision:
    """Keep what the sender chooses, beside what it has chosen before.

    Rejects: notice.kind-unknown, notice.mandatory, subscription.too-many,
        subscription.access-unknown, subscription.access-crowded
    Source: U5, A6a.
    """
    findings = (*_unfit(command), *unwatchable(command, view, context))
    if findings:
        return reject(*findings)
    user = context.sender.user
    was = view.get("subscriptions", user)
    before = was or {}
    chosen: dict[str, Any] = {
        "kinds": _merged(before.get("kinds", {}), command.kinds),
        "assets": _merged(before.get("assets", {}), command.assets),
        "areas": _merged(before.get("areas", {}), command.areas),
        "digest_minutes": command.digest_minutes or before.get("digest_minutes", DIGEST_MINUTES),
        "access": sorted(
            set(before.get("access", ()) if command.access is None else command.access)
        ),
        "broadcasts": before.get("broadcasts", False)
        if command.broadcasts is None
        else command.broadcasts,
    }
    if len(chosen["assets"]) > CHOICES_MAX:
        return reject(
            finding(
                "subscription.too-many",
                "assets",
                expected=f"at most {CHOICES_MAX} assets with a choice of their own",
                got=len(chosen["assets"]),
                advice="Choose by area or by kind instead.",
            )
        )
    unchanged = was is not None and all(was.get(name) == value for name, value in chosen.items())
    revision = before.get("revision", 0) + (not unchanged)
    document = {"_id": user, "revision": revision, **chosen}
    watches: tuple[Put | Drop, ...] = ()
    if command.access is not None:
        watches = tuple(watched(before.get("access", ()), chosen["access"], view, context))
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=SubscriptionState(id=user, revision=revision, **chosen),
        writes=watches if unchanged else (Put("subscriptions", document, was), *watches),
    )


def _merged(
    before: Mapping[str, Choice], said: Mapping[str, Choice | None] | None
) -> dict[str, Choice]:
    """What is chosen by now: null withdraws a choice, what is absent stays."""
    both = {**before, **(said or {})}
    return {name: choice for name, choice in both.items() if choice is not None}


def _unfit(command: SetSubscription) -> Iterator[Finding]:
    for name, choice in (command.kinds or {}).items():
        kind = BY_TYPE.get(name)
        if kind is None:
            yield finding(
                "notice.kind-unknown",
                f"kinds.{name}",
                expected=f"one of {', '.join(sorted(BY_TYPE))}",
                got=name,
                advice="Choose for types of event that the page on notices lists.",
            )
        elif kind.mandatory and choice not in {"now", None}:
            yield finding(
                "notice.mandatory",
                f"kinds.{name}",
                expected="`now`, since it is mandatory",
                got=choice,
                advice="Leave it out; this one always comes.",
            )


def _replay_reads(command: ReplayEvents, context: Context) -> Reads:
    yield "sequences", context.sender.user
    yield "replays", context.sender.user


@reads(_replay_reads)
def replay_events(command: ReplayEvents, view: View, context: Context) -> Decision:
    """Begin to tell the sender again what it was told before; one replay at a time.

    Rejects: event.replay-running, event.replay-too-soon, event.replay-range
    Source: the requirement's assumption that a participant may be offline.
    """
    user = context.sender.user
    counter, was = view.get("sequences", user) or {}, view.get("replays", user)
    last = counter.get("last", 0)
    first, upto = _range(command, counter)
    findings = (*_too_many(was, context), *_out_of_range(command, first, upto, last))
    if findings:
        return reject(*findings)
    run = was["run"] + 1 if was else 1
    document = {
        "_id": user,
        "revision": was["revision"] + 1 if was else 1,
        "run": run,
        "state": "running",
        # From a time on: the first event that is late enough.
        "first": None if command.from_time else first,
        "told": 0,
        "at": context.now,
    }
    asked = ReplayAsked(
        id=user, by=user, run=run, from_sequence=first, from_time=command.from_time, upto=upto
    )
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=ReplayState(id=user, from_sequence=first, upto=upto),
        writes=(Put("replays", document, was),),
        events=(asked,),
    )


def _range(command: ReplayEvents, known: Document) -> tuple[int, int]:
    last: int = known.get("last", 0)
    upto = min(command.upto or last, last)
    if command.from_sequence is not None:
        return command.from_sequence, upto
    day = f"{command.from_time:%Y-%m-%d}"
    # The first event of the last day that begins no later; what is older on it is passed over.
    firsts = [first for known_day, first in known.get("days", {}).items() if known_day <= day]
    return max(firsts, default=1), upto


def _too_many(was: Document | None, context: Context) -> Iterator[Finding]:
    if was is None:
        return
    # A clock that was put back must not make anybody wait for hours.
    since = abs(context.now - was["at"])
    if was["state"] == "running" and since < REPLAY_SILENCE_MAX:
        yield finding(
            "event.replay-running",
            "",
            expected="no other replay of yours under way",
            advice="Wait until its `event.replay-ended.v1` has come.",
        )
    elif was["state"] == "ended" and since < REPLAY_PAUSE:
        yield finding(
            "event.replay-too-soon",
            "",
            expected=f"{REPLAY_PAUSE.seconds} s since the end of your last replay",
            advice="Wait a little and ask again, under a new id.",
        )


def _out_of_range(command: ReplayEvents, first: int, upto: int, last: int) -> Iterator[Finding]:
    if first > upto:
        yield finding(
            "event.replay-range",
            "from_sequence" if command.from_sequence is not None else "from_time",
            expected=f"events up to {last}, the last one that you were told",
            got=first,
            advice="There is nothing to be told again from there on.",
        )


def _list_reads(query: ListNotices, context: Context) -> Reads:
    yield "notices", _page(query, context)


def _question(query: ListNotices) -> str:
    return f"notice.list/{query.state}"


def _page(query: ListNotices, context: Context) -> Span:
    user, after = context.sender.user, after_of(query.cursor, _question(query), context)
    if query.state == "all":
        return Span("recipient", user, after)
    return Span("shelf", shelf(user, query.state), after)


@reads(_list_reads)
def list_notices(query: ListNotices, view: View, context: Context) -> Contract | Rejected:
    """Answer with the asker's own notices, a page at a time.

    Rejects: cursor.foreign
    Source: U7.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    rows, further = view.page("notices", _page(query, context))
    return NoticePage(
        notices=tuple(
            Notice(
                id=row["_id"],
                **{name: row.get(name) for name in Notice.model_fields if name != "id"},
            )
            for row in rows
        ),
        cursor=cursor_of(further, question, context) if further else None,
    )


def _close_reads(command: CloseNotices, context: Context) -> Reads:
    return (("notices", notice) for notice in command.ids)


@reads(_close_reads)
def close_notices(command: CloseNotices, view: View, context: Context) -> Decision:
    """Close some of the sender's notices, all of them or none.

    Rejects: notice.not-found
    Source: U7.
    """
    if (rejected := check((_are_ones_own,), command, view, context)) is not None:
        return rejected
    ids = tuple(dict.fromkeys(command.ids))
    writes = [
        Put("notices", {**was, **_closed(was, context)}, was)
        for was in (view.get("notices", notice) for notice in ids)
        if was is not None and was["state"] == "open"
    ]
    closed = tuple(str(write.document["_id"]) for write in writes)
    return Accepted(
        subject=ids[0],
        keyed_to=context.sender.user,
        reply=NoticesState(ids=ids, state="closed", closed=closed),
        writes=tuple(writes),
    )


def _closed(was: Document, context: Context) -> dict[str, Any]:
    at, on_shelf = context.now, shelf(was["recipient"], "closed")
    return {"state": "closed", "shelf": on_shelf, "closed_at": at, "revision": was["revision"] + 1}


def _are_ones_own(command: CloseNotices, view: View, context: Context) -> Iterator[Finding]:
    for position, notice in enumerate(command.ids):
        was = view.get("notices", notice)
        if was is None or was["recipient"] != context.sender.user:
            yield finding(
                "notice.not-found",
                f"ids.{position}",
                expected="the id of a notice of yours",
                got=notice,
                advice="Take it from the answer to `notice.list.v1`.",
            )
