"""The broker's side of shards: one address, a directory before the shards, nothing twice."""

import re

import pytest

from topology import names, plan
from topology.catalog import build as build_catalog
from topology.definitions import definitions
from topology.drift import Holdings, compare
from topology.plan import Account, Binding, Plan
from topology.replaying import with_replay
from topology.sharding import build, is_shard, mailboxes_of

ENTRIES = build_catalog()
ONE, FOUR = build(ENTRIES), build(ENTRIES, 4)
ASSETS = names.mailbox("assets")
FRONT = names.directory("assets")


def bound(made: Plan, exchange: str) -> dict[str, str]:
    """Key -> queue."""
    return {b.key: b.queue for b in made.bindings if b.exchange == exchange}


def account(made: Plan) -> Account:
    (found,) = [one for one in made.accounts if one.name == names.DIRECTORY_ACCOUNT]
    return found


def test_with_one_shard_nothing_is_different() -> None:
    single = with_replay(plan.build(ENTRIES), ENTRIES)
    assert {name: getattr(ONE, name) for name in Plan.__slots__ if name != "retired"} == {
        name: getattr(single, name) for name in Plan.__slots__ if name != "retired"
    }
    assert bound(ONE, names.COMMANDS)["asset.register.v1"] == ASSETS


def test_commands_of_the_assets_come_by_the_directory_and_all_else_as_before() -> None:
    before, after = bound(ONE, names.COMMANDS), bound(FOUR, names.COMMANDS)
    assert before.keys() == after.keys()
    moved = {kind for kind in before if before[kind] != after[kind]}
    assert moved == {kind for kind, queue in before.items() if queue == ASSETS}
    assert {after[kind] for kind in moved} == {FRONT}
    bulk = bound(FOUR, names.BULK)
    assert {bulk[kind] for kind in moved} == {names.bulk_mailbox(FRONT)}
    assert after["asset.get.v1"] == names.query_queue("assets")


def test_every_shard_has_its_two_mailboxes_and_a_way_to_each() -> None:
    queues = {queue.name: queue for queue in FOUR.queues}
    ways = {b.exchange: b.queue for b in FOUR.bindings if b.exchange.startswith("flex.shard.")}
    kinds = {exchange.name: exchange.type for exchange in FOUR.exchanges}
    for mailbox in mailboxes_of(ASSETS, 4):
        for name in (mailbox, names.bulk_mailbox(mailbox)):
            assert queues[name].single_active_consumer
            assert ways[names.shard_exchange(name)] == name
            assert kinds[names.shard_exchange(name)] == "fanout"
    assert queues[FRONT].single_active_consumer
    assert queues[names.bulk_mailbox(FRONT)].single_active_consumer
    assert len(ways) == 8


def test_other_registers_have_one_mailbox_each() -> None:
    mailboxes = {q.name for q in FOUR.queues if q.name.startswith("mailbox.")}
    others = {name for name in mailboxes if not name.startswith("mailbox.assets.")}
    assert others == {
        name for name in (q.name for q in ONE.queues)
        if name.startswith("mailbox.") and not name.startswith("mailbox.assets.")
    }  # fmt: skip
    assert mailboxes_of(names.NOTICES, 4) == (names.NOTICES,)
    assert not is_shard(names.NOTICES, 4)
    assert is_shard(names.mailbox("assets", 3), 4)
    assert not is_shard(ASSETS, 1)


def test_each_arrangement_takes_the_other_away() -> None:
    """No command may come both ways for longer than it takes to apply the plan."""
    for made in (ONE, FOUR):
        assert set(made.retired).isdisjoint(made.bindings)
    ways = {names.COMMANDS, names.BULK, names.REPLAY, names.DOMAIN}
    assert {b for b in ONE.bindings if b.exchange in ways} - set(FOUR.bindings) == set(FOUR.retired)
    gone = {b for b in FOUR.bindings if b.exchange in ways} - set(ONE.bindings)
    assert gone == set(ONE.retired)


def test_a_line_is_told_of_a_move_in_its_place_among_the_commands() -> None:
    told = [b for b in FOUR.bindings if b.exchange == names.DOMAIN and b.queue.startswith(FRONT)]
    assert set(told) == {
        Binding(names.DOMAIN, names.bulk_mailbox(FRONT), "shard.moving.v1"),
        Binding(names.DOMAIN, FRONT, "shard.draining.v1"),
    }


@pytest.mark.parametrize(
    ("right", "thing", "may"),
    [
        ("write", "flex.shard.mailbox.assets.0", True),
        ("write", "flex.shard.mailbox.assets.3.bulk", True),
        ("write", names.COMMANDS, False),
        ("write", names.EVENTS, False),
        ("write", "amq.default", False),
        ("read", FRONT, True),
        ("read", names.bulk_mailbox(FRONT), True),
        ("read", ASSETS, False),
        ("configure", FRONT, False),
        ("configure", "flex.shard.mailbox.assets.0", False),
    ],
)
def test_the_directory_may_reach_the_shards_and_nothing_else(
    right: str,
    thing: str,
    may: bool,  # noqa: FBT001  a column of the table
) -> None:
    assert (re.search(getattr(account(FOUR), right), thing) is not None) is may


def test_the_right_to_speak_for_others_is_of_the_two_hops_alone() -> None:
    assert account(FOUR).tags == ("impersonator",)
    speaking = {a.name for a in FOUR.accounts if "impersonator" in a.tags}
    assert speaking == {names.DIRECTORY_ACCOUNT, names.REPLAY_ACCOUNT}
    assert names.DIRECTORY_ACCOUNT not in {a.name for a in ONE.accounts}


def test_nobody_else_may_write_to_a_shards_exchange() -> None:
    writers = {
        a.name for a in FOUR.accounts if re.search(a.write, "flex.shard.mailbox.assets.0")
    } - {names.TOPOLOGY_ACCOUNT}
    assert writers == {names.DIRECTORY_ACCOUNT}


def test_what_the_directory_cannot_deliver_is_lost_nowhere() -> None:
    policies = {policy.name: policy for policy in FOUR.policies}
    shards = policies["shards"]
    assert all(
        re.search(shards.pattern, e.name)
        for e in FOUR.exchanges
        if e.name.startswith("flex.shard.")
    )
    assert dict(shards.definition) == {"alternate-exchange": names.UNROUTED}
    for queue in (FRONT, names.bulk_mailbox(FRONT)):
        (policy,) = [p for p in FOUR.policies if re.search(p.pattern, queue)]
        rules = dict(policy.definition)
        assert rules["dead-letter-routing-key"] == names.dead_queue("assets")
        assert rules["dead-letter-strategy"] == "at-least-once"
        assert rules["overflow"] == "reject-publish"


def test_every_shards_dead_letters_come_to_the_registers_collector() -> None:
    for mailbox in mailboxes_of(ASSETS, 4):
        for name in (mailbox, names.bulk_mailbox(mailbox)):
            (policy,) = [p for p in FOUR.policies if re.search(p.pattern, name)]
            assert dict(policy.definition)["dead-letter-routing-key"] == names.dead_queue("assets")


def test_a_broker_of_one_shard_is_told_apart_from_one_of_four() -> None:
    """The comparison names the bindings that are there and should not be."""
    held = definitions(ONE, "/")
    rows = [{**row, "properties_key": row["routing_key"]} for row in held["bindings"]]
    found = compare(FOUR, Holdings(bindings=tuple(rows)))
    surplus = {d.got["key"] for d in found if d.kind == "binding" and d.state == "surplus"}
    assert surplus == {b.key for b in FOUR.retired}
