"""What it costs to be observed: processor time of a command without, with metrics, with spans."""

import asyncio
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.load import command
from contracts.trace import TRACEPARENT
from handlers.admission import Delivery
from outbox.publisher import Delivered
from outbox.record import OutboxRecord
from topology import names
from workers.backbone import now_utc
from workers.cli.lines import Line
from workers.exporters import Lines
from workers.local import LocalRegister, open_register
from workers.metrics import Metrics
from workers.observing import Observer
from workers.spans import Tracing

ROUNDS: Final = 9
BATCHES: Final = 10
BATCH: Final = 100
MODES: Final = ("nothing", "metrics", "metrics, and spans of every command")
MAILBOX: Final = names.mailbox("assets")


async def opened() -> tuple[LocalRegister, str]:
    """A register in memory, and a user who may register assets."""
    register = await open_register(None, now_utc)
    data = {"kind": "organisation", "name": "Example Power Ltd", "roles": ["fsp"]}
    envelope = {"source": "urn:flexspine:user:operator", "type": "user.register.v1", "data": data}
    await register.say(Line("bench", 1, "the sender", {**envelope, "id": "sender"}))
    (user,) = [str(key) for key in await register.store.listed("users", "")]
    return register, user


def _observer(mode: str, folder: Path) -> Observer:
    if mode == MODES[0]:
        return Observer()
    tracing = Tracing(Lines.at(folder / secrets.token_hex(4))) if mode == MODES[2] else None
    return Observer(Metrics(), tracing)


def _delivery(user: str) -> Delivery:
    parent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return Delivery(command(user), "asset.register.v1", user, headers={TRACEPARENT: parent})


async def _round(mode: str, folder: Path) -> float:
    """Microseconds of processor time a command: decided, committed, and handed to the sender."""
    register, user = await opened()
    observer, engine = _observer(mode, folder), register.engines[MAILBOX]
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
    return (time.process_time() - began) / (BATCHES * BATCH) * 1e6


async def main() -> None:
    """The modes in turn; medians, and medians of the rounds' ratios."""
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for mode in MODES:
                found[mode].append(await _round(mode, Path(folder)))
    for mode, values in found.items():
        pairs = zip(values, found[MODES[0]], strict=True)
        ratio = statistics.median(value / base for value, base in pairs)
        sys.stdout.write(f"{mode:<40}{statistics.median(values):>8.0f} us {ratio:>6.2f}\n")


if __name__ == "__main__":
    asyncio.run(main())
