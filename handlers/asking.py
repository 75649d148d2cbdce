"""Answering what changes nothing: queries, and dry runs of commands; pure like the fold."""

from datetime import datetime

from contracts.envelope import CheckPassed
from contracts.messages import Contract
from handlers import letters
from handlers.admission import Arrival, Refusal
from handlers.case import Rulebook
from handlers.decision import Accepted, Decision, Put, Rejected, View
from handlers.entry import pass_entry, sender_of
from handlers.letters import Letter
from handlers.visibility import reply_to_sender


def answer(
    arrival: Arrival | Refusal, view: View, rulebook: Rulebook, now: datetime
) -> Letter | None:
    """The one reply to a query or a check; None for a refusal with nobody to tell.

    Raises NotLoadedError for what has to be read first, and whatever a bug raises.
    """
    if isinstance(arrival, Refusal):
        return Letter.refusal(arrival, rulebook.identity, now)
    view.require(rulebook.reads(arrival, now))
    sender = sender_of(arrival.user, view)
    handler = rulebook.handlers[arrival.type]
    context = rulebook.context(arrival, sender, now, dry_run=handler.is_command)
    said: Decision | Contract = pass_entry(arrival, sender, handler, now) or handler.function(
        arrival.message, view, context
    )
    if isinstance(said, Rejected):
        return letters.rejected(arrival, said, context)
    if isinstance(said, Accepted):
        said = CheckPassed(id=said.subject if _exists(said) else None)
    return Letter.answer(arrival, "accepted", reply_to_sender(arrival.user, said), context)


def _exists(decision: Accepted) -> bool:
    """Whether the subject is there already: the id that a registration would get is not told."""
    return not any(
        isinstance(write, Put) and write.was is None and write.document["_id"] == decision.subject
        for write in decision.writes
    )
