"""Going through dead letters: a portion of a replay or a discard after the other."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from contracts.dead import REPLAYS_PER_SECOND, DeadRunAsked, DeadStopped
from contracts.taxonomy import BACKBONE
from handlers.bookkeeping import unattributed
from handlers.dead import RUNS, behind, terms_for
from handlers.dead_letters import (
    BODY_BYTES_MAX,
    CONTENTS,
    ENDED,
    LETTERS,
    changed,
    moment_of,
    readable,
)
from handlers.decision import Context, Document, Handled, Put, Reads, View
from handlers.resent import Resent
from handlers.spans import Span

PORTION: Final = 50
"""So many letters are looked at together; as many of them are one commit at most as are to be sent
in a second."""
PAUSE: Final = timedelta(milliseconds=250)
"""Between two portions at least: the work takes no more than a part of the lane."""
PORTION_BYTES_MAX: Final = BODY_BYTES_MAX
"""How many bytes of bodies a portion of a replay has at most: it is one commit, which holds each of
them as what is to be sent. One letter always fits."""
STUCK: Final = timedelta(minutes=10)
"""After how long without an outcome a letter may be sent again: twice does no harm."""
LOOK: Final = timedelta(seconds=1)
"""How often it is looked whether one that is replayed by itself has its outcome."""
QUESTIONS: Final = "query."
"""What queues of questions begin with."""
_ALONE: Final = "alone"


def run_reads(fact: DeadRunAsked, context: Context) -> Reads:
    """What is to be done with which letters."""
    yield RUNS, fact.id


def go_through(fact: DeadRunAsked, view: View, context: Context) -> Handled:
    """Do with a portion of the letters what was asked; then the next portion, or the end.

    A crash between two portions goes on with the next: how far it is, is kept with each.
    Source: promise 1 of the architecture.
    """
    keyed_to, was = unattributed(context.now), view.get(RUNS, fact.id)
    if was is None or was["state"] != "running":
        return Handled(keyed_to)
    letters, further = _portion(was, view, context)
    todo = [letter for letter in letters if is_open(letter, context.now)]
    puts: tuple[Put, ...]
    resent: tuple[Resent, ...] = ()
    if was["action"] == "discard":
        puts = tuple(changed(one, context.now, was["by"], **_by(was, "discarded")) for one in todo)
    else:
        sendable = list(_sendable(todo, view))
        puts = tuple(
            changed(one, context.now, was["by"], **_by(was, "replaying"), state_at=context.now)
            for one, _ in sendable
        )
        resent = tuple(_evenly(sendable, _pace(was), context.now))
    record = {
        **was,
        "revision": was["revision"] + 1,
        "done": was["done"] + len(puts),
        "left_out": was["left_out"] + len(letters) - len(puts),
        "state": "running" if further else "ended",
    }
    writes = (*puts, Put(RUNS, record, was))
    if further:
        pause = _pause(was, len(resent))
        return Handled(keyed_to, writes, cursor=further, pause=pause, resent=resent)
    return Handled(keyed_to, writes, resent=resent)


def _by(run: Document, state: str) -> dict[str, Any]:
    return {"state": state, "run": run["_id"]}


def _pace(run: Document) -> int:
    """Letters a second; a replay of before that could be said goes by the default."""
    return int(run.get("per_second", REPLAYS_PER_SECOND))


def _evenly(
    letters: Sequence[tuple[Document, Document]], pace: int, now: datetime
) -> Iterator[Resent]:
    """A portion spread over its part of a second: at once it would be a stop for whoever sends."""
    for nth, (letter, contents) in enumerate(letters):
        yield Resent.of(letter, contents, now + timedelta(seconds=nth / pace))


def _pause(run: Document, sent: int) -> timedelta:
    """How long until the next portion."""
    if run["action"] == "discard":
        return PAUSE
    return max(PAUSE, timedelta(seconds=sent / _pace(run)))


def _portion(run: Document, view: View, context: Context) -> tuple[Sequence[Document], str]:
    """Letters that are meant, in the order in which they died, and behind which the next begin.

    Not those that have died since it was asked.
    """
    which = run["which"]
    if "id" in which:
        one = view.get(LETTERS, which["id"])
        return ([one] if one is not None else []), ""
    after = context.cursor or behind(which.get("since"))
    span = Span.of_list("terms", terms_for(which), after, PORTION)
    rows, further = view.page(LETTERS, span)
    until = min(run["at"], which.get("until") or run["at"])
    within = [row for row in rows if row["_id"] < f"{moment_of(until)}~"]
    if run["action"] == "replay" and len(fit := _fitting(within, run, context.now)) < len(within):
        return sorted(fit, key=_died), fit[-1]["_id"]
    goes_on = len(within) == len(rows)
    return sorted(within, key=_died), further if goes_on else ""


def _fitting(letters: Sequence[Document], run: Document, now: datetime) -> Sequence[Document]:
    """The first of them: what may be sent in a second, and what one commit can hold of it."""
    pace, todo = _pace(run), [is_open(one, now) for one in letters]
    wanted = zip(letters, todo, strict=True)
    sizes = accumulate(one["size"] if is_todo and _is_whole(one) else 0 for one, is_todo in wanted)
    return [
        one
        for one, count, size in zip(letters, accumulate(todo), sizes, strict=True)
        if count <= pace and size <= PORTION_BYTES_MAX
    ]


def _died(letter: Document) -> tuple[datetime, datetime]:
    """Of those that died together the order is that in which they say that they were made."""
    return letter["first_at"], letter["made_at"] or letter["first_at"]


def is_open(letter: Document, now: datetime) -> bool:
    """Whether something can be done with it: it has no end, and is not on its way, or is stuck."""
    if letter["state"] == "replaying":
        return bool(now - letter["state_at"] > STUCK)
    return letter["state"] not in ENDED


def _sendable(letters: Sequence[Document], view: View) -> Iterator[tuple[Document, Document]]:
    """Those that can be sent again, with their contents."""
    asked = [one for one in letters if _is_whole(one)]
    view.require((CONTENTS, one["_id"]) for one in asked)
    for one in asked:
        contents = readable(view, CONTENTS, one["_id"])
        if contents is not None and contents["body"].value is not None:
            yield one, contents


def _is_whole(letter: Document) -> bool:
    """Whether it is no question, whose asker waits no more, and was kept to its end."""
    return letter["size"] <= BODY_BYTES_MAX and not is_question(letter)


def is_question(letter: Document) -> bool:
    """Whether it was one."""
    return bool(letter["queue"].startswith(QUESTIONS))


def stopped_reads(fact: DeadStopped, context: Context) -> Reads:
    """The letter, and its contents."""
    yield LETTERS, fact.id
    yield CONTENTS, fact.id


def replay_alone(fact: DeadStopped, view: View, context: Context) -> Handled:
    """Replay what died of the delivery limit by itself, once, and wait for its outcome.

    Neighbours of what kills workers have their deliveries counted too, and are innocent. One at a
    time, so that the guilty one dies with few beside it; what dies a second time stays.
    Source: promise 5 of the architecture.
    """
    keyed_to, letter = unattributed(context.now), view.get(LETTERS, fact.id)
    if letter is None:
        return Handled(keyed_to)
    if context.cursor is not None:
        waits = letter["state"] == "replaying" and not is_open(letter, context.now)
        return Handled(keyed_to, cursor=_ALONE if waits else None, pause=LOOK)
    if len(letter["history"]) > 1:
        return Handled(keyed_to)
    sendable = list(_sendable([letter], view))
    if not sendable:
        return Handled(keyed_to)
    put = changed(letter, context.now, BACKBONE, state="replaying")
    resent = tuple(Resent.of(one, contents) for one, contents in sendable)
    return Handled(keyed_to, (put,), cursor=_ALONE, pause=LOOK, resent=resent)
