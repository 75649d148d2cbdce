"""The account reconciler's failures: an outage is a pause, anything else a dead letter."""

import json
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.users import UserRegistered
from handlers.spans import Span
from tests.builders import NOW, PLATFORM
from tests.memory.broker import FakeChannel
from topology.management import Management, ManagementError, ManagementUnavailableError
from workers.accounts import AccountWorker
from workers.loading import Loader
from workers.store.protocol import Unavailable

DATA = UserRegistered(
    id=PLATFORM, revision=1, status="confirmed", by="operator", roles=("fsp",), account=True
)
EVENT = {
    "specversion": "1.0",
    "id": "event",
    "source": "urn:flexspine:register",
    "type": "user.registered.v1",
    "time": NOW.isoformat(timespec="milliseconds"),
    "data": DATA.model_dump(mode="json"),
}


class Message:
    """One domain event, and how it was settled."""

    def __init__(self) -> None:
        """Nothing happened to it yet."""
        self.body = json.dumps(EVENT).encode()
        self.channel = FakeChannel()
        self.settled: list[str] = []

    async def ack(self) -> None:
        self.settled.append("acked")

    async def reject(self, *, requeue: bool) -> None:
        self.settled.append("requeued" if requeue else "dead-lettered")


class Failing:
    """A loader whose reads fail, one by one, and then find no account."""

    def __init__(self, *errors: Exception) -> None:
        """The errors in their order."""
        self.errors = list(errors)

    async def read(self, missing: Any, loaded: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        for collection, key in missing:
            found: list[str] | None = [] if isinstance(key, Span) else None
            loaded.documents.setdefault(collection, {})[key] = found


@pytest.mark.parametrize(
    ("errors", "settled"),
    [
        ([Unavailable("outage"), ManagementUnavailableError("502")], ["acked"]),
        ([ManagementError("400")], ["dead-lettered"]),
        ([RuntimeError("a bug")], ["dead-lettered"]),
    ],
)
async def test_outage_is_a_pause_and_anything_else_a_dead_letter(
    errors: list[Exception], settled: list[str]
) -> None:
    loader, management = cast("Loader", Failing(*errors)), cast("Management", None)
    message = Message()
    await AccountWorker(loader, management, 0.001).take(cast("AbstractIncomingMessage", message))
    assert message.settled == settled
