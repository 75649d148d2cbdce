"""The accounts of who leaves: at once without a key, and gone when it could read its answers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from contracts.notices import NoticeDue
from contracts.users import UserLeft
from handlers.accounts import COLLECTION, accounts_of
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.timing import FAREWELL, TIMERS, timer_id, timer_row

FAREWELL_TIME: Final = timedelta(minutes=1)
"""How long who retires, or erases, itself is let in to read the answer."""
LEAVING: Final = "leaving"
"""State of an account that stays at the broker as it is, until its user's farewell is over."""


def _farewell(user: str, since: Document | Context) -> str:
    """Id of the timer at which the farewell of a user is over."""
    begin = since.now if isinstance(since, Context) else since["status_at"]
    return timer_id(begin + FAREWELL_TIME, f"{FAREWELL}/{user}")


def leaving(user: str, view: View, context: Context) -> Iterator[Put]:
    """Let who retires itself in for a while; what it may still send is said by the contracts."""
    yield from _accounts(user, view, LEAVING)
    key = _farewell(user, context)
    row = timer_row(FAREWELL, context.now + FAREWELL_TIME, user)
    yield Put(TIMERS, {"_id": key, "revision": 1, **row})


def lingering(user: Document, view: View, context: Context) -> Iterator[Put | Drop]:
    """Let who erases itself read that answer too: its farewell begins anew, if it is not over."""
    before, after = (_farewell(user["_id"], since) for since in (user, context))
    was = view.get(TIMERS, before)
    if was is None or before == after:
        return
    yield Drop(TIMERS, was)
    row = timer_row(FAREWELL, context.now + FAREWELL_TIME, user["_id"])
    yield Put(TIMERS, {"_id": after, "revision": 1, **row})


def ended_accounts(user: str, view: View) -> Iterator[Put]:
    """Let a user in no more, from this moment on."""
    return _accounts(user, view, "ended")


def _accounts(user: str, view: View, state: str) -> Iterator[Put]:
    """Kept without their keys, so that the reconciler knows what is to be removed."""
    held, _ = view.page(COLLECTION, accounts_of(user))
    for account in held:
        rest = {name: value for name, value in account.items() if name != "key_hash"}
        after = {**rest, "state": state, "revision": account["revision"] + 1}
        yield Put(COLLECTION, after, account)


def leave_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, and the accounts of whose it is."""
    yield TIMERS, fact.timer
    yield COLLECTION, accounts_of(fact.id)


def leave(fact: NoticeDue, view: View, context: Context) -> Handled:
    """End the farewell, unless it has begun anew meanwhile; the broker follows.

    Source: the states of a user.
    """
    keyed_to, timer = unattributed(context.now), view.get(TIMERS, fact.timer)
    if timer is None:
        return Handled(keyed_to)
    writes: tuple[Put | Drop, ...] = (Drop(TIMERS, timer), *ended_accounts(fact.id, view))
    return Handled(keyed_to, writes, events=(UserLeft(id=fact.id),))
