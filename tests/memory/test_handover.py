"""What is handed over: sent without being read again, in the same order, and never instead of."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox import handover
from outbox.publisher import Delivered, PublishFailedError
from outbox.quarantine import Quarantine
from outbox.record import OutboxRecord
from outbox.relay import Relay
from tests.memory.broker import until
from tests.memory.test_relay import ALL, Wire, _letter, _row, as_it_is
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Lease

LANES = ("lane-1", "lane-2")


@dataclass
class Counting(MemoryStore):
    """Knows how many rows were read."""

    rows_read: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        rows = await super().pending(partitions, limit, after)
        self.rows_read += len(rows)
        return rows


@dataclass
class Office:
    """Owners of two lanes and the relay of the process that they live in."""

    store: Counting = field(default_factory=Counting)
    wire: Wire = field(default_factory=Wire)
    mine: dict[int, int] = field(default_factory=lambda: dict.fromkeys(ALL, 1))
    batch_max: int = 100
    leases: dict[str, Lease] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    meanwhile: list[tuple[str, str]] = field(default_factory=list)
    """What is committed and handed over while something is on its way."""
    before: Callable[[], None] = lambda: None
    """What comes before such a commit."""
    relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        async def renew() -> None:
            return

        self.relay = Relay(
            store=self.store,
            publish=self.publish,
            unseal=as_it_is,
            partitions=lambda: dict(self.mine),
            batch_max=self.batch_max,
            poll_s=60,
            backoff=lambda: 0.0,
            recovered=lambda: None,
            renew=renew,
            _quarantine=Quarantine(clock=lambda: 0.0),
        )

    async def publish(self, record: OutboxRecord) -> Delivered:
        """Give it to the broker, and commit meanwhile."""
        if self.meanwhile:
            self.before()
            await self.hand_over(*self.meanwhile.pop(0))
        return await self.wire.publish(record)

    async def own(self, lane: str) -> None:
        """Own the lane under a new epoch."""
        lease = await self.store.acquire(lane, "tests", 1e9)
        assert lease is not None
        self.leases[lane] = lease

    async def commit(self, lane: str, entities: str) -> list[OutboxRecord]:
        """Commit the next record of each entity: `ab` is one of `a` and one of `b`."""
        if lane not in self.leases:
            await self.own(lane)
        batch = self.batches[lane] = self.batches.get(lane, 0) + 1
        records = []
        for index, entity in enumerate(entities):
            number = self.numbers[entity] = self.numbers.get(entity, 0) + 1
            letter = _letter(f"{entity}{number:04d}")
            records.append(OutboxRecord.of(letter, f"{lane}/{batch:012d}/{index:05d}/000"))
        inserts = {"outbox": [_row(record) for record in records]}
        await self.store.commit(Commit(lane, self.leases[lane].epoch, batch, inserts=inserts))
        return records

    def offer(self, lane: str, records: Sequence[OutboxRecord]) -> None:
        self.relay.offer(self.leases[lane].epoch, records)

    async def hand_over(self, lane: str, entities: str) -> None:
        """Commit and offer, as an engine does."""
        self.offer(lane, await self.commit(lane, entities))

    async def all_sent(self) -> None:
        """Let the relay run to its end."""
        self.relay.finish()
        await asyncio.wait_for(self.relay.run(), 10)
        self.relay._finishing = False

    def of(self, entity: str) -> list[str]:
        return [name for name in self.wire.sent if name.startswith(entity)]

    def expected(self, entity: str) -> list[str]:
        return [f"{entity}{n:04d}" for n in range(1, self.numbers.get(entity, 0) + 1)]


@dataclass
class Play:
    """What happens to an office, one step after the other."""

    office: Office
    late: list[tuple[int, list[OutboxRecord]]] = field(default_factory=list)
    lapsed: dict[int, int] = field(default_factory=dict)
    """Partitions that are not ours, with the epochs under which they were."""
    steps: int = 0

    def __post_init__(self) -> None:
        self.office.before = self.offer_late

    async def step(self, step: str, lane: str, entities: str) -> None:
        self.steps += 1
        if step == "meanwhile":
            self.office.meanwhile.append((lane, entities))
            return
        if lane:
            self.offer_late()
            records = await self.office.commit(lane, entities)
            epoch = self.office.leases[lane].epoch
        if step == "hand over":
            self.office.relay.offer(epoch, records)
        elif step == "offer late":
            self.late.append((epoch, records))
        elif step == "crash":
            await self.office.own(lane)
        elif step == "send":
            await self.office.relay._send_offered()
        elif step == "scan":
            await self.office.relay.drain()
        else:
            self.disturb(step, entities)

    def disturb(self, step: str, entity: str) -> None:
        partition = OutboxRecord.of(_letter(entity), "x/1/1/1").partition
        last = f"{entity}{self.office.numbers.get(entity, 0):04d}"
        if step == "lose":
            if partition in self.office.mine:
                self.lapsed[partition] = self.office.mine.pop(partition)
        elif step == "come back":
            self.office.mine |= {p: e for p, e in self.lapsed.items() if p == partition}
        elif step in {"leave alone", "answer"}:
            quarantine = self.office.relay._quarantine
            change = quarantine.strike if step == "leave alone" else quarantine.release
            change(entity)
            change(entity.upper())
        elif step == "gain":
            self.office.mine[partition] = self.lapsed[partition] = self.steps + 1
        elif last not in self.office.wire.sent:
            self.office.wire.failing[last] = 1

    def offer_late(self) -> None:
        """What was committed and not yet offered, as by a process that had no time for it."""
        for epoch, records in self.late:
            self.office.relay.offer(epoch, records)
        self.late.clear()


async def joined() -> Office:
    """An office whose first lane has been scanned to its end since it was first heard of."""
    office = Office()
    await office.hand_over("lane-1", "a")
    await office.relay.drain()
    assert office.wire.sent == ["a0001"]
    return office


async def test_what_is_handed_over_is_sent_without_being_read() -> None:
    office = await joined()
    read = office.store.rows_read
    await office.hand_over("lane-1", "abc")
    await office.hand_over("lane-1", "ab")
    assert await office.relay._send_offered() == 5
    assert (office.of("a"), office.of("b")) == (office.expected("a"), office.expected("b"))
    assert office.store.rows_read == read
    assert await office.relay.drain() == 0


async def test_relay_that_waits_is_woken_by_what_is_handed_over() -> None:
    office = await joined()
    running = asyncio.create_task(office.relay.run())
    await office.hand_over("lane-1", "a")
    await until(lambda: office.of("a") == office.expected("a"))
    await office.hand_over("lane-1", "a")
    await until(lambda: office.of("a") == office.expected("a"))
    office.relay.stop()
    await asyncio.wait_for(running, 5)


async def test_what_a_former_owner_left_goes_first() -> None:
    office = await joined()
    await office.commit("lane-1", "a")
    await office.own("lane-1")
    await office.hand_over("lane-1", "a")
    assert await office.relay._send_offered() == 0
    await office.all_sent()
    assert office.of("a") == office.expected("a")


async def test_scan_that_is_faster_than_the_offer_sends_once() -> None:
    office = await joined()
    records = await office.commit("lane-1", "ab")
    await office.relay.drain()
    office.offer("lane-1", records)
    await office.hand_over("lane-1", "a")
    await office.all_sent()
    assert (office.of("a"), office.of("b")) == (office.expected("a"), office.expected("b"))


async def test_failure_leaves_the_rest_to_the_scan() -> None:
    office = await joined()
    office.wire.failing = {"a0002": 1}
    await office.hand_over("lane-1", "ab")
    await office.hand_over("lane-1", "ab")
    await office.all_sent()
    assert (office.of("a"), office.of("b")) == (office.expected("a"), office.expected("b"))


async def test_partition_that_comes_in_is_scanned_first() -> None:
    """What was left there by its former relay is older than what is in hand."""
    office = await joined()
    partition = OutboxRecord.of(_letter("b"), "x/1/1/1").partition
    del office.mine[partition]
    await office.hand_over("lane-1", "b")
    await office.all_sent()
    office.mine[partition] = 2
    await office.hand_over("lane-1", "b")
    await office.all_sent()
    assert office.of("b") == office.expected("b")


async def test_partition_whose_lease_lapsed_for_a_moment_is_scanned_first() -> None:
    """It is renewed under its former epoch; what was committed meanwhile is in nobody's hand."""
    office = await joined()
    partition = OutboxRecord.of(_letter("a"), "x/1/1/1").partition
    epoch = office.mine.pop(partition)
    await office.hand_over("lane-1", "a")
    office.mine[partition] = epoch
    await office.hand_over("lane-1", "a")
    await office.all_sent()
    assert office.of("a") == office.expected("a")


async def test_who_is_left_alone_holds_up_nobody_else() -> None:
    """Others are sent from memory, and what waits is not read again for each of them."""
    office = await joined()
    office.relay._quarantine.strike("x")
    await office.hand_over("lane-1", "xa")
    assert await office.relay._send_offered() == 1
    await office.relay.drain()
    read, office.relay._scan_at = office.store.rows_read, 1.0
    for _ in range(3):
        await office.hand_over("lane-1", "ax")
        assert await office.relay._send_offered() == 1
    assert office.relay._scan_at == 1.0
    assert (office.of("a"), office.of("x")) == (office.expected("a"), [])
    assert office.store.rows_read == read


async def test_who_was_left_alone_is_sent_in_order_when_it_answers() -> None:
    office = await joined()
    office.relay._quarantine.strike("x")
    await office.hand_over("lane-1", "xa")
    await office.relay.drain()
    office.relay._quarantine.release("x")
    await office.hand_over("lane-1", "x")
    assert await office.relay._send_offered() == 0
    await office.hand_over("lane-1", "xa")
    await office.all_sent()
    assert office.of("x") == office.expected("x")
    # By then nothing of it waits, and it is sent from memory like the others.
    await office.relay.drain()
    read = office.store.rows_read
    await office.hand_over("lane-1", "x")
    assert await office.relay._send_offered() == 1
    assert office.store.rows_read == read


async def test_who_is_found_to_wait_is_taken_out_of_the_hand() -> None:
    """What came while the scan went on is newer than what the scan has held back."""
    office = await joined()
    office.relay._quarantine.strike("x")
    await office.commit("lane-1", "xa")
    office.meanwhile = [("lane-1", "x")]
    await office.relay.drain()
    office.relay._quarantine.release("x")
    assert await office.relay._send_offered() == 0
    await office.all_sent()
    assert office.of("x") == office.expected("x")


async def test_who_came_while_it_was_barred_stays_barred() -> None:
    """The scan that finds nothing of it held has passed what came behind."""
    office = await joined()
    office.relay._quarantine.strike("x")
    await office.hand_over("lane-1", "xa")
    await office.relay.drain()
    office.relay._quarantine.release("x")
    office.meanwhile = [("lane-1", "xa")]
    office.relay.batch_max = 2
    await office.relay.drain()
    await office.hand_over("lane-1", "x")
    await office.relay._send_offered()
    await office.all_sent()
    assert office.of("x") == office.expected("x")


async def test_who_may_be_in_what_the_scan_has_skipped_stays_barred() -> None:
    office = await joined()
    office.relay._quarantine.strike("x")
    await office.relay.drain()
    await office.hand_over("lane-1", "x")
    await office.relay._send_offered()
    for _ in range(3):
        await office.hand_over("lane-1", "x")
    await office.relay.drain()
    office.relay._quarantine.release("x")
    await office.hand_over("lane-1", "a")
    office.relay.batch_max = 2
    await office.relay.drain()
    await office.hand_over("lane-1", "x")
    await office.relay._send_offered()
    await office.all_sent()
    assert office.of("x") == office.expected("x")


async def test_what_is_too_much_to_hold_is_left_to_the_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "RECORDS_MAX", 3)
    office = await joined()
    for _ in range(4):
        await office.hand_over("lane-1", "ab")
    await office.all_sent()
    assert (office.of("a"), office.of("b")) == (office.expected("a"), office.expected("b"))
    assert office.relay._handover._bytes == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hand over"), st.sampled_from(LANES), st.text("abcd", min_size=1)),
        st.tuples(st.just("meanwhile"), st.sampled_from(LANES), st.text("abcd", min_size=1)),
        st.tuples(st.just("offer late"), st.sampled_from(LANES), st.text("abcd", min_size=1)),
        st.tuples(st.just("crash"), st.sampled_from(LANES), st.text("abcd", min_size=1)),
        st.tuples(st.just("send"), st.just(""), st.just("")),
        st.tuples(st.just("scan"), st.just(""), st.just("")),
        st.tuples(st.just("fail"), st.just(""), st.sampled_from("abcd")),
        st.tuples(st.just("lose"), st.just(""), st.sampled_from("abcd")),
        st.tuples(st.just("come back"), st.just(""), st.sampled_from("abcd")),
        st.tuples(st.just("leave alone"), st.just(""), st.sampled_from("abcd")),
        st.tuples(st.just("answer"), st.just(""), st.sampled_from("abcd")),
        st.tuples(st.just("gain"), st.just(""), st.sampled_from("abcd")),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps=STEPS, batch_max=st.sampled_from([1, 2, 3, 100]))
async def test_order_is_kept_and_nothing_is_lost_or_repeated(
    steps: list[tuple[str, str, str]], batch_max: int
) -> None:
    """Whatever comes between: late offers, crashes, refusals, partitions that go and come."""
    play = Play(Office(batch_max=batch_max))
    for step, lane, entities in steps:
        # An entity is decided in one lane only, as an asset is.
        await play.step(step, lane, entities.upper() if lane == "lane-2" else entities)
    office = play.office
    office.mine = dict.fromkeys(ALL, 1_000)
    office.relay._quarantine._until.clear()
    await office.all_sent()
    play.offer_late()
    await office.all_sent()
    for entity in office.numbers:
        assert office.of(entity) == office.expected(entity)


async def test_publish_that_fails_is_not_done() -> None:
    """The wire of these tests refuses as the broker would; otherwise they would prove nothing."""
    wire = Wire(failing={"a0001": 1})
    record = OutboxRecord.of(_letter("a0001"), "lane/000000000001/00000/000")
    with pytest.raises(PublishFailedError):
        await wire.publish(record)
    assert await wire.publish(record) is Delivered.DELIVERED
