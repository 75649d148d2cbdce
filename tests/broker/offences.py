"""Attacks that the broker lets through as messages, and that the workers refuse."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from aiormq.exceptions import AMQPError

from handlers.post import shelf
from tests.broker.attempts import ignore
from tests.builders import issued
from tests.spine import DIRECT_REPLY, Platform, Received, Spine, asset, eventually, is_refused, user
from topology import names

MISSING_ASSET: Final = issued("BAT", 9000)
ABSENT_USER: Final = issued("USR", 9000)
REGISTER: Final = "asset.register.v1"
UPDATE: Final = "asset.update.v1"
CANARY: Final = "Canary"
"""A word in everything that the victim has said of itself; nobody else may receive it."""
COMPANY: Final = "01234567"
QUOTA: Final = 500
"""Commands a minute; more than all other attacks send, and quickly flooded."""


@dataclass
class Arena:
    """Who attacks whom."""

    spine: Spine
    one: Platform
    """The attacker, a flexibility service provider with an account like any."""
    two: Platform
    """The victim, which owns the asset and has told the register of itself."""
    by_role: Mapping[str, Platform]
    """More attackers, by the one role that each has."""
    asset_id: str
    serial: str

    async def told(self, body: bytes, key: str, **properties: Any) -> Received:
        """What the attacker is told of a message that it cannot know by its own id."""
        mark = uuid4().hex
        await self.one.publish(body, key, message_id=mark, **properties)
        return await self.one.answer(mark)

    async def raw(self, body: bytes, key: str = REGISTER, **properties: Any) -> str:
        """The code with which an unreadable message is refused."""
        return code_of(await self.told(body, key, **properties))

    def body(self, kind: str, data: Any, **attributes: Any) -> bytes:
        return json.dumps(self.one.envelope(kind, data, **attributes)).encode()

    async def silent(self, body: bytes, **properties: Any) -> str:
        """Publish what nobody may be told of: it is kept for an operator, as of no known sender."""
        before = await self.spine.count("dead_letters", reason="identity")
        await self.one.publish(body, REGISTER, **properties)

        async def kept() -> bool:
            return await self.spine.count("dead_letters", reason="identity") > before

        await eventually(kept)
        return "message.identity"


Attack = Callable[[Arena], Awaitable[str]]
"""Tries it, fails where it succeeds, and gives the code with which it was refused."""


def code_of(reply: Received) -> str:
    """The code of a refusal; what is not refused fails."""
    assert ".rejected." in reply.type, reply.body
    return str(reply.data["code"])


def _made(data: Any, arena: Arena) -> Any:
    return data(arena) if callable(data) else data


def sends(kind: str, data: Any, code: str, **attributes: Any) -> Attack:
    """A command or question that has to be refused with this code."""

    async def attack(arena: Arena) -> str:
        given = {name: _made(value, arena) for name, value in attributes.items()}
        found = code_of(await arena.one.ask(kind, _made(data, arena), **given))
        assert found == code, (found, code)
        return found

    return attack


def unread(make: Callable[[Arena], bytes], code: str, key: str = REGISTER, **more: Any) -> Attack:
    """Bytes that have to be refused before anybody decides."""

    async def attack(arena: Arena) -> str:
        found = await arena.raw(make(arena), key, **more)
        assert found == code, (found, code)
        return found

    return attack


def alike(kind: str, hidden: Any, missing: Any, **attributes: Any) -> Attack:
    """A thing that may not be seen is denied in the same bytes as one that there is not."""

    async def attack(arena: Arena) -> str:
        given = (_made(hidden, arena), _made(missing, arena))
        return await as_missing(arena.one, kind, *given, **attributes)

    return attack


async def as_missing(
    party: Platform, kind: str, hidden: Any, missing: Any, **attributes: Any
) -> str:
    """Ask for both; the code with which both are refused, in the same bytes."""
    given = (hidden, missing)
    replies = [await party.ask(kind, data, **attributes) for data in given]
    said = [_bare(reply, data) for reply, data in zip(replies, given, strict=True)]
    assert said[0] == said[1], said
    return str(replies[0].data.get("code", "the same verdict"))


def _bare(reply: Received, data: Mapping[str, Any]) -> str:
    """An answer without what differs from question to question: ids, and the time."""
    passing = {"id", "time", "correlationid", "causationid"}
    text = json.dumps({n: v for n, v in reply.envelope.items() if n not in passing})
    for value in sorted(map(str, _leaves(data)), key=len, reverse=True):
        text = text.replace(value, "…")
    return text


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def answered_to(target: Callable[[Arena], str]) -> Attack:
    """An answer sent to where it does not belong comes to its asker all the same."""

    async def attack(arena: Arena) -> str:
        envelope = arena.one.envelope("user.get.v1", {"id": arena.one.user})
        body = json.dumps(envelope).encode()
        await arena.one.publish(body, "user.get.v1", reply_to=target(arena))
        reply = await arena.one.answer(envelope["id"])
        assert reply.queue == names.events_queue(arena.one.user)
        return "answered to the asker itself"

    return attack


async def blind_copy(arena: Arena) -> str:
    """A blind copy to the victim's key is for no queue of flex.commands."""
    envelope = arena.one.envelope(REGISTER, asset())
    heard = len(arena.two.received)
    copied = {"BCC": [f"{arena.two.user}.asset.updated.v1"]}
    await arena.one.publish(json.dumps(envelope).encode(), REGISTER, headers=copied)
    await arena.one.answer(envelope["id"])
    await arena.two.ask("user.get.v1", {"id": arena.two.user})
    assert len(arena.two.received) == heard + 1
    return "the copy goes nowhere"


async def frame_too_long(arena: Arena) -> str:
    """Headers of 128 KiB end the connection of whoever sends them, and no other."""
    party = await arena.spine.connect(arena.one.user, arena.one.password, listen=False)
    try:
        await party.publish(b"{}", REGISTER, headers={"bomb": "x" * 131_072})
    except (AMQPError, ConnectionError) as error:
        return ended(error)
    raise AssertionError("expected the connection to end")


def ended(error: BaseException) -> str:
    """How a connection ended, with the broker's word for it where it has said one."""
    found = re.search(r"[A-Z]+_[A-Z]+", str(error))
    return f"connection ended{f' ({found[0]})' if found else ''}"


async def flood(arena: Arena) -> str:
    """More than the quota: the rest is refused, and another's command is not kept waiting."""
    flooder = arena.by_role["mpp"]
    # Of two quotas, since the minute may change meanwhile.
    ids = [await flooder.send(REGISTER, {}) for _ in range(2 * QUOTA + 20)]
    reply = await arena.two.ask("user.get.v1", {"id": arena.two.user})
    assert reply.type == "user.get.accepted.v1"
    await flooder.answered(ids)
    codes = [flooder.answers(one)[0].data["code"] for one in ids]
    assert codes.count("message.quota") >= 20
    return "message.quota"


async def another_bytes(arena: Arena) -> str:
    """An id that was decided is used again for something else."""
    first = await arena.one.ask(REGISTER, asset(), id=(mark := str(uuid4())))
    assert first.type == "asset.register.accepted.v1"
    await arena.one.send(REGISTER, asset(), id=mark)
    both = await arena.one.until(lambda: found if len(found := arena.one.answers(mark)) > 1 else [])
    return code_of(both[1])


async def eavesdrop(arena: Arena) -> str:
    """A second visitor of the front desk hears nothing of what the first is told."""
    first, second = await arena.spine.front_desk(), await arena.spine.front_desk()
    reply = await first.ask("user.register.v1", user())
    await second.ask("user.register.check.v1", user())
    assert len(second.received) == 1
    assert reply.data["id"] not in second.received[0].body.decode()
    return "hears only its own answer"


async def anothers_direct_reply(arena: Arena) -> str:
    """A direct reply address is not consumed by its name."""
    desk = await arena.spine.front_desk()
    channel = await desk.connection.channel()
    queue = await channel.get_queue(f"{DIRECT_REPLY}.g1h2AA.x", ensure=False)
    try:
        await queue.consume(ignore, no_ack=True)
    except AMQPError as error:
        return type(error).__name__
    raise AssertionError("expected no such queue to be consumed")


async def asks_for_roles(arena: Arena) -> str:
    """Roles that an operator grants are kept as a wish."""
    desk = await arena.spine.front_desk()
    reply = await desk.ask("user.register.v1", user(roles=["operator", "so", "verifier"]))
    assert reply.data["roles"] == []
    return "no role granted"


async def anothers_cursor(arena: Arena) -> str:
    """The cursor of the victim's list, in the attacker's hands."""
    rows = [
        {"_id": f"{arena.two.user}/{n:012d}", "revision": 1, "recipient": arena.two.user,
         "type": "asset.updated.v1", "subject": arena.asset_id, "state": "open",
         "opened_at": datetime.now(UTC), "sequence": n, "shelf": shelf(arena.two.user, "open")}
        for n in range(100_000, 100_201)
    ]  # fmt: skip
    await arena.spine.database["notices"].insert_many(rows)
    page = await arena.two.ask("notice.list.v1", {})
    reply = await arena.one.ask("notice.list.v1", {"cursor": page.data["cursor"]})
    other = await arena.two.ask("notice.list.v1", {"cursor": page.data["cursor"], "state": "all"})
    assert code_of(other) == code_of(reply)
    return code_of(reply)


async def mine_alone(arena: Arena) -> str:
    """A list of notices shows the asker's own."""
    reply = await arena.one.ask("notice.list.v1", {"state": "all"})
    assert reply.data["notices"] == []
    return "an empty list"


async def another_login(arena: Arena) -> str:
    """The victim's account with a key that is not its own, and with none."""
    for key in (arena.one.password, ""):
        assert await is_refused(arena.spine.addresses.amqp_as(arena.two.user, key))
    return "403 ACCESS_REFUSED at the login"


def ago(**span: int) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()
