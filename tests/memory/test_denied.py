"""Whatever happens, no letter holds what its reader may not see at that moment.

Every event, reply, finding and answer of a random play is searched for values that are told apart
by entity and group, and for names of fields; who may read them is reckoned without the handlers.
"""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from handlers import assets, edges, listing, rights, telling, visibility
from tests.memory.oracle import Leak
from tests.memory.stage import RELATIONS, Plan, Stage

STEPS: Final = (
    "get_asset", "get_asset", "get_user", "update", "update", "check", "claim", "claim_user",
    "replay", "relate", "unrelate", "give", "end", "end", "tell",
    "share", "unshare", "update_user", "get_user", "get_user", "search", "search",
)  # fmt: skip
small = st.integers(0, 9)
plans = st.builds(
    Plan,
    users=st.tuples(*[st.tuples(st.sampled_from((False, False, False, True)), small)] * 4),
    assets=st.lists(st.tuples(small, small, st.booleans()), min_size=1, max_size=3).map(tuple),
    ties=st.lists(
        st.tuples(small, small, st.sampled_from(RELATIONS), st.integers(-20, 60), small),
        min_size=2,
        max_size=12,
    ).map(tuple),
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), small, small, st.integers(0, 31), st.integers(0, 6)),
        min_size=5,
        max_size=30,
    ).map(tuple),
)


def prove(examples: int, *phases: Phase) -> Counter[str]:
    """Play; raise the first leak, else give how much was looked at."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=phases or (Phase.generate,),
    )
    @given(plans)
    def nothing_denied_is_told(plan: Plan) -> None:
        stage = Stage()
        stage.play(plan)
        seen.update(stage.oracle.seen, plays=1)

    nothing_denied_is_told()
    return seen


@pytest.mark.timeout(600)
def test_nothing_that_the_table_denies_is_told() -> None:
    seen = prove(150, Phase.generate, Phase.shrink)
    sys.stdout.write(f"{dict(seen)}\n")
    assert seen["plays"] >= 150
    assert min(seen["reply"], seen["personal"], seen["values shown"], seen["names shown"]) > 300
    assert seen["values withheld"] > 10_000
    assert seen["entries"] > 150
    assert seen["persons listed"] > 30


def opened(collection: str, group: str, relation: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A table that allows one relation to read one group more."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        table: Any = rights.GROUPS[collection][group]
        patch.setitem(table, relation, "read")
        # What was looked up in the table as it should be is remembered.
        patch.setattr(visibility, "strongest", rights.strongest.__wrapped__)

    return mutate


def names_unfiltered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(visibility.Standing, "names", lambda _self, changed: tuple(changed))


def ties_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(edges, "holds", lambda tie, at: tie["from"] <= at)


def ties_from_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(edges, "holds", lambda tie, at: tie["until"] is None or at < tie["until"])


def one_moment_too_long(patch: pytest.MonkeyPatch) -> None:
    def holds(tie: Any, at: Any) -> bool:
        return bool(tie["from"] <= at and (tie["until"] is None or at <= tie["until"]))

    patch.setattr(edges, "holds", holds)


def areas_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(visibility, "VALUES_OF", {})


def claims_known_to_all(patch: pytest.MonkeyPatch) -> None:
    def knows(_viewer: object, _claim: object) -> bool:
        return True

    for module in (assets, visibility):
        patch.setattr(module, "knows", knows, raising=False)
    patch.setattr("handlers.asset_rules.knows", knows)


def persons_on_the_open_shelf(patch: pytest.MonkeyPatch) -> None:
    entry_of = listing.entry_of

    def open_to_all(user: Any, known: Any, identity: Any) -> Any:
        return entry_of({**user, "kind": "organisation"}, known, identity)

    patch.setattr(listing, "entry_of", open_to_all)


def told_as_of_now(patch: pytest.MonkeyPatch) -> None:
    """Who is related when it is told, and not when it happened."""
    audience = telling._audience

    def late(fact: Any, edges: Any, context: Any) -> Any:
        from dataclasses import replace  # noqa: PLC0415

        return audience(fact, edges, replace(context, at=context.now))

    patch.setattr(telling, "_audience", late)


def every_group_for_readers(patch: pytest.MonkeyPatch) -> None:
    """A reader of one group reads them all."""
    patch.setattr(visibility.Standing, "right", lambda standing, group: rights.strongest(
        standing.collection, group, standing.held))  # fmt: skip


def readers_unconfirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(edges, "COUNTED", frozenset({"confirmed", "provisional"}))


MUTATIONS: Final = {
    "a reader of one group reads them all": every_group_for_readers,
    "a provisional user reads what is shared": readers_unconfirmed,
    "a cell more: an asset's connection for the MO": opened("assets", "connection", "mo"),
    "a cell more: an asset's owner for the SO": opened("assets", "owner", "so"),
    "a cell more: a user's claims for the registrant": opened("users", "claims", "registrant"),
    "a cell more: a user's bank for the delegate": opened("users", "bank", "delegate"),
    "names of fields unfiltered": names_unfiltered,
    "ties that never end": ties_for_ever,
    "ties that hold before they begin": ties_from_ever,
    "ties that hold at their end": one_moment_too_long,
    "the area told to all": areas_for_all,
    "claims that name their holder to all": claims_known_to_all,
    "persons listed as organisations are": persons_on_the_open_shelf,
    "told by who is related when it is told": told_as_of_now,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTATIONS)
def test_each_hole_in_the_filter_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[name](monkeypatch)
    with pytest.raises(Leak):
        prove(6000)
