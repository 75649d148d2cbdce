"""Which shard decides what, and moving it: `shard` and what is under it, as `operator`."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from contracts.shards import ListShards, MergeShards, MoveCells, SplitShard
from topology import names
from workers.cli.asking import asked
from workers.cli.place import Place
from workers.settings import Settings

Register = Annotated[str, typer.Option(help="The register, by the name of its collection.")]
Wait = Annotated[bool, typer.Option(help="Wait until the move is done.")]
ASSETS: Final = names.register("asset")
POLL_S: Final = 1.0


def listed(
    *,
    register: Register = ASSETS,
    as_json: Annotated[bool, typer.Option("--json", help="The map as JSON.")] = False,
) -> None:
    """Show which shard decides which cells, and how far a move is."""
    found = asyncio.run(asked(Place.of(Settings.read()), ListShards.message_type, {"id": register}))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _show(found)


def split(
    shard: Annotated[int, typer.Argument(help="The shard that is divided.")],
    into: Annotated[list[int], typer.Argument(help="The shards that get a part, itself or not.")],
    *,
    register: Register = ASSETS,
    wait: Wait = True,
) -> None:
    """Divide the cells of one shard evenly among several, while commands flow."""
    _change(SplitShard.message_type, {"id": register, "shard": shard, "into": into}, wait=wait)


def merge(
    shards: Annotated[list[int], typer.Argument(help="The shards whose cells are given away.")],
    *,
    into: Annotated[int, typer.Option(help="The shard that gets them.")],
    register: Register = ASSETS,
    wait: Wait = True,
) -> None:
    """Give all cells of some shards to one, while commands flow."""
    _change(MergeShards.message_type, {"id": register, "shards": shards, "into": into}, wait=wait)


def move(
    cells: Annotated[str, typer.Argument(help="Such as `_A.BAT.7`; `*` for any.")],
    to: Annotated[int, typer.Argument(help="The shard that gets them.")],
    *,
    register: Register = ASSETS,
    wait: Wait = True,
) -> None:
    """Give some cells to one shard, while commands flow."""
    _change(MoveCells.message_type, {"id": register, "cells": cells, "to": to}, wait=wait)


def _change(kind: str, data: Mapping[str, Any], *, wait: bool) -> None:
    place = Place.of(Settings.read())
    _show(asyncio.run(changed(place, kind, data, wait=wait)))


async def changed(
    place: Place, kind: str, data: Mapping[str, Any], *, wait: bool
) -> Mapping[str, Any]:
    """Change the map, and wait for the end of the move if that is wanted; the map then."""
    found = await asked(place, kind, data)
    phase = None
    while wait and found.get("becoming"):
        if found["phase"] != phase:
            phase = found["phase"]
            typer.echo(f"moving: {phase}", err=True)
        await asyncio.sleep(POLL_S)
        found = await asked(place, ListShards.message_type, {"id": data["id"]})
    return found


def _show(found: Mapping[str, Any]) -> None:
    moving = bool(found.get("becoming"))
    columns = ("cells", "shard", *(("becomes",) if moving else ()))
    table = Table(*columns, title=f"{found['id']}, version {found['version']}")
    now = {one["cells"]: str(one["shard"]) for one in found["placed"]}
    then = {one["cells"]: str(one["shard"]) for one in found.get("becoming") or ()}
    for cells in dict.fromkeys((*now, *then)):
        table.add_row(cells, now.get(cells, ""), *((then.get(cells, ""),) if moving else ()))
    console = Console(markup=False)
    console.print(table)
    if moving:
        through = ", ".join(map(str, found["drained"])) or "none"
        console.print(f"moving: {found['phase']}; shards that are through: {through}")
