"""Deciding a batch in order, each command on the state that its predecessors left; pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from contracts.envelope import Finding
from handlers.admission import Arrival, Refusal
from handlers.aliases import merged
from handlers.bookkeeping import history_puts, inbox_put
from handlers.case import Case, Outcome, Rounds, Rulebook
from handlers.conditions import sunset_of, unsigned
from handlers.dead_letters import letter_read, settled
from handlers.decision import Decision, Drop, NotLoadedError, Put, Rejected, View
from handlers.endings import behind, deferred, handled, known, poisoned, refused, rejected, repeated
from handlers.entry import pass_entry, sender_of
from handlers.letters import Letter
from handlers.listing import listing_puts
from handlers.namesakes import USERS
from handlers.neighbours import token_writes
from handlers.parking import COLLECTION, Contended, Full, Parking, Waiting, row_of
from handlers.placing import place_writes
from handlers.referring import decided
from handlers.rules import reject
from handlers.suspecting import ASSETS
from handlers.visibility import reply_to_sender

RowsT = TypeVar("RowsT")
Arrivals = Iterable[tuple[int, Arrival | Refusal]]


@dataclass(frozen=True, slots=True)
class Folded(Generic[RowsT]):
    """Outcomes in order with their rows, or what has to be read first."""

    outcomes: tuple[tuple[Outcome, RowsT], ...]
    missing: frozenset[tuple[str, Any]]
    decided: int
    """How many deliveries come before the first that asked for more."""


class UnstorableError(ValueError):
    """The store cannot hold what a decision wants to write."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"expected storable values, got {[f.field for f in findings]}")
        self.findings = findings


def fold(
    arrivals: Arrivals,
    view: View,
    rulebook: Rulebook,
    now: datetime,
    rows: Callable[[Outcome], RowsT],
    *,
    parking: Parking | None = None,
    faults: Mapping[int, Exception] = MappingProxyType({}),
    rounds: Rounds | None = None,
) -> Folded[RowsT]:
    """Decide in order; `rows` turns an outcome into what is stored, and may refuse a value.

    `faults` names deliveries that could not be committed: they are not decided again.
    `parking` says who waits, and `rounds` keeps what was found out from one to the next.
    A fault of one command is its own: it becomes `poisoned`, and its neighbours do not notice.
    """
    done: list[tuple[Outcome, RowsT]] = []
    missing: set[tuple[str, Any]] = set()
    decided = 0
    rounds = Rounds() if rounds is None else rounds
    parking = Parking("", Waiting()) if parking is None else parking
    for index, arrival in arrivals:
        fault = faults.get(index)
        case = Case(index, arrival, view, rulebook, now, fault, parking, rounds.asked)
        # Who waits decides as well, and is not looked at by its id.
        alone = parking.is_empty
        try:
            known = rounds.outcome(index, view) if alone else None
            view.begin()
            outcome, written = _guarded(case, rows, known)
            if alone and known is None:
                rounds.keep(index, view, outcome)
        except NotLoadedError as wanted:
            missing |= wanted.keys
            continue
        view.apply(outcome.writes)
        parking.apply(outcome.writes)
        done.append((outcome, written))
        decided += not missing
    return Folded(tuple(done), frozenset(missing), decided)


def _guarded(
    case: Case, rows: Callable[[Outcome], RowsT], known: Outcome | None
) -> tuple[Outcome, RowsT]:
    """The outcome with its rows, decided unless it is known; a fault is the outcome too."""
    try:
        if known is not None:
            return known, rows(known)
        outcome = _outcome(case)
        try:
            return _closed(case, outcome, rows)
        except UnstorableError as error:
            if isinstance(case.arrival, Refusal):
                raise
            if case.arrival.is_fact:
                raise
            outcome = rejected(case, case.arrival, reject(*error.findings))
            return _closed(case, outcome, rows)
    except (NotLoadedError, Full):
        raise
    except Exception as error:  # noqa: BLE001  one of two in the hot path: a bug costs one message
        # What could not be committed is known by being a fault already.
        refused_it = error is case.fault or isinstance(error, UnstorableError)
        outcome = poisoned(case, error, "poisoned", "unencodable" if refused_it else "poisoned")
        return _closed(case, outcome, rows)


def _closed(
    case: Case, outcome: Outcome, rows: Callable[[Outcome], RowsT]
) -> tuple[Outcome, RowsT]:
    """The outcome with its rows; a command that had waited gives up its place with it.

    Here and not in a handler, so that none can change a user and forget the directory, or an asset
    and forget its place.
    """
    if listed := (*_listed(case, outcome), *settled(case, outcome)):
        outcome = replace(outcome, writes=(*outcome.writes, *listed))
    ticket = case.arrival.delivery.ticket
    if ticket is not None and outcome.kind not in {"deferred", "continued"}:
        left = Drop(COLLECTION, row_of(ticket))
        outcome = replace(outcome, writes=(*outcome.writes, left))
    return outcome, rows(outcome)


def _listed(case: Case, outcome: Outcome) -> Iterable[Put | Drop]:
    identity = case.rulebook.identity
    yield from listing_puts(outcome.writes, case.view, identity, case.now)
    yield from place_writes(outcome.writes, case.view, identity)
    yield from token_writes(outcome.writes, ASSETS, case.view, identity, case.now)
    yield from token_writes(outcome.writes, USERS, case.view, identity, case.now)


def _outcome(case: Case) -> Outcome:
    if isinstance(case.arrival, Refusal):
        if case.fault is not None:
            raise case.fault
        return refused(case, case.arrival)
    arrival = case.arrival
    if isinstance(case.fault, Contended):
        return deferred(case, arrival, case.fault)
    if case.fault is not None:
        raise case.fault
    handler = case.rulebook.handlers[arrival.type]
    inbox = ("inbox", (arrival.user, arrival.id))
    # Before it is asked who waits: those behind others want their documents in the same round.
    case.view.require((inbox, *letter_read(arrival.delivery), *case.reads(arrival)))
    if not case.parking.is_empty:
        keys = case.parking.touched_by(case.reads(arrival), arrival)
        if case.parking.blocks(keys, arrival.delivery.ticket):
            return behind(case, arrival, keys)
    remembered = case.view.get(*inbox)
    if arrival.is_fact:
        return known(case, arrival) if remembered is not None else handled(case, arrival)
    if remembered is not None:
        return repeated(case, arrival, remembered)
    sender = sender_of(arrival.user, case.view)
    sunset = sunset_of(handler, case.view)
    context = case.rulebook.context(arrival, sender, case.now, sunset=sunset)
    decision: Decision = (
        pass_entry(arrival, sender, handler, case.now)
        or unsigned(arrival, handler, case.view, context)
        or merged(arrival, handler, case.reads(arrival), case.view, context)
        or decided(arrival, handler, case.view, context)
    )
    if isinstance(decision, Rejected):
        return rejected(case, arrival, decision, context)
    visible = reply_to_sender(arrival.user, decision.reply)
    reply = Letter.answer(arrival, "accepted", visible, context)
    trace = arrival.delivery.trace
    events = [Letter.domain(e, n, arrival, context) for n, e in enumerate(decision.events)]
    return Outcome(
        index=case.index,
        arrival=arrival,
        kind="accepted",
        keyed_to=decision.keyed_to,
        letters=(*events, *(Letter.personal(one, trace) for one in decision.told), reply),
        writes=(
            *decision.writes,
            *history_puts(decision, arrival, case.now),
            inbox_put(arrival, reply, case.now),
        ),
        guards=decision.guards,
        erases=decision.erases,
    )
