"""What somebody may try to find out about another by asking, and what anybody can find out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aiormq.exceptions import AMQPError

from contracts.messages import check_type
from tests.broker.offences import ABSENT_USER, MISSING_ASSET, Arena, Attack, alike, code_of, sends
from tests.samples import KEY_HASH
from tests.spine import asset
from topology import names

Wish = Callable[[str, str, str], Mapping[str, Any]]
"""Data from the attacker, an asset and a user, who are the victim's or are not there."""


def mistyped(issued_id: str) -> str:
    """An id whose last character is wrong, as of somebody who tries them one after another."""
    return issued_id[:-1] + ("0" if issued_id[-1] != "0" else "1")


COMMANDS: Final[Sequence[tuple[str, str, Wish]]] = (
    (
        "relate oneself to another's asset",
        "asset.relate.v1",
        lambda one, asset_id, _: {"id": asset_id, "party": one, "relation": "fsp"},
    ),
    (
        "unrelate another from its asset",
        "asset.unrelate.v1",
        lambda _, asset_id, user: {"id": asset_id, "party": user, "relation": "fsp"},
    ),
    (
        "guess the revision of another's asset",
        "asset.update.v1",
        lambda _, asset_id, __: {"id": asset_id, "expected_revision": 1},
    ),
    (
        "a guessed id with a wrong character",
        "asset.update.v1",
        lambda _, asset_id, __: {"id": mistyped(asset_id)},
    ),
    ("retire another user", "user.retire.v1", lambda _, __, user: {"id": user}),
    (
        "another's account with a new key",
        "account.set.v1",
        lambda _, __, user: {"account": user, "key_hash": KEY_HASH},
    ),
    ("end another's account", "account.end.v1", lambda _, __, user: {"account": user}),
    ("end another's mandate", "mandate.end.v1", lambda _, __, user: {"user": user}),
    (
        "address who may not be addressed",
        "channel.send.v1",
        lambda _, __, user: {"to": user, "text": "Hello"},
    ),
    (
        "watch who reads another's asset",
        "subscription.set.v1",
        lambda _, asset_id, __: {"access": [asset_id]},
    ),
)


def _guesses() -> Iterator[tuple[str, Attack]]:
    """Each command and its dry run: what is another's is denied like what there is not."""
    for words, kind, wish in COMMANDS:
        for name, tried in ((words, kind), (f"dry run: {words}", check_type(kind))):
            yield name, _alike(tried, wish)


def _alike(kind: str, wish: Wish) -> Attack:
    return alike(
        kind,
        lambda arena: wish(arena.one.user, arena.asset_id, arena.two.user),
        lambda arena: wish(arena.one.user, MISSING_ASSET, ABSENT_USER),
    )


GUESSES: Final[Mapping[str, Attack]] = {
    **dict(_guesses()),
    "filter by a masked field": sends(
        "notice.list.v1", {"filter": {"bank.iban": "GB82WEST12345698765432"}}, "field.unknown"
    ),
    "sort by a masked field": sends("notice.list.v1", {"sort": "bank.iban"}, "field.unknown"),
    "find a user by its bank account": sends(
        "user.get.v1", lambda a: {"id": a.two.user, "bank": {"iban": "GB82"}}, "field.unknown"
    ),
}
"""Ids guessed by the text of errors, dry runs as an oracle, fields asked for by their values.

No query filters or sorts by a field so far: one names an id, or lists one's own notices by their
state, so that any other condition is an unknown field. A query that filters has to be tried here
with a field that its sender may only see masked.
"""


def counts(queue: Callable[[Arena], str]) -> Attack:
    """A passive declaration, for which the broker asks for no permission."""

    async def look(arena: Arena) -> str:
        channel = await arena.one.connection.channel()
        try:
            declared = (await channel.declare_queue(queue(arena), passive=True)).declaration_result
        except AMQPError as error:
            return str(error).partition(" - ")[0]
        finally:
            await channel.close()
        return f"{declared.message_count} messages, {declared.consumer_count} consumers"

    return look


async def exchange_is_there(arena: Arena) -> str:
    channel = await arena.one.connection.channel()
    try:
        await channel.declare_exchange(names.DOMAIN, passive=True)
    finally:
        await channel.close()
    return "that it is there"


def is_taken(kind: str, wish: Callable[[str], Mapping[str, Any]]) -> Attack:
    """Who names another as a party is told where that id is nobody's."""

    async def look(arena: Arena) -> str:
        known = await arena.one.ask(kind, wish(arena.two.user))
        assert known.type == kind.replace(".v1", ".accepted.v1"), known.body
        return f"accepted, or {code_of(await arena.one.ask(kind, wish(ABSENT_USER)))}"

    return look


SHOWN: Final[Mapping[str, Attack]] = {
    "passive declaration of another's events": counts(lambda a: names.events_queue(a.two.user)),
    "passive declaration of a mailbox": counts(lambda _: names.mailbox("assets")),
    "passive declaration of dead letters": counts(lambda _: names.dead_queue("assets")),
    "passive declaration of nobody's events": counts(lambda _: names.events_queue(ABSENT_USER)),
    "passive declaration of an exchange": exchange_is_there,
    "a user's id as an owner, dry run": is_taken(
        "asset.register.check.v1", lambda user: asset(owner=user)
    ),
    "a user's id as a delegate, dry run": is_taken(
        "mandate.give.check.v1", lambda user: {"delegate": user}
    ),
}
"""What anybody with an account is shown of others; docs/connect.md says so to everybody."""
