"""What a thief of the database and the master key could read: every box that a key still opens."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workers.rows import archive_place, sealing_place
from workers.store.codec import decode, key_of
from workers.vault import KeyDestroyed, Keyring, Sealed, Vault

Rows = Mapping[str, Iterable[Mapping[str, Any]]]


def boxes(value: Any) -> Iterator[Sealed]:
    """All that is sealed in a document."""
    if isinstance(value, Sealed):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from boxes(part)
    elif isinstance(value, list):
        for part in value:
            yield from boxes(part)


def readable(vault: Vault, rows: Rows) -> dict[str, bytes]:
    """By collection, everything that opens under the keys that are there."""
    keyring = vault.keyring(rows.get("keys", ()))
    return {
        name: b"\n".join(found for row in held for found in _of(keyring, name, row))
        for name, held in rows.items()
        if name not in {"keys", "outbox"}
    }


def _of(keyring: Keyring, collection: str, row: Mapping[str, Any]) -> Iterator[bytes]:
    if collection == "commands":
        for entry in (*row["entries"], *row.get("facts", ())):
            yield from _archived(keyring, row["_id"], entry)
        return
    yield from _opened(keyring, boxes(row), sealing_place(collection, key_of(row["_id"])))


def _archived(keyring: Keyring, place: str, entry: Mapping[str, Any]) -> Iterator[bytes]:
    if "body" in entry:
        yield from _opened(keyring, [entry["body"]], archive_place(place, entry["index"]))
    for write in entry.get("writes", ()):
        documents = [write["document"]] if "document" in write else []
        if "box" in write:
            at = archive_place(place, *write["at"])
            documents += _opened(keyring, [write["box"]], at)
        for document in documents:
            yield document
            read = decode(document)
            at = sealing_place(write["collection"], key_of(read["_id"]))
            yield from _opened(keyring, boxes(read), at)


def _opened(keyring: Keyring, sealed: Iterable[Sealed], aad: bytes) -> Iterator[bytes]:
    """What opens; a box under a key that is gone does not, and any other failure is one."""
    for box in sealed:
        try:
            yield keyring.open(box, aad)
        except KeyDestroyed:
            continue
