"""One entry of the archive as it is played again: what it wrote, as far as its keys still open."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from contracts.messages import reply_type
from handlers.admission import Arrival
from handlers.archiving import UNREPEATED, has_history, is_kept
from handlers.case import Outcome
from handlers.decision import Secret
from handlers.documents import history_id
from workers.archive import COLLECTION, Batch
from workers.differences import fields_in_words
from workers.loading import Loaded
from workers.rows import Rows, archive_place, sealing_place
from workers.store.codec import decode, encode_row, key_of, secret_value, unsealed
from workers.store.protocol import InboxKey, Key
from workers.vault import KeyDestroyed, Sealed, Undecipherable

Named = tuple[str, Key]
Unlike = tuple[str, Named, str]
"""Whether a decision or a write differs, which one, and how."""
UNKNOWN: Final = "rebuild/unknown"
"""The key of an answer that nobody can give again: no such key is ever made."""


@dataclass(slots=True)
class Played:
    """An entry with its writes; those that went with an erased user are not among them."""

    entry: Mapping[str, Any]
    body: bytes | None = None
    """As it came; None where its key is gone, and of what is not decided again."""
    came: Arrival | None = None
    """What the bytes say; None where there are none, or they are no command of any type."""
    writes: dict[Named, bytes | None] = field(default_factory=dict)
    """The stored bytes, None for what it deleted."""
    expected: dict[Named, int | None] = field(default_factory=dict)
    changes: dict[Named, Mapping[str, Any]] = field(default_factory=dict)
    """Which fields of a document it has changed."""
    unreadable: list[tuple[str, Any]] = field(default_factory=list)
    """What does not open although its key is there: it was altered."""
    lost: set[tuple[str, Any]] = field(default_factory=set)
    """Collection and key of what went with an erased user."""
    is_partial: bool = False
    """Whether anything of it did."""

    @property
    def index(self) -> int:
        return int(self.entry["index"])

    @property
    def kind(self) -> str:
        return str(self.entry["kind"])

    @property
    def is_unrepeated(self) -> bool:
        """Whether it is applied and not decided again: what it rested on is not made again."""
        return self.entry["type"] in UNREPEATED

    def opened(self, named: Named, loaded: Loaded) -> Any:
        """A written document with its secrets open."""
        document = self.writes[named]
        return None if document is None else reopened(named[0], document, loaded)

    def history(self, at: datetime, loaded: Loaded) -> dict[Named, bytes | None]:
        """The rows of history beside its writes, sealed anew for their own place."""
        found: dict[Named, bytes | None] = {}
        for named, said in self.changes.items():
            document = decode(self.writes[named] or b"")
            name = history_id(document["_id"], document["revision"])
            values = {n: document[n] for n in said["names"] if n in document}
            row = {
                "_id": name,
                "entity": document["_id"],
                "revision": document["revision"],
                "at": at,
                "valid_from": self.entry["time"],
                "by": self.entry["user"],
                "command": self.entry["id"],
                "values": _moved(values, named, name, loaded),
                "removed": list(said["removed"]),
            }
            found["history", name] = encode_row(row)
        return found


def played(entry: Mapping[str, Any], batch: Batch, loaded: Loaded) -> Played:
    """Read an entry with the keys that are there."""
    play = Played(entry)
    sealed = entry.get("body")
    if sealed is not None:
        try:
            play.body = loaded.keyring.open(sealed, archive_place(batch.place, play.index))
        except KeyDestroyed as gone:
            _part_with(gone.subject, play, loaded)
        except Undecipherable:
            play.unreadable.append((COLLECTION, entry["id"]))
    for write in entry.get("writes", ()):
        _take(write, batch, play, loaded)
    return play


def entry_is_bare(entry: Mapping[str, Any]) -> bool:
    """Whether an accepted command stands there without its bytes, which no erasure takes away."""
    return entry["kind"] == "accepted" and entry.get("body") is None


def _part_with(subject: str, play: Played, loaded: Loaded) -> None:
    """What went with an erasure is no fault; a key that is not there at all was lost."""
    play.is_partial = True
    if subject not in loaded.destroyed:
        play.unreadable.append(("keys", subject))


def _take(write: Mapping[str, Any], batch: Batch, play: Played, loaded: Loaded) -> None:
    named: Named = (write["collection"], key_of(write["key"]))
    document = write.get("document")
    if "box" in write:
        try:
            place = archive_place(batch.place, *write["at"])
            document = loaded.keyring.open(write["box"], place)
        except KeyDestroyed as gone:
            _part_with(gone.subject, play, loaded)
            if document is None:
                play.lost.add((write["collection"], write["key"]))
                return
        except Undecipherable:
            play.unreadable.append((write["collection"], write["key"]))
            return
    play.writes[named] = document
    play.expected.setdefault(named, write["expected"])
    if document is not None and has_history(named[0]) and "names" in write:
        play.changes[named] = write


def reopened(collection: str, document: bytes, loaded: Loaded) -> Any:
    """A stored document with its secrets open, None for those whose key is gone."""
    read = decode(document)
    place = sealing_place(collection, key_of(read["_id"]))

    def value(sealed: Sealed) -> Secret:
        try:
            return Secret(secret_value(loaded.keyring.open(sealed, place)))
        except KeyDestroyed:
            return Secret(None)
        except Undecipherable:
            # Of its own kind, so that it equals nothing that opens.
            return Secret(sealed)

    return unsealed(read, value)


def _moved(values: Any, named: Named, name: str, loaded: Loaded) -> Any:
    """Values sealed for the row of history; what does not open any more stays as it is."""
    place = sealing_place(*named)

    def again(sealed: Sealed) -> Sealed:
        try:
            plain = loaded.keyring.open(sealed, place)
        except (KeyDestroyed, Undecipherable):
            return sealed
        return loaded.keyring.seal(sealed.key, plain, sealing_place("history", name))

    return unsealed(values, again)


def differing(play: Played, decided: tuple[Outcome, Rows] | None, loaded: Loaded) -> list[Unlike]:
    """What of an accepted command is not as it was then; `decided` is what it is now."""
    command = play.entry["type"], InboxKey(play.entry["user"], play.entry["id"])
    if play.came is None:
        return [("decision", command, "cannot be read, or nobody takes it any more")]
    if play.is_unrepeated:
        said = play.came.id, play.came.digest
        if play.came.message is None or said != (play.entry["id"], play.entry["digest"]):
            return [("decision", command, "its bytes are of another command")]
        # What such a command writes is in no archive: whatever stands there was put there.
        return [("write", named, "not of such a command") for named in play.writes]
    if decided is None or decided[0].kind != "accepted":
        now = "not decided" if decided is None else decided[0].kind
        return [("decision", command, f"accepted then, {now} now")]
    return [("write", *one) for one in _unlike_writes(play, *decided, loaded)]


def _unlike_writes(
    play: Played, outcome: Outcome, rows: Rows, loaded: Loaded
) -> Iterator[tuple[Named, str]]:
    """Which documents are written otherwise now, or are not, or are besides."""
    now: dict[Named, Any] = {}
    for write in rows.writes:
        if is_kept(outcome, write.collection):
            document = write.document
            at = (write.collection, write.key)
            now[at] = None if document is None else reopened(write.collection, document, loaded)
    then = {named: play.opened(named, loaded) for named in play.writes}
    expected = {(w.collection, w.key): w.expected for w in reversed(rows.writes)}
    for one in sorted(now.keys() | then.keys(), key=str):
        if one not in now:
            yield one, "written then, not now"
        elif one not in then:
            yield one, "written now, not then"
        elif now[one] != then[one]:
            yield one, fields_in_words(then[one], now[one])
        elif expected[one] != play.expected[one]:
            yield one, f"found at revision {play.expected[one]} then, {expected[one]} now"


def memory(play: Played, batch: Batch) -> dict[str, Any]:
    """That a message was dealt with, where its answer cannot be given again."""
    entry = play.entry
    name = {"user": entry["user"], "id": entry["id"]}
    row = {"_id": name, "digest": entry["digest"], "type": entry["type"], "at": batch.at}
    if play.kind == "handled":
        return row
    reply = Sealed(UNKNOWN, b"")
    return row | {"type": reply_type(entry["type"], "accepted"), "reply": reply}
