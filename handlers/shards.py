"""The map of shards: which shard decides which cells, and what becomes of it when cells move."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from contracts.envelope import Finding
from contracts.shards import (
    ListShards,
    MergeShards,
    MoveCells,
    Placing,
    ShardDraining,
    ShardMap,
    ShardMoving,
    SplitShard,
)
from contracts.taxonomy import SHARDED
from handlers.cells import ANY, FIRST, Rules, as_rules, matching, moved, placed_by, split
from handlers.decision import (
    Accepted,
    Answer,
    Context,
    Decision,
    Document,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.rules import finding, reject
from handlers.signature import reads

COLLECTION: Final = "shards"
ALL_FIRST: Final[Rules] = ({"cells": f"{ANY}.{ANY}.{ANY}", "shard": FIRST},)
"""As long as nobody has changed anything."""

Change = SplitShard | MergeShards | MoveCells


def _map_reads(request: Change | ListShards, context: Context) -> Reads:
    yield COLLECTION, request.id


@reads(_map_reads)
def split_shard(command: SplitShard, view: View, context: Context) -> Decision:
    """Divide the cells of a shard evenly, and let them begin to move.

    Rejects: shard.register-unknown, shard.undeclared, shard.empty, shard.under-way
    Source: A2.
    """
    placed = placed_by(rules_of(view.get(COLLECTION, command.id)))
    wanted = split(placed, command.shard, command.into)
    findings = (
        *_undeclared("into", command.into, context),
        *_empty("shard", (command.shard,), placed),
    )
    return _begun(command, wanted, findings, view, context)


@reads(_map_reads)
def merge_shards(command: MergeShards, view: View, context: Context) -> Decision:
    """Give all cells of some shards to one, and let them begin to move.

    Rejects: shard.register-unknown, shard.undeclared, shard.empty, shard.under-way
    Source: A2.
    """
    placed = placed_by(rules_of(view.get(COLLECTION, command.id)))
    leaving = [one for one, shard in placed.items() if shard in command.shards]
    findings = (
        *_undeclared("into", (command.into,), context),
        *_empty("shards", command.shards, placed),
    )
    return _begun(command, moved(placed, leaving, command.into), findings, view, context)


@reads(_map_reads)
def move_cells(command: MoveCells, view: View, context: Context) -> Decision:
    """Give some cells to one shard, and let them begin to move.

    Rejects: shard.register-unknown, shard.undeclared, shard.under-way
    Source: A2.
    """
    placed = placed_by(rules_of(view.get(COLLECTION, command.id)))
    wanted = moved(placed, matching(command.cells), command.to)
    return _begun(command, wanted, _undeclared("to", (command.to,), context), view, context)


def _begun(
    command: Change,
    wanted: Mapping[str, int],
    findings: Iterable[Finding],
    view: View,
    context: Context,
) -> Decision:
    """Write down where cells are to go; what moves nothing is accepted and makes no event.

    The same wish again, while it is under way, says again how far it is: whatever was lost of it
    goes on from there.
    """
    if (unknown := _unknown(command.id)) is not None:
        return unknown
    was, becoming = view.get(COLLECTION, command.id), as_rules(wanted)
    if was is not None and was.get("becoming"):
        if becoming != was["becoming"]:
            return _under_way(command.id, was)
        return _accepted(command.id, was, (), context)
    if found := tuple(findings):
        return reject(*found)
    current = as_rules(placed_by(rules_of(was)))
    if becoming == current:
        return _accepted(command.id, was or _fresh(command.id), (), context)
    version = (was["revision"] if was else 0) + 1
    document = {
        "_id": command.id,
        "revision": version,
        "placed": current,
        "becoming": becoming,
        "move": version,
        "phase": "bulk",
        "drained": [],
        "by": context.sender.user,
        "at": context.now,
    }
    return _accepted(command.id, document, (Put(COLLECTION, document, was),), context)


def _fresh(register: str) -> Document:
    return {"_id": register, "revision": 0, "placed": list(ALL_FIRST)}


def _accepted(
    register: str, document: Document, writes: tuple[Put, ...], context: Context
) -> Accepted:
    return Accepted(
        subject=register,
        keyed_to=context.sender.user,
        reply=told(document),
        writes=writes,
        events=tuple(announced(document, context.sender.user)),
    )


def announced(document: Document, by: str) -> Iterator[ShardMoving | ShardDraining]:
    """What sets the phase of a move going; the last one needs no announcement."""
    if not document.get("becoming"):
        return
    register, move = document["_id"], document["move"]
    if document["phase"] == "bulk":
        yield ShardMoving(id=register, version=move, by=by)
    else:
        yield ShardDraining(id=register, version=move, by=by)


def rules_of(document: Document | None) -> Rules:
    """The lines of a map, or that everything is the first shard's."""
    return document["placed"] if document is not None else ALL_FIRST


def told(document: Document) -> ShardMap:
    """A map as an operator sees it."""
    becoming = document.get("becoming")
    return ShardMap(
        id=document["_id"],
        version=document["revision"],
        placed=_placings(document["placed"]),
        becoming=_placings(becoming) if becoming else None,
        phase=document["phase"] if becoming else None,
        drained=tuple(document["drained"]) if becoming else (),
    )


def _placings(rules: Rules) -> tuple[Placing, ...]:
    return tuple(Placing(cells=rule["cells"], shard=rule["shard"]) for rule in rules)


@reads(_map_reads)
def list_shards(query: ListShards, view: View, context: Context) -> Answer | Rejected:
    """Answer with the map as it stands.

    Rejects: shard.register-unknown
    Source: A2.
    """
    if (unknown := _unknown(query.id)) is not None:
        return unknown
    return Answer(told(view.get(COLLECTION, query.id) or _fresh(query.id)))


def _unknown(register: str) -> Rejected | None:
    if register in SHARDED:
        return None
    return reject(
        finding(
            "shard.register-unknown",
            "id",
            expected=f"a register that may have shards: {', '.join(sorted(SHARDED))}",
            got=register,
            advice="Name one of those; the others have one mailbox each.",
        )
    )


def _undeclared(field: str, shards: Iterable[int], context: Context) -> Iterator[Finding]:
    for shard in shards:
        if shard >= context.shards_max:
            yield finding(
                "shard.undeclared",
                field,
                expected=f"shards from 0 to {context.shards_max - 1}, which the broker has",
                got=str(shard),
                advice="Raise FLEXSPINE_SHARDS_MAX, apply the topology, start the workers anew.",
            )


def _empty(field: str, shards: Iterable[int], placed: Mapping[str, int]) -> Iterator[Finding]:
    held = frozenset(placed.values())
    for shard in shards:
        if shard not in held:
            yield finding(
                "shard.empty",
                field,
                expected="a shard that has cells",
                got=str(shard),
                advice="`flexspine shard list` shows who has which.",
            )


def _under_way(register: str, was: Document) -> Rejected:
    return reject(
        finding(
            "shard.under-way",
            "",
            expected=f"no other move of {register} under way",
            got=f"move {was['move']}, {was['phase']}",
            advice="Wait until it is done: `flexspine shard list` shows how far it is.",
        )
    )
