"""A worker process whose clock is ahead or behind by what a file says: python -m … FILE."""

import asyncio
import signal
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import uvloop

from workers import logs
from workers.addresses import Addresses
from workers.app import Workers
from workers.backbone import now_utc, open_backbone
from workers.settings import Settings

READY = "worker is ready"


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """The clock as if somebody had set it: the real one and as many seconds as the file says."""

    offset: Path

    def __call__(self) -> datetime:
        return now_utc() + timedelta(seconds=float(self.offset.read_text()))


async def work(offset: Path) -> None:
    """Run all workers until SIGTERM."""
    logs.configure(json=True)
    settings = Settings.read()
    addresses = Addresses(
        str(settings.amqp_url), str(settings.management_url), str(settings.mongo_url)
    )
    async with open_backbone(settings, addresses) as backbone:
        workers = Workers(replace(backbone, clock=ShiftedClock(offset)))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, workers.stop)
        await workers.run(lambda: print(READY, flush=True))  # noqa: T201  the storm waits for it


if __name__ == "__main__":
    uvloop.run(work(Path(sys.argv[1])))
