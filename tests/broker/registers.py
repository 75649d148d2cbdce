"""A register for tests: commands and queries that go wrong on purpose, in the assets' mailbox."""

from typing import Any, Final

from contracts.assets import PLATFORMS
from contracts.messages import Command, Contract, Query
from handlers.decision import Accepted, Context, Decision, Put, Reads, View
from handlers.signature import reads

PROVISIONAL: Final = {f"asset.{verb}.v1": True for verb in ("keep", "explode", "ponder")}
"""Read beside the backbone's own table."""


class Kept(Contract):
    """What a trial is answered with."""

    id: str


class KeepAsset(Command, type="asset.keep.v1", senders=PLATFORMS, accepted=Kept):
    """Keeps what it is given, also what no store can hold."""

    value: Any = None


class ExplodeAsset(Command, type="asset.explode.v1", senders=PLATFORMS, accepted=Kept):
    """Runs into a bug; the words are in the error's text."""

    words: str = ""


class PonderAsset(Query, type="asset.ponder.v1", senders=PLATFORMS, accepted=Kept):
    """A question that runs into a bug."""

    words: str = ""


def _nothing(_request: object, _context: Context) -> Reads:
    return ()


@reads(_nothing)
def keep_asset(command: KeepAsset, view: View, context: Context) -> Decision:
    """Write the value as it is."""
    key = f"{context.sender.user}/{context.command_id}"
    document = {"_id": key, "revision": 1, "value": command.value}
    return Accepted(
        subject=key,
        keyed_to=context.sender.user,
        reply=Kept(id=key),
        writes=(Put("trials", document),),
    )


@reads(_nothing)
def explode_asset(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """Fail, with the command's words in the error."""
    raise RuntimeError(f"a bug that quotes {command.words}")


@reads(_nothing)
def ponder_asset(query: PonderAsset, view: View, context: Context) -> Contract:
    """Fail, with the query's words in the error."""
    raise RuntimeError(f"a bug that quotes {query.words}")
