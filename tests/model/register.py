"""A register whose documents tell what happened to them: which commands took effect, in order."""

from contracts.envelope import Finding
from contracts.messages import Command, Contract, Event
from handlers.decision import Accepted, Context, Decision, Document, Guard, Put, Reads, View
from handlers.rules import reject
from handlers.signature import reads

SENDERS = {"fsp", "operator"}
PROVISIONAL = dict.fromkeys(("mark.add.v1", "mark.join.v1", "mark.crash.v1"), True)


class Marked(Contract):
    """What a mark is answered with."""

    id: str
    revision: int


class MarkSet(Event, type="mark.set.v1"):
    """A mark has a new revision."""

    id: str
    revision: int


class AddMark(Command, type="mark.add.v1", senders=SENDERS, accepted=Marked):
    """Write the command's name into a mark's log."""

    id: str
    note: str = ""


class JoinMark(Command, type="mark.join.v1", senders=SENDERS, accepted=Marked):
    """Put a mark into another, which must not be in it."""

    id: str
    into: str


class CrashMark(Command, type="mark.crash.v1", senders=SENDERS, accepted=Marked):
    """Run into a bug."""

    id: str


def _add_reads(command: AddMark, _context: Context) -> Reads:
    yield "marks", command.id


def _join_reads(command: JoinMark, _context: Context) -> Reads:
    yield "marks", command.id
    yield "marks", command.into


def _crash_reads(_command: CrashMark, _context: Context) -> Reads:
    return ()


@reads(_add_reads)
def add_mark(command: AddMark, view: View, context: Context) -> Decision:
    """Write the next revision."""
    return _set(command.id, view, context)


@reads(_join_reads)
def join_mark(command: JoinMark, view: View, context: Context) -> Decision:
    """Write the next revision, if the other mark is there and not in this one."""
    other = view.get("marks", command.into)
    if other is None or other["into"] == command.id or command.into == command.id:
        advice = "Join it to another."
        got = command.into
        return reject(
            Finding(rule="mark.cycle", field="into", expected="no cycle", got=got, advice=advice)
        )
    return _set(command.id, view, context, into=command.into, guard=other)


@reads(_crash_reads)
def crash_mark(command: CrashMark, view: View, context: Context) -> Decision:
    """Fail."""
    raise RuntimeError(f"a bug on {command.id}")


def _set(
    mark: str,
    view: View,
    context: Context,
    *,
    into: str | None = None,
    guard: Document | None = None,
) -> Accepted:
    was = view.get("marks", mark)
    revision = was["revision"] + 1 if was else 1
    document = {
        "_id": mark,
        "revision": revision,
        "into": into or (was["into"] if was else None),
        "log": [*(was["log"] if was else ()), f"{context.sender.user}/{context.command_id}"],
    }
    return Accepted(
        subject=mark,
        keyed_to=context.sender.user,
        reply=Marked(id=mark, revision=revision),
        writes=(Put("marks", document, was),),
        events=(MarkSet(id=mark, revision=revision),),
        guards=(Guard("marks", guard),) if guard is not None else (),
    )
