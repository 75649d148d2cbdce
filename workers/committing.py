"""How the rows of a batch become one commit: each document once, and the archive with them."""

from collections.abc import Iterable

from handlers.archiving import COMMANDS, FACTS
from handlers.case import Outcome
from handlers.decision import Document
from workers.rows import RowMaker, Rows, Written
from workers.store import protocol
from workers.store.codec import encode_row
from workers.store.protocol import Commit, Key, Lease, Replace


def make_commit(
    lease: Lease, maker: RowMaker, outcomes: Iterable[tuple[Outcome, Rows]], version: str
) -> Commit:
    """Put a batch together: one write per document, first expectation, last word."""
    last: dict[tuple[str, Key], Written] = {}
    guards: dict[str, dict[Key, protocol.Guard]] = {}
    outbox: list[bytes] = []
    kept: list[Document] = []
    for _, rows in outcomes:
        for write in rows.writes:
            earlier = last.get((write.collection, write.key))
            expected = earlier.expected if earlier else write.expected
            last[write.collection, write.key] = Written(
                write.collection, write.key, expected, write.document
            )
        for collection, guard in rows.guards:
            guards.setdefault(collection, {}).setdefault(guard.id, guard)
        outbox.extend(rows.outbox)
        if rows.entry is not None:
            kept.append(rows.entry)
    inserts, replaces, drops = _sorted_out(last.values())
    if outbox:
        inserts["outbox"] = outbox
    made, ended = maker.ended_keys()
    if made:
        inserts["keys"] = made
    if ended:
        replaces["keys"] = ended
    if kept:
        inserts["commands"] = [_archived(lease, maker, kept, version)]
    return Commit(
        lane=lease.lane,
        epoch=lease.epoch,
        batch=lease.batch + 1,
        inserts=inserts,
        replaces=replaces,
        drops=drops,
        guards={
            collection: [g for g in found.values() if (collection, g.id) not in last]
            for collection, found in guards.items()
        },
    )


def _sorted_out(
    writes: Iterable[Written],
) -> tuple[dict[str, list[bytes]], dict[str, list[Replace]], dict[str, list[protocol.Drop]]]:
    inserts: dict[str, list[bytes]] = {}
    replaces: dict[str, list[Replace]] = {}
    drops: dict[str, list[protocol.Drop]] = {}
    for write in writes:
        if write.document is None:
            if write.expected is not None:
                drop = protocol.Drop(write.key, write.expected)
                drops.setdefault(write.collection, []).append(drop)
        elif write.expected is None:
            inserts.setdefault(write.collection, []).append(write.document)
        else:
            replace = Replace(write.key, write.expected, write.document)
            replaces.setdefault(write.collection, []).append(replace)
    return inserts, replaces, drops


def _archived(lease: Lease, maker: RowMaker, kept: list[Document], version: str) -> bytes:
    facts = [entry for entry in kept if entry["kind"] in FACTS]
    return encode_row(
        {
            "_id": maker.place,
            "lane": lease.lane,
            "epoch": lease.epoch,
            "batch": lease.batch + 1,
            "at": maker.now,
            "versions": {"handlers": version},
            "entries": [entry for entry in kept if entry["kind"] in COMMANDS],
            **({"facts": facts} if facts else {}),
        }
    )
