"""What counts as drift: the plan turned into what the management API says, and then changed."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import PLATFORM, STRANGER
from topology import names
from topology.catalog import build
from topology.definitions import definitions
from topology.drift import Drift, Holdings, compare
from topology.plan import Plan, user_plan
from topology.sharding import build as build_plan

PLAN = build_plan(build())
ACCOUNTS = {PLATFORM: True, f"{PLATFORM}/bulk": True}
MAILBOX = "mailbox.assets.0"


def holdings(plan: Plan = PLAN) -> Holdings:
    """What a broker says that holds the plan, with what each broker has by itself."""
    said = definitions(plan, "/", lambda name: f"hash of {name}")
    own: dict[str, Any] = {"durable": True, "auto_delete": False, "internal": False}
    exchanges = [
        {"name": name, "type": "direct", "arguments": {}, **own} for name in ("", "amq.direct")
    ]
    implicit = [
        {
            "source": "",
            "destination": queue["name"],
            "destination_type": "queue",
            "routing_key": queue["name"],
            "arguments": {},
        }
        for queue in said["queues"]
    ]
    return Holdings(
        exchanges=(*said["exchanges"], *exchanges),
        queues=tuple(said["queues"]),
        bindings=(*said["bindings"], *implicit),
        policies=tuple(said["policies"]),
        permissions=tuple(said["permissions"]),
        topic_permissions=tuple(said["topic_permissions"]),
        users=tuple(said["users"]),
        limits=tuple({"user": a.name, "value": dict(a.limits)} for a in plan.accounts if a.limits),
    )


HELD = holdings()
WITH_USER = holdings(
    Plan(
        PLAN.exchanges,
        PLAN.queues + user_plan(PLATFORM).queues,
        PLAN.bindings + user_plan(PLATFORM).bindings,
        PLAN.policies,
        PLAN.accounts + user_plan(PLATFORM).accounts,
    )
)


def without(held: Holdings, field: str, **wanted: Any) -> Holdings:
    rows = getattr(held, field)
    kept = tuple(row for row in rows if any(row[key] != value for key, value in wanted.items()))
    assert len(kept) == len(rows) - 1
    return replace(held, **{field: kept})


def with_row(held: Holdings, field: str, row: dict[str, Any]) -> Holdings:
    return replace(held, **{field: (*getattr(held, field), row)})


def changed(held: Holdings, field: str, name: str, key: str = "name", **values: Any) -> Holdings:
    rows = tuple({**row, **values} if row[key] == name else row for row in getattr(held, field))
    assert rows != getattr(held, field)
    return replace(held, **{field: rows})


def binding(source: str, destination: str, key: str, target: str = "queue") -> dict[str, Any]:
    return {
        "source": source,
        "destination": destination,
        "destination_type": target,
        "routing_key": key,
        "arguments": {},
    }


def rights(user: str, right: str = ".*") -> dict[str, Any]:
    return {"user": user, "configure": right, "write": right, "read": right}


def brief(found: list[Drift]) -> list[tuple[str, str, str]]:
    return [(drift.kind, drift.name, drift.state) for drift in found]


def judged(held: Holdings) -> list[Drift]:
    """The drifts of a broker whose register knows one user."""
    return compare(PLAN, held, registered={PLATFORM: ACCOUNTS})


def test_a_broker_that_holds_the_plan_has_not_drifted() -> None:
    assert compare(PLAN, HELD) == []
    assert judged(WITH_USER) == []


def test_an_empty_broker_lacks_everything_once() -> None:
    found = compare(PLAN, Holdings())
    topics = sum(len(account.topics) for account in PLAN.accounts)
    things = (PLAN.exchanges, PLAN.queues, PLAN.bindings, PLAN.policies, PLAN.accounts)
    assert {drift.state for drift in found} == {"missing"}
    limited = sum(bool(account.limits) for account in PLAN.accounts)
    # The operator may unbind its own queue of events, so that is not missed.
    assert len(found) == sum(map(len, things)) + topics + limited - 1


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (without(HELD, "exchanges", name="flex.dead"), ("exchange", "flex.dead", "missing")),
        (without(HELD, "queues", name=MAILBOX), ("queue", MAILBOX, "missing")),
        (without(HELD, "policies", name="kept"), ("policy", "kept", "missing")),
        (without(HELD, "permissions", user="flex-relay"), ("account", "flex-relay", "missing")),
        (
            without(HELD, "topic_permissions", user="front-desk"),
            ("topic permission", "front-desk on flex.commands", "missing"),
        ),
        (
            without(HELD, "bindings", source="flex.commands", routing_key="asset.get.v1"),
            ("binding", "flex.commands -> queue query.assets (asset.get.v1)", "missing"),
        ),
        (
            with_row(HELD, "queues", {**HELD.queues[0], "name": "somebody.s"}),
            ("queue", "somebody.s", "surplus"),
        ),
        (
            with_row(HELD, "exchanges", {**HELD.exchanges[0], "name": "somebody.s"}),
            ("exchange", "somebody.s", "surplus"),
        ),
        (
            with_row(HELD, "policies", {**HELD.policies[0], "name": "somebody-s"}),
            ("policy", "somebody-s", "surplus"),
        ),
        (
            with_row(HELD, "bindings", binding("flex.events", "flex.commands", "#", "exchange")),
            ("binding", "flex.events -> exchange flex.commands (#)", "surplus"),
        ),
        (
            with_row(HELD, "bindings", binding("flex.domain", MAILBOX, "#")),
            ("binding", f"flex.domain -> queue {MAILBOX} (#)", "surplus"),
        ),
        (with_row(HELD, "permissions", rights("guest")), ("account", "guest", "surplus")),
    ],
)  # fmt: skip
def test_what_is_missing_or_surplus_is_named(
    held: Holdings, expected: tuple[str, str, str]
) -> None:
    assert brief(compare(PLAN, held)) == [expected]


@pytest.mark.parametrize("target", ["queue", "exchange"])
def test_both_ends_of_a_binding_are_told(target: str) -> None:
    """A binding of exchanges has an exchange at each end."""
    row = binding("flex.events", "flex.commands", "#", target)
    (drift,) = compare(PLAN, with_row(HELD, "bindings", row))
    assert drift.got == {
        "source": "flex.events",
        "destination": "flex.commands",
        "destination type": target,
        "key": "#",
        "arguments": {},
    }


def test_an_exchange_that_is_named_like_a_users_events_is_no_choice_of_the_user() -> None:
    row = binding("flex.events", f"{PLATFORM}.events", f"{PLATFORM}.#.v1", "exchange")
    assert len(judged(with_row(WITH_USER, "bindings", row))) == 1


@pytest.mark.parametrize(
    ("held", "kind", "expected", "got"),
    [
        (
            changed(HELD, "queues", MAILBOX, arguments={"x-queue-type": "classic"}),
            "queue",
            {"arguments": {"x-queue-type": "quorum", "x-single-active-consumer": True}},
            {"arguments": {"x-queue-type": "classic"}},
        ),
        (
            changed(HELD, "exchanges", "flex.dead", type="fanout"),
            "exchange",
            {"type": "direct"},
            {"type": "fanout"},
        ),
        (
            changed(HELD, "policies", "kept", pattern=".*", priority=7),
            "policy",
            {"pattern": names.KEPT_PATTERN, "priority": 0},
            {"pattern": ".*", "priority": 7},
        ),
        (
            changed(HELD, "users", "flex-worker", tags="monitoring,administrator"),
            "account",
            {"tags": []},
            {"tags": ["administrator", "monitoring"]},
        ),
        (
            changed(HELD, "permissions", "flex-worker", "user", write=".*"),
            "account",
            {"write": "^$"},
            {"write": ".*"},
        ),
        (
            changed(HELD, "topic_permissions", "front-desk", "user", write=".*"),
            "topic permission",
            {
                "write": r"^(agreement\.get\.v1|agreement\.list\.v1"
                r"|taxonomy\.get\.v1|taxonomy\.list\.v1|user\.register\.check\.v1"
                r"|user\.register\.v1|user\.requirements\.v1)\z"
            },
            {"write": ".*"},
        ),
    ],
)
def test_what_is_different_says_only_what_differs(
    held: Holdings, kind: str, expected: dict[str, Any], got: dict[str, Any]
) -> None:
    (drift,) = compare(PLAN, held)
    assert (drift.kind, drift.state) == (kind, "different")
    assert (drift.expected, drift.got) == (expected, got)


def test_a_limit_that_a_policy_lost_is_a_difference() -> None:
    (policy,) = [row for row in HELD.policies if row["name"] == "kept"]
    rest = {key: value for key, value in policy["definition"].items() if key != "overflow"}
    (drift,) = compare(PLAN, changed(HELD, "policies", "kept", definition=rest))
    assert (drift.expected, drift.got) == ({"overflow": "reject-publish"}, {"overflow": None})


def test_an_account_that_is_known_is_not_judged() -> None:
    held = with_row(HELD, "permissions", rights("guest"))
    held = with_row(held, "topic_permissions", {**rights("guest"), "exchange": "flex.commands"})
    assert len(compare(PLAN, held)) == 2
    assert compare(PLAN, held, {"guest"}) == []


def test_an_account_without_rights_here_is_nobodys_business() -> None:
    assert compare(PLAN, with_row(HELD, "users", {"name": "elsewhere", "tags": []})) == []


@pytest.mark.parametrize("key", [f"{PLATFORM}.asset.#", f"{PLATFORM}.#", f"{PLATFORM}.*.*.v1"])
def test_a_user_binds_its_own_events_as_it_likes(key: str) -> None:
    unbound = without(WITH_USER, "bindings", routing_key=f"{PLATFORM}.#")
    assert judged(unbound) == []
    events = f"{PLATFORM}.events"
    assert judged(with_row(unbound, "bindings", binding("flex.events", events, key))) == []


@pytest.mark.parametrize(
    ("source", "queue", "key"),
    [
        ("flex.events", f"{PLATFORM}.events", f"{STRANGER}.#"),
        ("flex.events", f"{PLATFORM}.events", "#"),
        ("flex.events", f"{PLATFORM}.events", f"{PLATFORM}.#.#"),
        ("flex.events", f"{PLATFORM}.events", f"{PLATFORM}.#\n"),
        ("flex.domain", f"{PLATFORM}.events", f"{PLATFORM}.#"),
        ("flex.events", f"{PLATFORM}.replies", f"{PLATFORM}.#"),
        ("flex.events", "operator.events", f"{PLATFORM}.#"),
    ],
)
def test_what_a_user_may_not_bind_is_surplus(source: str, queue: str, key: str) -> None:
    (drift,) = judged(with_row(WITH_USER, "bindings", binding(source, queue, key)))
    assert (drift.kind, drift.state) == ("binding", "surplus")
    assert (drift.got["destination"], drift.got["key"]) == (queue, key)


def test_a_user_who_has_more_rights_than_a_user_has_is_listed() -> None:
    held = changed(WITH_USER, "permissions", PLATFORM, "user", configure=".*")
    assert brief(judged(held)) == [("account", PLATFORM, "different")]


def test_a_user_without_its_queue_or_its_account_is_listed() -> None:
    held = without(WITH_USER, "queues", name=f"{PLATFORM}.replies")
    assert brief(judged(held)) == [("queue", f"{PLATFORM}.replies", "missing")]
    held = without(WITH_USER, "permissions", user=PLATFORM)
    assert brief(judged(held)) == [
        ("account", PLATFORM, "missing"),
        ("limits", PLATFORM, "missing"),
    ]


def test_who_only_looks_like_a_user_is_surplus() -> None:
    """Whoever may make accounts can give one the name and the rights of a user."""
    found = compare(PLAN, WITH_USER, registered={STRANGER: {STRANGER: True}})
    assert {drift.state for drift in found} == {"surplus"}
    made = user_plan(PLATFORM)
    wanted = {queue.name for queue in made.queues} | {account.name for account in made.accounts}
    assert wanted <= {drift.name for drift in found}


def test_a_user_whose_account_is_not_made_yet_has_not_drifted() -> None:
    assert (
        compare(PLAN, WITH_USER, registered={PLATFORM: ACCOUNTS, STRANGER: {STRANGER: True}}) == []
    )


def test_definitions_have_accounts_only_with_their_hashes() -> None:
    bare = definitions(PLAN, "spine")
    assert bare.keys() == {"vhosts", "exchanges", "queues", "bindings", "policies"}
    whole = definitions(PLAN, "spine", lambda name: f"hash of {name}")
    assert whole.keys() - bare.keys() == {"users", "permissions", "topic_permissions"}
    assert {(u["name"], u["password_hash"]) for u in whole["users"]} == {
        (a.name, f"hash of {a.name}") for a in PLAN.accounts
    }


def test_definitions_name_their_virtual_host_everywhere() -> None:
    whole = definitions(PLAN, "spine", lambda _name: "")
    assert whole.pop("vhosts") == [{"name": "spine"}]
    del whole["users"]
    assert {row["vhost"] for rows in whole.values() for row in rows} == {"spine"}


def test_every_queue_of_the_definitions_says_how_often_a_message_is_tried() -> None:
    """RabbitMQ 4 sets a limit of 20 and then drops where nobody has said anything."""
    policies = [p for p in definitions(PLAN, "/")["policies"] if p["apply-to"] == "queues"]
    for queue in definitions(PLAN, "/")["queues"]:
        (policy,) = [p for p in policies if re.search(p["pattern"], queue["name"])]
        assert policy["definition"]["delivery-limit"]


def test_a_user_who_may_have_more_or_is_let_in_though_suspended_is_listed() -> None:
    more = {"user": PLATFORM, "value": {"max-connections": 500, "max-channels": 200}}
    others = tuple(row for row in WITH_USER.limits if row["user"] != PLATFORM)
    (drift,) = judged(replace(WITH_USER, limits=(more, *others)))
    assert (drift.kind, drift.expected, drift.got) == (
        "limits",
        {"max-connections": 20},
        {"max-connections": 500},
    )
    suspended = dict.fromkeys(ACCOUNTS, False)
    found = compare(PLAN, WITH_USER, registered={PLATFORM: suspended})
    assert [drift.expected for drift in found] == [{"max-connections": 0}] * 2


def test_an_account_that_its_user_has_ended_is_surplus() -> None:
    found = brief(compare(PLAN, WITH_USER, registered={PLATFORM: {PLATFORM: True}}))
    assert {name.partition(" ")[0] for _, name, _ in found} == {f"{PLATFORM}/bulk"}
    assert {state for _, _, state in found} == {"surplus"}
    queues = brief(compare(PLAN, WITH_USER, registered={PLATFORM: {}}))
    assert {kind for kind, _, _ in queues} == {"account", "limits", "topic permission"}
