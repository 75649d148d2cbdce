"""Commands that wait: tried again on a ladder, never overtaken, never lost with their owner."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.taxonomy import BACKBONE
from handlers.admission import Arrival, Delivery, Limits, Ticket, admit
from handlers.case import Outcome
from handlers.decision import View
from handlers.fold import fold
from handlers.parking import LADDER, WAITING_MAX, Contended, Full, Parked, Parking, Waiting, touched
from tests.builders import NOW, OWNER, PLATFORM, command
from tests.decider import RULEBOOK, reply
from tests.memory.test_engine import Contrary
from tests.memory.workshop import LANE, Workshop, open_workshop
from topology.catalog import contracts_of
from workers.engine import CONFLICTS_MAX
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Conflict
from workers.vault import Sealed

CONTRACTS = contracts_of(RULEBOOK.handlers)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Rival(Contrary):
    """A store in which somebody else is always first with one document."""

    contested: bytes | None

    def __init__(self, store: MemoryStore, contested: str) -> None:
        super().__init__(store)
        self.contested = contested.encode()

    async def commit(self, commit: Commit) -> None:
        written = b"".join(commit.inserts.get("trials", ()))
        if self.contested is not None and self.contested in written:
            raise Conflict("somebody was first")
        await super().commit(commit)


@dataclass
class Place:
    """A workshop whose clock is put forward by hand, and in which `a` is contested."""

    workshop: Workshop
    rival: Rival
    now: datetime = NOW
    kinds: list[list[str]] = field(default_factory=list)

    async def run(self, *deliveries: Delivery) -> Sequence[Outcome]:
        outcomes = await self.workshop.run(*deliveries)
        self.kinds.append([outcome.kind for outcome in outcomes])
        return outcomes

    async def later(self, delay: timedelta) -> Sequence[Outcome]:
        self.now += delay
        return await self.run()

    async def rekey(self, place: int, *keys: str) -> None:
        """Put one who waits down as a former version of us has: with other keys."""
        row = self.workshop.rows("parked")[place]
        changed = encode_row({**row, "keys": list(keys)})
        self.workshop.store._documents["parked"][row["_id"]] = changed
        lease = await self.workshop.store.acquire(LANE, "tests", 60)
        assert lease is not None
        self.workshop.engine.resume(lease)

    def parked(self) -> list[tuple[str, int]]:
        return [(row["_id"], row["attempt"]) for row in self.workshop.rows("parked")]


@pytest.fixture
async def place() -> Place:
    workshop = await open_workshop()
    made = Place(workshop, Rival(workshop.store, "\x02_id\x00\x02\x00\x00\x00a\x00"))
    workshop.engine.store = made.rival
    workshop.engine.clock = lambda: made.now
    return made


def keep(trial: str, number: int = 0, **properties: Any) -> Delivery:
    """A command on a trial; its number tells it from others on the same."""
    made = command("trial.keep.v1", {"id": trial}, sender="operator", id=f"keep-{trial}-{number}")
    return Delivery(**{**{n: getattr(made, n) for n in ("body", "type", "account")}, **properties})


async def test_a_contested_command_waits_and_its_neighbours_are_decided(place: Place) -> None:
    await place.run(keep("b"), keep("a"), keep("c"))
    assert sorted(place.kinds[0]) == ["accepted", "accepted", "deferred"]
    assert [row["_id"] for row in place.workshop.rows("trials")] == ["b", "c"]
    assert len(place.parked()) == 1


async def test_it_is_decided_when_its_time_has_come(place: Place) -> None:
    await place.run(keep("a"))
    place.rival.contested = None
    assert place.workshop.engine.due_in_s() == LADDER[0].total_seconds()
    assert await place.run() == []
    (outcome,) = await place.later(LADDER[0])
    assert (outcome.kind, reply(outcome)[1]) == ("accepted", {"id": "a"})
    assert place.parked() == []
    assert place.workshop.engine.due_in_s() is None


async def test_each_attempt_waits_longer_and_the_last_is_held(place: Place) -> None:
    await place.run(keep("a"))
    attempts = []
    for delay in LADDER:
        attempts += place.parked()
        assert place.workshop.engine.due_in_s() == delay.total_seconds()
        (outcome,) = await place.later(delay)
    assert [attempt for _, attempt in attempts] == [1, 2, 3, 4]
    assert (outcome.kind, reply(outcome)[0]) == ("exhausted", "trial.keep.held.v1")
    assert place.parked() == []
    assert [row["reason"] for row in place.workshop.rows("dead_letters")] == ["exhausted"]


async def test_nobody_overtakes_it_on_the_same_entity(place: Place) -> None:
    await place.run(keep("a", 1))
    place.rival.contested = None
    await place.run(keep("a", 2), keep("b"), keep("a", 3))
    outcomes = await place.later(LADDER[0])
    assert place.kinds == [
        ["deferred"],
        ["deferred", "accepted", "deferred"],
        ["accepted", "accepted", "accepted"],
    ]
    arrivals = [outcome.arrival for outcome in outcomes]
    assert [getattr(arrival, "id", "") for arrival in arrivals] == [
        f"keep-a-{number}" for number in (1, 2, 3)
    ]
    revisions = {row["_id"]: row["revision"] for row in place.workshop.rows("trials")}
    assert revisions == {"a": 3, "b": 1}


async def test_those_behind_wait_on_when_it_is_deferred_again(place: Place) -> None:
    await place.run(keep("a", 1), keep("a", 2))
    await place.later(LADDER[0])
    assert place.kinds == [["deferred", "deferred"], ["deferred", "deferred"]]
    assert [attempt for _, attempt in place.parked()] == [2, 0]


async def test_the_same_command_again_is_answered_after_it(place: Place) -> None:
    """A resent copy must not be decided before the original, nor make a second effect."""
    await place.run(keep("a"))
    place.rival.contested = None
    await place.run(keep("a"))
    first, second = await place.later(LADDER[0])
    assert [first.kind, second.kind] == ["accepted", "duplicate"]
    assert first.letters[-1] == second.letters[-1]


async def test_the_next_owner_brings_it_in(place: Place) -> None:
    await place.run(keep("a", 1, message_id="m-1"), keep("a", 2))
    place.rival.contested = None
    lease = await place.workshop.store.acquire(LANE, "tests", 60)
    assert lease is not None
    place.workshop.engine.resume(lease)
    assert place.workshop.engine.due_in_s() == 0.0
    outcomes = await place.later(LADDER[0])
    assert [outcome.kind for outcome in outcomes] == ["accepted", "accepted"]
    assert outcomes[0].arrival.delivery.message_id == "m-1"


async def test_a_clock_that_is_put_back_does_not_keep_it_for_long(place: Place) -> None:
    old = (NOW - timedelta(hours=3)).isoformat()
    await place.run(
        command("trial.keep.v1", {"id": "a"}, sender="operator", id="keep-old", time=old)
    )
    place.rival.contested = None
    place.now -= timedelta(hours=2)
    assert place.workshop.engine.due_in_s() == 0.0
    (outcome,) = await place.run()
    assert outcome.kind == "accepted"


async def test_its_trace_comes_back_with_it(place: Place) -> None:
    headers = {"traceparent": TRACE, "x-other": "dropped"}
    await place.run(keep("a", headers=headers))
    place.rival.contested = None
    (outcome,) = await place.later(LADDER[0])
    assert {letter.trace for letter in outcome.letters} == {(("traceparent", TRACE),)}


async def test_where_not_even_waiting_can_be_written_the_lane_pauses(place: Place) -> None:
    place.workshop.engine.store = Contrary(
        place.workshop.store, [Conflict("again")] * 2 * CONFLICTS_MAX
    )
    with pytest.raises(Contended):
        await place.run(keep("a"))


async def test_who_waits_is_not_to_be_read_in_the_store(place: Place) -> None:
    await place.run(command("trial.keep.v1", {"id": "a"}, sender="operator", id="secret-id"))
    stored = b"".join(place.workshop.store._documents["parked"].values())
    assert b"specversion" not in stored


async def test_what_has_no_id_makes_the_lane_wait_and_is_told_in_the_end(place: Place) -> None:
    """It cannot be parked, since nothing would know it again."""
    noise = Delivery(b"no JSON", "trial.keep.v1", "operator", "m-1")
    place.workshop.engine.store = Contrary(
        place.workshop.store, [Conflict("again")] * CONFLICTS_MAX
    )
    with pytest.raises(Contended):
        await place.run(noise)
    (outcome,) = await place.run(noise)
    assert (outcome.kind, [letter.type for letter in outcome.letters]) == (
        "refused",
        ["trial.keep.rejected.v1"],
    )


async def test_many_that_waited_for_one_are_decided_in_one_batch(place: Place) -> None:
    await place.run(keep("a", 0))
    await place.run(*(keep("a", number) for number in range(1, 200)))
    place.rival.contested = None
    before = len(place.rival.commits)
    outcomes = await place.later(LADDER[0])
    assert [outcome.kind for outcome in outcomes] == ["accepted"] * 200
    assert len(place.rival.commits) == before + 1


async def test_what_is_brought_in_at_once_is_bounded_by_its_bytes(place: Place) -> None:
    """A commit holds its commands and their archive: MongoDB takes 16 MiB a document."""
    long = "x" * 240_000
    noise = [
        command("trial.crash.v1", {"words": long}, sender="operator", id=f"a-{n}")
        for n in range(12)
    ]
    await place.run(keep("a"))
    waiting = await place.workshop.engine._known()
    for number, delivery in enumerate(noise):
        row, keys = f"{LANE}/9/{number:05d}", frozenset({f"x/{number}"})
        given = replace(delivery, ticket=Ticket(row, 1, 1, keys))
        waiting.add(Parked(row, keys, NOW, given))
    taken = waiting.due(NOW, 200, 2_000_000)
    assert 1 <= len(taken) <= 8
    assert len(waiting.due(NOW, 3, 2_000_000)) == 3


async def test_one_that_does_not_open_costs_nobody_else(place: Place) -> None:
    """Its sender is told that it is held, an operator gets the box, and the lane goes on."""
    await place.run(keep("a", 1, account="operator"))
    (row,) = place.workshop.rows("parked")
    box = row["delivery"].box
    spoilt = box[:-1] + bytes([box[-1] ^ 1])
    changed = {**row, "delivery": Sealed(row["delivery"].key, spoilt)}
    place.workshop.store._documents["parked"][row["_id"]] = encode_row(changed)
    lease = await place.workshop.store.acquire(LANE, "tests", 60)
    assert lease is not None
    place.workshop.engine.resume(lease)
    place.rival.contested = None
    place.now += LADDER[0]
    held, other = await place.run(keep("b"))
    assert (held.kind, held.letters[0].type) == ("refused", "trial.keep.held.v1")
    assert json.loads(held.letters[0].body)["correlationid"] == "keep-a-1"
    assert other.kind == "accepted"
    assert place.parked() == []
    (dead,) = (await place.workshop.opened("dead_contents")).values()
    assert dead["body"].value == spoilt


async def test_who_would_be_too_many_is_held(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.parking.WAITING_MAX", 3)
    await place.run(*(keep("a", number) for number in range(5)))
    assert sorted(place.kinds[0]) == ["deferred"] * 3 + ["exhausted"] * 2


async def test_it_waits_by_the_keys_it_was_put_down_with(place: Place) -> None:
    """Nothing is left of it when it is decided, whatever is known to be touched by now."""
    await place.run(keep("a"))
    await place.rekey(0, "trials/of-old")
    await place.later(LADDER[0])
    (row,) = place.workshop.rows("parked")
    assert row["keys"] == ["trials/of-old"]
    place.rival.contested = None
    await place.later(LADDER[1])
    waiting = await place.workshop.engine._known()
    assert (place.kinds[-1], waiting._touching) == (["accepted"], {})


async def test_one_that_is_due_is_not_held_up_by_keys_that_it_has_by_now(place: Place) -> None:
    """Due by its old keys and blocked by new ones, it would be brought in without end."""
    await place.run(keep("a", 1), keep("a", 2))
    await place.rekey(1, "trials/of-old")
    await place.run()
    assert place.workshop.engine.due_in_s() == LADDER[0].total_seconds()


def test_a_row_that_goes_on_waiting_leaves_no_key_behind() -> None:
    def parked(*keys: str) -> Parked:
        ticket = Ticket("lane/1/00000", 1, 1, frozenset(keys))
        return Parked(ticket.id, ticket.keys, NOW, replace(keep("a"), ticket=ticket))

    waiting = Waiting.of([parked("x", "y")])
    waiting.add(parked("y", "z"))
    assert [len(list(waiting.touching(key))) for key in "xyz"] == [0, 1, 1]
    waiting.remove("lane/1/00000")
    assert waiting._touching == {}


async def test_the_parking_takes_nobody_more_when_it_is_full(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that lost itself; who waits already goes on waiting."""
    await place.run(keep("a", 1))
    monkeypatch.setattr("handlers.parking.WAITING_MAX", 1)
    await place.later(LADDER[0])
    monkeypatch.setattr("handlers.parking.WAITING_MAX", 0)
    place.rival.contested = b"\x02_id\x00\x02\x00\x00\x00b\x00"
    await place.run(keep("b"))
    assert place.kinds == [["deferred"], ["deferred"], ["exhausted"]]


def test_a_change_of_oneself_is_not_overtaken() -> None:
    arrival = admit(command("user.get.v1", {"id": PLATFORM}), CONTRACTS, Limits())
    assert isinstance(arrival, Arrival)
    sender, own, other = ("users", PLATFORM), ("users", PLATFORM), ("users", OWNER)
    inbox = f"inbox/{PLATFORM}/command-1"
    assert touched([sender], arrival) == {inbox}
    assert touched([sender, own, other], arrival) == {inbox, f"users/{PLATFORM}", f"users/{OWNER}"}


async def test_the_archive_says_nothing_of_places(place: Place) -> None:
    """They come and go with what was decided; a rebuild has nobody to let wait."""
    await place.run(keep("a"))
    place.rival.contested = None
    await place.later(LADDER[0])
    (batch,) = place.workshop.rows("commands")
    (entry,) = batch["entries"]
    written = entry["writes"]
    assert [write["collection"] for write in written] == ["trials"]


async def test_a_fact_is_not_lost_when_the_parking_is_full(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lane stands still, while those who wait go on and make the room."""
    await place.run(keep("a", 1))
    monkeypatch.setattr("handlers.parking.WAITING_MAX", 1)
    place.now = place.workshop.engine.clock() + LADDER[0]
    place.workshop.engine.clock = lambda: place.now
    admitted = place.workshop.engine.admit
    fact = command("asset.updated.v1", id="fact")

    def attended(delivery: Delivery, *given: Any) -> Any:
        if delivery is not fact:
            return admitted(delivery, *given)
        raise Full("no place")

    place.workshop.engine.admit = attended
    place.rival.contested = None
    with pytest.raises(Full):
        await place.run(fact)
    assert place.workshop.rows("parked") == []
    assert [row["_id"] for row in place.workshop.rows("trials")] == ["a"]


def test_where_there_is_no_place_only_a_command_is_a_dead_letter() -> None:
    one = admit(keep("b"), CONTRACTS, Limits())
    assert isinstance(one, Arrival)
    full = Parking("lane/1", Waiting())
    full._count = WAITING_MAX
    fact = replace(one, user=BACKBONE)
    lost = {0: Contended("lost")}

    def folded(arrival: Arrival) -> Any:
        return fold([(0, arrival)], View({}), RULEBOOK, NOW, repr, parking=full, faults=lost)

    assert {collection for collection, _ in folded(one).missing} == {"dead_letters"}
    with pytest.raises(Full):
        folded(fact)
