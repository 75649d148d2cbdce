"""What is shared until a moment, when that has come: both sides are told."""

from contracts.notices import NoticeDue
from contracts.sharing import SharingExpired
from contracts.updates import UserUpdated
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Handled, Reads, View
from handlers.edges import READER, RELATIONS, shared
from handlers.post import NOTICES, Post, todo
from handlers.timing import TIMERS, name_of
from handlers.tying import ties_of
from handlers.visibility import own


def _sides(fact: NoticeDue) -> tuple[str, str]:
    user, _, party = name_of(fact.timer).partition("/")
    return user, party


def _asked(fact: NoticeDue) -> str:
    """The notice that asks the party to acknowledge a change of what it will not read any more."""
    user, party = _sides(fact)
    return todo(party, UserUpdated.message_type, user)


def expire_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, what is recorded between the two, and the count of each."""
    yield TIMERS, fact.timer
    yield RELATIONS, name_of(fact.timer)
    yield NOTICES, _asked(fact)
    for side in _sides(fact):
        yield "sequences", side


def expire(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Tell both sides which groups are shared no more; what ended sooner was told then.

    Source: U6.
    """
    keyed_to, post = unattributed(context.now), Post(view, context)
    timer, row = view.get(TIMERS, fact.timer), view.get(RELATIONS, name_of(fact.timer))
    if timer is None:
        return Handled(keyed_to)
    post.drop(TIMERS, fact.timer)
    at = timer["due"]
    ran_out = {
        one["group"] for one in ties_of(row) if one["as"] == READER and one["until"] == at
    } - shared(row, at)
    user, party = _sides(fact)
    if ran_out:
        told = SharingExpired(id=user, party=party, groups=tuple(sorted(ran_out)), at=at)
        for side in (user, party):
            post.send(own(side, told), SharingExpired.message_type, user)
    # The time has come, though the clock here may be behind that of who announced it.
    if not shared(row, max(at, context.now)):
        post.close(_asked(fact), SharingExpired.message_type)
    return Handled(keyed_to, post.writes, tuple(post.told))
