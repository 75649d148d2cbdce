"""What every outcome leaves besides the handler's own writes: memory and history."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from contracts.messages import register_of_entity
from handlers.admission import Arrival, Refusal
from handlers.decision import Accepted, Put, Secret
from handlers.documents import changed_fields, history_id
from handlers.letters import Letter

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
            keyed_to=write.keyed_to,
        )
