"""The account reconciler's failures: an outage is a pause, anything else a dead letter."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.users import UserRegistered
from handlers.decision import Secret
from handlers.spans import Span
from tests.builders import NOW, PLATFORM, STRANGER
from tests.memory.broker import FakeChannel
from topology.management import Management, ManagementError, ManagementUnavailableError
from workers.accounts import AccountWorker, Desired
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


class Broker:
    """What there is at the broker; making an account may be overtaken by something else."""

    def __init__(self, overtaken: Callable[[], None]) -> None:
        """`overtaken` happens once, while the first account is being made."""
        self.users: set[str] = set()
        self.overtaken: Callable[[], None] | None = overtaken

    async def user_exists(self, name: str) -> bool:
        if (overtaken := self.overtaken) is not None:
            self.overtaken = None
            overtaken()
        return name in self.users

    async def put_user(self, name: str, *_: Any) -> None:
        self.users.add(name)

    async def drop_user(self, name: str) -> None:
        self.users.discard(name)

    async def disconnect(self, *_: Any) -> int:
        return 0

    async def bindings_of(self, *_: Any) -> list[Any]:
        return []

    bindings_between = bindings_of

    def __getattr__(self, name: str) -> Any:
        """Everything else is done and leaves nothing."""
        return self.disconnect


async def test_an_account_that_is_ended_meanwhile_does_not_come_back() -> None:
    """Of two reconciles the older makes the account again after the newer one has taken it."""
    extra = f"{PLATFORM}/night"
    rows = [
        {"_id": name, "user": PLATFORM, "state": "active", "key_hash": Secret("hash")}
        for name in (PLATFORM, extra)
    ]

    class Register:
        async def read(self, missing: Any, loaded: Any) -> None:
            for collection, key in missing:
                by_id = loaded.documents.setdefault(collection, {})
                if isinstance(key, Span):
                    by_id |= {row["_id"]: row for row in rows}
                    by_id[key] = [row["_id"] for row in rows]
                else:
                    by_id[key] = {"_id": PLATFORM, "status": "confirmed"}

    def ended() -> None:
        """Another process decided it, and its reconcile was done at once: the row is gone."""
        del rows[1]
        broker.users.discard(extra)

    broker = Broker(ended)
    loader, management = cast("Loader", Register()), cast("Management", broker)
    await AccountWorker(loader, management, 0.001, closing_s=0).reconcile(PLATFORM)
    assert broker.users == {PLATFORM}


async def test_who_reads_the_last_answers_is_left_alone_until_then() -> None:
    """It retires while its registration is still being made; what had ended before is taken."""
    ended = f"{PLATFORM}/night"
    user = {"_id": PLATFORM, "status": "confirmed"}
    row = {"_id": PLATFORM, "user": PLATFORM, "state": "active", "key_hash": Secret("hash")}

    class Register:
        async def read(self, missing: Any, loaded: Any) -> None:
            for collection, key in missing:
                by_id = loaded.documents.setdefault(collection, {})
                if isinstance(key, Span):
                    by_id[PLATFORM], by_id[key] = dict(row), [PLATFORM]
                else:
                    by_id[key] = dict(user)

    def retire() -> None:
        user["status"], row["state"] = "retired", "leaving"
        del row["key_hash"]

    broker = Broker(retire)
    broker.users.add(ended)
    loader, management = cast("Loader", Register()), cast("Management", broker)
    worker = AccountWorker(loader, management, 0.001, closing_s=0)
    await worker.reconcile(PLATFORM)
    await worker.reconcile(PLATFORM, ended)
    assert broker.users == {PLATFORM}
    row["state"] = "ended"
    await worker.reconcile(PLATFORM)
    assert broker.users == set()


def account(state: str, **fields: Any) -> dict[str, Any]:
    return {"_id": PLATFORM, "revision": 1, "user": PLATFORM, "state": state, **fields}


ACTIVE = account("active", key_hash=Secret("hash"))
RETIRED = {"_id": PLATFORM, "status": "retired"}


@pytest.mark.parametrize(
    ("user", "row", "keys", "gone"),
    [
        (RETIRED | {"status": "confirmed"}, ACTIVE, {PLATFORM: "hash"}, False),
        (RETIRED | {"status": "suspended"}, ACTIVE, {PLATFORM: ""}, False),
        (RETIRED, ACTIVE, {}, True),
        (RETIRED | {"merged_into": STRANGER}, ACTIVE, {PLATFORM: "hash"}, False),
        (RETIRED | {"merged_into": STRANGER}, account("ended"), {}, True),
    ],
)
def test_an_alias_is_let_in_as_long_as_it_has_an_account(
    user: dict[str, Any], row: dict[str, Any], keys: dict[str, str], *, gone: bool
) -> None:
    """It reads what waits for it; with its last account its queues are taken away."""
    wanted = Desired.of(PLATFORM, None, user, [row])
    assert (wanted.keys, wanted.is_gone) == (keys, gone)
