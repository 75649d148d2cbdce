"""The test identities of a sandbox: `sandbox seed`."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Column, Table

from workers.cli.asking import deliver
from workers.cli.faults import UNSETTLED
from workers.cli.input import lines_of
from workers.cli.place import Place
from workers.cli.sending import Settled
from workers.settings import Settings, SettingsError

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
SEED: Final = EXAMPLES / "sandbox.jsonl"
REUSED: Final = "message.id-reused"


def seed() -> None:
    """Register a named test identity of every role, and assets; repeating changes nothing.

    Their keys are kept in the folder of the sandbox: `flexspine key USER` prints one.
    """
    settings = Settings.read()
    if not settings.sandbox:
        raise SettingsError(
            "expected FLEXSPINE_SANDBOX=true, got the live backbone, where test identities have no "
            "place. Set it, and start the sandbox by `flexspine up` or `flexspine work`."
        )
    settled: list[Settled] = []
    asyncio.run(deliver(Place.of(settings), lines_of(str(SEED), None), settled.append))
    Console(markup=False).print(_table(settled))
    if any(one.code == REUSED for one in settled):
        typer.echo(
            "Seeded before from another folder, which has the keys: name it in FLEXSPINE_FOLDER.",
            err=True,
        )
    if any(one.result != "accepted" for one in settled):
        raise typer.Exit(UNSETTLED)


def _table(settled: Sequence[Settled]) -> Table:
    table = Table("test identity", Column("id", overflow="fold"), "outcome", "code")
    for one in settled:
        reply = json.loads(one.reply) if one.reply is not None else {}
        issued = reply.get("data", {}).get("id", "") if one.result == "accepted" else ""
        said = (one.line.envelope or {}).get("id", "")
        table.add_row(said, issued, one.result, one.code)
    return table
