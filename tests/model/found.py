"""What a run of the model left behind, read once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from tests.model.play import Model
from tests.model.process import RULEBOOK, Sent
from topology.catalog import contracts_of
from workers.store.codec import decode
from workers.store.memory import MemoryStore

CommandKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What a run left behind, read once."""

    model: Model
    arrivals: Mapping[str, Sequence[Arrival | Refusal]]
    inbox: Mapping[CommandKey, Mapping[str, Any]]
    marks: Mapping[str, Mapping[str, Any]]
    replies: Mapping[CommandKey, Sequence[Mapping[str, Any]]]
    bodies: Mapping[CommandKey, Sequence[Sent]]
    events: Mapping[str, Sequence[tuple[Sent, Mapping[str, Any]]]]

    @classmethod
    def of(cls, model: Model) -> "Found":
        replies: dict[CommandKey, list[Mapping[str, Any]]] = defaultdict(list)
        bodies: dict[CommandKey, list[Sent]] = defaultdict(list)
        events: dict[str, list[tuple[Sent, Mapping[str, Any]]]] = defaultdict(list)
        for sent in model.wire:
            envelope = json.loads(sent.body)
            if not sent.recipient:
                events[sent.entity].append((sent, envelope))
                continue
            key = (sent.recipient, str(envelope.get("correlationid")))
            replies[key].append(envelope)
            bodies[key].append(sent)
        return cls(
            model=model,
            arrivals={name: admitted(queue.published) for name, queue in model.queues.items()},
            inbox={
                (row["_id"]["user"], row["_id"]["id"]): row for row in rows(model.shared, "inbox")
            },
            marks={row["_id"]: row for row in rows(model.shared, "marks")},
            replies=replies,
            bodies=bodies,
            events=events,
        )

    def of_command(self) -> Mapping[CommandKey, Sequence[Arrival]]:
        """All that was published under one id."""
        found: dict[CommandKey, list[Arrival]] = defaultdict(list)
        for arrivals in self.arrivals.values():
            for arrival in arrivals:
                if isinstance(arrival, Arrival):
                    found[arrival.user, arrival.id].append(arrival)
        return found

    def queues_of(self, mark: str) -> set[str]:
        """From which queues a mark is written."""
        return {
            name
            for name, arrivals in self.arrivals.items()
            for a in arrivals
            if isinstance(a, Arrival) and getattr(a.message, "id", None) == mark
        }


def admitted(deliveries: Iterable[Delivery]) -> list[Arrival | Refusal]:
    """What each delivery is."""
    contracts = contracts_of(RULEBOOK.handlers)
    return [admit(delivery, contracts, Limits()) for delivery in deliveries]


def rows(store: MemoryStore, collection: str) -> list[dict[str, Any]]:
    """The rows of a collection, as they are stored."""
    return [decode(row) for row in store._documents.get(collection, {}).values()]
