"""The quota of ordinary accounts: by the commands' own minute, and never counted twice."""

import json
from datetime import timedelta
from typing import Any

import pytest

from handlers.admission import Arrival, Delivery, Limits, Refusal
from tests.builders import NOW, PLATFORM, STRANGER, command
from tests.decider import RULEBOOK, rules
from tests.memory.workshop import open_workshop
from topology.catalog import contracts_of
from workers.quota import COUNTED_MAX, Quota

CONTRACTS = contracts_of(RULEBOOK.handlers)


@pytest.fixture
def quota() -> Quota:
    return Quota(2)


def codes(quota: Quota, *deliveries: Delivery) -> list[list[str]]:
    admitted = [quota.admit(delivery, CONTRACTS, Limits()) for delivery in deliveries]
    return [[f.rule for f in a.findings] for a in admitted if isinstance(a, Arrival)]


def sent(number: int, **given: Any) -> Delivery:
    return command(id=f"command-{number}", **given)


def bulk(delivery: Delivery) -> Delivery:
    return Delivery(delivery.body, delivery.type, f"{PLATFORM}/bulk")


def test_what_is_over_the_quota_is_rejected_by_name(quota: Quota) -> None:
    assert codes(quota, sent(1), sent(2), sent(3)) == [[], [], ["message.quota"]]


def test_the_same_message_again_is_not_counted_again(quota: Quota) -> None:
    assert codes(quota, sent(1), sent(1), sent(2), sent(1), sent(2)) == [[]] * 5


def test_each_account_has_its_own(quota: Quota) -> None:
    found = codes(quota, sent(1), sent(2), sent(1, sender=STRANGER), sent(2, sender=STRANGER))
    assert found == [[]] * 4


def test_what_piled_up_during_an_outage_is_nobody_s_fault(quota: Quota) -> None:
    times = [(NOW - timedelta(minutes=n)).isoformat() for n in range(10)]
    assert codes(quota, *(sent(n, time=time) for n, time in enumerate(times))) == [[]] * 10


def test_bulk_loads_have_none(quota: Quota) -> None:
    assert codes(quota, *(bulk(sent(n)) for n in range(10))) == [[]] * 10


def test_another_account_of_the_user_is_an_ordinary_one(quota: Quota) -> None:
    """Only the account that reaches the second queues is without a quota."""
    others = [Delivery(sent(n).body, sent(n).type, f"{PLATFORM}/night") for n in range(3)]
    assert codes(quota, *others) == [[], [], ["message.quota"]]


def test_what_cannot_be_attributed_is_not_counted(quota: Quota) -> None:
    nobody = Delivery(b"{}", "asset.register.v1", None)
    assert isinstance(quota.admit(nobody, CONTRACTS, Limits()), Refusal)
    assert not quota._counted


def test_memory_is_bounded(quota: Quota) -> None:
    for n in range(COUNTED_MAX + 10):
        codes(quota, sent(n, time=(NOW - timedelta(minutes=n)).isoformat()))
    assert len(quota._counted) == COUNTED_MAX


async def test_the_answer_is_remembered_like_any_other() -> None:
    """One outcome for one id, also where the quota would let it pass the next time."""
    workshop = await open_workshop()
    workshop.engine.admit = Quota(1).admit
    over = command("trial.keep.v1", {"id": "b"}, sender="operator", id="over")
    first = command("trial.keep.v1", {"id": "a"}, sender="operator", id="within")
    outcomes = await workshop.run(first, over)
    workshop.engine.admit = Quota(1).admit
    (again,) = await workshop.run(over)
    assert [outcome.kind for outcome in (*outcomes, again)] == ["accepted", "rejected", "duplicate"]
    told = json.loads(outcomes[1].letters[0].body)["data"]
    assert rules(told) == [("message.quota", "")]
    assert "operator/bulk" in told["findings"][0]["advice"]
