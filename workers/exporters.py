"""Where spans go: into a file, a line of JSON each, or to a collector over OTLP/HTTP."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from requests import Response, Session

log = structlog.get_logger()
SEND_S: Final = 5.0
"""How long a collector may take for what it is sent at once, further attempts included."""
KIND: Final = "spans"
"""What the package calls what it sends, in each of its lines."""
WORDS_MAX: Final = 60
ELSEWHERE: Final = range(300, 400)
"""Statuses of answers that name another address, to which nothing is sent."""


class Lines(SpanExporter):
    """One line of JSON a span, in the words of OpenTelemetry."""

    def __init__(self, file: TextIO) -> None:
        """Write to an open file."""
        self._file = file

    @classmethod
    def at(cls, path: Path) -> "Lines":
        """Append to a file, which a collector reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path.open("a", encoding="utf-8"))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write them, and let whoever follows the file see them."""
        self._file.writelines(json.dumps(_line(span)) + "\n" for span in spans)
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def _line(span: ReadableSpan) -> Mapping[str, Any]:
    context, parent = span.get_span_context(), span.parent
    return {
        "trace_id": f"{context.trace_id:032x}" if context else None,
        "span_id": f"{context.span_id:016x}" if context else None,
        "parent_span_id": f"{parent.span_id:016x}" if parent else None,
        "name": span.name,
        "kind": span.kind.name,
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "attributes": dict(span.attributes or {}),
    }


class Collector(SpanExporter):
    """Sends spans to a collector; the log says once that it takes none, and once that it does."""

    def __init__(self, url: str) -> None:
        """Send to this address; nothing is opened yet."""
        # With a client of its own and protobuf, which only those load who have a collector.
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415

        self._sender: SpanExporter = trace_exporter.OTLPSpanExporter(
            endpoint=url, timeout=SEND_S, session=_session()
        )
        self._reason = _Reason(trace_exporter.__name__)
        self._sending = Lock()
        self._takes = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them, and again for a while where that may help."""
        with self._sending:
            self._reason.said = "no answer"
            result = self._sender.export(spans)
        takes = result is SpanExportResult.SUCCESS
        if takes and not self._takes:
            log.info("collector.back")
        elif self._takes and not takes:
            log.warning("collector.lost", reason=self._reason.said)
        self._takes = takes
        return result

    def shutdown(self) -> None:
        """Try nothing again, close the connection, and hear no more."""
        self._sender.shutdown()
        # What is still on its way may yet fail, in words that quote the address.
        with self._sending:
            self._reason.end()


def _session() -> "Session":
    """Where an answer that sends us elsewhere is a failure; the package takes it for success."""
    import requests  # noqa: PLC0415

    def refuse(response: "Response", **_: Any) -> None:
        if response.status_code in ELSEWHERE:
            response.close()
            raise requests.HTTPError(response=response)

    session = requests.Session()
    session.hooks["response"].append(refuse)
    return session


class _Reason(logging.Handler):
    """Why spans were not sent, of what the package logs of each attempt.

    Its lines go no further: they quote the address, which may hold a secret.
    """

    said = ""

    def __init__(self, name: str) -> None:
        """Hear this logger, in the place of whoever hears all."""
        super().__init__()
        self._logger = logging.getLogger(name)
        self._logger.addHandler(self)
        self._logger.propagate = False

    def end(self) -> None:
        """Hear it no more, and let others hear it when nobody here does."""
        self._logger.removeHandler(self)
        self._logger.propagate = not any(isinstance(one, _Reason) for one in self._logger.handlers)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status or words of an answer, or the type of an exception without one."""
        args = record.args if isinstance(record.args, tuple) else ()
        for arg in args:
            if isinstance(arg, BaseException):
                answer = getattr(arg, "response", None)
                self.said = type(arg).__qualname__ if answer is None else str(answer.status_code)
                return
            if isinstance(arg, int) or (isinstance(arg, str) and arg != KIND):
                self.said = str(arg)[:WORDS_MAX]
                return
