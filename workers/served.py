"""What this release serves: every queue that is a lane, and what says what a delivery of it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.admission import Arrival, Delivery, Limits, Refusal, refuse
from handlers.collection import collect, unrouted
from handlers.draining import MARKERS
from handlers.facts import admit_fact
from handlers.losing import admit_lost
from handlers.resent import CURSOR
from topology import catalog, names
from topology.sharding import is_shard, mailboxes_of
from workers.backbone import Backbone
from workers.engine import Admit
from workers.quota import Quota


@dataclass(frozen=True, slots=True)
class Served:
    """The queues that one owner drains, and what says what a delivery of them is."""

    queue: str
    bulk: str | None
    admit: Admit


def lanes(backbone: Backbone) -> list[Served]:
    """Every mailbox, and queues that are served like one: dead letters, unrouted, lost."""
    entries = backbone.entries

    def quota() -> Quota:
        return Quota(backbone.settings.quota_per_minute, backbone.clock)

    def admit_for(queue: str) -> Admit:
        own = quota()
        if is_shard(queue, count):
            return shard(own.admit_counted)
        return attend(own.admit) if queue == names.NOTICES else own.admit

    count = backbone.settings.shards_max
    first = sorted({entry.queue for entry in entries.values() if entry.kind == "command"})
    mailboxes = [queue for one in first for queue in mailboxes_of(one, count)]
    dead = [names.dead_queue(register) for register in catalog.registers(entries)]
    return [
        *(Served(queue, names.bulk_mailbox(queue), admit_for(queue)) for queue in mailboxes),
        *(
            Served(q, None, lambda delivery, _contracts, limits: collect(delivery, limits))
            for q in dead
        ),
        Served(names.LOST_QUEUE, None, admit_lost),
        Served(
            names.UNROUTED_QUEUE,
            None,
            lambda delivery, _contracts, limits: unrouted(delivery, limits),
        ),
    ]


def shard(requests: Admit) -> Admit:
    """Admit the markers of the directory of shards, and all else as `requests` does."""

    def admit(
        delivery: Delivery, contracts: Mapping[str, type[Any]], limits: Limits
    ) -> Arrival | Refusal:
        if delivery.account == names.DIRECTORY_ACCOUNT:
            return admit_fact(delivery, contracts)
        if delivery.type in MARKERS:
            return refuse(delivery, "unknown-type", "a type of the published list", delivery.type)
        return requests(delivery, contracts, limits)

    return admit


def attend(requests: Admit) -> Admit:
    """Admit what the backbone itself says as a fact, and all else as `requests` does."""

    def admit(
        delivery: Delivery, contracts: Mapping[str, type[Any]], limits: Limits
    ) -> Arrival | Refusal:
        if delivery.account == names.RELAY_ACCOUNT:
            return admit_fact(_resumed(delivery), contracts)
        return requests(delivery, contracts, limits)

    return admit


def _resumed(delivery: Delivery) -> Delivery:
    """A fact that is replayed goes on where it had been told to."""
    cursor = (delivery.headers or {}).get(CURSOR)
    if delivery.cursor is not None or not isinstance(cursor, str):
        return delivery
    return replace(delivery, cursor=cursor)
