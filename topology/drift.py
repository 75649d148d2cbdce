"""How the broker differs from the plan; a pure comparison of two lists of what there is."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from contracts.taxonomy import USER_PREFIX
from topology import names
from topology.plan import Account, Binding, Plan, own_keys, user_plan

Kind = Literal["exchange", "queue", "binding", "policy", "account", "topic permission"]
Row = Mapping[str, Any]
Thing = tuple[Kind, str]
Shape = dict[str, Any]

THE_BROKERS_OWN: Final = "amq."
EVENTS_SUFFIX: Final = names.events_queue("")
USER: Final = re.compile(rf"^{USER_PREFIX}-[0-9A-Z-]+")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a virtual host of a broker holds, in the words of the management API."""

    exchanges: tuple[Row, ...] = ()
    queues: tuple[Row, ...] = ()
    bindings: tuple[Row, ...] = ()
    policies: tuple[Row, ...] = ()
    permissions: tuple[Row, ...] = ()
    topic_permissions: tuple[Row, ...] = ()
    users: tuple[Row, ...] = field(default=())
    """Accounts of the whole broker; those without permissions here are nobody's business."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as planned; `expected` and `got` name only what differs."""

    kind: Kind
    name: str
    state: Literal["missing", "surplus", "different"]
    expected: Mapping[str, Any] = field(default_factory=dict)
    got: Mapping[str, Any] = field(default_factory=dict)


def compare(
    plan: Plan,
    found: Holdings,
    known: Collection[str] = (),
    registered: Collection[str] = frozenset(),
) -> list[Drift]:
    """Differences in the order of their kinds and names; `known` accounts are not judged.

    Queues and accounts of registered users come from the register: they are compared with what
    each user should have, and a user may bind its events otherwise, within its own keys. Whoever
    only looks like a user is surplus; a user of whom there is nothing at all is still to be made.
    """
    held = dict(_held(found))
    users = _looking_like_users(held) & set(registered)
    wanted = dict(_planned(plan))
    for user in users:
        wanted |= dict(_planned(user_plan(user)))
    free = {*users, names.OPERATOR}
    drifts = [
        drift
        for thing in sorted(wanted.keys() | held.keys())
        if (drift := _judged(thing, wanted.get(thing), held.get(thing))) is not None
        and not (thing[0] in {"account", "topic permission"} and _account_of(thing) in known)
    ]
    return [drift for drift in drifts if not _is_own_choice(drift, free)]


def _judged(thing: Thing, wanted: Shape | None, held: Shape | None) -> Drift | None:
    kind, name = thing
    if wanted is None:
        return Drift(kind, name, "surplus", got=held or {})
    if held is None:
        return Drift(kind, name, "missing", expected=wanted)
    keys = [key for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key)]
    if not keys:
        return None
    expected, got = ({k: side.get(k) for k in sorted(keys)} for side in (wanted, held))
    return Drift(kind, name, "different", expected, got)


def _is_own_choice(drift: Drift, users: Collection[str]) -> bool:
    """Whether a user has bound its events as it may, or unbound them."""
    if drift.kind != "binding":
        return False
    shape = drift.got or drift.expected
    user = shape["destination"].removesuffix(EVENTS_SUFFIX)
    if user not in users or shape["source"] != names.EVENTS or shape["arguments"]:
        return False
    if shape["destination type"] != "queue":
        return False
    # The broker's `\z`, the very end, is `\Z` here.
    pattern = own_keys(user).replace(r"\z", r"\Z")
    return re.search(pattern, shape["key"]) is not None


def _looking_like_users(held: Mapping[Thing, Shape]) -> set[str]:
    """Ids of users of whom there is an account or a queue; the register knows whether they are."""
    found = (USER.match(name) for kind, name in held if kind in {"account", "queue"})
    return {match[0] for match in found if match}


def _account_of(thing: Thing) -> str:
    return thing[1].partition(" ")[0]


def _planned(plan: Plan) -> Iterator[tuple[Thing, Shape]]:
    for exchange in plan.exchanges:
        yield ("exchange", exchange.name), _exchange(exchange.type)
    for queue in plan.queues:
        yield ("queue", queue.name), _lasting({"arguments": queue.arguments})
    for binding in plan.bindings:
        yield _binding(binding, "queue", {})
    for policy in plan.policies:
        yield (
            ("policy", policy.name),
            {
                "pattern": policy.pattern,
                "apply to": policy.apply_to,
                "priority": 0,
                **dict(policy.definition),
            },
        )
    for account in plan.accounts:
        yield from _account(account)


def _account(account: Account) -> Iterator[tuple[Thing, Shape]]:
    yield (
        ("account", account.name),
        {
            "configure": account.configure,
            "write": account.write,
            "read": account.read,
            "tags": sorted(account.tags),
        },
    )
    for exchange, write, read in account.topics:
        yield ("topic permission", f"{account.name} on {exchange}"), {"write": write, "read": read}


def _held(found: Holdings) -> Iterator[tuple[Thing, Shape]]:
    for row in found.exchanges:
        if row["name"] and not row["name"].startswith(THE_BROKERS_OWN):
            yield ("exchange", row["name"]), _as_exchange(row)
    for row in found.queues:
        lasting = {key: row[key] for key in ("durable", "auto_delete")}
        yield ("queue", row["name"]), {"arguments": dict(row["arguments"]), **lasting}
    for row in found.bindings:
        # Each queue is bound to the default exchange by itself.
        if row["source"]:
            binding = Binding(row["source"], row["destination"], row["routing_key"])
            yield _binding(binding, row["destination_type"], row["arguments"])
    for row in found.policies:
        told = {"pattern": row["pattern"], "apply to": row["apply-to"], "priority": row["priority"]}
        yield ("policy", row["name"]), told | row["definition"]
    tags = {row["name"]: _tags(row["tags"]) for row in found.users}
    for row in found.permissions:
        rights = {key: row[key] for key in ("configure", "write", "read")}
        yield ("account", row["user"]), rights | {"tags": tags.get(row["user"], [])}
    for row in found.topic_permissions:
        rights = {key: row[key] for key in ("write", "read")}
        yield ("topic permission", f"{row['user']} on {row['exchange']}"), rights


def _binding(binding: Binding, target: str, arguments: Row) -> tuple[Thing, Shape]:
    # Two bindings may differ in their arguments alone.
    told = f", {dict(arguments)}" if arguments else ""
    name = f"{binding.exchange} -> {target} {binding.queue} ({binding.key}{told})"
    return ("binding", name), {
        "source": binding.exchange,
        "destination": binding.queue,
        "destination type": target,
        "key": binding.key,
        "arguments": dict(arguments),
    }


def _exchange(kind: str) -> Shape:
    return _lasting({"type": kind, "internal": False, "arguments": {}})


def _as_exchange(row: Row) -> Shape:
    shape = {key: row[key] for key in ("type", "internal", "durable", "auto_delete")}
    return {**shape, "arguments": dict(row["arguments"])}


def _lasting(shape: Shape) -> Shape:
    return {**shape, "durable": True, "auto_delete": False}


def _tags(tags: Any) -> list[str]:
    """A list; brokers before 3.9 gave one text."""
    return sorted(filter(None, tags.split(",") if isinstance(tags, str) else tags))
