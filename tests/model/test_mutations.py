"""Each broken engine is found out by its schedule, and the whole one is not accused by it."""

import pytest

from tests.given import ROOT
from tests.model.mutations import MUTATIONS, Mutation, table
from tests.model.play import play
from tests.model.promises import Promise, broken, promises

PAGE = ROOT / "docs" / "mutations.md"
NOT_OURS = {Promise.QUIET, Promise.ALIVE}
"""What a mutation may also do; no row needs to be about it."""


def named(mutation: Mutation) -> str:
    return mutation.name.replace(" ", "-")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=named)
def test_broken_engine_breaks_the_promises_that_the_page_names(mutation: Mutation) -> None:
    assert promises(play(mutation.plan, mutation.parts)) == mutation.breaks


@pytest.mark.parametrize("mutation", MUTATIONS, ids=named)
def test_whole_engine_keeps_them_on_the_same_schedule(mutation: Mutation) -> None:
    model = play(mutation.plan)
    assert (broken(model), model.schedule.faults) == ([], [])


def test_every_promise_is_broken_by_some_mutation() -> None:
    """A check that nothing can fail would prove nothing."""
    assert {p for mutation in MUTATIONS for p in mutation.breaks} == set(Promise) - NOT_OURS


def test_the_page_says_what_is_found() -> None:
    """Copy the table from here to the page when a mutation is added."""
    assert table() in PAGE.read_text(encoding="utf-8")
