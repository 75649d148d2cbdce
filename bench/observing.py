"""What it costs to be observed: processor time of a command without, with metrics, with spans."""

import asyncio
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace.export import SpanExporter

from bench.load import command
from contracts.trace import TRACEPARENT
from handlers.admission import Delivery
from outbox.publisher import Delivered
from outbox.record import OutboxRecord
from topology import names
from workers.backbone import now_utc
from workers.cli.lines import Line
from workers.exporters import Collector, Lines
from workers.local import LocalRegister, open_register
from workers.metrics import Metrics
from workers.observing import Observer
from workers.spans import CLOSING, Tracing

ROUNDS: Final = 9
BATCHES: Final = 10
BATCH: Final = 100
AWAY: Final = "http://127.0.0.1:9/v1/traces"
"""Where nobody listens."""
NOTHING: Final = "nothing"
FILE: Final = "metrics, and spans of every command"
COLLECTOR: Final = "the same, to a collector"
NOBODY: Final = "the same, to one that is away"
MODES: Final = (NOTHING, "metrics", FILE, COLLECTOR, NOBODY)
MAILBOX: Final = names.mailbox("assets")


async def opened() -> tuple[LocalRegister, str]:
    """A register in memory, and a user who may register assets."""
    register = await open_register(None, now_utc)
    data = {"kind": "organisation", "name": "Example Power Ltd", "roles": ["fsp"]}
    envelope = {"source": "urn:flexspine:user:operator", "type": "user.register.v1", "data": data}
    await register.say(Line("bench", 1, "the sender", {**envelope, "id": "sender"}))
    (user,) = [str(key) for key in await register.store.listed("users", "")]
    return register, user


class _Taking(BaseHTTPRequestHandler):
    """Takes what comes and says so, as a collector does."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it to its end."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing of each request."""


@contextmanager
def collector() -> Iterator[str]:
    """A collector in a process of its own, whose time is not ours; its address."""
    server = HTTPServer(("127.0.0.1", 0), _Taking)
    process = get_context("fork").Process(target=server.serve_forever, daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        process.terminate()
        process.join()
        server.server_close()


def _observer(mode: str, folder: Path, url: str) -> Observer:
    if mode == NOTHING:
        return Observer()
    spans: dict[str, Callable[[], SpanExporter]] = {
        FILE: lambda: Lines.at(folder / secrets.token_hex(4)),
        COLLECTOR: lambda: Collector(url),
        NOBODY: lambda: Collector(AWAY),
    }
    return Observer(Metrics(), Tracing(spans[mode]()) if mode in spans else None)


def _delivery(user: str) -> Delivery:
    parent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return Delivery(command(user), "asset.register.v1", user, headers={TRACEPARENT: parent})


async def _round(mode: str, folder: Path, url: str) -> float:
    """Microseconds of processor time a command: decided, committed, and handed to the sender."""
    register, user = await opened()
    observer, engine = _observer(mode, folder, url), register.engines[MAILBOX]
    done: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()
    done.set_result(Delivered.DELIVERED)
    send = observer.sending(lambda _record: done)
    batches = [[_delivery(user) for _ in range(BATCH)] for _ in range(BATCHES)]
    began = time.process_time()
    for batch in batches:
        watched = observer.begin(MAILBOX, batch)
        outcomes = await engine.run(watched.deliveries)
        observer.end(MAILBOX, watched, outcomes)
        letters = [letter for outcome in outcomes for letter in outcome.letters]
        records = [OutboxRecord.of(letter, f"{n:06d}") for n, letter in enumerate(letters)]
        await asyncio.gather(*(send(record) for record in records))
    observer.close()
    took_s = time.process_time() - began
    # A collector that is away is tried for longer than a stop waits: not within the next round.
    for thread in threading.enumerate():
        if thread.name == CLOSING:
            thread.join()
    return took_s / (BATCHES * BATCH) * 1e6


async def main(url: str) -> None:
    """The modes in turn; medians, and medians of the rounds' ratios."""
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for mode in MODES:
                found[mode].append(await _round(mode, Path(folder), url))
    for mode, values in found.items():
        pairs = zip(values, found[NOTHING], strict=True)
        ratio = statistics.median(value / base for value, base in pairs)
        sys.stdout.write(f"{mode:<40}{statistics.median(values):>8.0f} us {ratio:>6.2f}\n")


if __name__ == "__main__":
    with collector() as address:
        asyncio.run(main(address))
