"""Objects: payloads over the size of a message, put together from chunks, each its sender's own."""

from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from contracts.envelope import Finding
from contracts.notices import NoticeDue
from contracts.objects import OBJECT_BYTES_MAX, OBJECT_URN, ObjectState, ObjectStored, PutObject
from handlers.bookkeeping import unattributed
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Drop,
    Handled,
    Put,
    Reads,
    Secret,
    View,
)
from handlers.references import OBJECTS, object_id
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.timing import OBJECTS as TIMER
from handlers.timing import TIMERS, name_of, timer_id, timer_row

CHUNKS: Final = "object_chunks"
"""Collection: the chunks, sealed under their user's key, because nobody knows what is in them."""
LASTS: Final = timedelta(days=1)
KEPT_MAX: Final = 50
KEPT_BYTES_MAX: Final = 2 * OBJECT_BYTES_MAX


def chunk_id(user: str, digest: str, number: int) -> str:
    """The id of a chunk."""
    return f"{object_id(user, digest)}/{number:04d}"


def _put_reads(command: PutObject, context: Context) -> Reads:
    user = context.sender.user
    yield OBJECTS, user
    yield OBJECTS, object_id(user, command.sha256)


@reads(_put_reads)
def put_object(command: PutObject, view: View, context: Context) -> Decision:
    """Keep a chunk; with the last one compare the whole; one that is there changes nothing.

    Rejects: object.chunk, object.digest, object.quota
    Source: the architecture's claim check.
    """
    user = context.sender.user
    key = object_id(user, command.sha256)
    shelf, head = view.get(OBJECTS, user), view.get(OBJECTS, key)
    if findings := (*_unlike(command, head), *_too_much(command, shelf, head, context)):
        return reject(*findings)
    if head is not None and command.chunk in head["have"]:
        return Accepted(key, _state(head), user)
    have = sorted([*(head["have"] if head is not None else ()), command.chunk])
    complete = len(have) == command.chunks
    if complete and (findings := tuple(_another(command, user, view))):
        return reject(*findings)
    expires_at = head["expires_at"] if head is not None else context.now + LASTS
    document = {
        "_id": key,
        "revision": head["revision"] + 1 if head is not None else 1,
        "sha256": command.sha256,
        "media_type": command.media_type,
        "size": command.size,
        "chunks": command.chunks,
        "have": have,
        "complete": complete,
        "expires_at": expires_at,
    }
    chunk = {"_id": chunk_id(user, command.sha256, command.chunk), "revision": 1}
    new = () if head is not None else tuple(_new_puts(command, user, shelf, context))
    stored = ObjectStored(id=f"{OBJECT_URN}{command.sha256}", by=user, size=command.size)
    return Accepted(
        subject=key,
        keyed_to=user,
        reply=_state(document),
        writes=(
            Put(OBJECTS, document, head),
            Put(CHUNKS, {**chunk, "content": Secret(b64decode(command.content))}),
            *new,
        ),
        events=(stored,) if complete else (),
    )


def _state(head: Document) -> ObjectState:
    return ObjectState(
        id=f"{OBJECT_URN}{head['sha256']}",
        state="complete" if head["complete"] else "partial",
        have=len(head["have"]),
        chunks=head["chunks"],
        expires_at=head["expires_at"],
        revision=head["revision"],
    )


def _new_puts(
    command: PutObject, user: str, shelf: Document | None, context: Context
) -> Iterator[Put]:
    """With the first chunk: the object among those that its user keeps, and the end of its time."""
    expires_at = context.now + LASTS
    kept = [*_kept(shelf, context), {"sha256": command.sha256, "size": command.size,
                                     "expires_at": expires_at}]  # fmt: skip
    revision = shelf["revision"] + 1 if shelf is not None else 1
    yield Put(OBJECTS, {"_id": user, "revision": revision, "kept": kept}, shelf)
    name = timer_id(expires_at, object_id(user, command.sha256))
    yield Put(TIMERS, {"_id": name, "revision": 1, **timer_row(TIMER, expires_at, user)})


def _kept(shelf: Document | None, context: Context) -> Sequence[Any]:
    return [one for one in (shelf or {}).get("kept", ()) if one["expires_at"] > context.now]


def _unlike(command: PutObject, head: Document | None) -> Iterator[Finding]:
    """What keeps a chunk from being one of this object."""
    if command.chunk > command.chunks:
        yield _chunk_finding("chunk", f"at most {command.chunks}", command.chunk)
    if head is None:
        return
    for name in ("size", "chunks", "media_type"):
        if head[name] != getattr(command, name):
            yield _chunk_finding(name, f"{head[name]}, as its other chunks say",
                                 getattr(command, name))  # fmt: skip


def _chunk_finding(name: str, expected: str, got: Any) -> Finding:
    return finding(
        "object.chunk",
        name,
        expected=expected,
        got=got,
        advice="Say the same of the whole with each chunk, and number them from 1.",
    )


def _too_much(
    command: PutObject, shelf: Document | None, head: Document | None, context: Context
) -> Iterator[Finding]:
    kept = _kept(shelf, context)
    size = sum(one["size"] for one in kept) + command.size
    if head is None and (len(kept) >= KEPT_MAX or size > KEPT_BYTES_MAX):
        yield finding(
            "object.quota",
            "size",
            expected=f"at most {KEPT_MAX} objects of yours, of {KEPT_BYTES_MAX} bytes altogether",
            got=size,
            advice="Wait until others of yours are deleted, a day after their first chunk.",
        )


def _another(command: PutObject, user: str, view: View) -> Iterator[Finding]:
    """Whether the chunks together are something else than was said."""
    others = [n for n in range(1, command.chunks + 1) if n != command.chunk]
    view.require((CHUNKS, chunk_id(user, command.sha256, n)) for n in others)
    parts = {n: _content(view.get(CHUNKS, chunk_id(user, command.sha256, n))) for n in others}
    parts[command.chunk] = b64decode(command.content)
    whole = b"".join(parts[n] for n in range(1, command.chunks + 1))
    if len(whole) != command.size or sha256(whole).hexdigest() != command.sha256:
        yield finding(
            "object.digest",
            "sha256",
            expected=f"{command.size} bytes with this digest",
            got=f"{len(whole)} bytes with {sha256(whole).hexdigest()}",
            advice="Compute the digest anew, and put the object's chunks under it.",
        )


def _content(chunk: Document | None) -> bytes:
    content: bytes | None = chunk["content"].value if chunk is not None else None
    return content or b""


def content_of(head: Document, view: View) -> bytes:
    """The whole of a complete object."""
    keys = [f"{head['_id']}/{number:04d}" for number in head["have"]]
    view.require((CHUNKS, key) for key in keys)
    return b"".join(_content(view.get(CHUNKS, key)) for key in keys)


def expire_object_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, the object, and which ones its user keeps."""
    yield TIMERS, fact.timer
    yield OBJECTS, name_of(fact.timer)
    yield OBJECTS, fact.id


def expire_object(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Delete an object whose time is over.

    Source: the architecture's claim check.
    """
    keyed_to, timer = unattributed(context.now), view.get(TIMERS, fact.timer)
    head, shelf = view.get(OBJECTS, name_of(fact.timer)), view.get(OBJECTS, fact.id)
    if timer is None:
        return Handled(keyed_to)
    writes: list[Put | Drop] = [Drop(TIMERS, timer)]
    if head is not None:
        keys = [f"{head['_id']}/{number:04d}" for number in head["have"]]
        view.require((CHUNKS, key) for key in keys)
        chunks = (view.get(CHUNKS, key) for key in keys)
        writes += [Drop(OBJECTS, head), *(Drop(CHUNKS, one) for one in chunks if one is not None)]
    if shelf is not None:
        kept = _kept(shelf, context)
        new = {**shelf, "revision": shelf["revision"] + 1, "kept": kept}
        writes.append(Put(OBJECTS, new, shelf) if kept else Drop(OBJECTS, shelf))
    return Handled(keyed_to, tuple(writes))
