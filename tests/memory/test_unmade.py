"""Whose queues are still to be made: what is for them waits, and nobody waits with them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from outbox.quarantine import UNMADE_FIRST_S, UNMADE_LONGEST_S, Quarantine
from tests.builders import OWNER, PLATFORM, STRANGER
from tests.memory.test_relay import made
from topology.management import Management, ManagementError, ManagementUnavailableError
from workers.store.protocol import StateStore, Unavailable
from workers.unmade import Unmade


@pytest.mark.parametrize("batch_max", [1, 2, 100])
async def test_it_waits_in_its_order_and_others_go_on(batch_max: int) -> None:
    post, unmade, time = made(batch_max), {"a"}, [0.0]
    post.relay._quarantine = Quarantine(clock=lambda: time[0])
    post.wire.unheard = ["a1", "c1"]

    async def among(users: Collection[str]) -> Collection[str]:
        assert set(users) <= {"a", "c"}, "nobody is asked about whose queue took it"
        return unmade & set(users)

    post.relay.unmade = among
    await post.commit("lane", "a1", "b1", "a2", "c1", "b2")
    assert await post.relay.drain() == 3
    assert await post.left() == ["a1", "a2"]
    assert (post.of("a"), post.of("b"), post.relay.unheard) == (["a1"], ["b1", "b2"], 1)
    assert await post.relay.drain() == 0
    assert post.of("a") == ["a1"], "not before its time"
    time[0], post.wire.unheard = UNMADE_FIRST_S, []
    unmade.clear()
    assert await post.relay.drain() == 2
    assert (post.of("a"), await post.left()) == (["a1", "a1", "a2"], [])
    assert "backoff" not in post.pauses


def test_it_is_tried_ever_more_seldom() -> None:
    time = [0.0]
    quarantine = Quarantine(clock=lambda: time[0])
    waits = []
    for _ in range(12):
        quarantine.await_queue("a")
        begin = time[0]
        while quarantine.holds("a"):
            time[0] += UNMADE_FIRST_S
        waits.append(time[0] - begin)
    assert waits[:3] == [UNMADE_FIRST_S, 2 * UNMADE_FIRST_S, 4 * UNMADE_FIRST_S]
    assert waits[-1] == UNMADE_LONGEST_S
    quarantine.release("a")
    quarantine.await_queue("a")
    time[0] += UNMADE_FIRST_S
    assert not quarantine.holds("a")


@dataclass
class Register:
    """Accounts of users, and what the broker has made of them."""

    accounts: dict[str, str] = field(default_factory=dict)
    """User -> state of its account."""
    bindings: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    keyed: set[str] = field(default_factory=set)
    fault: Exception | None = None
    asked: int = 0

    async def holding(
        self, _collection: str, _field: str, values: Collection[str], _limit: int
    ) -> Sequence[Mapping[str, Any]]:
        self.asked += 1
        if isinstance(self.fault, Unavailable):
            raise self.fault
        return [{"user": u, "state": self.accounts[u]} for u in values if u in self.accounts]

    async def bindings_of(self, queue: str) -> Sequence[Mapping[str, Any]]:
        if self.fault is not None:
            raise self.fault
        return self.bindings.get(queue.removesuffix(".events"), [])

    async def lets_in(self, name: str) -> bool:
        return name in self.keyed

    def unmade(self) -> Unmade:
        return Unmade(cast("StateStore", self), cast("Management", self))


OWN = {"source": ""}
"""The binding that every queue has."""
TO_ALL = {"source": "flex.events"}


async def test_only_who_has_an_account_and_no_queue_is_waited_for() -> None:
    register = Register({PLATFORM: "active", STRANGER: "ended"})
    assert set(await register.unmade().among([PLATFORM, STRANGER, OWNER])) == {PLATFORM}


@pytest.mark.parametrize(
    ("bindings", "keyed"), [([OWN, TO_ALL], set()), ([OWN], {PLATFORM})], ids=["bound", "unbound"]
)
async def test_whose_queue_is_seen_is_tried_once_more_and_then_never(
    bindings: list[Mapping[str, Any]], keyed: set[str]
) -> None:
    """It may have been made after the return; later returns are its own choice."""
    register = Register({PLATFORM: "active"}, {PLATFORM: [OWN]})
    unmade = register.unmade()
    for _ in range(2):
        assert set(await unmade.among([PLATFORM])) == {PLATFORM}
    register.bindings[PLATFORM] = bindings
    register.keyed |= keyed
    assert set(await unmade.among([PLATFORM])) == {PLATFORM}
    asked = register.asked
    assert not await unmade.among([PLATFORM])
    assert register.asked == asked


@pytest.mark.parametrize(
    "fault", [Unavailable("outage"), ManagementUnavailableError("502"), ManagementError("401")]
)
async def test_where_nobody_can_say_it_waits(fault: Exception) -> None:
    register = Register({PLATFORM: "active"}, fault=fault)
    assert set(await register.unmade().among([PLATFORM, OWNER])) == {PLATFORM, OWNER}
