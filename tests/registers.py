"""A register for tests: handlers that go wrong on purpose, and one that goes right."""

from decimal import Decimal
from typing import Any, Final

from contracts.messages import Command, Contract, Event, Query
from handlers.decision import Accepted, Context, Decision, Guard, Put, Reads, View
from handlers.signature import reads

SENDERS: Final = {"fsp", "operator"}
PROVISIONAL: Final = {f"trial.{verb}.v1": True for verb in ("keep", "crash", "chase", "ask")}
"""Read beside the backbone's own table."""
UNSTORABLE: Final[dict[str, Any]] = {
    "integer": 2**70,
    "surrogate": "\ud800",
    "digits": Decimal("1" * 40),
    "secret": 2**70,
}
"""What a handler may want to write and no store can hold; the JSON of a command says which."""


class Kept(Contract):
    """What a trial is answered with."""

    id: str


class TrialKept(Event, type="trial.kept.v1"):
    """A trial is in the register."""

    id: str


class KeepTrial(Command, type="trial.keep.v1", senders=SENDERS, accepted=Kept):
    """Keep a document, or what no store can hold, or nothing that a guarded document forbids."""

    id: str
    unstorable: str | None = None
    guarded_by: str | None = None


class CrashTrial(Command, type="trial.crash.v1", senders=SENDERS, accepted=Kept):
    """Run into a bug; the words are in the error's text."""

    words: str = ""


class ChaseTrial(Command, type="trial.chase.v1", senders=SENDERS, accepted=Kept):
    """Ask for one document after the other: as many as it says, for ever without a number."""

    steps: int | None = None


class AskTrial(Query, type="trial.ask.v1", senders=SENDERS, accepted=Kept):
    """Read a trial."""

    id: str


def _nothing(_command: Command | Query, _context: Context) -> Reads:
    return ()


def _keep_reads(command: KeepTrial, _context: Context) -> Reads:
    yield "trials", command.id
    if command.guarded_by is not None:
        yield "trials", command.guarded_by


@reads(_keep_reads)
def keep_trial(command: KeepTrial, view: View, context: Context) -> Decision:
    """Write a document with its next revision."""
    was = view.get("trials", command.id)
    guard = view.get("trials", command.guarded_by) if command.guarded_by else None
    document = {"_id": command.id, "revision": was["revision"] + 1 if was else 1}
    if command.unstorable is not None:
        document["value"] = UNSTORABLE[command.unstorable]
    return Accepted(
        subject=command.id,
        keyed_to=context.sender.user,
        reply=Kept(id=command.id),
        writes=(Put("trials", document, was),),
        events=(TrialKept(id=command.id),),
        guards=(Guard("trials", guard),) if guard is not None else (),
    )


@reads(_nothing)
def crash_trial(command: CrashTrial, view: View, context: Context) -> Decision:
    """Fail, with the command's words in the error."""
    raise RuntimeError(f"a bug that quotes {command.words}")


@reads(_nothing)
def chase_trial(command: ChaseTrial, view: View, context: Context) -> Decision:
    """Ask for documents that do not exist, each time for another."""
    step = 0
    while command.steps is None or step < command.steps:
        view.get("trials", f"{context.command_id}/{step}")
        step += 1
    return Accepted(
        subject=context.command_id,
        keyed_to=context.sender.user,
        reply=Kept(id=context.command_id),
    )


@reads(_nothing)
def ask_trial(query: AskTrial, view: View, context: Context) -> Contract:
    """Answer with the id."""
    return Kept(id=query.id)
