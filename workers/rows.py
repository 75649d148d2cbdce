"""How an outcome becomes what one commit writes: encoded, sealed, and once per document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from contracts.findings import unstorable_findings
from handlers.admission import Arrival
from handlers.case import Outcome
from handlers.decision import Document, Drop, NotLoadedError, Put, Secret, key_of
from handlers.fold import UnstorableError
from outbox.record import OutboxRecord
from workers.store import protocol
from workers.store.codec import Unencodable, encode, encode_row, secret_bytes, stored_key
from workers.store.protocol import Commit, InboxKey, Key, Lease, Replace
from workers.vault import Keyring, Sealed, Vault

ARCHIVED: Final = frozenset({"accepted", "rejected"})
REDERIVED: Final = frozenset({"inbox", "history", "directory", "dead_letters", "parked"})
"""Collections that a rebuild makes again from the rest; the archive leaves them out."""


@dataclass(frozen=True, slots=True)
class Written:
    """The last word of one outcome on one document; `document` is None for a deleted one."""

    collection: str
    key: Key
    expected: int | None
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that one outcome writes."""

    writes: tuple[Written, ...]
    outbox: tuple[bytes, ...]
    records: tuple[OutboxRecord, ...]
    """What `outbox` holds, for whoever sends it."""
    guards: tuple[tuple[str, protocol.Guard], ...]


@dataclass(slots=True)
class RowMaker:
    """Makes the rows of one batch; knows which data keys exist and makes those that do not."""

    vault: Vault
    keyring: Keyring
    absent: frozenset[str]
    """Subjects that were looked up and have no data key yet."""
    locked: Mapping[str, Exception]
    """Subjects whose data key does not open: nothing can be kept under it."""
    place: str
    """Lane and batch number: the position of the batch in the lane's order."""
    now: datetime
    new_keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, outcome: Outcome) -> Rows:
        """Encode and seal; raise UnstorableError with findings for what no store can hold."""
        self._have_key(outcome.keyed_to)
        records = tuple(self._records(outcome))
        try:
            return Rows(
                writes=tuple(self._written(w, outcome.keyed_to) for w in outcome.writes),
                outbox=tuple(map(self._outbox, records)),
                records=records,
                guards=tuple(
                    (g.collection, protocol.Guard(_key(g.was), g.was["revision"]))
                    for g in outcome.guards
                ),
            )
        except Unencodable as error:
            raise UnstorableError(unstorable_findings(error.fields)) from error

    def _have_key(self, subject: str) -> None:
        if subject in self.keyring:
            return
        if subject in self.locked:
            raise self.locked[subject]
        if subject not in self.absent:
            raise NotLoadedError([("keys", subject)])
        row = self.vault.new_key(subject)
        self.keyring.add(subject, self.vault.opened(row))
        self.new_keys[subject] = row

    def _written(self, write: Put | Drop, subject: str) -> Written:
        if isinstance(write, Drop):
            return Written(write.collection, _key(write.was), write.was["revision"], None)
        key = _key(write.document)
        aad = sealing_place(write.collection, key)

        def seal(secret: Secret) -> Sealed:
            return self.keyring.seal(subject, secret_bytes(secret), aad)

        return Written(write.collection, key, write.expected, encode(write.document, seal))

    def _records(self, outcome: Outcome) -> Iterable[OutboxRecord]:
        for number, letter in enumerate(outcome.letters):
            yield OutboxRecord.of(letter, f"{self.place}/{outcome.index:05d}/{number:03d}")

    def _outbox(self, record: OutboxRecord) -> bytes:
        return encode_row(record.row(self.vault.seal_transit) | {"at": self.now})

    def entry(self, outcome: Outcome, rows: Rows) -> Document | None:
        """The command as it came and what it wrote, for a rebuild; None if it changes nothing."""
        arrival = outcome.arrival
        if outcome.kind not in ARCHIVED or not isinstance(arrival, Arrival):
            return None
        aad = f"commands/{self.place}/{outcome.index}".encode()
        return {
            "index": outcome.index,
            "kind": outcome.kind,
            "user": arrival.user,
            "id": arrival.id,
            "type": arrival.type,
            "body": self.keyring.seal(outcome.keyed_to, arrival.delivery.body, aad),
            # Sealed too, since what it wrote says in other words what the body says.
            "writes": self.keyring.seal(outcome.keyed_to, _archived_writes(rows), aad + b"/writes"),
        }


def _archived_writes(rows: Rows) -> bytes:
    return encode_row(
        {
            "writes": [
                {
                    "collection": w.collection,
                    "key": stored_key(w.key),
                    "expected": w.expected,
                    "document": w.document,
                }
                for w in rows.writes
                if w.collection not in REDERIVED
            ]
        }
    )


def make_commit(
    lease: Lease, maker: RowMaker, outcomes: Iterable[tuple[Outcome, Rows]], version: str
) -> Commit:
    """Put a batch together: one write per document, first expectation, last word."""
    last: dict[tuple[str, Key], Written] = {}
    guards: dict[str, dict[Key, protocol.Guard]] = {}
    outbox: list[bytes] = []
    entries: list[Document] = []
    for outcome, rows in outcomes:
        for write in rows.writes:
            earlier = last.get((write.collection, write.key))
            expected = earlier.expected if earlier else write.expected
            last[write.collection, write.key] = Written(
                write.collection, write.key, expected, write.document
            )
        for collection, guard in rows.guards:
            guards.setdefault(collection, {}).setdefault(guard.id, guard)
        outbox.extend(rows.outbox)
        if (entry := maker.entry(outcome, rows)) is not None:
            entries.append(entry)
    inserts, replaces, drops = _sorted_out(last.values())
    if outbox:
        inserts["outbox"] = outbox
    if maker.new_keys:
        inserts["keys"] = [encode_row(row) for row in maker.new_keys.values()]
    if entries:
        inserts["commands"] = [_archived(lease, maker, entries, version)]
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


def _archived(lease: Lease, maker: RowMaker, entries: list[Document], version: str) -> bytes:
    return encode_row(
        {
            "_id": maker.place,
            "lane": lease.lane,
            "epoch": lease.epoch,
            "batch": lease.batch + 1,
            "at": maker.now,
            "versions": {"handlers": version},
            "entries": entries,
        }
    )


def _key(document: Document) -> Key:
    key = key_of(document)
    return InboxKey(*key) if isinstance(key, tuple) else str(key)


def sealing_place(collection: str, key: Key) -> bytes:
    """What binds a sealed value to its document, so that a box moved elsewhere does not open."""
    return f"{collection}/{'/'.join(key) if isinstance(key, InboxKey) else key}".encode()
