"""Health, readiness and metrics over HTTP, for whatever supervises and scrapes a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from workers.store.protocol import Unavailable

log = structlog.get_logger()
REQUEST_S: Final = 5.0
LINE_BYTES_MAX: Final = 4096
PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
REASONS: Final[Mapping[int, str]] = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
Answer = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of a process: `/live`, `/ready` and `/metrics`."""

    unready: Callable[[], Awaitable[str]]
    """Why it cannot work at this moment; empty where it can."""
    metrics: Callable[[], Awaitable[bytes]]

    async def answer(self, path: str) -> Answer:
        """Status and body of one path."""
        match path.partition("?")[0]:
            case "/live":
                # That there is an answer says that the event loop turns.
                return 200, b"live\n"
            case "/ready":
                why = await self.unready()
                return (503, f"{why}\n".encode()) if why else (200, b"ready\n")
            case "/metrics":
                return 200, await self.metrics()
        return 404, b"expected /live, /ready or /metrics\n"


@asynccontextmanager
async def listening(probe: Probe, host: str, port: int) -> AsyncIterator[int]:
    """Answer on an address until left; gives the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                line = await reader.readline()
                status, body = await _answered(probe, line)
                head = (
                    f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {PLAIN}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, ValueError) as error:
            log.info("probe.broken", error=type(error).__name__)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, port, limit=LINE_BYTES_MAX)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _answered(probe: Probe, line: bytes) -> Answer:
    words = line.decode("latin-1").split()
    method, path = (words[0], words[1]) if len(words) > 1 else ("", "")
    if method not in {"GET", "HEAD"}:
        return 404, b"expected GET\n"
    try:
        return await probe.answer(path)
    except Unavailable as error:
        return 503, f"{error}\n".encode()
