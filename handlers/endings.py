"""How a delivery ends that no handler decides, or that its handler rejects."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, Literal

from contracts.dead import DeadStopped
from contracts.envelope import Finding
from handlers import letters
from handlers.admission import Arrival, Refusal
from handlers.bookkeeping import (
    inbox_fact,
    inbox_put,
    keeper,
    own_bytes,
    unattributed,
)
from handlers.case import Case, Kind, Outcome
from handlers.dead_letters import LETTERS, Failure, dead_puts
from handlers.decision import Context, Handled, Put, Rejected
from handlers.entry import sender_of
from handlers.letters import Letter
from handlers.parking import LADDER, WAITING_MAX, Contended, Full, touched
from handlers.rules import reject

STACK_CHARACTERS_MAX: Final = 4096
_HANDLED: Final[Kind] = "handled"
_CONTINUED: Final[Kind] = "continued"
AT_ONCE: Final = timedelta(0)
"""No delay but that of whom one waits for."""

TOO_MANY: Final = Contended(f"expected at most {WAITING_MAX} to wait in a lane")


def rejected(
    case: Case, arrival: Arrival, decision: Rejected, context: Context | None = None
) -> Outcome:
    """Tell the sender every reason, and remember that answer."""
    context = context or case.rulebook.context(arrival, None, case.now)
    reply = letters.rejected(arrival, decision, context)
    facts = [Letter.domain(e, n, arrival, context) for n, e in enumerate(decision.events)]
    return Outcome(
        index=case.index,
        arrival=arrival,
        kind="rejected",
        keyed_to=own_bytes(arrival.digest),
        letters=(*facts, reply),
        writes=(inbox_put(arrival, reply, case.now),),
    )


def known(case: Case, arrival: Arrival) -> Outcome:
    """A fact that the broker delivers again: what follows from it is there."""
    return Outcome(case.index, arrival, "duplicate", unattributed(case.now))


def handled(case: Case, arrival: Arrival) -> Outcome:
    """Do what follows from a fact, or a portion of it; of what nothing follows nothing is kept.

    Of the last portion it is kept that it was the last, though nothing followed from it alone.
    """
    handler = case.rulebook.handlers[arrival.type]
    context = case.rulebook.context(arrival, sender_of(arrival.user, case.view), case.now)
    done: Handled = handler.function(arrival.message, case.view, context)
    if done.is_nothing and arrival.delivery.cursor is None:
        return Outcome(case.index, arrival, "idle", unattributed(case.now))
    # Of each portion its own: otherwise a later one's would be taken for those of the first.
    place = f"{context.cursor}/" if context.cursor is not None else ""
    facts = (Letter.domain(e, f"{place}{n}", arrival, context) for n, e in enumerate(done.events))
    told = (
        *facts,
        *(Letter.personal(one, arrival.delivery.trace) for one in done.told),
        *map(Letter.resent, done.resent),
    )
    if done.cursor is None:
        last, kind = inbox_fact(arrival, case.now), _HANDLED
    else:
        keys, going = touched((), arrival), replace(arrival.delivery, cursor=done.cursor)
        last, kind = case.parking.go_on(case.index, going, keys, case.now, done.pause), _CONTINUED
    return Outcome(
        case.index, arrival, kind, done.keyed_to, told, (*done.writes, last), guards=done.guards
    )


def repeated(case: Case, arrival: Arrival, remembered: Mapping[str, Any]) -> Outcome:
    """Same bytes: the same answer. Other bytes: the id is taken, and the inbox stays as it is."""
    if remembered["digest"] == arrival.digest:
        if remembered["reply"].value is not None:
            again = Letter.again(arrival, remembered["type"], remembered["reply"].value)
            return Outcome(case.index, arrival, "duplicate", unattributed(case.now), (again,))
        return _not_again(
            case,
            arrival,
            remembered,
            rule="message.erased",
            expected="a command whose answer is still kept",
            advice="Its data was erased on request; send a new command if the wish still stands.",
        )
    return _not_again(
        case,
        arrival,
        remembered,
        rule="message.id-reused",
        expected="an id that you have not used before, or the same bytes as then",
        advice="Give every new command an id of its own, such as a UUID.",
    )


def _not_again(
    case: Case,
    arrival: Arrival,
    remembered: Mapping[str, Any],
    *,
    rule: str,
    expected: str,
    advice: str,
) -> Outcome:
    """Reject a command under an id that was decided, without touching what is remembered of it.

    Nothing is remembered of this answer either: it is dated as the id was taken, so that it is the
    same however often it is given.
    """
    decision = reject(
        Finding(rule=rule, field="id", expected=expected, got=arrival.id, advice=advice)
    )
    context = case.rulebook.context(arrival, None, remembered["at"])
    letter = letters.rejected(arrival, decision, context)
    return Outcome(case.index, arrival, "reused", unattributed(case.now), (letter,))


def refused(case: Case, refusal: Refusal) -> Outcome:
    """Tell the sender, where there is one to be trusted, what could not be read or attributed."""
    letter = Letter.refusal(refusal, case.rulebook.identity, case.now)
    writes: tuple[Put, ...] = ()
    if refusal.dead:
        writes = dead_puts(case, Failure.of_refusal(refusal))
    told = (*((letter,) if letter is not None else ()), *_stopped(refusal, writes, case))
    keyed_to = keeper(refusal, case.now)
    return Outcome(case.index, refusal, "refused", keyed_to, told, writes)


def _stopped(refusal: Refusal, writes: tuple[Put, ...], case: Case) -> Iterator[Letter]:
    """What died of the delivery limit for the first time is replayed by itself, once."""
    for put in writes:
        if refusal.reason == "delivery-limit" and put.collection == LETTERS and put.was is None:
            key = put.document["_id"]
            told = sha256(key.encode()).hexdigest()[:32]
            yield Letter.fact(DeadStopped(id=key), told, case.now)


def behind(case: Case, arrival: Arrival, keys: frozenset[str]) -> Outcome:
    """Wait for a command that came before and touches the same; who waits already stays."""
    place = case.parking
    if place.is_full and arrival.delivery.ticket is None:
        return _no_place(case, arrival)
    put = (
        ()
        if arrival.delivery.ticket
        else (place.put(case.index, arrival, keys, case.now, AT_ONCE),)
    )
    return Outcome(case.index, arrival, "deferred", unattributed(case.now), (), put)


def _no_place(case: Case, arrival: Arrival) -> Outcome:
    """A command's sender is told that it is held; of a fact nobody would know."""
    if arrival.is_fact:
        raise Full(str(TOO_MANY))
    return poisoned(case, TOO_MANY, "exhausted")


def deferred(case: Case, arrival: Arrival, error: Contended) -> Outcome:
    """Try again later, each time after longer; at the end of the ladder an operator looks at it."""
    ticket = arrival.delivery.ticket
    attempt = ticket.attempt if ticket else 0
    if attempt >= len(LADDER):
        return poisoned(case, error, "exhausted")
    if ticket is None and case.parking.is_full:
        return _no_place(case, arrival)
    keys = touched(case.reads(arrival), arrival)
    put = case.parking.put(case.index, arrival, keys, case.now, LADDER[attempt])
    return Outcome(case.index, arrival, "deferred", unattributed(case.now), (), (put,))


def poisoned(
    case: Case,
    error: Exception,
    kind: Literal["poisoned", "exhausted"],
    reason: Literal["poisoned", "exhausted", "unencodable"] | None = None,
) -> Outcome:
    """Keep what failed as a dead letter, and tell the sender that it is held."""
    told: tuple[Letter, ...] = ()
    if isinstance(case.arrival, Arrival) and not case.arrival.is_fact:
        context = case.rulebook.context(case.arrival, None, case.now)
        told = (letters.held(case.arrival, context),)
    elif isinstance(case.arrival, Refusal) and case.fault is not None:
        # It could be told: what failed is that it be kept as it was.
        told = tuple(filter(None, [Letter.refusal(case.arrival, case.rulebook.identity, case.now)]))
    puts = dead_puts(case, Failure.of_error(reason or kind, error, STACK_CHARACTERS_MAX))
    keyed_to = keeper(case.arrival, case.now)
    return Outcome(case.index, case.arrival, kind, keyed_to, told, puts)
