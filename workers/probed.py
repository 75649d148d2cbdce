"""What this process answers on its port: whether it can work, and what was counted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from workers.alarms import Lost
from workers.backbone import Backbone
from workers.metrics import Metrics
from workers.observing import Observer
from workers.probing import Probe, listening
from workers.store.driver import Driver
from workers.store.inspection import Inspection
from workers.store.protocol import Unavailable

log = structlog.get_logger()


@asynccontextmanager
async def probed(
    backbone: Backbone, observer: Observer, is_connected: Callable[[], bool]
) -> AsyncIterator[None]:
    """Answer on the port of the settings until left; where they name none, nothing is answered."""
    settings, metrics = backbone.settings, observer.metrics
    async with AsyncExitStack() as stack:
        # Beside the loop: what takes the spans may take its time, and the broker wants heartbeats.
        stack.push_async_callback(asyncio.to_thread, observer.close)
        if metrics is not None:
            url, through = backbone.addresses.mongo_url, Driver(settings.mongo_driver)
            looking = await stack.enter_async_context(Inspection(url, settings.database, through))

            async def unready() -> str:
                return await _unready(backbone, is_connected)

            async def scraped() -> bytes:
                await _look(backbone, metrics, looking)
                metrics.ready.set(not await unready())
                return metrics.text()

            probe = Probe(unready, scraped)
            port = await stack.enter_async_context(
                listening(probe, settings.http_host, settings.http_port)
            )
            log.info("probe.listens", host=settings.http_host, port=port)
        yield


async def _unready(backbone: Backbone, is_connected: Callable[[], bool]) -> str:
    """Why this process cannot work at this moment; empty where it can."""
    try:
        await backbone.store.ping()
    except Unavailable as error:
        return f"the database does not answer: {error}"
    if not is_connected():
        return "the broker is not connected"
    return ""


async def _look(backbone: Backbone, metrics: Metrics, looking: Inspection) -> None:
    """Measure what the database holds; in an outage what was known last stays."""
    try:
        found = {
            "outbox": await looking.oldest_record(),
            "dead": await looking.dead_letters(),
        }
        metrics.stored(found, await looking.parked(), backbone.clock())
        lost = Lost.of(await looking.losses(), backbone.clock())
        metrics.losses(lost.events, lost.replies)
    except Unavailable as error:
        log.warning("probe.unmeasured", error=str(error))
