"""Spans of what a sender traces: command, batch, reply, event and notice, in one trace."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Thread
from typing import Final, get_args

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts import messages
from contracts.trace import TRACEPARENT, Trace
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.resent import TYPE as RESENT
from outbox.record import OutboxRecord
from topology import names

UNKNOWN: Final = "of an unknown type"
OUTCOMES: Final = frozenset(get_args(messages.Outcome))
PROPAGATOR: Final = TraceContextTextMapPropagator()
WAITING_MAX: Final = 2048
"""Finished spans that wait to be handed over; of more, those that have waited longest are lost."""
AT_ONCE_MAX: Final = 512
DELAY_MS: Final = 5000
"""How long spans wait for more, until there are so many that are handed over at once."""
CLOSE_S: Final = 2.0
"""How long a stop waits for what takes spans: a collector may be away, or say nothing."""

CLOSING: Final = "spans-closing"
"""The thread that hands over what is left at a stop, and may go on for longer than that waits."""


@dataclass(frozen=True, slots=True)
class Open:
    """The two spans of a delivery that is being decided."""

    message: Span
    batch: Span

    def end(self, kind: str, size: int) -> None:
        """Say what became of it."""
        self.batch.set_attribute("flexspine.batch.size", size)
        self.batch.end()
        self.message.set_attribute("flexspine.outcome", kind)
        self.message.end()


class Tracing:
    """Makes spans where a sender has sent a trace context, and where its sampling wants them.

    No span holds a value of somebody's data: types, mailboxes, outcomes and sizes.
    """

    def __init__(self, *exporters: SpanExporter, known: Collection[str] | None = None) -> None:
        """Hand finished spans to each in the background; of types, name those that are known.

        A sender chooses the words of a type that nobody takes, and of the answer to it.
        """
        self._known = known
        # Whoever made it closes it, within a limit; at the end of the process there would be none.
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "flexspine"}), shutdown_on_exit=False
        )
        for exporter in exporters:
            self._provider.add_span_processor(
                BatchSpanProcessor(exporter, WAITING_MAX, DELAY_MS, AT_ONCE_MAX)
            )
        self._tracer = self._provider.get_tracer("flexspine")

    def _named(self, message_type: str) -> str:
        return message_type if self._known is None or message_type in self._known else UNKNOWN

    def close(self) -> None:
        """Hand over what is left, as far as it is taken within a while."""
        closing = Thread(target=self._provider.shutdown, name=CLOSING, daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def begin(self, mailbox: str, delivery: Delivery) -> tuple[Delivery, Open | None]:
        """Open the spans of a delivery; what follows from it belongs to the first of them."""
        if not delivery.trace:
            return delivery, None
        context = PROPAGATOR.extract(dict(delivery.trace))
        is_fact = delivery.account == names.RELAY_ACCOUNT
        message = self._tracer.start_span(
            f"{'fact' if is_fact else 'command'} {self._named(delivery.type)}",
            context,
            SpanKind.CONSUMER,
            {"messaging.system": "rabbitmq", "messaging.destination.name": mailbox},
        )
        inside = set_span_in_context(message, context)
        batch = self._tracer.start_span("batch", inside, SpanKind.INTERNAL)
        headers = {**(delivery.headers or {}), **_carried(inside)}
        return replace(delivery, headers=headers), Open(message, batch)

    def send(self, record: OutboxRecord) -> tuple[OutboxRecord, Callable[[str], None]]:
        """Open the span of a message on its way; what is called in the end says what became."""
        if not record.trace:
            return record, lambda _result: None
        context = PROPAGATOR.extract(dict(record.trace))
        name = f"{kind_of(record)} {self._named(record.type)}"
        span = self._tracer.start_span(name, context, SpanKind.PRODUCER)
        trace: Trace = tuple(_carried(set_span_in_context(span, context)).items())

        def end(result: str) -> None:
            span.set_attribute("flexspine.sent", result)
            span.end()

        return replace(record, trace=trace), end


def kind_of(record: OutboxRecord) -> str:
    """What a message is to whom it goes: an event to all, an answer, or what one user is told.

    Or a dead letter on its way to the hop, which is nobody's.
    """
    if record.exchange == names.DOMAIN:
        return "event"
    if record.type == RESENT:
        return "resent"
    outcome = record.type.rpartition(".")[0].rpartition(".")[2]
    return "reply" if outcome in OUTCOMES else "notice"


def ended(spans: Mapping[str, Open], outcomes: Sequence[Outcome]) -> None:
    """End the spans of a batch, by the trace that each delivery carries, with its outcome."""
    kinds = {span_of(outcome.arrival.delivery): outcome.kind for outcome in outcomes}
    for name, one in spans.items():
        one.end(kinds.get(name, "unknown"), len(outcomes))


def span_of(delivery: Delivery) -> str:
    """What tells the deliveries of a batch apart that are traced."""
    return dict(delivery.trace).get(TRACEPARENT, "")


def _carried(context: Context) -> dict[str, str]:
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier, context)
    return carrier
