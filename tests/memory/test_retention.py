"""Retention: what is older than it may be goes, oldest first, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.taxonomy import RESERVED_USERS
from handlers.entry import INBOX_AGE_MAX
from handlers.keeping import INBOX_DAYS
from handlers.post import event_row
from tests.builders import NOW, OWNER, PLATFORM
from workers.retention import BATCHES, LANE, PAGE, Retention
from workers.store.codec import decode, encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit

DAYS = 90


def told(recipient: str, sequence: int, days_ago: float) -> dict[str, Any]:
    return {
        "_id": event_row(recipient, sequence),
        "recipient": recipient,
        "at": NOW - timedelta(days=days_ago),
    }


async def kept(store: MemoryStore) -> list[str]:
    return sorted(str(decode(row)["_id"]) for row in store._documents["events"].values())


async def fill(store: MemoryStore, rows: list[dict[str, Any]]) -> None:
    lease = await store.acquire("lane", "owner", 60)
    assert lease is not None
    counters = [encode_row({"_id": user}) for user in sorted({row["recipient"] for row in rows})]
    inserts = {"events": [encode_row(row) for row in rows], "sequences": counters}
    await store.commit(Commit("lane", lease.epoch, lease.batch + 1, inserts=inserts))
    await store.release(lease)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def retention(store: MemoryStore) -> Retention:
    return Retention(store, "one", lambda: NOW, DAYS, 1.0)


async def test_what_is_old_goes_and_what_is_young_stays(store: MemoryStore) -> None:
    old, limit, young = DAYS + 1.0, float(DAYS), DAYS - 1.0
    await fill(
        store,
        [
            *(told(PLATFORM, 1 + n, old) for n in range(2 * PAGE + 3)),
            told(PLATFORM, 2 * PAGE + 4, limit),
            told(PLATFORM, 2 * PAGE + 5, young),
            told(OWNER, 1, young),
        ],
    )
    assert await retention(store).sweep() == 2 * PAGE + 3
    assert await kept(store) == sorted(
        [
            event_row(PLATFORM, 2 * PAGE + 4),
            event_row(PLATFORM, 2 * PAGE + 5),
            event_row(OWNER, 1),
        ]
    )
    assert await retention(store).sweep() == 0


@pytest.mark.parametrize("recipient", sorted(RESERVED_USERS))
async def test_what_users_without_a_document_were_told_goes_too(
    store: MemoryStore, recipient: str
) -> None:
    await fill(store, [told(recipient, 1, DAYS + 1.0), told(recipient, 2, DAYS - 1.0)])
    assert await retention(store).sweep() == 1
    assert await kept(store) == [event_row(recipient, 2)]


async def test_two_processes_do_not_sweep_at_once(store: MemoryStore) -> None:
    await fill(store, [told(OWNER, 1, DAYS + 1.0)])
    assert await store.acquire(LANE, "another", 60) is not None
    assert await retention(store).sweep() == 0
    assert await kept(store) == [event_row(OWNER, 1)]


async def test_who_loses_the_lane_in_the_middle_deletes_no_more(store: MemoryStore) -> None:
    await fill(store, [told(OWNER, 1, DAYS + 1.0), told(PLATFORM, 1, DAYS + 1.0)])
    listed = store.listed
    taken: list[object] = []

    async def while_listing(collection: str, prefix: str) -> Any:
        """Another process takes the lane over, as after a frozen minute."""
        if not taken:
            store._lanes[LANE].until = 0.0
            taken.append(await store.acquire(LANE, "another", 60))
        return await listed(collection, prefix)

    store.listed = while_listing  # type: ignore[method-assign]
    assert await retention(store).sweep() == 0
    assert await kept(store) == sorted([event_row(OWNER, 1), event_row(PLATFORM, 1)])


# Answers

LANE_OF_USERS = "mailbox.users.0"


def batch(number: int, days_ago: float, **more: Any) -> bytes:
    name = f"c{number}"
    entry = {"user": PLATFORM, "id": name, "kind": "accepted"}
    row = {"_id": f"{LANE_OF_USERS}/{number:012d}", "lane": LANE_OF_USERS, "entries": [entry]}
    return encode_row({**row, "at": NOW - timedelta(days=days_ago), **more})


async def answered(store: MemoryStore, batches: list[bytes]) -> None:
    lease = await store.acquire("lane", "owner", 60)
    assert lease is not None
    ids = [{"user": PLATFORM, "id": f"c{number}"} for number in range(len(batches))]
    inbox = [encode_row({"_id": one}) for one in ids]
    inserts = {"commands": batches, "inbox": inbox}
    await store.commit(Commit("lane", lease.epoch, lease.batch + 1, inserts=inserts))
    await store.release(lease)


def answers(store: MemoryStore) -> int:
    return len(store._documents["inbox"])


async def test_answers_that_nobody_can_ask_for_go_and_the_archive_stays(
    store: MemoryStore,
) -> None:
    ages = [*(INBOX_DAYS + 1.0 for _ in range(2 * BATCHES + 3)), float(INBOX_DAYS), 1.0]
    await answered(store, [batch(number, age) for number, age in enumerate(ages)])
    work = retention(store)
    work.lanes = ["mailbox.other.0", LANE_OF_USERS]
    assert await work.sweep() == 2 * BATCHES + 3
    assert answers(store) == 2
    assert len(store._documents["commands"]) == len(ages)
    # It goes on where it was, and not at the beginning.
    place = decode(store._documents["sweeps"][LANE_OF_USERS])["after"]
    assert place == f"{LANE_OF_USERS}/{2 * BATCHES + 2:012d}"
    assert await work.sweep() == 0
    work.clock = lambda: NOW + timedelta(hours=1)
    assert await work.sweep() == 1
    assert answers(store) == 1


async def test_what_is_remembered_of_facts_goes_too(store: MemoryStore) -> None:
    facts = [{"user": PLATFORM, "id": "c0", "kind": "handled"}]
    await answered(store, [batch(0, INBOX_DAYS + 1.0, entries=[], facts=facts)])
    work = retention(store)
    work.lanes = [LANE_OF_USERS]
    assert await work.sweep() == 1
    assert answers(store) == 0


def test_no_answer_is_forgotten_before_its_command_is_refused() -> None:
    assert timedelta(days=INBOX_DAYS) > INBOX_AGE_MAX
