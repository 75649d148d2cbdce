"""What is counted and measured, once a batch: names and labels are a fixed, small number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from handlers.case import Outcome

SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """The metrics of one process; labels are mailboxes, outcomes and kinds, and never an id."""

    def __init__(self) -> None:
        """Make them in a registry of their own."""
        self._registry = CollectorRegistry()
        of, mailbox = self._registry, ("mailbox",)
        self.messages = Counter(
            "flexspine_messages", "Deliveries that were decided.", ("mailbox", "outcome"),
            registry=of,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "flexspine_batch_seconds", "From a closed batch to its commit.", mailbox,
            buckets=SECONDS, registry=of,
        )  # fmt: skip
        self.batch_size = Histogram(
            "flexspine_batch_size", "Deliveries of one batch.", mailbox, buckets=SIZES, registry=of
        )
        self.committed_at = Gauge(
            "flexspine_last_commit_timestamp_seconds", "When a mailbox last got a batch done.",
            mailbox, registry=of,
        )  # fmt: skip
        self.paused = Counter(
            "flexspine_pauses", "Attempts at a batch that ended with an error.", mailbox,
            registry=of,
        )  # fmt: skip
        self.sent = Counter(
            "flexspine_sent", "Messages that left the outbox.", ("kind", "result"), registry=of
        )
        self.owned = Gauge(
            "flexspine_mailbox_owned", "Whether this process owns a mailbox.", mailbox, registry=of
        )
        self.outbox = Gauge("flexspine_outbox_records", "Records to be sent.", registry=of)
        self.outbox_age = Gauge(
            "flexspine_outbox_oldest_seconds", "Age of the oldest record to be sent.", registry=of
        )
        self.dead = Gauge(
            "flexspine_dead_letters_open", "Dead letters open or failed again.", registry=of
        )
        self.dead_age = Gauge(
            "flexspine_dead_letter_oldest_seconds", "Age of the oldest of them.", registry=of
        )
        self.parked = Gauge("flexspine_parked_commands", "Commands that wait.", registry=of)
        self.lost = Gauge(
            "flexspine_personal_lost", "Messages that users' own queues have lost.", ("queue",),
            registry=of,
        )  # fmt: skip
        self.ready = Gauge("flexspine_ready", "Whether this process can work.", registry=of)

    def batch(self, mailbox: str, outcomes: Sequence[Outcome], took_s: float, at: float) -> None:
        """Count a batch that was committed."""
        counts: dict[str, int] = {}
        for outcome in outcomes:
            counts[outcome.kind] = counts.get(outcome.kind, 0) + 1
        for kind, count in counts.items():
            self.messages.labels(mailbox, kind).inc(count)
        self.batch_seconds.labels(mailbox).observe(took_s)
        self.batch_size.labels(mailbox).observe(len(outcomes))
        self.committed_at.labels(mailbox).set(at)

    def stored(
        self, found: Mapping[str, tuple[int, datetime | None]], parked: int, now: datetime
    ) -> None:
        """Take over what the database holds: number and beginning of `outbox` and `dead`."""
        pairs = {"outbox": (self.outbox, self.outbox_age), "dead": (self.dead, self.dead_age)}
        for name, (count, oldest) in found.items():
            number, age = pairs[name]
            number.set(count)
            age.set(0.0 if oldest is None else (now - oldest).total_seconds())
        self.parked.set(parked)

    def losses(self, events: int, replies: int) -> None:
        """Take over what users' own queues have lost so far, as the database has counted it."""
        self.lost.labels("events").set(events)
        self.lost.labels("replies").set(replies)

    def text(self) -> bytes:
        """All of them, in the text form that is scraped."""
        return generate_latest(self._registry)

    def names(self) -> set[str]:
        """Every name that a dashboard or a rule may use."""
        return {sample.name for family in self._registry.collect() for sample in family.samples} | {
            name for family in self._registry.collect() for name in _spelt(family)
        }


def _spelt(family: object) -> set[str]:
    """What a family without a sample yet will be called."""
    name, kind = str(getattr(family, "name", "")), str(getattr(family, "type", ""))
    if kind == "counter":
        return {f"{name}_total"}
    if kind == "histogram":
        return {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {name}
