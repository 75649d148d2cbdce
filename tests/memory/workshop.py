"""An engine over the store in memory: deliveries in, outcomes and opened documents out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.admission import Delivery, Limits, admit
from handlers.case import Outcome
from tests.builders import NOW
from tests.decider import RULEBOOK, VAULT
from workers.engine import Engine
from workers.loading import Loaded, Loader
from workers.store.codec import decode
from workers.store.memory import MemoryStore

LANE = "mailbox.tests.0"
KEPT = (
    "users",
    "directory",
    "assets",
    "places",
    "accounts",
    "claims",
    "trials",
    "history",
    "inbox",
)
"""Collections that depend on what was decided alone; dead letters also count how often."""


@dataclass
class Workshop:
    """All registers and that of the tests, in one lane; made by `open_workshop`."""

    engine: Engine
    store: MemoryStore
    outcomes: list[Outcome] = field(default_factory=list)

    async def run(self, *deliveries: Delivery) -> Sequence[Outcome]:
        """Decide and commit one batch."""
        outcomes = await self.engine.run(deliveries)
        self.outcomes.extend(outcomes)
        return outcomes

    async def opened(self, collection: str) -> Mapping[Any, Any]:
        """Documents by key, their secrets open."""
        keys = list(self.store._documents.get(collection, ()))
        loaded = Loaded()
        await Loader(self.store, VAULT).read([(collection, key) for key in keys], loaded)
        return loaded.documents.get(collection, {})

    async def documents(self) -> Mapping[str, Mapping[Any, Any]]:
        """Everything that was decided."""
        return {collection: await self.opened(collection) for collection in KEPT}

    def rows(self, collection: str) -> list[dict[str, Any]]:
        """Rows as they are stored, in the order of their ids."""
        rows = map(decode, self.store._documents.get(collection, {}).values())
        return sorted(rows, key=lambda row: str(row["_id"]))


async def open_workshop() -> Workshop:
    """A fresh store, its lane owned for good."""
    store = MemoryStore()
    lease = await store.acquire(LANE, "tests", 1e9)
    assert lease is not None
    engine = Engine(
        store=store,
        vault=VAULT,
        rulebook=RULEBOOK,
        admit=admit,
        limits=Limits(),
        clock=lambda: NOW,
        lease=lease,
        version="tests",
    )
    return Workshop(engine, store)
