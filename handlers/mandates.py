"""Mandates: who may act for a user, and who may no more."""

from datetime import datetime
from typing import Final

from contracts.mandates import (
    EndMandate,
    GiveMandate,
    Mandate,
    MandateEnded,
    MandateGiven,
    MandateState,
)
from contracts.messages import Contract
from contracts.users import ENDED_STATUSES
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.tying import Tie, ended, is_known, is_over, tie, ties_of, unfit
from handlers.visibility import named

DELEGATE: Final = "delegate"


def _give_reads(command: GiveMandate, context: Context) -> Reads:
    yield "users", context.sender.user
    yield "users", command.delegate
    yield RELATIONS, edge(context.sender.user, command.delegate)


@reads(_give_reads)
def give_mandate(command: GiveMandate, view: View, context: Context) -> Decision:
    """Let another act for the sender; what it may do provisionally is confirmed by it.

    Where the mandate begins, a provisional one ends. That the delegate exists may be read stale.
    Rejects: mandate.party-unknown, tie.period, tie.too-many
    Source: U1, A1a.
    """
    user, delegate = context.sender.user, command.delegate
    known = view.get("users", delegate)
    if delegate == user or known is None or known["status"] in ENDED_STATUSES:
        return reject(
            finding(
                "mandate.party-unknown",
                "delegate",
                expected="the id of another registered user",
                got=delegate,
                advice="Check the id; a delegate registers before it can act for you.",
            )
        )
    was = view.get(RELATIONS, edge(user, delegate))
    kept = ties_of(was)
    new = tie(DELEGATE, (command.from_time, command.until), context)
    given = [one for one in kept if _is_mandate(one) and not _is_provisional(one)]
    if is_known(new, given):
        return Accepted(user, _state(user, delegate, was, context.now), user)
    if findings := tuple(unfit(new, given, kept)):
        return reject(*findings)
    before, _ = ended(kept, _is_provisional, new["from"], context)
    document = recorded(user, delegate, [*before, new], was)
    event = MandateGiven(
        id=user,
        by=user,
        parties=named(view.get("users", user) or {}) or None,
        delegate=delegate,
        from_time=new["from"],
        until=new["until"],
    )
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=_state(user, delegate, document, context.now),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


def _sides(command: EndMandate, context: Context) -> tuple[str, str]:
    """The user for whom is acted, and its delegate: the one that is not named is the sender."""
    return command.user or context.sender.user, command.delegate or context.sender.user


def _end_reads(command: EndMandate, context: Context) -> Reads:
    user, delegate = _sides(command, context)
    yield "users", user
    yield RELATIONS, edge(user, delegate)


@reads(_end_reads)
def end_mandate(command: EndMandate, view: View, context: Context) -> Decision:
    """End what a delegate may do for a user, at the wish of either of them.

    Rejects: mandate.none
    Source: U1, A1a.
    """
    user, delegate = _sides(command, context)
    was = view.get(RELATIONS, edge(user, delegate))
    kept = ties_of(was)
    if not any(map(_is_mandate, kept)):
        return reject(
            finding(
                "mandate.none",
                "user" if command.user is not None else "delegate",
                expected="a user between whom and you there is or was a mandate of this direction",
                got=command.user or command.delegate,
                advice="Give `delegate` to end what you gave, `user` to give back what you have.",
            )
        )
    after, moment = ended(kept, _is_mandate, command.until, context)
    if after == kept:
        return Accepted(user, _state(user, delegate, was, context.now), user)
    document = recorded(user, delegate, after, was)
    event = MandateEnded(
        id=user,
        by=context.sender.user,
        parties=named(view.get("users", user) or {}) or None,
        delegate=delegate,
        until=moment,
    )
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=_state(user, delegate, document, context.now),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


def _is_mandate(one: Tie) -> bool:
    return bool(one["as"] == DELEGATE)


def _is_provisional(one: Tie) -> bool:
    return _is_mandate(one) and bool(one.get("provisional", False))


def _state(user: str, delegate: str, row: Document | None, now: datetime) -> Contract:
    mandates = tuple(
        Mandate(
            from_time=one["from"],
            until=one["until"],
            provisional=_is_provisional(one),
        )
        for one in ties_of(row)
        if _is_mandate(one) and not is_over(one, now)
    )
    revision = row["revision"] if row is not None else 0
    return MandateState(id=user, delegate=delegate, revision=revision, mandates=mandates)
