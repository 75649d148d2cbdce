"""The plan as RabbitMQ's own definitions, for whoever sets a broker up from a file."""

from collections.abc import Callable
from typing import Any

from topology.naming import LIVE, VHOST_TAG, Naming
from topology.plan import Account, Binding, Plan, Policy


def definitions(
    plan: Plan,
    vhost: str,
    key_hash: Callable[[str], str] | None = None,
    naming: Naming = LIVE,
) -> dict[str, Any]:
    """What `rabbitmqctl import_definitions` and `load_definitions` take.

    `key_hash` gives the salted hash for an account's name. Without it there are no accounts: an
    account without a hash would be one that nobody can use, and importing it would lock out
    whoever uses it already.
    """
    there = {"vhost": vhost}
    lasting = {"durable": True, "auto_delete": False}
    found: dict[str, Any] = {
        "vhosts": [
            {"name": vhost} | ({"tags": [VHOST_TAG]} if naming.is_sandbox else {}),
        ],
        "exchanges": [
            {"name": e.name, **there, "type": e.type, **lasting, "internal": False, "arguments": {}}
            for e in plan.exchanges
        ],
        "queues": [
            {"name": q.name, **there, **lasting, "arguments": q.arguments} for q in plan.queues
        ],
        "bindings": [{**_binding(binding), **there} for binding in plan.bindings],
        "policies": [{**_policy(policy), **there} for policy in plan.policies],
    }
    if key_hash is not None:
        found |= _accounts(plan.accounts, vhost, key_hash, naming)
    return found


def _binding(binding: Binding) -> dict[str, Any]:
    return {
        "source": binding.exchange,
        "destination": binding.queue,
        "destination_type": "queue",
        "routing_key": binding.key,
        "arguments": {},
    }


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": 0,
    }


def _accounts(
    accounts: tuple[Account, ...], vhost: str, key_hash: Callable[[str], str], naming: Naming
) -> dict[str, Any]:
    return {
        "users": [
            {
                "name": naming.at_broker(a.name),
                "password_hash": key_hash(a.name),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(a.tags),
                "limits": {},
            }
            for a in accounts
        ],
        "permissions": [
            {
                "user": naming.at_broker(a.name),
                "vhost": vhost,
                "configure": a.configure,
                "write": a.write,
                "read": a.read,
            }
            for a in accounts
        ],
        "topic_permissions": [
            {
                "user": naming.at_broker(a.name),
                "vhost": vhost,
                "exchange": exchange,
                "write": write,
                "read": read,
            }
            for a in accounts
            for exchange, write, read in a.topics
        ],
    }
