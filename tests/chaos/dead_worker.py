"""A worker process with bugs, or with the bugs mended: python -m … broken|mended."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import uvloop

from handlers import endings
from handlers.decision import Accepted, Context, Decision, Guard, Put, View
from handlers.parking import LADDER
from handlers.signature import Handler
from tests.broker.registers import ExplodeAsset, KeepAsset, Kept, keep_asset
from tests.chaos.worker import READY
from tests.spine import ENTRIES
from topology.catalog import Entry
from workers import logs
from workers.addresses import Addresses
from workers.app import Workers
from workers.backbone import open_backbone
from workers.settings import Settings

EXPLODE: Final = ExplodeAsset.message_type
SOON: Final = (timedelta(milliseconds=100),) * len(LADDER)
"""The steps of the ladder, of which the real ones take six minutes."""


def mended(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """Keep what it says."""
    decision: Decision = keep_asset(KeepAsset(value=command.words), view, context)
    return decision


def broken(command: ExplodeAsset, view: View, context: Context) -> Decision:
    """Do what its first word says, and fail by it."""
    return {"a": _bug_a, "b": _bug_b, "refused": _refused, "contended": _contended}[
        command.words.partition(" ")[0]
    ](context)


def _bug_a(context: Context) -> Decision:
    raise RuntimeError(f"a bug that quotes {context.command_id}")


def _bug_b(context: Context) -> Decision:
    raise KeyError(context.command_id)


def _refused(context: Context) -> Decision:
    """Write a place that no index on the globe can hold: the server refuses the commit."""
    nowhere = {"type": "Point", "coordinates": [999.0, 999.0]}
    document = {"_id": context.command_id, "revision": 1, "viewers": [], "point": nowhere}
    return _kept(context, writes=(Put("places", document),))


def _contended(context: Context) -> Decision:
    """Decide on what has changed meanwhile, however often it is tried."""
    return _kept(context, guards=(Guard("trials", {"_id": "nothing", "revision": 7}),))


def _kept(context: Context, **more: Any) -> Accepted:
    key = f"{context.sender.user}/{context.command_id}"
    return Accepted(subject=key, keyed_to=context.sender.user, reply=Kept(id=key), **more)


def entries(how: str) -> Mapping[str, Entry]:
    """What this release serves."""
    entry, function = ENTRIES[EXPLODE], {"broken": broken, "mended": mended}[how]
    handler = Handler(ExplodeAsset, function, entry.handler.reads, for_provisional=True)
    return {**ENTRIES, EXPLODE: replace(entry, handler=handler)}


async def work(how: str) -> None:
    """Run all workers until SIGTERM."""
    logs.configure(json=True)
    setattr(endings, "LADDER", SOON)  # noqa: B010  a constant for everybody else
    settings = Settings.read()
    addresses = Addresses(
        str(settings.amqp_url), str(settings.management_url), str(settings.mongo_url)
    )
    async with open_backbone(settings, addresses, entries(how)) as backbone:
        workers = Workers(backbone)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, workers.stop)
        await workers.run(lambda: print(READY, flush=True))  # noqa: T201  the test waits for it


if __name__ == "__main__":
    uvloop.run(work(sys.argv[1]))
