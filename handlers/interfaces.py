"""How the interface changes: announcements, and how they reach every user with an account."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from contracts.asset_types import TypeDefined
from contracts.envelope import Finding
from contracts.interfaces import AnnounceInterface, InterfaceAnnounced, InterfaceState
from contracts.messages import Event, Request, known
from contracts.values import user_of
from handlers.accounts import COLLECTION
from handlers.bookkeeping import unattributed
from handlers.conditions import CONDITIONS, put
from handlers.decision import Accepted, Context, Decision, Document, Handled, Reads, View
from handlers.post import Post
from handlers.rules import Rule, check, finding
from handlers.signature import reads
from handlers.spans import Span
from handlers.visibility import own

PAUSE: Final = timedelta(milliseconds=100)
"""Between two pages: an announcement takes no more than a part of the lane."""
ENDING: Final = frozenset({"deprecated", "withdrawn"})
"""Changes after which the type is taken no more."""


def _announce_reads(command: AnnounceInterface, context: Context) -> Reads:
    yield CONDITIONS, command.id


@reads(_announce_reads)
def announce_interface(command: AnnounceInterface, view: View, context: Context) -> Decision:
    """Keep what is announced of a type, and let everybody be told.

    Rejects: interface.type-unknown, interface.past
    Source: API governance.
    """
    if (rejected := check(RULES, command, view, context)) is not None:
        return rejected
    row = view.get(CONDITIONS, command.id)
    said = {name: getattr(command, name) for name in ("effective", "text", "field")}
    said |= {"values": list(command.values)}
    announced: dict[str, Any] = dict((row or {}).get("announced", {}))
    sunset = command.effective if command.change in ENDING else (row or {}).get("sunset")
    reply = InterfaceState(
        id=command.id, change=command.change, effective=command.effective, sunset=sunset
    )
    if announced.get(command.change) == said:
        return Accepted(command.id, reply, context.sender.user)
    announced[command.change] = said
    event = InterfaceAnnounced(
        id=command.id,
        by=context.sender.user,
        change=command.change,
        effective=command.effective,
        text=command.text,
        field=command.field,
        values=command.values,
    )
    return Accepted(
        subject=command.id,
        keyed_to=context.sender.user,
        reply=reply,
        writes=(put(row, command.id, {"announced": announced, "sunset": sunset}),),
        events=(event,),
    )


def _is_known(command: AnnounceInterface, view: View, context: Context) -> Iterator[Finding]:
    if command.id not in {**known(Request), **known(Event)}:
        yield finding(
            "interface.type-unknown",
            "id",
            expected="the type of a command, a query or an event of the published list",
            got=command.id,
            advice="Check its name and its major.",
        )


def _is_to_come(command: AnnounceInterface, view: View, context: Context) -> Iterator[Finding]:
    if command.effective <= context.now:
        yield finding(
            "interface.past",
            "effective",
            expected="a moment to come",
            got=command.effective.isoformat(),
            advice="Announce it before it happens; give those who are told time.",
        )


RULES: Final[tuple[Rule[AnnounceInterface], ...]] = (_is_known, _is_to_come)


def everybody_reads(fact: InterfaceAnnounced | TypeDefined, context: Context) -> Reads:
    """A page of the accounts that are in use."""
    yield COLLECTION, _span(context)


def tell_everybody(fact: InterfaceAnnounced | TypeDefined, view: View, context: Context) -> Handled:
    """Tell the users of a page of accounts, each once however many it has, but for the actor.

    An account that is made meanwhile may be passed over.
    Source: API governance.
    """
    rows, further = view.page(COLLECTION, _span(context))
    # A user's accounts stand together: its first one may have been on the page before.
    told = {user_of(context.cursor or ""), fact.by}
    users = [user for user in dict.fromkeys(map(_user, rows)) if user not in told]
    view.require(("sequences", user) for user in users)
    post = Post(view, context)
    for user in users:
        post.send(own(user, fact), fact.message_type, user)
    return Handled(unattributed(context.now), post.writes, tuple(post.told), further or None, PAUSE)


def _span(context: Context) -> Span:
    return Span("state", "active", context.cursor or "")


def _user(account: Document) -> str:
    user: str = account["user"]
    return user
