"""Reading what the database and the broker hold, its secrets opened, for the checker."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final

from handlers.bookkeeping import own_bytes
from handlers.dead_letters import body_mark
from handlers.decision import Secret
from tests.chaos.observed import Asset, Change, DeadLetter, Known, Remembered, Stored
from tests.spine import ENTRIES, Spine
from topology import names
from workers.backbone import open_backbone
from workers.loading import Loaded, Loader
from workers.store.protocol import InboxKey

CHUNK: Final = 1000
Bodies = Mapping[bytes, bytes]
"""The digest of a command -> the command as it was sent."""
EMPTY: Final = ("outbox", "parked")
"""Collections in which nothing may be left."""


async def read(spine: Spine, bodies: Bodies) -> Stored:
    """Read all of it; the workers have stopped, so that nothing is un-acked.

    `bodies` are those of the commands: a rejection opens with its command's own bytes.
    """
    marks = {body_mark(spine.vault, body): digest for digest, body in bodies.items()}
    return Stored(
        assets={row["_id"]: _asset(row) for row in await spine.raw("assets")},
        users={row["_id"]: row["revision"] for row in await spine.raw("users")},
        claims=[row["holder"] for row in await spine.raw("claims")],
        history=[
            Change(row["entity"], row["revision"], row["by"], row["command"])
            for row in await spine.raw("history")
        ],
        inbox={known: row async for known, row in _inbox(spine, bodies)},
        archive=[
            (entry["user"], entry["id"])
            for batch in await spine.raw("commands")
            for entry in batch["entries"]
        ],
        dead=[
            DeadLetter(row["account"], marks.get(row["mark"], b""), row["reason"], row["times"])
            for row in await spine.raw("dead_letters")
        ],
        waiting=await waiting(spine),
    )


async def waiting(spine: Spine) -> dict[str, int]:
    """What is left where nothing should be: messages in queues, rows that are on their way."""
    queues = await spine.inspector.call("GET", "queues/{vhost}?columns=name")
    left = {queue["name"]: await spine.waiting(queue["name"]) for queue in queues}
    return left | {name: await spine.count(name) for name in EMPTY}


def _asset(row: dict[str, Any]) -> Asset:
    power = row.get("capability", {}).get("power_kw")
    return Asset(
        revision=row["revision"],
        registrant=row["registrant"],
        serial=row.get("identity", {}).get("serial"),
        value=int(power.to_decimal()) if power is not None else None,
    )


async def _inbox(spine: Spine, bodies: Bodies) -> AsyncIterator[tuple[Known, Remembered]]:
    """Every row of a command, its reply opened as the workers open it; nobody answers a fact."""
    rows = await spine.database["inbox"].find({}, {"_id": 1, "digest": 1}).to_list(None)
    digests = {
        InboxKey(row["_id"]["user"], row["_id"]["id"]): bytes(row["digest"])
        for row in rows
        if row["_id"]["user"] != names.RELAY_ACCOUNT
    }
    keys = list(digests)
    async with open_backbone(spine.settings, spine.addresses, ENTRIES) as backbone:
        loader = Loader(backbone.store, spine.vault)
        for start in range(0, len(keys), CHUNK):
            loaded, asked = Loaded(), keys[start : start + CHUNK]
            for digest in map(digests.__getitem__, asked):
                if (body := bodies.get(digest)) is not None:
                    made = partial(spine.vault.key_of_bytes, body)
                    loaded.keyring.offer(own_bytes(digest), made)
            await loader.read((("inbox", key) for key in asked), loaded)
            for key, row in loaded.documents["inbox"].items():
                if not isinstance(key, InboxKey) or not isinstance(row, dict):
                    raise TypeError(f"expected a row of the inbox under {key}, got {row!r}")
                yield (key.user, key.id), Remembered(bytes(row["digest"]), _digest(row["reply"]))


def _digest(reply: Secret) -> bytes:
    value = reply.value
    return sha256(value if isinstance(value, bytes) else bytes(value)).digest()
