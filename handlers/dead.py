"""What operators do with dead letters: note, replay, discard.

A replay or a discard of several is begun here, and gone through by `handlers/resending.py`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.dead import (
    DeadNoted,
    DeadRun,
    DeadRunAsked,
    DiscardDead,
    NoteDead,
    ReplayDead,
    Which,
)
from contracts.dead_reading import GROUPS_MAX
from handlers.dead_letters import LETTERS, changed, moment_of
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Tally

RUNS: Final = "dead_runs"
NOTES: Final = "dead_notes"
OPEN: Final = frozenset({"open", "failed-again", "replaying"})
NOTES_MAX: Final = 1000
TALLY_ROWS_MAX: Final = 5 * GROUPS_MAX
_MILLISECOND: Final = timedelta(milliseconds=1)
_NAMED: Final = ("run", "fingerprint", "account", "type", "queue", "reason", "state")
"""What a letter is found by, as its terms name it, what few have first."""


def terms_for(which: Which | Mapping[str, Any]) -> tuple[str, ...]:
    """The terms that all letters have that are meant."""
    said = which if isinstance(which, Mapping) else which.model_dump()
    return tuple(f"{name}:{said[name]}" for name in _NAMED if said.get(name) is not None)


def behind(since: datetime | None) -> str:
    """The id behind which letters since a moment begin; they are as precise as a millisecond."""
    return "" if since is None else f"{moment_of(since - _MILLISECOND)}~"


def tally_for(which: Which | Mapping[str, Any]) -> Tally:
    """How many there are in each group and state."""
    said = ("reason", "exception", "top", "type")
    return Tally("terms", terms_for(which), ("fingerprint", "state"), said, TALLY_ROWS_MAX)


def _run_reads(command: ReplayDead | DiscardDead, context: Context) -> Reads:
    if command.which.id is not None:
        yield LETTERS, command.which.id
    else:
        yield LETTERS, tally_for(command.which)


@reads(_run_reads)
def replay_dead(command: ReplayDead, view: View, context: Context) -> Decision:
    """Begin to send letters again; of none, nothing happens.

    Rejects: dead.not-found
    Source: promise 1 of the architecture.
    """
    return _begun(command, {"action": "replay", "per_second": command.per_second}, view, context)


@reads(_run_reads)
def discard_dead(command: DiscardDead, view: View, context: Context) -> Decision:
    """Begin to give letters up; of none, nothing happens.

    Rejects: dead.not-found
    Source: promise 1 of the architecture.
    """
    return _begun(command, {"action": "discard"}, view, context)


def _begun(
    command: ReplayDead | DiscardDead, what: Document, view: View, context: Context
) -> Decision:
    which, by = command.which, context.sender.user
    if which.id is not None and view.get(LETTERS, which.id) is None:
        return letter_not_found("which.id", which.id)
    matched = _matched(which, view)
    run = context.identity.fingerprint("dead-run", f"{by}\x1f{context.command_id}")[:32]
    reply = DeadRun(id=run, matched=matched)
    if not matched:
        return Accepted(run, reply, by, preview={"matched": 0})
    document = {
        "_id": run,
        "revision": 1,
        **what,
        "which": {n: v for n, v in which.model_dump().items() if v is not None},
        "by": by,
        "at": context.now,
        "state": "running",
        "matched": matched,
        "done": 0,
        "left_out": 0,
    }
    why = {"_id": run, "revision": 1, "by": by, "at": context.now, "note": Secret(command.why)}
    return Accepted(
        subject=run,
        reply=reply,
        keyed_to=by,
        writes=(Put(RUNS, document), Put(NOTES, why)),
        events=(DeadRunAsked(id=run),),
        preview={"matched": matched},
    )


def _matched(which: Which, view: View) -> int:
    """How many letters are meant that have no end yet."""
    if which.id is None:
        rows = view.around(LETTERS, tally_for(which))
        return count_of(row for row in rows if row["state"] in OPEN)
    letter = view.get(LETTERS, which.id)
    return int(letter is not None and letter["state"] in OPEN)


def count_of(rows: Iterable[Document]) -> int:
    """How many letters the rows of a tally are in all."""
    return sum(row["count"] for row in rows)


def letter_not_found(field: str, letter: str) -> Rejected:
    """Say that there is no such letter."""
    return reject(
        finding(
            "dead.not-found",
            field,
            expected="the id of a dead letter",
            got=letter,
            advice="Ask `dead.list.v1` which there are.",
        )
    )


def _note_reads(command: NoteDead, context: Context) -> Reads:
    yield LETTERS, command.id


@reads(_note_reads)
def note_dead(command: NoteDead, view: View, context: Context) -> Decision:
    """Write a note beside a letter.

    Rejects: dead.not-found, dead.notes-full
    Source: promise 1 of the architecture.
    """
    was = view.get(LETTERS, command.id)
    if was is None:
        return letter_not_found("id", command.id)
    number = was["notes"] + 1
    if number > NOTES_MAX:
        return reject(
            finding(
                "dead.notes-full",
                "note",
                expected=f"at most {NOTES_MAX} notes on a letter",
                advice="Write elsewhere what is more.",
            )
        )
    by = context.sender.user
    note = {
        "_id": note_id(command.id, number),
        "revision": 1,
        "by": by,
        "at": context.now,
        "note": Secret(command.note),
    }
    return Accepted(
        subject=command.id,
        reply=DeadNoted(id=command.id, notes=number),
        keyed_to=by,
        writes=(changed(was, context.now, by, notes=number), Put(NOTES, note)),
    )


def note_id(letter: str, number: int) -> str:
    """The id of a letter's note; they sort in their order."""
    return f"{letter}/{number:05d}"
