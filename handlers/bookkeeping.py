"""What every outcome leaves besides the handler's own writes: memory, history, dead letters."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from contracts.messages import register_of_entity
from handlers.admission import Arrival, Refusal
from handlers.case import Case
from handlers.decision import Accepted, Document, NotLoadedError, Put, Secret
from handlers.documents import changed_fields, history_id
from handlers.letters import Letter

DEAD_BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""What is kept of a dead body; MongoDB takes 16 MiB a document, the broker passes on more."""
REGISTERS: Final = frozenset({"users", "assets"})
"""Collections whose every change is kept in history."""
OWN_BYTES: Final = "bytes/"
UNVERSIONED: Final = frozenset(
    {"_id", "revision", "updated_at", "cell", "given", "is_personal", "home"}
)


def unattributed(now: datetime) -> str:
    """The data key of what belongs to no user of the register.

    A new one every month, so that it ends with its retention.
    """
    return f"unattributed/{now:%Y-%m}"


def keeper(arrival: Arrival | Refusal, now: datetime) -> str:
    """The data key of a message that could not be decided: of the user whom it is about.

    As far as that can be read; else of its sender, and the month's where that is no user of the
    register.
    """
    message = arrival.message if isinstance(arrival, Arrival) else None
    for user in (getattr(message, "id", None), arrival.delivery.user):
        if isinstance(user, str) and register_of_entity(user) == "users":
            return user
    return unattributed(now)


def own_bytes(digest: bytes) -> str:
    """The data key of the answer to a command that was refused: made of the command's own bytes.

    So it opens to whoever sends the same bytes again and to nobody else: what was refused may be
    about somebody whom no register knew, and whom no erasure could reach.
    """
    return f"{OWN_BYTES}{digest.hex()}"


def inbox_put(arrival: Arrival, reply: Letter, now: datetime) -> Put:
    """The answer as it is remembered: the same bytes get it again."""
    return Put(
        "inbox",
        {
            "_id": {"user": arrival.user, "id": arrival.id},
            "digest": arrival.digest,
            "type": reply.type,
            "reply": Secret(reply.body),
            "at": now,
        },
    )


def inbox_fact(arrival: Arrival, now: datetime) -> Put:
    """That a fact was dealt with: nobody was answered, and nothing follows from it again."""
    name = {"user": arrival.user, "id": arrival.id}
    return Put("inbox", {"_id": name, "digest": arrival.digest, "type": arrival.type, "at": now})


def history_puts(decision: Accepted, arrival: Arrival, now: datetime) -> Iterator[Put]:
    """Who changed what, when: new values of changed top-level fields, and removed names."""
    for write in decision.writes:
        if not isinstance(write, Put) or write.collection not in REGISTERS:
            continue
        new, old = write.document, write.was or {}
        # All of a new document is new.
        paths = changed_fields(old, new) if old else (n for n, v in new.items() if v is not None)
        names = {path.partition(".")[0] for path in paths} - UNVERSIONED
        yield Put(
            "history",
            {
                "_id": history_id(new["_id"], new["revision"]),
                "entity": new["_id"],
                "revision": new["revision"],
                "at": now,
                "valid_from": arrival.header.time if arrival.header else now,
                "by": arrival.user,
                "command": arrival.id,
                "values": {name: new[name] for name in sorted(names) if name in new},
                "removed": sorted(name for name in names if name not in new),
            },
        )


def dead_letter_put(case: Case, reason: str, fault: Document | None) -> Put:
    """The message as it came, for an operator; the same one again is counted, not kept.

    Where what is kept of it cannot be read, it is kept anew, under a key that nobody else has: to
    fail here would end the process, at each delivery.
    """
    delivery, now = case.arrival.delivery, case.now
    origin = f"{delivery.account}\x1f{delivery.message_id}\x1f{delivery.type}\x1f{reason}\x1f"
    key = sha256(origin.encode(errors="surrogatepass") + delivery.body).hexdigest()
    try:
        was = case.view.get("dead_letters", key, always=True)
    except NotLoadedError:
        raise
    except Exception:  # noqa: BLE001  whatever it was, it is the fault of the older letter
        was = None
        key = sha256(f"{key}/{case.parking.place}/{case.index}".encode()).hexdigest()
    if was is not None:
        again = {"revision": was["revision"] + 1, "times": was["times"] + 1, "last_at": now}
        return Put("dead_letters", {**was, **again}, was)
    envelope: dict[str, Any] = {
        "account": delivery.account,
        "type": delivery.type,
        "message_id": delivery.message_id,
        "content_encoding": delivery.content_encoding,
    }
    if delivery.cursor is not None:
        envelope["cursor"] = delivery.cursor  # how far a fact has been told
    document = {
        "_id": key,
        "revision": 1,
        "state": "open",
        "reason": reason,
        "type": delivery.type,
        "account": delivery.account,
        "first_at": now,
        "last_at": now,
        "times": 1,
        "size": len(delivery.body),
        "sha256": sha256(delivery.body).digest(),
        "properties": Secret(envelope | {"headers": _headers(delivery.headers)}),
        "body": Secret(delivery.body[:DEAD_BODY_BYTES_MAX]),
        "fault": Secret(fault),
    }
    return Put("dead_letters", document)


def _headers(headers: Any) -> list[list[str]]:
    """Headers as text: what a sender writes there need not be storable as it is."""
    return [
        [str(name).encode(errors="replace").decode(), repr(value)]
        for name, value in (headers or {}).items()
    ]
