"""Deciding a batch in order, each command on the state that its predecessors left; pure."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from contracts.envelope import Finding
from handlers import letters
from handlers.admission import Arrival, Refusal
from handlers.bookkeeping import dead_letter_put, history_puts, inbox_put, unattributed
from handlers.decision import (
    RESERVED,
    Context,
    Decision,
    Drop,
    Guard,
    Issuer,
    NotLoadedError,
    Put,
    Rejected,
    Sender,
    View,
)
from handlers.entry import pass_entry, sender_of
from handlers.letters import Letter
from handlers.rules import reject
from handlers.signature import Handler
from handlers.visibility import reply_to_sender

STACK_CHARACTERS_MAX: Final = 4096

RowsT = TypeVar("RowsT")
Kind = Literal["accepted", "rejected", "duplicate", "reused", "refused", "poisoned"]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What a mailbox decides by: its handlers, and where its ids come from."""

    handlers: Mapping[str, Handler]
    identity: Issuer

    def context(
        self, arrival: Arrival, sender: Sender | None, now: datetime, *, dry_run: bool = False
    ) -> Context:
        """The context of one decision."""
        known = sender or Sender(arrival.user, frozenset(), "unknown")
        on_behalf_of = arrival.header.onbehalfof if arrival.header else None
        return Context(now, known, arrival.id, self.identity, on_behalf_of, dry_run)

    def reads(self, arrival: Arrival, now: datetime) -> Iterator[tuple[str, Any]]:
        """What a request is known to look at: its sender, and what its handler names."""
        if arrival.user not in RESERVED:
            yield "users", arrival.user
        if arrival.message is not None:
            context = self.context(arrival, None, now)
            yield from self.handlers[arrival.type].reads(arrival.message, context)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery: what is said and what is written, all or nothing."""

    index: int
    arrival: Arrival | Refusal
    kind: Kind
    keyed_to: str
    """The user (or the month) under whose data key everything of it is kept."""
    letters: tuple[Letter, ...] = ()
    writes: tuple[Put | Drop, ...] = ()
    guards: tuple[Guard, ...] = ()


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
    arrivals: Iterable[tuple[int, Arrival | Refusal]],
    view: View,
    rulebook: Rulebook,
    now: datetime,
    rows: Callable[[Outcome], RowsT],
    *,
    faults: Mapping[int, Exception] = MappingProxyType({}),
) -> Folded[RowsT]:
    """Decide in order; `rows` turns an outcome into what is stored, and may refuse a value.

    `faults` names deliveries whose rows the store has refused: they are poisoned without asking.

    A fault of one command is its own: it becomes `poisoned`, and its neighbours do not notice.
    """
    done: list[tuple[Outcome, RowsT]] = []
    missing: set[tuple[str, Any]] = set()
    decided = 0
    for index, arrival in arrivals:
        try:
            outcome, written = _guarded(
                _Case(index, arrival, view, rulebook, now, faults.get(index)), rows
            )
        except NotLoadedError as wanted:
            missing |= wanted.keys
            continue
        view.apply(outcome.writes)
        done.append((outcome, written))
        decided += not missing
    return Folded(tuple(done), frozenset(missing), decided)


@dataclass(frozen=True, slots=True)
class _Case:
    """One delivery with everything that decides it."""

    index: int
    arrival: Arrival | Refusal
    view: View
    rulebook: Rulebook
    now: datetime
    fault: Exception | None


def _guarded(case: _Case, rows: Callable[[Outcome], RowsT]) -> tuple[Outcome, RowsT]:
    try:
        outcome = _outcome(case)
        try:
            return outcome, rows(outcome)
        except UnstorableError as error:
            if isinstance(case.arrival, Refusal):
                raise
            outcome = _rejected(case, case.arrival, reject(*error.findings))
            return outcome, rows(outcome)
    except NotLoadedError:
        raise
    except Exception as error:  # noqa: BLE001  one of two in the hot path: a bug costs one message
        outcome = _poisoned(case, error)
        return outcome, rows(outcome)


def _outcome(case: _Case) -> Outcome:
    if case.fault is not None:
        raise case.fault
    if isinstance(case.arrival, Refusal):
        return _refused(case, case.arrival)
    arrival = case.arrival
    handler = case.rulebook.handlers[arrival.type]
    inbox = ("inbox", (arrival.user, arrival.id))
    case.view.require((inbox, *case.rulebook.reads(arrival, case.now)))
    remembered = case.view.get(*inbox)
    if remembered is not None:
        return _repeated(case, arrival, remembered)
    sender = sender_of(arrival.user, case.view)
    context = case.rulebook.context(arrival, sender, case.now)
    decision: Decision = pass_entry(arrival, sender, handler, case.now) or handler.function(
        arrival.message, case.view, context
    )
    if isinstance(decision, Rejected):
        return _rejected(case, arrival, decision)
    visible = reply_to_sender(arrival.user, decision.reply)
    reply = Letter.answer(arrival, "accepted", visible, context)
    events = [Letter.domain(e, n, arrival, context) for n, e in enumerate(decision.events)]
    return Outcome(
        index=case.index,
        arrival=arrival,
        kind="accepted",
        keyed_to=decision.keyed_to,
        letters=(*events, reply),
        writes=(
            *decision.writes,
            *history_puts(decision, arrival, case.now),
            inbox_put(arrival, reply, case.now),
        ),
        guards=decision.guards,
    )


def _rejected(case: _Case, arrival: Arrival, decision: Rejected) -> Outcome:
    context = case.rulebook.context(arrival, None, case.now)
    reply = letters.rejected(arrival, decision, context)
    return Outcome(
        index=case.index,
        arrival=arrival,
        kind="rejected",
        keyed_to=unattributed(case.now),
        letters=(reply,),
        writes=(inbox_put(arrival, reply, case.now),),
    )


def _repeated(case: _Case, arrival: Arrival, remembered: Mapping[str, Any]) -> Outcome:
    """Same bytes: the same answer. Other bytes: the id is taken, and the inbox stays as it is."""
    if remembered["reply"].value is None:
        return _not_again(
            case,
            arrival,
            rule="message.erased",
            expected="a command whose answer is still kept",
            advice="Its data was erased on request; send a new command if the wish still stands.",
        )
    if remembered["digest"] == arrival.digest:
        again = Letter.again(arrival, remembered["type"], remembered["reply"].value)
        return Outcome(case.index, arrival, "duplicate", unattributed(case.now), (again,))
    return _not_again(
        case,
        arrival,
        rule="message.id-reused",
        expected="an id that you have not used before, or the same bytes as then",
        advice="Give every new command an id of its own, such as a UUID.",
    )


def _not_again(case: _Case, arrival: Arrival, *, rule: str, expected: str, advice: str) -> Outcome:
    """Reject a command under an id that was decided, without touching what is remembered of it."""
    decision = reject(
        Finding(rule=rule, field="id", expected=expected, got=arrival.id, advice=advice)
    )
    letter = letters.rejected(arrival, decision, case.rulebook.context(arrival, None, case.now))
    return Outcome(case.index, arrival, "reused", unattributed(case.now), (letter,))


def _refused(case: _Case, refusal: Refusal) -> Outcome:
    letter = Letter.refusal(refusal, case.rulebook.identity, case.now)
    writes: tuple[Put, ...] = ()
    if refusal.dead:
        fault = refusal.finding.model_dump()
        writes = (dead_letter_put(refusal, refusal.reason, fault, case.view, case.now),)
    told = (letter,) if letter is not None else ()
    return Outcome(case.index, refusal, "refused", unattributed(case.now), told, writes)


def _poisoned(case: _Case, error: Exception) -> Outcome:
    stack = "".join(traceback.format_exception(error))[-STACK_CHARACTERS_MAX:]
    message = str(error)[:STACK_CHARACTERS_MAX]
    fault = {"type": type(error).__qualname__, "message": message, "stack": stack}
    storable = {name: text.encode(errors="replace").decode() for name, text in fault.items()}
    told: tuple[Letter, ...] = ()
    if isinstance(case.arrival, Arrival):
        context = case.rulebook.context(case.arrival, None, case.now)
        told = (letters.held(case.arrival, context),)
    put = dead_letter_put(case.arrival, "poisoned", storable, case.view, case.now)
    return Outcome(case.index, case.arrival, "poisoned", unattributed(case.now), told, (put,))
