"""A register for tests: handlers that go wrong on purpose, and one that goes right."""

from decimal import Decimal
from typing import Any, Final

from contracts.messages import Command, Contract, Event, Query, Request
from handlers.decision import Accepted, Context, Decision, Guard, Put, Reads, View
from handlers.rules import finding, reject
from handlers.signature import reads

SENDERS: Final = {"fsp", "operator"}
PROVISIONAL: Final = dict.fromkeys(
    (
        "trial.address.v1",
        "trial.ask-weight.v1",
        "trial.ask-weight.v2",
        "trial.ask.v1",
        "trial.chase.v1",
        "trial.crash.v1",
        "trial.keep.v1",
        "trial.kept.v1",
        "trial.weigh.v1",
        "trial.weigh.v2",
    ),
    True,
)
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


class AddressTrial(
    Command, type="trial.address.v1", senders=SENDERS, accepted=Kept, addressed="to"
):
    """Say something to users."""

    to: tuple[str, ...]


class Weighed(Contract):
    """What a weighing was answered with: in tons."""

    id: str
    tons: int


class WeighTrial(Command, type="trial.weigh.v1", senders=SENDERS, accepted=Weighed):
    """Weigh something, in tons."""

    id: str
    tons: int

    def upgrade(self) -> Request:
        """The same in kilograms."""
        return WeighTrialFinely(id=self.id, mass_kg=self.tons * 1000)

    @classmethod
    def answered(cls, reply: Contract) -> Contract:
        """In tons again."""
        assert isinstance(reply, WeighedFinely)
        return Weighed(id=reply.id, tons=reply.mass_kg // 1000)

    @classmethod
    def field_here(cls, path: str) -> str:
        """The field's former name."""
        return path.replace("mass_kg", "tons")


class WeighedFinely(Contract):
    """What a weighing is answered with."""

    id: str
    mass_kg: int


class WeighTrialFinely(
    Command,
    type="trial.weigh.v2",
    senders=SENDERS,
    accepted=WeighedFinely,
    older=WeighTrial,
):
    """Weigh something, in kilograms."""

    id: str
    mass_kg: int


class AskWeight(Query, type="trial.ask-weight.v1", senders=SENDERS, accepted=Kept):
    """Read whether something was weighed."""

    id: str

    def upgrade(self) -> Request:
        """The same."""
        return AskWeightFinely(id=self.id)


class AskWeightFinely(
    Query, type="trial.ask-weight.v2", senders=SENDERS, accepted=WeighedFinely, older=AskWeight
):
    """Read what something weighs."""

    id: str


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


@reads(_nothing)
def address_trial(command: AddressTrial, view: View, context: Context) -> Decision:
    """Accept it."""
    return Accepted(context.command_id, Kept(id=context.command_id), context.sender.user)


def _weigh_reads(request: WeighTrialFinely | AskWeightFinely, _context: Context) -> Reads:
    yield "weights", request.id


@reads(_weigh_reads)
def weigh_trial(command: WeighTrialFinely, view: View, context: Context) -> Decision:
    """Keep a weight, in kilograms.

    Rejects: trial.weightless
    """
    if command.mass_kg <= 0:
        return reject(
            finding("trial.weightless", "mass_kg", expected="a mass", advice="Weigh it again.")
        )
    was = view.get("weights", command.id)
    revision = was["revision"] + 1 if was else 1
    document = {"_id": command.id, "revision": revision, "mass_kg": command.mass_kg}
    return Accepted(
        subject=command.id,
        keyed_to=context.sender.user,
        reply=WeighedFinely(id=command.id, mass_kg=command.mass_kg),
        writes=(Put("weights", document, was),),
    )


@reads(_weigh_reads)
def ask_weight(query: AskWeightFinely, view: View, context: Context) -> Contract:
    """Answer with the weight."""
    found = view.get("weights", query.id) or {"mass_kg": 0}
    return WeighedFinely(id=query.id, mass_kg=found["mass_kg"])
