"""How an outcome becomes rows: encoded, and sealed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from contracts.findings import unstorable_findings
from handlers.admission import Arrival
from handlers.archiving import (
    COMMANDS,
    FACTS,
    OUTLASTED,
    gone_with,
    has_history,
    is_kept,
    named_changes,
    remaining,
)
from handlers.bookkeeping import unattributed
from handlers.case import Outcome
from handlers.decision import Document, Drop, NotLoadedError, Put, Secret, key_of
from handlers.fold import UnstorableError
from outbox.record import OutboxRecord
from workers.store import protocol
from workers.store.codec import Unencodable, decode, encode, encode_row, secret_bytes, stored_key
from workers.store.protocol import InboxKey, Key, Replace
from workers.vault import Keyring, Sealed, Vault, destroyed_key

UNDECIDED: Final = frozenset({"poisoned", "exhausted", "refused"})
AFTERWARDS: Final = "/afterwards"
"""What follows a subject in the name of the data key of what is said of it after its erasure."""


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
    key: str
    """Whose data key its secrets are sealed under."""
    erased: tuple[str, ...] = ()
    """Whose data keys it destroys."""
    entry: Document | None = None
    """The message and what it wrote, for a rebuild; None if it changes nothing."""


Made = dict[int, tuple[Outcome, Rows]]
"""By index: the rows of an outcome that were made under stored keys, and so stay what they are."""


@dataclass(slots=True)
class RowMaker:
    """Makes the rows of one batch; knows which data keys exist and makes those that do not."""

    vault: Vault
    keyring: Keyring
    absent: frozenset[str]
    """Subjects that were looked up and have no data key yet."""
    locked: Mapping[str, Exception]
    """Subjects whose data key does not open: nothing can be kept under it."""
    destroyed: frozenset[str]
    """Subjects whose data key was destroyed."""
    place: str
    """Lane and batch number: the position of the batch in the lane's order."""
    now: datetime
    new_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Subjects whose data key this batch destroys."""
    made: Made = field(default_factory=dict)
    """What earlier rounds of the batch have made."""

    def __call__(self, outcome: Outcome) -> Rows:
        """The rows of an outcome, made once; raise UnstorableError for what no store can hold."""
        earlier, rows = self.made.get(outcome.index, (None, None))
        if rows is None or earlier is not outcome or self._has_keys_of_its_own:
            rows = self._rows(outcome)
            if not self._has_keys_of_its_own:
                self.made[outcome.index] = outcome, rows
        return rows

    @property
    def _has_keys_of_its_own(self) -> bool:
        return bool(self.new_keys or self.erased)

    def _rows(self, outcome: Outcome) -> Rows:
        """Encode and seal; raise UnstorableError with findings."""
        key = self._key_of(outcome)
        self._have_key(key)
        for subject in outcome.erases:
            self._look_for(subject)
        records = tuple(self._records(outcome))
        try:
            writes = tuple(self._written(w, key) for w in outcome.writes)
            rows = Rows(
                writes=writes,
                outbox=tuple(map(self._outbox, records)),
                records=records,
                guards=tuple(
                    (g.collection, protocol.Guard(_key(g.was), g.was["revision"]))
                    for g in outcome.guards
                ),
                key=key,
                erased=outcome.erases,
                entry=self._entry(outcome, writes, key),
            )
        except Unencodable as error:
            raise UnstorableError(unstorable_findings(error.fields)) from error
        self.erased.update(outcome.erases)
        return rows

    def _key_of(self, outcome: Outcome) -> str:
        """Whose key an outcome is kept under."""
        subject = outcome.keyed_to
        if subject in self.locked and outcome.kind in UNDECIDED:
            # What is wrong with a sender's key must not be in the way of its dead letter.
            return unattributed(self.now)
        return self._outlasting(subject)

    def _outlasting(self, subject: str) -> str:
        """The key of a subject; of who was erased, one that is made afterwards."""
        gone = subject in self.destroyed or subject in self.erased
        return f"{subject}{AFTERWARDS}" if gone else subject

    def _look_for(self, subject: str) -> None:
        known = (self.keyring, self.locked, self.absent)
        if not any(subject in found for found in known):
            raise NotLoadedError([("keys", subject)])

    def _have_key(self, subject: str) -> None:
        if subject in self.keyring:
            return
        if subject in self.locked:
            raise self.locked[subject]
        self._look_for(subject)
        row = self.vault.new_key(subject)
        self.keyring.add(subject, self.vault.opened(row))
        self.new_keys[subject] = row

    def _written(self, write: Put | Drop, subject: str) -> Written:
        if isinstance(write, Drop):
            return Written(write.collection, _key(write.was), write.was["revision"], None)
        key = _key(write.document)
        if write.keyed_to is not None:
            self._look_for(write.keyed_to)
            subject = self._outlasting(write.keyed_to)
            self._have_key(subject)
        aad = sealing_place(write.collection, key)

        def seal(secret: Secret) -> Sealed:
            return self.keyring.seal(subject, secret_bytes(secret), aad)

        return Written(write.collection, key, write.expected, encode(write.document, seal))

    def _records(self, outcome: Outcome) -> Iterable[OutboxRecord]:
        for number, letter in enumerate(outcome.letters):
            yield OutboxRecord.of(letter, f"{self.place}/{outcome.index:05d}/{number:03d}")

    def _outbox(self, record: OutboxRecord) -> bytes:
        return encode_row(record.row(self.vault.seal_transit) | {"at": self.now})

    def _entry(self, outcome: Outcome, writes: Iterable[Written], key: str) -> Document | None:
        arrival = outcome.arrival
        if outcome.kind not in COMMANDS | FACTS or not isinstance(arrival, Arrival):
            return None
        said: dict[str, Any] = {
            "index": outcome.index,
            "kind": outcome.kind,
            "user": arrival.user,
            "id": arrival.id,
            "type": arrival.type,
            "digest": arrival.digest,
        }
        if outcome.kind == "rejected":
            # Nothing was written, and what it says may be about somebody whom nobody can erase.
            return said
        if outcome.kind == "accepted":
            aad = archive_place(self.place, outcome.index)
            said["time"] = arrival.header.time if arrival.header else self.now
            said["body"] = self.keyring.seal(key, arrival.delivery.body, aad)
        pairs = enumerate(zip(outcome.writes, writes, strict=True))
        kept = [(n, w, row) for n, (w, row) in pairs if is_kept(outcome, row.collection)]
        return said | {"writes": [self._kept(outcome, n, w, row) for n, w, row in kept]}

    def _kept(self, outcome: Outcome, number: int, write: Put | Drop, row: Written) -> Document:
        """A write as the archive keeps it: what an erasure takes is sealed, the rest as stored."""
        said: dict[str, Any] = {"collection": row.collection, "key": stored_key(row.key)}
        said["expected"] = row.expected
        if isinstance(write, Drop) or row.document is None:
            return said
        if has_history(row.collection):
            said |= named_changes(outcome).get(str(row.key), {})
        subject = gone_with(row.collection, write.document)
        if subject is None:
            return said | {"document": row.document}
        # Whether it is destroyed shows when it is looked for.
        self._look_for(subject)
        # What the erasure itself leaves is not what it takes.
        key = f"{subject}{AFTERWARDS}" if subject in outcome.erases else self._outlasting(subject)
        self._have_key(key)
        at = (outcome.index, number)
        box = self.keyring.seal(key, row.document, archive_place(self.place, *at))
        said |= {"at": at, "box": box}
        if row.collection not in OUTLASTED:
            return said
        return said | {"document": encode_row(remaining(decode(row.document)))}

    def ended_keys(self) -> tuple[list[bytes], list[Replace]]:
        """New rows of `keys` and replaced ones; a destroyed key leaves the word that it was."""
        ended = {s: encode_row(destroyed_key(s, self.now)) for s in self.erased - self.destroyed}
        unstored = ended.keys() & (self.new_keys.keys() | self.absent)
        new = [encode_row(row) for s, row in self.new_keys.items() if s not in ended]
        inserts = [*new, *(ended[subject] for subject in sorted(unstored))]
        return inserts, [Replace(s, None, ended[s]) for s in sorted(ended.keys() - unstored)]


def _key(document: Document) -> Key:
    key = key_of(document)
    return InboxKey(*key) if isinstance(key, tuple) else str(key)


def archive_place(place: str, *numbers: int) -> bytes:
    """What binds a box of the archive to its entry, and to the write of it that it holds."""
    return "/".join(("commands", place, *map(str, numbers))).encode()


def sealing_place(collection: str, key: Key) -> bytes:
    """What binds a sealed value to its document, so that a box moved elsewhere does not open."""
    return f"{collection}/{'/'.join(key) if isinstance(key, InboxKey) else key}".encode()
