"""Metrics with few labels, spans with the sender's context, and answers over HTTP."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from contracts.trace import TRACEPARENT
from handlers.admission import Delivery
from outbox.publisher import Delivered
from outbox.record import OutboxRecord
from tests.builders import command
from tests.collector import collecting
from tests.memory.workshop import open_workshop
from topology.catalog import build, types
from workers.exporters import Collector
from workers.metrics import Metrics
from workers.observing import Observer
from workers.probing import Probe, listening
from workers.settings import Settings
from workers.spans import CLOSE_S, Tracing, kind_of
from workers.store.protocol import Unavailable

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
MAILBOX = "mailbox.tests.0"


def traced(delivery: Delivery, flags: str = "01") -> Delivery:
    return replace(delivery, headers={TRACEPARENT: f"00-{TRACE_ID}-b7ad6b7169203331-{flags}"})


def observer() -> tuple[Observer, InMemorySpanExporter]:
    spans = InMemorySpanExporter()
    return Observer(Metrics(), Tracing(spans)), spans


def keep(name: str) -> Delivery:
    return command("trial.keep.v1", {"id": name}, sender="operator", id=name)


async def test_a_batch_is_counted_and_each_traced_command_has_its_outcome() -> None:
    watching, spans = observer()
    workshop = await open_workshop()
    crash = command("trial.crash.v1", {"words": "x"}, sender="operator", id="c")
    watched = watching.begin(MAILBOX, [traced(keep("a")), keep("b"), traced(crash)])
    outcomes = await workshop.run(*watched.deliveries)
    watching.end(MAILBOX, watched, outcomes)
    watching.close()
    found = {
        span.name: (span.attributes or {}).get("flexspine.outcome")
        for span in spans.get_finished_spans()
    }
    assert found == {
        "command trial.keep.v1": "accepted",
        "command trial.crash.v1": "poisoned",
        "batch": None,
    }
    assert watching.metrics is not None
    text = watching.metrics.text().decode()
    assert f'flexspine_messages_total{{mailbox="{MAILBOX}",outcome="accepted"}} 2.0' in text
    assert f'flexspine_messages_total{{mailbox="{MAILBOX}",outcome="poisoned"}} 1.0' in text
    assert f'flexspine_batch_size_sum{{mailbox="{MAILBOX}"}} 3.0' in text


def leaving(message_type: str, key: str = "k") -> OutboxRecord:
    trace = ((TRACEPARENT, f"00-{TRACE_ID}-b7ad6b7169203331-01"),)
    return OutboxRecord("p", 1, "e", "", key, None, message_type, b"", trace)


def test_a_span_names_no_type_that_its_sender_has_made_up() -> None:
    spans = InMemorySpanExporter()
    tracing = Tracing(spans, known={"trial.keep.v1", "trial.keep.accepted.v1"})
    for kind in ("trial.keep.v1", "jane-doe.left.v1"):
        delivery, opened = tracing.begin("unrouted", traced(replace(keep("a"), type=kind)))
        assert (delivery.type, opened is not None) == (kind, True)
        assert opened is not None
        opened.end("refused", 1)
    for kind in ("trial.keep.accepted.v1", "jane-doe.left.rejected.v1"):
        tracing.send(leaving(kind))[1]("delivered")
    tracing.close()
    named = [span.name for span in spans.get_finished_spans() if span.name != "batch"]
    assert sorted(named) == [
        "command of an unknown type",
        "command trial.keep.v1",
        "reply of an unknown type",
        "reply trial.keep.accepted.v1",
    ]


def test_the_types_that_a_span_may_name_are_all_that_are_taken_told_and_answered() -> None:
    known = types(build())
    assert known >= {"asset.register.v1", "asset.register.check.held.v1", "asset.registered.v1"}
    assert known >= {"dead.resent.v1", "message.rejected.v1", "dead.run-asked.v1"}


@pytest.mark.parametrize(
    ("message_type", "kind"),
    [
        ("dead.resent.v1", "resent"),
        ("asset.register.held.v1", "reply"),
        ("asset.updated.v1", "notice"),
        ("nonsense", "notice"),
        ("", "notice"),
    ],
)
def test_what_a_message_is_called_by_its_type(message_type: str, kind: str) -> None:
    assert kind_of(leaving(message_type)) == kind


async def test_what_follows_from_a_traced_command_belongs_to_its_span() -> None:
    watching, _ = observer()
    workshop = await open_workshop()
    watched = watching.begin(MAILBOX, [traced(keep("a"))])
    (outcome,) = await workshop.run(*watched.deliveries)
    (opened,) = watched.spans.values()
    context = opened.message.get_span_context()
    for letter in outcome.letters:
        said = dict(letter.trace)[TRACEPARENT]
        assert said == f"00-{TRACE_ID}-{context.span_id:016x}-01"


async def test_a_sender_that_does_not_sample_costs_no_span() -> None:
    watching, spans = observer()
    watched = watching.begin(MAILBOX, [traced(keep("a"), "00")])
    workshop = await open_workshop()
    watching.end(MAILBOX, watched, await workshop.run(*watched.deliveries))
    watching.close()
    assert spans.get_finished_spans() == ()
    # Its context goes on all the same.
    assert TRACE_ID in str(watched.deliveries[0].headers)


async def test_what_leaves_is_counted_by_what_became_of_it() -> None:
    watching, _ = observer()
    results: list[Delivered | Exception] = [Delivered.DELIVERED, OSError("away")]

    async def send(_record: OutboxRecord) -> Delivered:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    sending = watching.sending(send)
    record = OutboxRecord(
        "p", 1, "e", "flex.domain", "k", None, "asset.registered.v1", b"", ((TRACEPARENT, "bad"),)
    )
    assert await sending(replace(record, trace=())) is Delivered.DELIVERED
    with pytest.raises(OSError, match="away"):
        await sending(replace(record, trace=()))
    await asyncio.sleep(0)
    assert watching.metrics is not None
    text = watching.metrics.text().decode()
    assert 'flexspine_sent_total{kind="event",result="delivered"} 1.0' in text
    assert 'flexspine_sent_total{kind="event",result="failed"} 1.0' in text


def test_without_settings_nothing_is_observed(tmp_path: Path) -> None:
    assert Observer.of(Settings()) == Observer(None, None)
    url = "http://127.0.0.1:9/v1/traces"
    on = Observer.of(Settings(http_port=1, spans_file=tmp_path / "spans", spans_url=url))
    assert on.metrics is not None
    assert on.tracing is not None
    on.close()


def span_of_a_command(tracing: Tracing) -> None:
    _, opened = tracing.begin(MAILBOX, traced(keep("a")))
    assert opened is not None
    opened.end("accepted", 1)


async def test_a_collector_may_ask_for_a_login() -> None:
    async with collecting() as collector:
        url = collector.url.replace("//", "//me:p%40ss@")
        tracing = Tracing(Collector(url))
        span_of_a_command(tracing)
        await asyncio.to_thread(tracing.close)
    assert [span["name"] for span in collector.spans] == ["batch", "command trial.keep.v1"]
    (head,) = collector.heads
    assert f"Authorization: Basic {b64encode(b'me:p@ss').decode()}\r\n" in head


async def test_a_collector_that_says_nothing_holds_nobody_up() -> None:
    async with collecting(is_mute=True) as collector:
        tracing = Tracing(Collector(collector.url))
        span_of_a_command(tracing)
        began = time.monotonic()
        await asyncio.to_thread(tracing.close)
        assert collector.heads
    assert CLOSE_S <= time.monotonic() - began < 2 * CLOSE_S


async def test_the_log_says_once_that_a_collector_takes_no_spans_and_once_that_it_does() -> None:
    said: list[MutableMapping[str, Any]] = []
    async with collecting() as other:
        collector = Collector(other.url)
        answers = ("401 Unauthorized", "400 Bad Request", "200 OK", "200 OK", "302 Found", "200 OK")
        for answer in answers:
            other.answer = answer
            with capture_logs() as lines:
                await asyncio.to_thread(collector.export, [])
            said += lines
    collector.shutdown()
    assert said == [
        {"event": "collector.lost", "log_level": "warning", "reason": "401"},
        {"event": "collector.back", "log_level": "info"},
        {"event": "collector.lost", "log_level": "warning", "reason": "302"},
        {"event": "collector.back", "log_level": "info"},
    ]


def test_a_collector_that_is_closed_hears_no_more() -> None:
    logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    before = list(logger.handlers), logger.propagate
    first, second = (Collector("http://127.0.0.1:9/v1/traces") for _ in range(2))
    first.shutdown()
    assert not logger.propagate
    second.shutdown()
    assert (logger.handlers, logger.propagate) == before


AWAY = """
from workers import exporters, logs
logs.configure(json=True)
exporters.SEND_S = 1.5
collector = exporters.Collector("http://me:hunter2@127.0.0.1:9/v1/traces?key=hunter2")
for _ in range(2):
    collector.export([])
"""
ODD = """
import logging, os
from workers import exporters, logs
logging.basicConfig()
logs.configure(json=True)
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = "Authorization: Bearer hunter2"
collector = exporters.Collector({url!r} + "?key=hunter2")
collector.export([])
"""


def test_no_line_says_the_login_at_a_collector() -> None:
    """In a process of its own, where nothing of the tests' listens to what the package logs."""
    done = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=True)  # noqa: S603
    assert "hunter2" not in done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["reason"]) == (
        "collector.lost",
        "ConnectionError",
    )


async def test_no_line_quotes_a_header_or_an_odd_answer() -> None:
    """Of a header that cannot be one, and of an answer with one that cannot be one."""
    async with collecting() as collector:
        collector.answer = "200 OK\r\nno colon"
        given = sys.executable, "-c", ODD.format(url=collector.url)
        done = await asyncio.to_thread(subprocess.run, given, capture_output=True, text=True)
        assert "key=hunter2" in collector.heads[0]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def _get(port: int, request: bytes) -> tuple[str, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + b"\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.decode().splitlines()[0], body


async def test_health_over_http() -> None:
    why = "the broker is not connected"

    async def unready() -> str:
        return why

    async def metrics() -> bytes:
        raise Unavailable("no primary")

    async with listening(Probe(unready, metrics), "127.0.0.1", 0) as port:
        assert await _get(port, b"GET /live HTTP/1.1") == ("HTTP/1.1 200 OK", b"live\n")
        assert await _get(port, b"GET /ready HTTP/1.1") == (
            "HTTP/1.1 503 Service Unavailable",
            b"the broker is not connected\n",
        )
        why = ""
        assert (await _get(port, b"GET /ready?x HTTP/1.1"))[1] == b"ready\n"
        assert (await _get(port, b"GET /metrics HTTP/1.1"))[1] == b"no primary\n"
        assert (await _get(port, b"POST /live HTTP/1.1"))[0].endswith("404 Not Found")
        assert (await _get(port, b"nonsense"))[0].endswith("404 Not Found")
