"""The broker's side, as it is planned: nothing without a handler, a dead letter or a reason."""

import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from contracts import assets, users
from contracts.messages import Command, Query, Request, check_type, reply_type, split_type
from handlers import assets as asset_handlers
from tests import registers
from tests.builders import PLATFORM, STRANGER
from tests.decider import MODULES
from topology import names
from topology.catalog import Entry, build, served_by
from topology.catalog import registers as registers_of
from topology.plan import ANY_TYPE, NOTHING, Account, Plan, Policy, user_plan
from topology.sharding import build as build_plan


def as_python(pattern: str) -> str:
    r"""The broker's `\z`, the very end, is `\Z` in Python."""
    return pattern.replace(r"\z", r"\Z")


ENTRIES = build()
PLAN = build_plan(ENTRIES)
WITH_TRIALS = build(MODULES)


def requests_in(module: ModuleType) -> Iterator[type[Request]]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, Command | Query) and found.message_type:
            yield found


# The catalog.


@pytest.mark.parametrize("contract", [*requests_in(assets), *requests_in(users)])
def test_every_request_has_a_handler_and_senders(contract: type[Request]) -> None:
    entry = ENTRIES[contract.message_type]
    assert entry.contract is contract
    assert entry.senders


def test_every_command_has_a_check_beside_it_and_no_query_has() -> None:
    kinds = {name: entry.kind for name, entry in WITH_TRIALS.items()}
    checks = {check_type(name) for name, kind in kinds.items() if kind == "command"}
    assert {name for name, kind in kinds.items() if kind == "check"} == checks
    assert set(kinds.values()) == {"command", "check", "query"}


def test_commands_wait_in_the_mailbox_and_what_changes_nothing_elsewhere() -> None:
    queues = {(entry.kind, entry.queue) for entry in ENTRIES.values() if entry.register == "users"}
    assert queues == {
        ("command", "mailbox.users.0"),
        ("check", "query.users"),
        ("query", "query.users"),
    }


def test_each_queue_serves_its_own_types() -> None:
    served = [set(served_by(ENTRIES, queue)) for queue in {e.queue for e in ENTRIES.values()}]
    assert sorted(name for one in served for name in one) == sorted(ENTRIES)


def test_two_handlers_of_one_type_stop_the_start() -> None:
    with pytest.raises(TypeError, match=r"expected one handler for asset\.get\.v2, got two"):
        build((asset_handlers, asset_handlers))


@pytest.mark.parametrize(
    ("message_type", "parts", "accepted", "check"),
    [
        (
            "asset.register.v1",
            ("asset", "register", 1),
            "asset.register.accepted.v1",
            "asset.register.check.v1",
        ),
        (
            "user.grant-role.v12",
            ("user", "grant-role", 12),
            "user.grant-role.accepted.v12",
            "user.grant-role.check.v12",
        ),
    ],
)
def test_names_of_a_type_come_apart_and_together(
    message_type: str, parts: tuple[str, str, int], accepted: str, check: str
) -> None:
    assert split_type(message_type) == parts
    assert reply_type(message_type, "accepted") == accepted
    assert check_type(message_type) == check
    assert split_type(accepted)[0::2] == parts[0::2]


@pytest.mark.parametrize(
    "text",
    ["", "asset", "asset.register", "asset.v1", "asset.register.v0", "Asset.register.v1",
     "asset..v1", "asset.register.v1.", "asset.register.v1\n", ".register.v1", "asset.-x.v1"],
)  # fmt: skip
def test_what_is_no_type_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a type of the form"):
        split_type(text)


# Queues, bindings, policies.


def policies(queue: str) -> list[Policy]:
    return [
        policy
        for policy in PLAN.policies
        if policy.apply_to == "queues" and re.search(policy.pattern, queue)
    ]


def definition(queue: str) -> dict[str, object]:
    (policy,) = policies(queue)
    return dict(policy.definition)


@pytest.mark.parametrize("queue", sorted({entry.queue for entry in ENTRIES.values()}))
def test_queue_of_requests_dead_letters_to_the_queue_of_its_register(queue: str) -> None:
    given = definition(queue)
    bound = {(b.exchange, b.key): b.queue for b in PLAN.bindings}
    target = bound[str(given["dead-letter-exchange"]), str(given["dead-letter-routing-key"])]
    (register,) = {entry.register for entry in ENTRIES.values() if entry.queue == queue}
    assert target == names.dead_queue(register)
    assert (given["dead-letter-strategy"], given["overflow"]) == ("at-least-once", "reject-publish")
    assert given["delivery-limit"]


@pytest.mark.parametrize("queue", [queue.name for queue in PLAN.queues])
def test_no_queue_has_two_policies_of_one_priority(queue: str) -> None:
    """The broker applies one, and nobody could say which."""
    assert len(policies(queue)) <= 1


def test_personal_queues_drop_their_oldest_rather_than_refuse_everybodys_publish() -> None:
    for queue in user_plan(PLATFORM).queues:
        assert definition(queue.name)["overflow"] == "drop-head"


def test_every_type_is_bound_to_its_queue() -> None:
    bound = {b.key: b.queue for b in PLAN.bindings if b.exchange == names.COMMANDS}
    assert bound == {name: entry.queue for name, entry in ENTRIES.items()}


def test_every_binding_joins_what_the_plan_makes() -> None:
    exchanges = {exchange.name for exchange in PLAN.exchanges}
    queues = {queue.name for queue in PLAN.queues}
    assert {b.exchange for b in PLAN.bindings} <= exchanges
    # Who writes to these two says the queue itself.
    direct = {names.replies_queue(names.OPERATOR), names.REPLAY_QUEUE}
    assert {b.queue for b in PLAN.bindings} == queues - direct


def test_queues_are_quorum_queues_and_mailboxes_have_one_consumer() -> None:
    single = {q.name for q in PLAN.queues if q.arguments.get("x-single-active-consumer")}
    assert {q.arguments["x-queue-type"] for q in PLAN.queues} == {"quorum"}
    assert {e.queue for e in ENTRIES.values() if e.kind == "command"} <= single
    assert single.isdisjoint(e.queue for e in ENTRIES.values() if e.kind != "command")


def test_what_nobody_takes_goes_to_the_alternate_exchange() -> None:
    (policy,) = [policy for policy in PLAN.policies if policy.apply_to == "exchanges"]
    covered = [e.name for e in PLAN.exchanges if re.search(policy.pattern, e.name)]
    assert covered == [names.COMMANDS, names.BULK, names.REPLAY]
    assert dict(policy.definition) == {"alternate-exchange": names.UNROUTED}


def test_a_new_register_needs_nothing_but_its_module() -> None:
    plan = build_plan(WITH_TRIALS)
    added = {queue.name for queue in plan.queues} - {queue.name for queue in PLAN.queues}
    assert added == {"mailbox.trials.0", "mailbox.trials.0.bulk", "query.trials", "dead.trials"}
    assert registers_of(WITH_TRIALS) == ("assets", "notices", "trials", "users")
    assert isinstance(WITH_TRIALS["trial.keep.v1"], Entry)
    assert WITH_TRIALS["trial.keep.v1"].handler.function is registers.keep_trial


# Accounts.


def account(name: str) -> Account:
    plans: tuple[Plan, ...] = (PLAN, user_plan(PLATFORM))
    (found,) = [a for plan in plans for a in plan.accounts if a.name == name]
    return found


def may(name: str, action: str, resource: str) -> bool:
    """As the broker asks: a regular expression on the resource's name, searched."""
    return re.search(getattr(account(name), action), resource) is not None


def may_key(name: str, action: str, exchange: str, key: str) -> bool:
    """As the broker asks: without a topic permission for the exchange, every key is allowed."""
    for topic_exchange, write, read in account(name).topics:
        if topic_exchange == exchange:
            return re.search(as_python(write if action == "write" else read), key) is not None
    return True


ALLOWED = [
    (PLATFORM, "write", "flex.commands"),
    (PLATFORM, "write", f"{PLATFORM}.events"),
    (PLATFORM, "read", f"{PLATFORM}.events"),
    (PLATFORM, "read", f"{PLATFORM}.replies"),
    (PLATFORM, "read", "flex.events"),
    ("operator", "read", "operator.domain"),
    ("operator", "read", "operator.events"),
    ("front-desk", "write", "flex.commands"),
    ("flex-worker", "read", "mailbox.users.0"),
    ("flex-worker", "read", "query.assets"),
    ("flex-worker", "read", "dead.assets"),
    ("flex-worker", "read", "unrouted"),
    ("flex-replay", "read", "replay"),
    ("flex-replay", "write", "flex.replay"),
    ("flex-replay", "write", "flex.unrouted"),
    ("flex-relay", "write", "flex.events"),
    ("flex-relay", "write", "flex.domain"),
    ("flex-relay", "write", "amq.default"),
    ("flex-accounts", "read", "worker.accounts"),
    ("flex-accounts", "configure", f"{PLATFORM}.events"),
    ("flex-topology", "configure", "anything"),
]
FORBIDDEN = [
    *(
        (PLATFORM, "configure", name)
        for name in ("amq.gen-1", f"{PLATFORM}.events", "flex.commands")
    ),
    *((PLATFORM, "write", name) for name in ("flex.events", "flex.domain", "amq.default", "")),
    *((PLATFORM, "write", name) for name in ("flexxcommands", "my.flex.commands", "flex.dead")),
    (PLATFORM, "write", f"{STRANGER}.events"),
    (PLATFORM, "write", f"{PLATFORM}.replies"),
    (PLATFORM, "read", f"{STRANGER}.events"),
    (PLATFORM, "read", f"{PLATFORM}.events.more"),
    (PLATFORM, "read", "mailbox.users.0"),
    (PLATFORM, "read", "dead.users"),
    (PLATFORM, "read", "flex.domain"),
    (PLATFORM, "read", "flex.commands"),
    (PLATFORM, "read", "operator.domain"),
    ("operator", "configure", "operator.events"),
    ("operator", "read", "dead.users"),
    ("operator", "write", "flex.domain"),
    *(("front-desk", "read", name) for name in ("flex.events", "front-desk.replies", "unrouted")),
    ("front-desk", "configure", "front-desk.replies"),
    ("front-desk", "write", "flex.events"),
    *(("flex-worker", action, "flex.commands") for action in ("configure", "write", "read")),
    ("flex-worker", "write", "flex.events"),
    ("flex-worker", "read", "mailbox"),
    ("flex-worker", "read", "worker.accounts"),
    ("flex-worker", "read", f"{PLATFORM}.replies"),
    ("flex-replay", "write", "flex.commands"),
    ("flex-replay", "write", "amq.default"),
    ("flex-replay", "read", "mailbox.users.0"),
    ("flex-replay", "configure", "replay"),
    ("flex-relay", "write", "flex.commands"),
    ("flex-relay", "write", "flex.replay"),
    (PLATFORM, "write", "flex.replay"),
    ("flex-relay", "read", "mailbox.users.0"),
    ("flex-relay", "configure", "x"),
    ("flex-accounts", "configure", "operator.events"),
    ("flex-accounts", "configure", "mailbox.users.0"),
    ("flex-accounts", "write", "flex.events"),
    ("flex-accounts", "read", f"{PLATFORM}.events"),
]


@pytest.mark.parametrize(("name", "action", "resource"), ALLOWED)
def test_account_may(name: str, action: str, resource: str) -> None:
    assert may(name, action, resource)


@pytest.mark.parametrize(("name", "action", "resource"), FORBIDDEN)
def test_account_may_not(name: str, action: str, resource: str) -> None:
    assert not may(name, action, resource)


@pytest.mark.parametrize(
    ("name", "action", "exchange", "key"),
    [
        (PLATFORM, "write", names.COMMANDS, "asset.register.v1"),
        (PLATFORM, "write", names.COMMANDS, "user.grant-role.check.v12"),
        (PLATFORM, "read", names.EVENTS, f"{PLATFORM}.asset.updated.v1"),
        (PLATFORM, "read", names.EVENTS, f"{PLATFORM}.#"),
        ("front-desk", "write", names.COMMANDS, "user.register.v1"),
        ("front-desk", "write", names.COMMANDS, "user.register.check.v1"),
        ("front-desk", "write", names.COMMANDS, "agreement.get.v1"),
        ("front-desk", "write", names.COMMANDS, "agreement.list.v1"),
        ("operator", "read", names.EVENTS, "operator.#"),
    ],
)
def test_account_may_use_the_key(name: str, action: str, exchange: str, key: str) -> None:
    assert may_key(name, action, exchange, key)


@pytest.mark.parametrize(
    ("name", "action", "exchange", "key"),
    [
        (PLATFORM, "write", names.COMMANDS, ""),
        (PLATFORM, "write", names.COMMANDS, "#"),
        (PLATFORM, "write", names.COMMANDS, "asset.register"),
        (PLATFORM, "write", names.COMMANDS, f"{STRANGER}.asset.updated.v1"),
        (PLATFORM, "write", names.EVENTS, f"{PLATFORM}.asset.updated.v1"),
        (PLATFORM, "read", names.EVENTS, "#"),
        (PLATFORM, "read", names.EVENTS, "*.asset.updated.v1"),
        (PLATFORM, "read", names.EVENTS, f"{STRANGER}.#"),
        (PLATFORM, "read", names.EVENTS, PLATFORM),
        (PLATFORM, "read", names.EVENTS, f"{PLATFORM}0.#"),
        (PLATFORM, "read", names.COMMANDS, "asset.register.v1"),
        ("front-desk", "write", names.COMMANDS, "asset.register.v1"),
        ("front-desk", "write", names.COMMANDS, "user.register.v10"),
        ("front-desk", "write", names.COMMANDS, "agreement.sign.v1"),
        ("front-desk", "write", names.COMMANDS, "user.get.v1"),
        ("flex-accounts", "write", names.COMMANDS, "user.get.v1"),
        ("flex-accounts", "write", names.BULK, "user.get.v1"),
    ],
)
def test_account_may_not_use_the_key(name: str, action: str, exchange: str, key: str) -> None:
    assert not may_key(name, action, exchange, key)


def test_every_type_may_be_published_by_whoever_has_the_role() -> None:
    assert all(re.search(as_python(ANY_TYPE), name) for name in WITH_TRIALS)


def test_user_gets_two_queues_and_no_right_to_make_more() -> None:
    plan = user_plan(PLATFORM)
    assert [(a.name, a.configure, a.tags) for a in plan.accounts] == [
        (PLATFORM, NOTHING, ()),
        (f"{PLATFORM}/bulk", NOTHING, ()),
    ]
    assert [queue.name for queue in plan.queues] == [f"{PLATFORM}.events", f"{PLATFORM}.replies"]
    assert [(b.exchange, b.queue, b.key) for b in plan.bindings] == [
        (names.EVENTS, f"{PLATFORM}.events", f"{PLATFORM}.#")
    ]


def test_the_account_fixes_the_lane() -> None:
    """A bulk load reaches the second queues only, and nobody else's commands do."""
    for name, own, other in (
        (PLATFORM, names.COMMANDS, names.BULK),
        (f"{PLATFORM}/bulk", names.BULK, names.COMMANDS),
    ):
        assert may(name, "write", own)
        assert not may(name, "write", other)
        assert may_key(name, "write", own, "asset.register.v1")
        assert not may_key(name, "write", own, "a" + ".b" * 50 + ".v1")
    commands = {e.name for e in ENTRIES.values() if e.kind == "command"}
    bulk = {b.key: b.queue for b in PLAN.bindings if b.exchange == names.BULK}
    assert {bulk[name] for name in commands} == {
        "mailbox.assets.0.bulk",
        "mailbox.notices.0.bulk",
        "mailbox.users.0.bulk",
    }
    assert bulk.keys() == {b.key for b in PLAN.bindings if b.exchange == names.COMMANDS}


def test_administrators_are_two() -> None:
    tagged = {a.name for a in PLAN.accounts if "administrator" in a.tags}
    assert tagged == {names.TOPOLOGY_ACCOUNT, names.RECONCILER_ACCOUNT}


def test_nobody_but_the_topology_may_configure_everything() -> None:
    anything = {a.name for a in PLAN.accounts if re.search(a.configure, "anything")}
    assert anything == {names.TOPOLOGY_ACCOUNT}


@pytest.mark.parametrize("key", ["#", "asset.#", "*.*.v1", "asset.updated.v1", "user.*.held.v1"])
def test_user_binds_its_queue_with_one_hash_at_the_end(key: str) -> None:
    assert may_key(PLATFORM, "read", "flex.events", f"{PLATFORM}.{key}")


@pytest.mark.parametrize("key", ["#.#", "#.asset.#", "#.v1", "asset.#.v1", "asset.##", "#\n", ""])
def test_user_may_not_make_the_broker_s_matching_explode(key: str) -> None:
    """Forty `#` in a binding and fifty words in a key took all of a broker's memory."""
    assert not may_key(PLATFORM, "read", "flex.events", f"{PLATFORM}.{key}")
    assert not may_key(PLATFORM, "write", "flex.commands", "a" + ".b" * 50 + ".v1")


def test_the_front_desk_holds_no_more_connections_than_it_may() -> None:
    """Its password is public: nobody may take the broker down with it."""
    (desk,) = [one for one in build_plan(build()).accounts if one.name == names.FRONT_DESK]
    assert dict(desk.limits) == {"max-connections": 1000, "max-channels": 4000}
