"""Rights that have ended, and what their former holders try; each has users of its own."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from aiormq.exceptions import AMQPError

from tests.broker.logins import accepted, end_farewell, is_let_in, is_shut_out, set_account, url
from tests.broker.offences import (
    ABSENT_USER,
    MISSING_ASSET,
    REGISTER,
    UPDATE,
    Arena,
    Attack,
    as_missing,
    code_of,
    ended,
)
from tests.spine import Platform, Received, Spine, asset, eventually, is_refused
from topology import names

LOGIN_REFUSED: Final = "403 ACCESS_REFUSED at the login"
BRIEFLY: Final = timedelta(seconds=3)
"""For how long a mandate holds that is to run out by itself."""


async def suspend(spine: Spine, party: Platform) -> None:
    """Suspend it by the operator; the broker has shut it out when this returns."""
    operator = await spine.operator()
    try:
        await accepted(operator, "user.suspend.v1", id=party.user, reason="security")
    finally:
        await operator.close()
    await eventually(lambda: is_shut_out(spine, party.user, party.password))


async def suspended_login(arena: Arena) -> str:
    party = await arena.spine.platform(listen=False)
    await suspend(arena.spine, party)
    return await refused_login(arena, party)


async def refused_login(arena: Arena, party: Platform) -> str:
    assert await is_refused(url(arena.spine, party.user, party.password))
    return LOGIN_REFUSED


def open_connection(end: Callable[[Arena, Platform], Awaitable[None]]) -> Attack:
    """A connection that was open when its account was shut out is closed, and sends no more."""

    async def attack(arena: Arena) -> str:
        party = await arena.spine.platform()
        closed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def close(_: object, error: BaseException | None) -> None:
            if not closed.done():
                closed.set_result(error)

        party.connection.close_callbacks.add(close)
        await end(arena, party)
        error = await asyncio.wait_for(closed, timeout=20)
        try:
            await party.send("user.get.v1", {"id": party.user})
        except (AMQPError, RuntimeError, ConnectionError):
            return ended(error or RuntimeError())
        raise AssertionError("expected nothing to be sent on it any more")

    return attack


async def end_account(arena: Arena, party: Platform) -> None:
    await accepted(party, "account.end.v1", account=party.user)


async def suspended_with_a_token(arena: Arena) -> str:
    """A way in of which the register knows nothing outlasts the suspension, as a token would."""
    party, key = await arena.spine.platform(listen=False), secrets.token_urlsafe(24)
    account = f"{party.user}/token"
    call, name = arena.spine.inspector.call, quote(account, safe="")
    rights = {"configure": "^$", "write": "^flex.commands$", "read": rf"^{party.user}\."}
    await call("PUT", f"users/{name}", password=key, tags="")
    await call("PUT", f"permissions/{{vhost}}/{name}", **rights)
    inside = await Platform.connect(url(arena.spine, account, key), party.user, key)
    try:
        await suspend(arena.spine, party)
        kinds = {REGISTER: asset(), "asset.register.check.v1": asset()}
        kinds |= {"user.get.v1": {"id": party.user}, "notice.list.v1": {}}
        codes = set()
        for kind, data in kinds.items():
            envelope = inside.envelope(kind, data)
            await inside.publish(json.dumps(envelope).encode(), kind, user_id=account)
            codes.add(code_of(await inside.answer(envelope["id"])))
    finally:
        await inside.close()
    assert codes == {"sender.suspended"}, codes
    return "sender.suspended"


async def rotated_key(arena: Arena) -> str:
    party = await arena.spine.platform()
    key = await set_account(party, party.user)
    await eventually(lambda: is_let_in(arena.spine, party.user, key))
    return await refused_login(arena, party)


async def ended_login(arena: Arena) -> str:
    party = await arena.spine.platform()
    await end_account(arena, party)
    await eventually(lambda: is_shut_out(arena.spine, party.user, party.password))
    return await refused_login(arena, party)


async def retired_login(arena: Arena) -> str:
    party = await arena.spine.platform()
    await accepted(party, "user.retire.v1", id=party.user)
    await end_farewell(arena.spine, party)
    await eventually(lambda: is_shut_out(arena.spine, party.user, party.password))
    return await refused_login(arena, party)


def told(party: Platform, kind: str, about: str) -> list[Received]:
    return [one for one in party.received if one.type == kind and one.data["id"] == about]


@dataclass(frozen=True)
class Former:
    """Who was related to an asset, and heard of it, until its owner ended that."""

    owner: Platform
    party: Platform
    asset_id: str

    @classmethod
    async def of(cls, arena: Arena) -> "Former":
        owner, party = [await arena.spine.platform(roles=[role]) for role in ("owner", "fsp")]
        battery = str((await accepted(owner, REGISTER, **asset()))["id"])
        made = cls(owner, party, battery)
        await made.relate(battery)
        await accepted(owner, UPDATE, id=battery, name="Then")
        await party.until(lambda: told(party, "asset.updated.v1", battery))
        tie = {"id": battery, "party": party.user, "relation": "fsp"}
        await accepted(owner, "asset.unrelate.v1", **tie)
        await party.until(lambda: told(party, "asset.unrelated.v1", battery))
        return made

    async def relate(self, asset_id: str) -> None:
        tie = {"id": asset_id, "party": self.party.user, "relation": "fsp"}
        await accepted(self.owner, "asset.relate.v1", **tie)
        await self.party.until(lambda: told(self.party, "asset.related.v1", asset_id))


async def old_binding(arena: Arena) -> str:
    """The queue is bound as before, and by one key more; of what happens later nothing comes."""
    former = await Former.of(arena)
    owner, party = former.owner, former.party
    queue = await party.channel.get_queue(names.events_queue(party.user), ensure=False)
    await queue.bind(names.EVENTS, f"{party.user}.asset.#")
    await accepted(owner, UPDATE, id=former.asset_id, name="Later")
    # What is said later and comes shows that what was said before has not.
    other = await accepted(owner, REGISTER, **asset())
    await former.relate(other["id"])
    await eventually(lambda: arena.spine.settled(names.NOTICES))
    assert len(told(party, "asset.updated.v1", former.asset_id)) == 1
    return "hears nothing of it"


def formerly(kind: str, **data: Any) -> Attack:
    """Who was related asks for the asset as if it still were."""

    async def attack(arena: Arena) -> str:
        former = await Former.of(arena)
        pair = ({"id": key} | data for key in (former.asset_id, MISSING_ASSET))
        return await as_missing(former.party, kind, *pair)

    return attack


async def old_replay(arena: Arena) -> str:
    """What was told while it was related is not told again."""
    former = await Former.of(arena)
    party = former.party
    await accepted(party, "event.replay.v1", from_sequence=1)
    await party.until(lambda: told(party, "event.replay-ended.v1", party.user))
    again = [one for one in party.received if one.envelope.get("replayed")]
    about = {one.type for one in again if one.data["id"] == former.asset_id}
    # That it was related, and is no more, is about itself.
    assert about == {"asset.related.v1", "asset.unrelated.v1"}
    return "what it may not see is left out"


@dataclass(frozen=True)
class Principal:
    """Who let another act for it, and does no more."""

    user: Platform
    delegate: Platform
    asset_id: str

    @classmethod
    async def of(cls, arena: Arena, holds_for: timedelta | None = None) -> "Principal":
        """Give a mandate, which is used once, and end it; or let it run out."""
        user = await arena.spine.platform(roles=["owner"])
        delegate = await arena.spine.platform(roles=["aggregator"])
        battery = (await accepted(user, REGISTER, **asset(owner=user.user)))["id"]
        limit = {"until": (datetime.now(UTC) + holds_for).isoformat()} if holds_for else {}
        await accepted(user, "mandate.give.v1", delegate=delegate.user, **limit)
        await accepted(delegate, UPDATE, id=battery, name="Then")
        if holds_for is None:
            await accepted(user, "mandate.end.v1", delegate=delegate.user)
        return cls(user, delegate, battery)


def former_delegate(kind: str, **data: Any) -> Attack:
    """Whose mandate was ended acts, or reads, as if it still had it."""

    async def attack(arena: Arena) -> str:
        found = await Principal.of(arena)
        key, missing = found.asset_id, MISSING_ASSET
        if kind == "user.get.v1":
            key, missing = found.user.user, ABSENT_USER
        return await as_missing(found.delegate, kind, {"id": key} | data, {"id": missing} | data)

    return attack


async def mandate_ran_out(arena: Arena) -> str:
    """Nobody ends it: its time is over."""
    found = await Principal.of(arena, BRIEFLY)
    given = ({"id": found.asset_id, "name": "Late"}, {"id": MISSING_ASSET, "name": "Late"})

    async def is_over() -> bool:
        reply = await found.delegate.ask("asset.get.v1", {"id": found.asset_id})
        return ".rejected." in reply.type

    await eventually(is_over)
    return await as_missing(found.delegate, UPDATE, *given)


OVER_TIME: Final[Mapping[str, Attack]] = {
    "log in after a suspension": suspended_login,
    "an open connection after a suspension": open_connection(
        lambda arena, party: suspend(arena.spine, party)
    ),
    "ask and command after a suspension, by a token": suspended_with_a_token,
    "log in with a key that was rotated": rotated_key,
    "log in to an account that was ended": ended_login,
    "an open connection of an ended account": open_connection(end_account),
    "log in after retiring": retired_login,
    "old binding after a relation ended": old_binding,
    "read after a relation ended": formerly("asset.get.v1"),
    "update after a relation ended": formerly(UPDATE, name="Later"),
    "dry run after a relation ended": formerly("asset.update.check.v1", name="Later"),
    "replay after a relation ended": old_replay,
    "read an asset after a mandate ended": former_delegate("asset.get.v1"),
    "read the principal after a mandate ended": former_delegate("user.get.v1"),
    "act after a mandate ended": former_delegate(UPDATE, name="Later"),
    "dry run after a mandate ended": former_delegate("asset.update.check.v1", name="Later"),
    "act after a mandate ran out": mandate_ran_out,
}
"""What somebody may no longer do, tried by the one who once could."""
