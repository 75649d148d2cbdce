"""Connected measurements and tables outside of pytest: servers of their own, for one program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import ADMINISTRATOR, PASSWORD, TestServers
from tests.spine import Spine, open_spine
from workers.embedded import start


@asynccontextmanager
async def alone(name: str) -> AsyncIterator[Spine]:
    """A backbone on embedded servers, gone in the end; its workers do not run yet."""
    with TemporaryDirectory(prefix="flexspine-") as folder:
        running = start(Path(folder), ADMINISTRATOR, PASSWORD)
        try:
            servers = TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
            async with open_spine(servers, name, Path(folder)) as spine:
                yield spine
        finally:
            running.stop()
