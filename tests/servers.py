"""The servers that connected tests run on: embedded ones, or those the environment names."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from workers.addresses import Addresses
from workers.embedded import Running, ServerMissing, start

ADMINISTRATOR = "test-administrator"
PASSWORD = "test-password"  # noqa: S105 - of a broker that lives as long as the test run


@dataclass(frozen=True)
class TestServers:
    """Addresses, the broker's administrator, and the embedded servers where they are ours."""

    __test__ = False  # Its name begins like a test class, which pytest would try to collect.

    urls: Addresses
    administrator: str
    password: str
    running: Running | None

    @property
    def amqp_url(self) -> str:
        """Give the AMQP address with the administrator's account in it."""
        return self.urls.amqp_as(self.administrator, self.password)

    def embedded(self) -> Running:
        """Give the servers that a chaos test may kill; skip where they belong to others."""
        if self.running is None:
            pytest.skip("kills servers: unset FLEXSPINE_TEST_AMQP_URL to run it on embedded ones")
        return self.running


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    """Give servers for the whole run, started on the first use and ended at the end."""
    if given := _given():
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="flexspine-") as folder:
        running = _start(Path(folder))
        try:
            yield TestServers(running.urls, ADMINISTRATOR, PASSWORD, running)
        finally:
            running.stop()


def absent(reason: str) -> None:
    """Skip on somebody's machine, fail in CI: there a skipped test would look like a passed one."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _start(folder: Path) -> Running:
    try:
        return start(folder, ADMINISTRATOR, PASSWORD)
    except ServerMissing as missing:
        absent(str(missing))
        raise


def _given() -> TestServers | None:
    amqp = os.environ.get("FLEXSPINE_TEST_AMQP_URL")
    if amqp is None:
        return None
    urls = Addresses(
        amqp,
        os.environ.get("FLEXSPINE_TEST_MANAGEMENT_URL", "http://127.0.0.1:15672"),
        os.environ.get("FLEXSPINE_TEST_MONGO_URL", "mongodb://127.0.0.1:27017/?replicaSet=rs0"),
    )
    name = os.environ.get("FLEXSPINE_TEST_ADMINISTRATOR", "guest")
    return TestServers(urls, name, os.environ.get("FLEXSPINE_TEST_PASSWORD", "guest"), None)
