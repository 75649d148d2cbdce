"""What was gathered is told when its time is over."""

from contracts.notices import NoticeDigest, NoticeDue
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Handled, Reads, View
from handlers.post import Post
from handlers.timing import TIMERS, name_of
from handlers.visibility import own


def tell_gathered_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, its pot, and the count of whose it is."""
    yield TIMERS, fact.timer
    yield "pots", name_of(fact.timer)
    yield "sequences", fact.id


def tell_gathered(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Tell what was gathered, and begin anew."""
    keyed_to, pot = unattributed(context.now), name_of(fact.timer)
    timer, held = view.get(TIMERS, fact.timer), view.get("pots", pot)
    if timer is None:
        return Handled(keyed_to)
    post = Post(view, context)
    post.drop(TIMERS, fact.timer)
    if held is not None and held["timer"] == fact.timer:
        post.drop("pots", pot)
        if held["kinds"]:
            digest = NoticeDigest(
                id=fact.id,
                kinds=held["kinds"],
                subjects=held["subjects"],
                readers=held.get("readers"),
                first_at=held["first_at"],
                last_at=held["last_at"],
            )
            post.send(own(fact.id, digest), NoticeDigest.message_type, fact.id)
    return Handled(keyed_to, post.writes, tuple(post.told))
