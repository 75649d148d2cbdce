"""What a shard does with the markers of a move: all that came before them is decided."""

from typing import Any, Final

from contracts.draining import ShardDrained, ShardSettled
from contracts.messages import Event
from contracts.shards import ShardMoved
from handlers.bookkeeping import unattributed
from handlers.cells import placed_by, sources
from handlers.decision import Context, Document, Handled, Put, Reads, View
from handlers.shards import COLLECTION, announced
from handlers.signature import Handler

NEXT: Final = {"bulk": "ordinary", "ordinary": "sending"}
"""Phase -> what comes when every shard that something leaves is through."""


def _map_reads(fact: ShardDrained | ShardSettled, context: Context) -> Reads:
    yield COLLECTION, fact.id


def drained(fact: ShardDrained, view: View, context: Context) -> Handled:
    """Note that a shard is through with a phase; when all are, the next one begins.

    The marker has come through the shard's queue, behind the last command of the cells that leave
    it, and behind whoever waited in its lane: it commits with or after all of them.
    Source: A2.
    """
    was, nothing = view.get(COLLECTION, fact.id), Handled(unattributed(context.now))
    if was is None or not _is_of(was, fact.version) or was["phase"] != fact.phase:
        return nothing
    if fact.shard in was["drained"]:
        return nothing
    through = sorted({*was["drained"], fact.shard})
    document: dict[str, Any] = {**was, "revision": was["revision"] + 1, "drained": through}
    leaving = sources(placed_by(was["placed"]), placed_by(was["becoming"]))
    events: tuple[Event, ...] = ()
    if leaving <= set(through):
        document |= {"phase": NEXT[fact.phase], "drained": []}
        if document["phase"] == "ordinary":
            events = tuple(announced(document, was["by"]))
    return Handled(unattributed(context.now), (Put(COLLECTION, document, was),), events=events)


def settled(fact: ShardSettled, view: View, context: Context) -> Handled:
    """The move is done: what was to be is.

    Source: A2.
    """
    was = view.get(COLLECTION, fact.id)
    if was is None or not _is_of(was, fact.version) or was["phase"] != "sending":
        return Handled(unattributed(context.now))
    document = {
        "_id": was["_id"],
        "revision": was["revision"] + 1,
        "placed": was["becoming"],
        "by": was["by"],
        "at": context.now,
    }
    event = ShardMoved(id=fact.id, version=fact.version, by=was["by"])
    return Handled(unattributed(context.now), (Put(COLLECTION, document, was),), events=(event,))


def _is_of(was: Document, move: int) -> bool:
    return bool(was.get("becoming")) and was["move"] == move


MARKERS: Final = {
    ShardDrained.message_type: Handler(ShardDrained, drained, _map_reads),
    ShardSettled.message_type: Handler(ShardSettled, settled, _map_reads),
}
"""What every shard takes from the directory besides its commands."""
