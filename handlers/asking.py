"""Answering what changes nothing: queries, and dry runs of commands; pure like the fold."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.envelope import CheckPassed
from contracts.messages import Event
from handlers import letters
from handlers.admission import Arrival, Refusal
from handlers.aliases import merged
from handlers.case import Asked, Rulebook
from handlers.conditions import sunset_of, unsigned
from handlers.decision import Accepted, Answer, Context, Put, Rejected, View
from handlers.entry import pass_entry, sender_of
from handlers.letters import Letter
from handlers.referring import decided
from handlers.visibility import reply_to_sender


def answer(
    arrival: Arrival | Refusal, view: View, rulebook: Rulebook, now: datetime, asked: Asked
) -> Letter | None:
    """The one reply to a query or a check; None for a refusal with nobody to tell.

    `asked` keeps from round to round what the question is known to look at.
    Raises NotLoadedError for what has to be read first, and whatever a bug raises.
    """
    if isinstance(arrival, Refusal):
        return Letter.refusal(arrival, rulebook.identity, now)
    if (reads := asked.get(0)) is None:
        reads = asked[0] = tuple(rulebook.reads(arrival, now))
    view.require(reads)
    sender = sender_of(arrival.user, view)
    handler = rulebook.handlers[arrival.type]
    sunset = sunset_of(handler, view)
    context = rulebook.context(arrival, sender, now, sunset=sunset, dry_run=handler.is_command)
    said: Any = pass_entry(arrival, sender, handler, now)
    said = (
        said
        or unsigned(arrival, handler, view, context)
        or merged(arrival, handler, reads, view, context)
        or decided(arrival, handler, view, context)
    )
    if isinstance(said, Rejected):
        return letters.rejected(arrival, said, context)
    if isinstance(said, Accepted):
        said = CheckPassed(id=said.subject if _exists(said) else None, **said.preview)
    given = said if isinstance(said, Answer) else Answer(said)
    reply = Letter.answer(arrival, "accepted", reply_to_sender(arrival.user, given.data), context)
    return replace(reply, noted=tuple(_noted(fact, arrival, context) for fact in given.facts))


def _noted(fact: Event, arrival: Arrival, context: Context) -> Letter:
    """What asking is to others; one who uses an id twice is noted twice."""
    said = (arrival.user, arrival.id, fact.message_type, context.now.isoformat())
    return Letter.fact(fact, letters.message_id(context.identity, *said), context.now)


def _exists(decision: Accepted) -> bool:
    """Whether the subject is there already: the id that a registration would get is not told."""
    puts = [write for write in decision.writes if isinstance(write, Put)]
    about_it = [write for write in puts if write.document["_id"] == decision.subject]
    # What is kept of it beside it may be new, and it is not.
    return not about_it or any(write.was is not None for write in about_it)
