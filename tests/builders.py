"""Valid things to start from: change the one part that a test is about."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contracts.envelope import user_urn
from contracts.values import compose_id
from handlers.admission import Delivery

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MASTER: Final = bytes(range(32))


def issued(prefix: str, number: int) -> str:
    """The id of the first number from `number` up that can be one."""
    while (candidate := compose_id(prefix, number)) is None:
        number += 1
    return candidate


PLATFORM: Final = issued("USR", 1000)
"""A flexibility service provider, the usual sender."""
STRANGER: Final = issued("USR", 2000)
"""Another one, who has nothing to do with the first."""
OWNER: Final = issued("USR", 3000)
"""Who owns assets that the platform registers."""


def user(**changes: Any) -> dict[str, Any]:
    """Data of `user.register.v1`: an organisation that nobody else is."""
    return {"kind": "organisation", "name": "Example Power Ltd", "roles": ["fsp"]} | changes


def asset(**changes: Any) -> dict[str, Any]:
    """Data of `asset.register.v1`: a battery that says which one it is."""
    identity = {"make": "Acme", "serial": "SN-4711"}
    return {"asset_type": "BAT", "identity": identity} | changes


def user_document(user_id: str = PLATFORM, **changes: Any) -> dict[str, Any]:
    """A user as the register keeps it."""
    return {
        "_id": user_id,
        "revision": 1,
        "kind": "organisation",
        "status": "provisional",
        "status_at": NOW,
        "roles": ["fsp"],
        "roles_requested": [],
        "registrant": "operator",
        "registered_at": NOW,
        "name": "Example Power Ltd",
    } | changes


def envelope(
    message_type: str = "asset.register.v1",
    data: Mapping[str, Any] | None = None,
    *,
    sender: str = PLATFORM,
    **attributes: Any,
) -> dict[str, Any]:
    """A valid envelope of that sender; an attribute that is given replaces the usual one."""
    return {
        "specversion": "1.0",
        "id": "command-1",
        "source": user_urn(sender),
        "type": message_type,
        "time": (NOW - timedelta(seconds=1)).isoformat(),
        "data": asset() if data is None else data,
    } | attributes


def delivery(body: bytes | Mapping[str, Any] | None = None, **properties: Any) -> Delivery:
    """What the broker hands over: the usual command, or these bytes, or this envelope."""
    content = envelope() if body is None else body
    given: dict[str, Any] = {
        "body": content if isinstance(content, bytes) else json.dumps(content).encode(),
        "type": content.get("type") if isinstance(content, Mapping) else "asset.register.v1",
        "account": PLATFORM,
    }
    return Delivery(**given | properties)


def command(
    message_type: str = "asset.register.v1",
    data: Mapping[str, Any] | None = None,
    *,
    sender: str = PLATFORM,
    **attributes: Any,
) -> Delivery:
    """A valid command as its sender's broker account delivers it."""
    content = envelope(message_type, data, sender=sender, **attributes)
    return delivery(content, type=message_type, account=sender)
