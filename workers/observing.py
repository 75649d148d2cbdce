"""What is measured and traced of a process, as far as its settings want it; else nothing is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.trace.export import SpanExporter

from handlers.admission import Delivery
from handlers.case import Outcome
from outbox.publisher import Delivered
from outbox.record import OutboxRecord
from workers.exporters import Collector, Lines
from workers.metrics import Metrics
from workers.settings import Settings
from workers.spans import Open, Tracing, ended, kind_of, span_of

Send = Callable[[OutboxRecord], Awaitable[Delivered]]


@dataclass(slots=True)
class Watched:
    """A batch while it is decided."""

    deliveries: Sequence[Delivery]
    began: float = 0.0
    spans: dict[str, Open] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observer:
    """Metrics and spans of one process; without either it does nothing."""

    metrics: Metrics | None = None
    tracing: Tracing | None = None

    @classmethod
    def of(cls, settings: Settings, known: Collection[str] | None = None) -> "Observer":
        """As the settings say; `known` are the types that a span may name."""
        exporters: list[SpanExporter] = []
        if settings.spans_file is not None:
            exporters.append(Lines.at(settings.spans_file))
        if settings.spans_url is not None:
            exporters.append(Collector(settings.spans_url))
        tracing = Tracing(*exporters, known=known) if exporters else None
        return cls(Metrics() if settings.http_port else None, tracing)

    def begin(self, mailbox: str, batch: Sequence[Delivery]) -> Watched:
        """Note when a batch begins; who is traced goes on with a span of its own."""
        watched = Watched(batch, time.perf_counter())
        if self.tracing is None or not any(delivery.headers for delivery in batch):
            return watched
        found = []
        for delivery in batch:
            traced, spans = self.tracing.begin(mailbox, delivery)
            found.append(traced)
            if spans is not None:
                watched.spans[span_of(traced)] = spans
        watched.deliveries = found
        return watched

    def end(self, mailbox: str, watched: Watched, outcomes: Sequence[Outcome]) -> None:
        """Count a batch that was committed."""
        if watched.spans:
            ended(watched.spans, outcomes)
        if self.metrics is not None and outcomes:
            took_s = time.perf_counter() - watched.began
            self.metrics.batch(mailbox, outcomes, took_s, time.time())

    def paused(self, mailbox: str) -> None:
        """Count an attempt that ended with an error."""
        if self.metrics is not None:
            self.metrics.paused.labels(mailbox).inc()

    def owned(self, mailbox: str, *, is_owned: bool) -> None:
        """Note who owns what."""
        if self.metrics is not None:
            self.metrics.owned.labels(mailbox).set(is_owned)

    def sending(self, send: Send) -> Send:
        """The same, but counted and traced."""
        if self.metrics is None and self.tracing is None:
            return send

        def watched(record: OutboxRecord) -> Awaitable[Delivered]:
            traced, end = (
                self.tracing.send(record) if self.tracing else (record, lambda _result: None)
            )
            kind = kind_of(record)
            outcome = asyncio.ensure_future(send(traced))

            def heard(done: asyncio.Future[Delivered]) -> None:
                failed = done.cancelled() or done.exception() is not None
                result = "failed" if failed else str(done.result())
                end(result)
                if self.metrics is not None:
                    self.metrics.sent.labels(kind, result).inc()

            outcome.add_done_callback(heard)
            return outcome

        return watched

    def close(self) -> None:
        """Hand over what is left."""
        if self.tracing is not None:
            self.tracing.close()
