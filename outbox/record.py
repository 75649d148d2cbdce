"""The rows of the outbox: what is to be sent, where, and in which order."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from zlib import crc32

from contracts.trace import Trace
from handlers.letters import Letter
from topology import names

Cipher = Callable[[bytes, bytes], bytes]
"""Seals a body, or opens it, together with the place that it is bound to."""

PARTITIONS: Final = 16
"""How many relays may share the work; an entity's records all stay in one partition."""


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """One message on its way out; made from a Letter alone, so nothing unfiltered can leave."""

    id: str
    partition: int
    entity: str
    exchange: str
    key: str
    fallback: str | None
    """Routing key on the events exchange for a reply whose queue is gone; None: nobody waits.

    Never used for direct reply-to: of that the broker does not say whether anybody has it.
    """
    type: str
    body: bytes
    trace: Trace = ()
    """Headers of the message besides."""

    @classmethod
    def of(cls, letter: Letter, place: str) -> "OutboxRecord":
        """Address a letter; `place` is its position in the commit order of its lane."""
        entity = letter.entity
        exchange, key, fallback = _address(letter)
        return cls(
            id=place,
            partition=crc32(entity.encode()) % PARTITIONS,
            entity=entity,
            exchange=exchange,
            key=key,
            fallback=fallback,
            type=letter.type,
            body=letter.body,
            trace=letter.trace,
        )

    def row(self, seal: Cipher) -> dict[str, Any]:
        """The record as it is stored, its body sealed to its place."""
        return {
            "_id": self.id,
            "partition": self.partition,
            "entity": self.entity,
            "exchange": self.exchange,
            "key": self.key,
            "fallback": self.fallback,
            "type": self.type,
            "body": seal(self.body, self.id.encode()),
            **({"trace": dict(self.trace)} if self.trace else {}),
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any], unseal: Cipher) -> "OutboxRecord":
        """A stored record; raises what `unseal` raises for a body that does not open."""
        return cls(
            id=row["_id"],
            partition=row["partition"],
            entity=row["entity"],
            exchange=row["exchange"],
            key=row["key"],
            fallback=row["fallback"],
            type=row["type"],
            body=unseal(row["body"], row["_id"].encode()),
            trace=tuple(row.get("trace", {}).items()),
        )


def _address(letter: Letter) -> tuple[str, str, str | None]:
    """Exchange, routing key, and where a reply goes if the queue that was named is gone."""
    if letter.kind == "domain":
        return names.DOMAIN, names.domain_key(letter.type, is_private=letter.is_private), None
    if letter.kind == "resent":
        return names.DEFAULT_EXCHANGE, names.REPLAY_QUEUE, None
    personal = names.personal_key(str(letter.recipient), letter.type)
    if letter.kind == "reply" and letter.reply_to is not None:
        return names.DEFAULT_EXCHANGE, letter.reply_to, personal
    return names.EVENTS, personal, None


def lane_of(place: str) -> str:
    """The lane of a record: places are lane/batch/index/number."""
    return place.rsplit("/", 3)[0]


def past_lane(place: str) -> str:
    """A bound behind every record of that record's lane."""
    return lane_of(place) + "/~"


class OutboxUnavailable(Exception):
    """The store does not answer; the records are where they were."""


class OutboxStore(Protocol):
    """Committed records, in order, until they are confirmed; both raise OutboxUnavailable."""

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Rows of these partitions whose id is behind `after`, in the order of their ids."""
        ...

    async def forget(self, ids: Collection[str]) -> None:
        """Delete rows that the broker has confirmed."""
        ...
