"""A collector of spans, as far as a test needs one: over OTLP/HTTP, and it may say nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"


@dataclass
class Collector:
    """What came: spans in the words of the file, and the heads of the requests."""

    url: str = ""
    answer: str = "200 OK"
    spans: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


def _read(body: bytes) -> list[dict[str, Any]]:
    return [
        {
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex() or None,
            "name": span.name,
            "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            "start_ns": span.start_time_unix_nano,
            "end_ns": span.end_time_unix_nano,
            "attributes": {
                one.key: getattr(one.value, one.value.WhichOneof("value"))
                for one in span.attributes
            },
        }
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@asynccontextmanager
async def collecting(*, is_mute: bool = False) -> AsyncIterator[Collector]:
    """Listen; a mute one takes the connection and the request, and says nothing."""
    found, over = Collector(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length:")
        )
        body = await reader.readexactly(length)
        found.heads.append(head)
        if is_mute:
            await over.wait()
        else:
            found.spans += _read(body)
            head = f"HTTP/1.1 {found.answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found.url = f"http://127.0.0.1:{port}{PATH}"
    try:
        async with server:
            yield found
    finally:
        over.set()
