"""Accounts of parties: how they get a new key, and whether the broker lets them in."""

import secrets
from datetime import UTC, datetime
from typing import Any

from aiormq.exceptions import AMQPError

from tests.spine import Platform, Spine, is_refused
from topology.apply import password_hash


async def accepted(party: Platform, kind: str, /, **data: Any) -> dict[str, Any]:
    """What a command is answered with that has to be accepted."""
    reply = await party.ask(kind, data)
    assert reply.type == kind.replace(".v1", ".accepted.v1"), reply.envelope
    return reply.data


async def set_account(party: Platform, account: str) -> str:
    """A new key for an account of the party's; the broker has it when this returns."""
    key = secrets.token_urlsafe(24)
    await accepted(party, "account.set.v1", account=account, key_hash=password_hash(key))
    return key


async def is_let_in(spine: Spine, account: str, key: str) -> bool:
    return not await is_refused(url(spine, account, key))


async def is_shut_out(spine: Spine, account: str, key: str) -> bool:
    """Whether a login is refused, and not cut off while it is under way."""
    try:
        return await is_refused(url(spine, account, key))
    except AMQPError:
        return False


def url(spine: Spine, account: str, key: str) -> str:
    return spine.addresses.amqp_as(account, key)


async def end_farewell(spine: Spine, party: Platform) -> None:
    """Bring the end of the time in which who retires itself is let in to this moment."""
    end = {"$set": {"due": datetime.now(UTC)}}
    done = await spine.database["timers"].update_one({"kind": "farewell", "user": party.user}, end)
    assert done.matched_count == 1
