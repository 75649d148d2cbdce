"""Every type has a sample that its contract takes, so that a wrong role alone is why it fails."""

from collections.abc import Mapping
from typing import Final

import pytest

from contracts.messages import MARKET, ROLES, split_type
from contracts.taxonomy import BACKBONE
from handlers.admission import Arrival, Limits, admit
from handlers.decision import View
from handlers.entry import pass_entry, sender_of
from handlers.senders import Sender
from tests.builders import NOW, PLATFORM, command
from tests.samples import SAMPLES, sample
from topology import catalog

ENTRIES: Final[Mapping[str, catalog.Entry]] = catalog.build()


def arrived(name: str) -> Arrival:
    """The sample of a type as it is admitted; without one there is nothing to admit."""
    entry = ENTRIES[name]
    delivery = command(name, sample(name))
    found = admit(delivery, {name: entry.contract}, Limits())
    assert isinstance(found, Arrival), found
    return found


def test_every_type_has_a_sample_and_every_sample_a_type() -> None:
    types = {entry.contract.message_type for entry in ENTRIES.values()}
    named = {f"{register}.{verb}" for register, verb, _ in map(split_type, types)}
    assert {name for name in SAMPLES if name not in types} == named


@pytest.mark.parametrize("name", ENTRIES)
def test_nothing_is_wrong_with_a_sample(name: str) -> None:
    assert arrived(name).findings == ()


@pytest.mark.parametrize("name", ENTRIES)
def test_the_role_alone_decides_who_may_send_it(name: str) -> None:
    entry, arrival = ENTRIES[name], arrived(name)
    for role in ROLES:
        sender = Sender(PLATFORM, frozenset({role}), "confirmed")
        refused = pass_entry(arrival, sender, entry.handler, NOW)
        found = [one.rule for one in refused.findings] if refused is not None else []
        assert found == ([] if role in entry.senders else ["sender.role"]), role


@pytest.mark.parametrize("status", ["provisional", "confirmed"])
@pytest.mark.parametrize("name", ENTRIES)
def test_whose_roles_all_wait_may_send_what_every_role_of_the_market_may(
    name: str, status: str
) -> None:
    entry, arrival = ENTRIES[name], arrived(name)
    sender = Sender(PLATFORM, frozenset(), status)
    refused = pass_entry(arrival, sender, entry.handler, NOW)
    found = [one.rule for one in refused.findings] if refused is not None else []
    if not set(entry.senders) >= MARKET:
        assert found == ["sender.role"]
    elif status == "provisional" and not entry.handler.for_provisional:
        assert found == ["sender.provisional"]
    else:
        assert found == []


@pytest.mark.parametrize("name", ENTRIES)
def test_the_backbones_own_account_may_send_nothing(name: str) -> None:
    """It has no role either, and is no user who waits for one."""
    sender = sender_of(BACKBONE, View({}))
    refused = pass_entry(arrived(name), sender, ENTRIES[name].handler, NOW)
    assert refused is not None
    assert [one.rule for one in refused.findings] == ["sender.role"]
