"""How the broker differs from the plan; a pure comparison of two lists of what there is."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from contracts.taxonomy import USER_PREFIX
from topology import names
from topology.plan import Account, AccountLimits, Binding, Plan, own_keys, user_plan

Kind = Literal["exchange", "queue", "binding", "policy", "account", "topic permission", "limits"]
Row = Mapping[str, Any]
Thing = tuple[Kind, str]
Shape = dict[str, Any]
Registered = Mapping[str, Mapping[str, bool]]
"""Each user with its accounts, and whether each is let in."""

THE_BROKERS_OWN: Final = "amq."
EVENTS_SUFFIX: Final = names.events_queue("")
OF_ACCOUNTS: Final = frozenset({"account", "topic permission", "limits"})
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
    limits: tuple[Row, ...] = ()
    """How many connections and channels which account may have."""


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
    registered: Registered = MappingProxyType({}),
    limits: AccountLimits = AccountLimits(),  # noqa: B008  a frozen value
) -> list[Drift]:
    """Differences in the order of their kinds and names; `known` accounts are not judged.

    `registered` is each user of the register with its accounts, and whether each is let in: its
    queues and accounts are compared with what a user should have, and it may bind its events
    otherwise, within its own keys. Whoever only looks like a user is surplus; a user of whom there
    is nothing at all is still to be made.
    """
    held, wanted = dict(_held(found)), dict(_planned(plan))
    users = _looking_like_users(held) & registered.keys()
    for user in users:
        wanted |= dict(_planned(user_plan(user, registered[user], limits)))
    free = {*users, names.OPERATOR}
    drifts = [
        drift
        for thing in sorted(wanted.keys() | held.keys())
        if (drift := _judged(thing, wanted.get(thing), held.get(thing))) is not None
        and not (thing[0] in OF_ACCOUNTS and _account_of(thing) in known)
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
    if user not in users or shape["destination type"] != "queue":
        return False
    return is_own(user, shape["source"], shape["key"], shape["arguments"])


def is_own(user: str, source: str, key: str, arguments: Row) -> bool:
    """Whether a user may bind its queue of events so."""
    if source != names.EVENTS or arguments:
        return False
    # The broker's `\z`, the very end, is `\Z` here.
    pattern = own_keys(user).replace(r"\z", r"\Z")
    return re.search(pattern, key) is not None


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
    if account.limits:
        yield ("limits", account.name), dict(account.limits)


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
            yield as_binding(row)
    for row in found.policies:
        told = {"pattern": row["pattern"], "apply to": row["apply-to"], "priority": row["priority"]}
        yield ("policy", row["name"]), told | row["definition"]
    yield from _held_by_accounts(found)


def _held_by_accounts(found: Holdings) -> Iterator[tuple[Thing, Shape]]:
    tags = {row["name"]: _tags(row["tags"]) for row in found.users}
    for row in found.permissions:
        rights = {key: row[key] for key in ("configure", "write", "read")}
        yield ("account", row["user"]), rights | {"tags": tags.get(row["user"], [])}
    ours = {row["user"] for row in found.permissions}
    for row in found.limits:
        if row["user"] in ours and row["value"]:
            yield ("limits", row["user"]), dict(row["value"])
    for row in found.topic_permissions:
        rights = {key: row[key] for key in ("write", "read")}
        yield ("topic permission", f"{row['user']} on {row['exchange']}"), rights


def as_binding(row: Row) -> tuple[Thing, Shape]:
    """What a row of the management API is called here, and its shape."""
    binding = Binding(row["source"], row["destination"], row["routing_key"])
    return _binding(binding, row["destination_type"], row["arguments"])


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
