"""Whatever is sent and whatever goes wrong: when all is quiet again, every promise was kept."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.load import add, crash, join, nobody, noise
from tests.model.play import Item, Plan, play
from tests.model.promises import broken
from tests.model.store import Act, Fault, Point

Run = Mapping[str, Any]
NAMES = ("1", "2", "3", "4", "5", "6")
ENDLESS = (HealthCheck.too_slow, HealthCheck.data_too_large)

queues = st.sampled_from([0, 1])
moments = st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0, 4.0])
adds = st.builds(
    lambda mark, name, queue, at, note: add(
        f"{mark}{queue}", f"{queue}-{name}", queue=queue, at=at, note=note
    ),
    st.sampled_from("aab"),
    st.sampled_from(NAMES),
    queues,
    moments,
    st.sampled_from(["", "", "", "other"]),
)
loads = st.builds(
    lambda mark, name, queue, at: add(
        f"{mark}{queue}", f"{queue}-{name}", queue=queue, at=at, sender=1, is_bulk=True
    ),
    st.sampled_from("cd"),
    st.sampled_from(NAMES),
    queues,
    moments,
)
shared = st.builds(
    lambda name, queue, at: add("shared", f"{queue}-s{name}", queue=queue, at=at),
    st.sampled_from(NAMES),
    queues,
    moments,
)
joins = st.builds(
    lambda name, queue, at: join(
        f"a{queue}", f"a{1 - queue}", f"{queue}-j{name}", queue=queue, at=at
    ),
    st.sampled_from(NAMES),
    queues,
    moments,
)
broken_ones = st.one_of(
    st.builds(
        lambda name, queue, at: crash("a", f"{queue}-c{name}", queue=queue, at=at),
        st.sampled_from(NAMES),
        queues,
        moments,
    ),
    st.builds(lambda queue, at: nobody(queue=queue, at=at), queues, moments),
    st.builds(lambda queue, at: noise(queue=queue, at=at), queues, moments),
)
apart = st.lists(st.one_of(adds, adds, adds, loads, broken_ones), min_size=3, max_size=20)
"""Each mark is written from one queue, so that it must be as in an undisturbed run."""
crossing = st.lists(st.one_of(adds, shared, joins), min_size=3, max_size=20)
"""Two lanes write the same marks and look at each other's."""
faults = st.lists(
    st.builds(Fault, st.sampled_from(list(Point)), st.integers(1, 8), st.sampled_from(list(Act))),
    max_size=6,
    unique_by=lambda fault: (fault.point, fault.nth),
)
runs = st.fixed_dictionaries(
    {
        "batch": st.sampled_from([1, 2, 4]),
        "page": st.sampled_from([1, 3, 20]),
        "hops": st.lists(st.integers(0, 4), min_size=1, max_size=5),
    }
)
"""Small batches and pages, so that there are many moments between them."""


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None, suppress_health_check=ENDLESS)
@given(apart, faults, runs)
def test_faults_change_nothing(items: list[Item], disturbed: list[Fault], run: Run) -> None:
    """The same documents and outcomes as without them, once each, in order, and answered."""
    assert broken(play(Plan(items, disturbed, **run))) == []


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None, suppress_health_check=ENDLESS)
@given(crossing, faults, runs)
def test_lanes_that_cross_keep_their_promises(
    items: list[Item], disturbed: list[Fault], run: Run
) -> None:
    """Nothing is lost, nothing is done twice, and what a decision rested on still held."""
    assert broken(play(Plan(items, disturbed, **run))) == []


def test_what_loses_against_others_waits_and_is_not_overtaken() -> None:
    """It is parked with those behind it; in the end nobody waits, and all is in order."""
    items = [add("a", str(n)) for n in range(4)]
    model = play(Plan(items, [Fault(Point.BEFORE_COMMIT, 1, Act.LOSE)], batch=2))
    assert broken(model) == []
    parked = [done for done in model.commits if done.commit.inserts.get("parked")]
    assert parked


def test_a_commit_without_an_answer_is_not_done_twice() -> None:
    items = [add("a", str(n)) for n in range(4)]
    model = play(Plan(items, [Fault(Point.AFTER_COMMIT, 1, Act.OUTAGE)], batch=2))
    assert (broken(model), model.schedule.faults) == ([], [])


def test_another_owner_takes_the_partitions_in_the_middle_of_a_page() -> None:
    """It sends the page from its start; the former one repeats what it still had to send."""
    items = [add("a", str(n)) for n in range(4)]
    model = play(Plan(items, [Fault(Point.BEFORE_PUBLISH, 3, Act.STEAL)], page=20))
    assert (broken(model), model.schedule.faults) == ([], [])
    assert len(model.wire) > 2 * len(items)


def test_what_cannot_be_read_is_told_although_its_commit_lost() -> None:
    """Found by the properties: it has no id to be parked under, so that the lane waits with it."""
    items = [add("a", "1"), noise(queue=0)]
    model = play(Plan(items, [Fault(Point.BEFORE_COMMIT, 2, Act.LOSE)], batch=1))
    assert (broken(model), model.schedule.faults) == ([], [])
