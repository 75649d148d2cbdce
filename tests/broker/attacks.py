"""The table of attacks: each is tried on the real broker, is refused, and leaks nothing.

`python -m tests.broker.attacks` prints it, and so does the test with `-s`.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from aiormq.exceptions import AMQPError

from contracts.envelope import user_urn
from tests.broker import offences as o
from tests.broker.alone import alone
from tests.broker.attempts import ATTEMPTS, Attempt, publish
from tests.broker.guesses import GUESSES, SHOWN
from tests.broker.lapses import OVER_TIME
from tests.broker.offences import ABSENT_USER, REGISTER, UPDATE, Arena, Attack
from tests.broker.roles import SELF_ASSERTED, privileged
from tests.spine import Spine, asset, user
from topology import names

SETTINGS: Final[Mapping[str, Any]] = {"quota_per_minute": o.QUOTA}


def at_the_broker(attempt: Attempt) -> Attack:
    """What the broker itself refuses, on a channel of its own."""

    async def attack(arena: Arena) -> str:
        channel = await arena.one.connection.channel()
        try:
            await attempt(channel, arena.one.user, arena.two.user)
        except AMQPError as error:
            said = str(error)
            assert "ACCESS_REFUSED" in said or "PRECONDITION_FAILED" in said, said
            return "403 ACCESS_REFUSED" if "ACCESS_REFUSED" in said else "406 PRECONDITION_FAILED"
        finally:
            await channel.close()
        raise AssertionError("expected the broker to refuse it")

    return attack


def as_user(account: str) -> Attempt:
    """Publish under another `user_id` than the account's own."""

    async def attempt(channel: Any, _own: str, other: str) -> None:
        await publish(channel, names.COMMANDS, REGISTER, account or other)

    return attempt


def hidden(kind: str, missing: str = o.MISSING_ASSET, **data: Any) -> Attack:
    """An asset of the victim's, and one that there is not."""
    return o.alike(kind, lambda a: {"id": a.asset_id} | data, {"id": missing} | data)


FORGED: Final[Mapping[str, Attack]] = {
    "publish as another": at_the_broker(as_user("")),
    "publish as the backbone": at_the_broker(as_user(names.RELAY_ACCOUNT)),
    "publish as the operator": at_the_broker(as_user(names.OPERATOR)),
    "omit user-id": lambda a: a.silent(a.body(REGISTER, asset()), user_id=None),
    "another's source": o.unread(
        lambda a: a.body(REGISTER, asset(), source=user_urn(a.two.user)), "message.source"
    ),
    "the backbone's source": o.unread(
        lambda a: a.body(REGISTER, asset(), source="urn:flexspine:backbone"), "message.source"
    ),
    "CC to another's events": lambda a: a.silent(
        a.body(REGISTER, asset()), headers={"CC": [f"{a.two.user}.asset.updated.v1"]}
    ),
    # The broker takes BCC away before anybody sees it; what it copies keeps its key.
    "BCC into another mailbox": o.unread(
        lambda a: a.body(REGISTER, asset()),
        "message.unknown-type",
        headers={"BCC": ["user.register.v1"]},
    ),
    "BCC to another's events": o.blind_copy,
    "CC to a mailbox": lambda a: a.silent(
        a.body(REGISTER, asset()), headers={"cc": [names.mailbox("assets")]}
    ),
    "reply_to another's queue": o.answered_to(lambda a: names.replies_queue(a.two.user)),
    "reply_to an exchange": o.answered_to(lambda _: f"{names.EVENTS}|x"),
    "reply_to the mailbox": o.answered_to(lambda _: names.mailbox("assets")),
    "reply_to a forged direct reply": o.answered_to(lambda _: "amq.rabbitmq.reply-to.g1h2.x=="),
    "a domain event as a command": o.sends("asset.registered.v1", {}, "message.unknown-type"),
    "a timer's fact as a command": o.sends("notice.due.v1", {}, "message.unknown-type"),
    "a replay's fact as a command": o.sends(
        "event.replay-asked.v1", lambda a: {"id": a.two.user}, "message.unknown-type"
    ),
    "one type as key, another inside": o.sends(
        REGISTER, {}, "envelope.type-mismatch", type="user.register.v1"
    ),
    "log in as another": o.another_login,
}
RIGHTS: Final[Mapping[str, Attack]] = {
    "read another's asset": hidden("asset.get.v1"),
    "update another's asset": hidden(UPDATE, name="Mine"),
    "dry run of updating another's asset": hidden("asset.update.check.v1", name="Mine"),
    "read another user": o.alike("user.get.v1", lambda a: {"id": a.two.user}, {"id": ABSENT_USER}),
    "dry run on another's company number": o.alike(
        "user.register.check.v1",
        lambda _: user(claims={"company_number": o.COMPANY}),
        user(claims={"company_number": "07654321"}),
        onbehalfof="my customer",
    ),
    "dry run on another's serial": o.alike(
        "asset.register.check.v1", lambda a: asset(a.serial), asset(uuid4().hex)
    ),
    "history of another user": o.alike(
        "user.history.v1", lambda a: {"id": a.two.user}, {"id": ABSENT_USER}
    ),
    "link another user": o.alike(
        "user.link-id.v1",
        lambda a: {"id": a.two.user, "scheme": "own", "value": "7"},
        {"id": ABSENT_USER, "scheme": "own", "value": "7"},
    ),
    "link another's asset": hidden("asset.link-id.v1", scheme="own", value="7"),
    "translate another's links": o.sends(
        "user.translate.v1",
        lambda a: {"ids": [a.one.user], "asserter": a.two.user},
        "link.not-yours",
    ),
    "translate what another may have linked": o.alike(
        "user.translate.v1", lambda a: {"ids": [a.two.user]}, {"ids": [ABSENT_USER]}
    ),
    "erase another user": o.alike(
        "user.erase.v1",
        lambda a: {"id": a.two.user, "confirm_id": a.two.user},
        {"id": ABSENT_USER, "confirm_id": ABSENT_USER},
    ),
    "close another's notice": o.alike(
        "notice.close.v1",
        lambda a: {"id": f"{a.two.user}/000000000001"},
        {"id": f"{ABSENT_USER}/000000000001"},
    ),
    "list another's notices": o.mine_alone,
    "cursor of another": o.anothers_cursor,
    "a made-up cursor": o.sends("notice.list.v1", {"cursor": "x~y"}, "cursor.foreign"),
    "replay of another's events": o.sends(
        "event.replay.v1", lambda a: {"id": a.two.user, "from_sequence": 1}, "field.unknown"
    ),
    "replay on behalf of another": o.sends(
        "event.replay.v1",
        {"from_sequence": 1},
        "envelope.unsupported",
        onbehalfof=lambda a: a.two.user,
    ),
    "subscription for another": o.sends(
        "subscription.set.v1", {}, "envelope.unsupported", onbehalfof=lambda a: a.two.user
    ),
    "subscription under another's id": o.sends(
        "subscription.set.v1", lambda a: {"id": a.two.user}, "field.unknown"
    ),
    "another as the registrant": o.sends(
        REGISTER, lambda a: asset(registrant=a.two.user), "field.unknown"
    ),
    "another's object as data": o.sends(
        REGISTER, asset(), "envelope.unsupported", dataref="objects/another"
    ),
    "ask for roles that an operator grants": o.asks_for_roles,
    "ask for the front desk's role": o.sends(
        "user.register.v1", user(roles=["front-desk"]), "user.role-reserved", onbehalfof="me"
    ),
    "front-desk eavesdropping": o.eavesdrop,
    "another's direct reply": o.anothers_direct_reply,
    **dict(privileged()),
}
BOMBS: Final[Mapping[str, Attack]] = {
    "headers of 9 KiB": o.unread(
        lambda a: a.body(REGISTER, asset()), "message.oversized", headers={"bomb": "x" * 9000}
    ),
    "headers of 128 KiB": o.frame_too_long,
    "body of 300 kB": o.unread(
        lambda a: a.body(REGISTER, asset()) + b" " * 300_000, "message.oversized"
    ),
    "compressed bomb": o.unread(
        lambda _: b"\x1f\x8b" + b"x" * 100, "message.undecodable", content_encoding="gzip"
    ),
    "JSON 20,000 deep": o.unread(
        lambda a: a.body(REGISTER, {}).replace(b"{}", b"[" * 20_000 + b"]" * 20_000),
        "message.undecodable",
    ),
    "no UTF-8": o.unread(lambda _: b"\xff\xfe{}", "message.undecodable"),
    "NaN": o.unread(
        lambda a: a.body(REGISTER, asset(capability={"power_kw": float("nan")})),
        "message.undecodable",
    ),
    "an integer of 5,000 digits": o.unread(
        lambda a: a.body(REGISTER, {"n": 0}).replace(b'{"n": 0}', b'{"n": ' + b"9" * 5000 + b"}"),
        "message.undecodable",
    ),
    "a lone surrogate": o.sends(REGISTER, asset("\ud800"), "value.unstorable"),
    "a query operator as an id": o.sends("asset.get.v1", {"id": {"$ne": None}}, "value.text"),
    "source given twice": o.unread(
        lambda a: _twice(a, "source", user_urn(a.two.user)), "message.source"
    ),
    "id re-used with other bytes": o.another_bytes,
    "expired command": o.sends(
        REGISTER, asset(), "message.expired", expirytime=lambda _: o.ago(minutes=1)
    ),
    "command from the future": o.sends(
        REGISTER, asset(), "message.from-future", time=lambda _: o.ago(hours=-1)
    ),
    "command of last year but one": o.sends(
        REGISTER, asset(), "message.expired", time=lambda _: o.ago(days=500)
    ),
    "quota flood": o.flood,
}
ATTACKS: Final[Mapping[str, Attack]] = {
    **{a.__name__.replace("_", " "): at_the_broker(a) for a in ATTEMPTS},
    **FORGED,
    **RIGHTS,
    **GUESSES,
    **BOMBS,
    **OVER_TIME,
}


def _twice(arena: Arena, name: str, value: str) -> bytes:
    """The attribute once as it should be, and once more behind it."""
    body = arena.body(REGISTER, asset())
    return body[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}".encode()


@dataclass(frozen=True)
class Row:
    """One attack and what became of it."""

    attack: str
    happened: str
    code: str


async def arena_of(spine: Spine) -> Arena:
    """Attacker and victim, each of whom has said things that nobody else may hear."""
    one = await spine.platform()
    two = await spine.platform(
        name=f"{o.CANARY} Power Ltd",
        claims={"company_number": o.COMPANY},
        bank={"account_name": o.CANARY, "iban": "GB82WEST12345698765432"},
        listen=True,
    )
    by_role = {role: await spine.platform(roles=[role]) for role in SELF_ASSERTED}
    serial = f"{o.CANARY}-{uuid4().hex}"
    reply = await two.ask(REGISTER, asset(serial, name=f"{o.CANARY} battery"))
    return Arena(spine, one, two, by_role, str(reply.data["id"]), serial)


async def attempted(arena: Arena, name: str) -> Row:
    """Try one; raise AssertionError where it succeeds, or where anybody hears of the victim."""
    heard, asked = len(arena.one.received), len(arena.two.received)
    before = await _held(arena)
    code = await ATTACKS[name](arena)
    for party in (arena.one, *arena.by_role.values()):
        since = heard if party is arena.one else 0
        leaked = [r for r in party.received[since:] if _leaks(arena, r.body.decode())]
        assert not leaked, (name, leaked)
    uninvited = [r for r in arena.two.received[asked:] if r.queue != arena.two.reply_to]
    assert not uninvited, (name, uninvited)
    assert await _held(arena) == before, name
    return Row(name, _happened(code), code)


def _leaks(arena: Arena, text: str) -> bool:
    """Whether a text tells what the victim said; a serial that was sent may come back."""
    return o.CANARY in text.replace(arena.serial, "")


async def _held(arena: Arena) -> Any:
    """What the register holds of the victim."""
    raw = arena.spine.raw
    return [await raw("assets", _id=arena.asset_id), await raw("users", _id=arena.two.user)]


async def looked(arena: Arena, name: str) -> Row:
    """What one of those is shown that nobody refuses."""
    return Row(name, "shown to anybody", await SHOWN[name](arena))


def _happened(code: str) -> str:
    if code[:3].isdecimal():
        return "the broker refused it"
    if code.startswith("connection ended"):
        return "the broker ended it"
    if "." in code:
        return "kept for an operator" if code == "message.identity" else "rejected"
    return "no effect"


def table(rows: list[Row]) -> str:
    """The rows as lines."""
    wide = [max(len(row.attack) for row in rows), max(len(row.happened) for row in rows)]
    lines = [f"{'attack':{wide[0]}} | {'what happened':{wide[1]}} | code"]
    lines += [f"{r.attack:{wide[0]}} | {r.happened:{wide[1]}} | {r.code}" for r in rows]
    return "\n".join(lines)


async def main() -> None:
    """Try all of them on servers of their own."""
    async with alone("attacks") as spine, spine.running(**SETTINGS):
        arena = await arena_of(spine)
        rows = [await attempted(arena, name) for name in ATTACKS]
        shown = [await looked(arena, name) for name in SHOWN]
    print(f"{table(rows)}\n{len(rows)} attacks, every one refused")  # noqa: T201 - what it is for
    print(f"\nNot refused, and written down in docs/connect.md:\n{table(shown)}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
