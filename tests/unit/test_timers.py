"""Timers: what is due is announced, ever more seldom, and nothing keeps another from its turn."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, cast

from handlers.timing import GATHERED, timer_id, timer_row
from outbox.publisher import Delivered
from outbox.record import OutboxRecord
from tests.builders import NOW, OWNER
from workers.store.protocol import StateStore
from workers.timers import PAGE, PAGES_MAX, REPEAT_MAX, Timers


@dataclass
class Rows:
    """A store of timers alone, with what is announced of them."""

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    now: datetime = NOW
    asked: int = 0

    def add(self, name: str, due: datetime = NOW) -> str:
        key = timer_id(due, name)
        self.rows[key] = {"_id": key, **timer_row(GATHERED, due, OWNER)}
        return key

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        assert (collection, field, list(values)) == ("timers", "state", ["waiting"])
        self.asked += 1
        found = sorted(key for key in self.rows if key > after)
        return [self.rows[key] for key in found[:limit]]

    async def publish(self, record: OutboxRecord) -> Delivered:
        self.announced.append(record.id.removeprefix("timer/"))
        return cast("Delivered", None)

    def timers(self) -> Timers:
        store = cast("StateStore", self)
        return Timers(store, self.publish, lambda: True, lambda: self.now, 0.5, 1)


async def test_what_fails_is_announced_ever_more_seldom() -> None:
    held = Rows()
    key, timers, at = held.add("fails"), held.timers(), []
    for half in range(2 * 3600):
        held.now = NOW + timedelta(seconds=half / 2)
        if await timers.look():
            at.append(half / 2)
    assert at[:7] == [0, 5, 15, 35, 75, 155, 315]
    assert {later - earlier for earlier, later in pairwise(at[7:])} == {REPEAT_MAX.total_seconds()}
    assert held.announced == [key] * len(at)


async def test_what_fails_keeps_nobody_from_his_turn() -> None:
    held = Rows()
    for number in range(PAGE * (PAGES_MAX + 2)):
        held.add(f"{number:05d}", NOW - timedelta(hours=1))
    timers = held.timers()
    for _ in range(PAGES_MAX + 3):
        await timers.look()
    assert sorted(held.announced) == sorted(held.rows)
    late = held.add("late")
    for _ in range(3):
        await timers.look()
    assert held.announced[len(held.rows) - 1 :] == [late]


async def test_one_look_reads_no_more_than_some_pages() -> None:
    held = Rows()
    for number in range(PAGE * (PAGES_MAX + 2)):
        held.add(f"{number:05d}")
    timers = held.timers()
    for _ in range(PAGES_MAX + 3):
        await timers.look()
    held.asked = 0
    await timers.look()
    assert held.asked <= PAGES_MAX


async def test_what_is_to_come_waits_and_what_is_gone_is_forgotten() -> None:
    held = Rows()
    held.add("later", NOW + timedelta(seconds=1))
    key, timers = held.add("now"), held.timers()
    await timers.look()
    row = held.rows.pop(key)
    await timers.look()
    held.rows[key] = row
    await timers.look()
    assert held.announced == [key, key]


async def test_a_clock_that_was_put_back_keeps_nobody_waiting() -> None:
    held = Rows()
    key, timers = held.add("now", NOW - timedelta(days=2)), held.timers()
    await timers.look()
    held.now = NOW - timedelta(days=1)
    await timers.look()
    assert held.announced == [key, key]


async def test_another_process_knows_nothing_of_it() -> None:
    held = Rows()
    key = held.add("now")
    await held.timers().look()
    await held.timers().look()
    assert held.announced == [key, key]
