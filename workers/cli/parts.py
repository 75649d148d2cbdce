"""What is too large for one message goes as an object, and the message then names it."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from contracts.objects import OBJECT_URN, PutObject
from topology.catalog import Entry
from workers.cli.lines import Line, written

ENVELOPE_BYTES: Final = 2048
"""What the attributes around a chunk take at most."""
CHUNK_BYTES_MAX: Final = 128 * 1024
"""Of the object; in base64 it is a third more."""


def parted(lines: Iterable[Line], entries: Mapping[str, Entry], body_bytes_max: int) -> list[Line]:
    """The lines, each that is too large, and may name an object, behind the chunks of that object.

    Their ids follow from the line, so that sending it again sends the same.
    """
    found: list[Line] = []
    for line in lines:
        found += (
            _parts(line, body_bytes_max) if _is_large(line, entries, body_bytes_max) else [line]
        )
    return found


def _is_large(line: Line, entries: Mapping[str, Entry], body_bytes_max: int) -> bool:
    envelope = line.envelope or {}
    entry = entries.get(str(envelope.get("type")))
    if entry is None or not entry.contract.by_reference or "data" not in envelope:
        return False
    size = len(line.raw) if line.raw is not None else len(written(envelope))
    return size + ENVELOPE_BYTES > body_bytes_max


def _parts(line: Line, body_bytes_max: int) -> Iterator[Line]:
    envelope = dict(line.envelope or {})
    body = json.dumps(envelope.pop("data"), separators=(",", ":")).encode()
    digest = sha256(body).hexdigest()
    fits = min(CHUNK_BYTES_MAX, max(1, (body_bytes_max - ENVELOPE_BYTES) * 3 // 4))
    pieces = [body[start : start + fits] for start in range(0, len(body), fits)]
    for number, piece in enumerate(pieces, start=1):
        data = {
            "sha256": digest,
            "size": len(body),
            "chunk": number,
            "chunks": len(pieces),
            "content": b64encode(piece).decode(),
        }
        put: dict[str, Any] = {
            "id": line.derived(f"/part/{number}"),
            "source": envelope.get("source"),
            "type": PutObject.message_type,
            "data": data,
        }
        label = f"{line.label}, part {number} of {len(pieces)}"
        yield Line(line.scope, line.number, label, put)
    named = {"id": line.derived(), **envelope, "dataref": f"{OBJECT_URN}{digest}"}
    yield Line(line.scope, line.number, line.label, named)
