"""How a plan becomes true at the broker; applying it again changes nothing."""

import base64
import hashlib
import os
from collections.abc import Callable
from typing import Final

from topology.management import Management
from topology.plan import Account, Plan

SALT_BYTES: Final = 4
NO_LOGIN: Final = ""


def password_hash(password: str, salt: bytes | None = None) -> str:
    """RabbitMQ's salted SHA-256 of a password, as it may travel and be stored."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


async def apply(plan: Plan, management: Management, key_hash: Callable[[str], str]) -> None:
    """Make everything of the plan; `key_hash` gives the salted hash for an account's name.

    Raises ManagementError. Queues come before the bindings that need them, and accounts last: by
    then everything they may touch is there.
    """
    for exchange in plan.exchanges:
        await management.put("exchanges", exchange.name, {"type": exchange.type, "durable": True})
    for policy in plan.policies:
        await management.put(
            "policies",
            policy.name,
            {
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "definition": dict(policy.definition),
            },
        )
    for queue in plan.queues:
        await management.put("queues", queue.name, {"durable": True, "arguments": queue.arguments})
    for binding in plan.bindings:
        await management.bind(binding.exchange, binding.queue, binding.key)
    # Behind the new ones: for a moment a message goes both ways, and none goes nowhere.
    for name in dict.fromkeys(binding.queue for binding in plan.retired):
        await _unbind(plan, name, management)
    for account in plan.accounts:
        await apply_account(account, management, key_hash(account.name))


async def _unbind(plan: Plan, queue: str, management: Management) -> None:
    retired = {(b.exchange, b.key) for b in plan.retired if b.queue == queue}
    for row in await management.bindings_of(queue):
        if (row["source"], row["routing_key"]) in retired:
            await management.unbind(row)


async def apply_account(account: Account, management: Management, key_hash: str) -> None:
    """Make an account; the key that lets somebody in comes last.

    Permissions come first, since an account without topic permissions may use every routing key.
    """
    tags = ",".join(account.tags)
    if not await management.user_exists(account.name):
        await management.put_user(account.name, NO_LOGIN)
    await management.permit(account.name, account.configure, account.write, account.read)
    for exchange, write, read in account.topics:
        await management.permit_topic(account.name, exchange, write, read)
    for limit, value in account.limits:
        await management.limit(account.name, limit, value)
    await management.put_user(account.name, key_hash, tags)
