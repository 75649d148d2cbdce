"""The quota of ordinary accounts: by the commands' own minute, as far as it can be believed."""

import json
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.taxonomy import FRONT_DESK
from handlers.admission import Arrival, Delivery, Limits, Refusal, Ticket
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import OutboxRecord
from tests.builders import NOW, PLATFORM, STRANGER, asset, command
from tests.decider import RULEBOOK, VAULT, rules
from tests.memory.broker import FakeChannel, FakeMessage
from tests.memory.test_engine import Contrary
from tests.memory.test_mailbox import made
from tests.memory.workshop import open_workshop
from topology.catalog import contracts_of
from workers.queries import Desk, QueryWorker
from workers.quota import ACCOUNTS_MAX, Quota
from workers.store.memory import MemoryStore
from workers.store.protocol import Unavailable

CONTRACTS = contracts_of(RULEBOOK.handlers)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(clock: Clock) -> Quota:
    return Quota(2, clock)


def over(quota: Quota, *deliveries: Delivery) -> int:
    """How many of them are rejected for the quota."""
    admitted = [quota.admit(delivery, CONTRACTS, Limits()) for delivery in deliveries]
    findings = [f.rule for a in admitted if isinstance(a, Arrival) for f in a.findings]
    return findings.count("message.quota")


def sent(number: int, **given: Any) -> Delivery:
    return command(id=f"command-{number}", **given)


def by(account: str, number: int, **properties: Any) -> Delivery:
    return Delivery(sent(number).body, sent(number).type, account, **properties)


def test_what_is_over_the_quota_is_rejected(quota: Quota) -> None:
    assert over(quota, sent(1), sent(2)) == 0
    assert over(quota, sent(3), sent(4)) == 2


def test_the_next_minute_is_another_one(quota: Quota, clock: Clock) -> None:
    over(quota, sent(1), sent(2))
    clock.now += timedelta(minutes=1)
    assert over(quota, *(sent(n, time=clock.now.isoformat()) for n in (3, 4))) == 0


def test_what_is_delivered_again_is_not_counted_again(quota: Quota) -> None:
    over(quota, sent(1), sent(2))
    ticket = Ticket("row", 1, 1, frozenset())
    again = [by(PLATFORM, 1, redelivered=True), by(PLATFORM, 2, ticket=ticket)]
    assert over(quota, *again) == 0


def test_each_account_has_its_own(quota: Quota) -> None:
    assert over(quota, sent(1), sent(2), *(sent(n, sender=STRANGER) for n in (1, 2))) == 0


def test_what_piled_up_during_an_outage_is_nobody_s_fault(quota: Quota) -> None:
    times = [(NOW - timedelta(minutes=n)).isoformat() for n in range(10)]
    assert over(quota, *(sent(n, time=time) for n, time in enumerate(times))) == 0


def test_a_time_that_cannot_be_believed_counts_as_now(quota: Quota) -> None:
    times = [NOW - timedelta(days=n) for n in range(1, 9)] + [NOW + timedelta(minutes=4)]
    given = [sent(n, time=time.isoformat()) for n, time in enumerate(times)]
    assert over(quota, *given) == len(given) - 2


def test_one_id_with_many_bodies_and_broken_data_count_too(quota: Quota) -> None:
    reused = [command(data=asset(name=f"Battery {n}")) for n in range(4)]
    broken = [command(data=asset(unknown=n)) for n in range(4)]
    # The minute of their time, and that of now.
    assert (over(quota, *reused), over(quota, *broken)) == (2, 2)


def test_a_flood_of_what_cannot_be_read_is_told_and_not_kept(quota: Quota) -> None:
    noise = [Delivery(b"no JSON", "asset.register.v1", PLATFORM) for _ in range(4)]
    admitted = [quota.admit(delivery, CONTRACTS, Limits()) for delivery in noise]
    assert [a.dead for a in admitted if isinstance(a, Refusal)] == [True, True, False, False]
    assert {a.tell for a in admitted if isinstance(a, Refusal)} == {PLATFORM}


def test_bulk_loads_have_none(quota: Quota) -> None:
    assert over(quota, *(by(f"{PLATFORM}/bulk", n) for n in range(10))) == 0


def test_another_account_of_the_user_is_an_ordinary_one(quota: Quota) -> None:
    """Only the account that reaches the second queues is without a quota."""
    assert over(quota, *(by(f"{PLATFORM}/night", n) for n in range(3))) == 1


def test_the_front_desk_is_everybody_s(quota: Quota) -> None:
    assert over(quota, *(sent(n, sender=FRONT_DESK) for n in range(10))) == 0


def test_memory_is_bounded(quota: Quota, clock: Clock) -> None:
    for n in range(ACCOUNTS_MAX + 10):
        over(quota, by(f"USR-{n}", 1))
    assert len(quota._accounts) == ACCOUNTS_MAX
    for n in range(500):
        clock.now += timedelta(minutes=1)
        over(quota, sent(n))
    assert len(quota._accounts[PLATFORM]) <= 121


def test_a_crowd_of_others_undoes_nobody_s_count(quota: Quota) -> None:
    over(quota, sent(1), sent(2))
    for n in range(5000):
        over(quota, by(STRANGER, n))
    assert over(quota, sent(3)) == 1


async def test_the_answer_is_remembered_like_any_other(clock: Clock) -> None:
    """One outcome for one id, also where the quota would let it pass the next time."""
    workshop = await open_workshop()
    workshop.engine.admit = Quota(1, clock).admit
    beyond = command("trial.keep.v1", {"id": "b"}, sender="operator", id="over")
    first = command("trial.keep.v1", {"id": "a"}, sender="operator", id="within")
    outcomes = await workshop.run(first, beyond)
    workshop.engine.admit = Quota(1, clock).admit
    (again,) = await workshop.run(beyond)
    assert [outcome.kind for outcome in (*outcomes, again)] == ["accepted", "rejected", "duplicate"]
    told = json.loads(outcomes[1].letters[0].body)["data"]
    assert rules(told) == [("message.quota", "")]
    assert "operator/bulk" in told["findings"][0]["advice"]


async def test_a_batch_that_is_run_again_after_an_outage_is_counted_once(clock: Clock) -> None:
    workshop = await open_workshop()
    mailbox = await made(workshop.store)
    workshop.engine.admit = Quota(2, clock).admit
    workshop.engine.store = Contrary(workshop.store, [Unavailable("outage")] * 3)
    batch = [
        command("trial.keep.v1", {"id": name}, sender="operator", id=f"keep-{name}")
        for name in "ab"
    ]
    await mailbox._decide(workshop.engine, batch)
    assert {row["type"] for row in workshop.rows("inbox")} == {"trial.keep.accepted.v1"}


async def test_queries_and_checks_are_counted_too(clock: Clock) -> None:
    """Of all accounts of the user, that for bulk loads too; who is over is told so."""
    store = MemoryStore()
    await store.install()
    quota = Quota(2, clock, is_bulk_free=False)
    desk = Desk(store, VAULT, RULEBOOK, Limits(), clock, quota.admit)
    told = []
    for number, account in enumerate([PLATFORM, f"{PLATFORM}/bulk", PLATFORM, f"{PLATFORM}/bulk"]):
        given = command("asset.register.check.v1", id=f"check-{number}")
        letter = await desk.answer(Delivery(given.body, given.type, account))
        assert letter is not None
        told.append(rules(json.loads(letter.body)["data"])[0][0])
    assert told == [told[0], told[0], "message.quota", "message.quota"]
    assert told[0] != "message.quota"


class Away(MemoryStore):
    """Does not answer to the first of the reads."""

    outages = 3

    async def load(self, keys: Any) -> Any:
        if self.outages:
            self.outages -= 1
            raise Unavailable("outage")
        return await super().load(keys)


class Question(FakeMessage):
    """A question, and whether it is acknowledged."""

    is_acked = False

    async def ack(self) -> None:
        self.is_acked = True


async def test_a_question_that_is_tried_again_is_counted_once(clock: Clock) -> None:
    """Neither what the store cannot answer nor what the broker does not take was asked again."""
    store, quota = Away(), Quota(2, clock, is_bulk_free=False)
    desk = Desk(store, VAULT, RULEBOOK, Limits(), clock, quota.admit)
    said, failing = list[OutboxRecord](), [PublishFailedError("no confirm")] * 3

    async def publish(record: OutboxRecord) -> Delivered:
        if failing:
            raise failing.pop()
        said.append(record)
        return Delivered.DELIVERED

    asked = command("asset.register.check.v1")
    message = Question(FakeChannel(), 1, asked.body, asked.type, asked.account)
    await QueryWorker(desk, publish, 0.001).take(cast("AbstractIncomingMessage", message))
    assert (store.outages, failing, message.is_acked) == (0, [], True)
    (answer,) = said
    assert "message.quota" not in answer.body.decode()


async def test_over_the_quota_is_over_it_also_when_that_is_told_again(clock: Clock) -> None:
    """The broker did not take the refusal: a second try is no way to an answer."""
    quota = Quota(1, clock, is_bulk_free=False)
    desk = Desk(MemoryStore(), VAULT, RULEBOOK, Limits(), clock, quota.admit)
    said, failing = list[OutboxRecord](), [PublishFailedError("no confirm")]

    async def publish(record: OutboxRecord) -> Delivered:
        if len(said) == 1 and failing:
            raise failing.pop()
        said.append(record)
        return Delivered.DELIVERED

    worker = QueryWorker(desk, publish, 0.001)
    for number in range(2):
        asked = command("asset.register.check.v1", id=f"q-{number}")
        message = Question(FakeChannel(), number, asked.body, asked.type, asked.account)
        await worker.take(cast("AbstractIncomingMessage", message))
    assert failing == []
    assert ["message.quota" in answer.body.decode() for answer in said] == [False, True]
