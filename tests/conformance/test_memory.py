"""The in-memory store passes the suite."""

import pytest

from tests.conformance.store import Store, StoreSuite
from workers.store.memory import MemoryStore


class TestMemoryStore(StoreSuite):
    """Time passes when a test says so."""

    now = 1000.0

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore(lambda: self.now)

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds
