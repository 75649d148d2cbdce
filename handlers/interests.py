"""Interest: what a provider says to the operators of markets and systems, and what they answer."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.interests import (
    ASKED,
    ExpressInterest,
    InterestExpressed,
    Interests,
    InterestState,
    InterestWithdrawn,
    WithdrawInterest,
)
from contracts.users import ENDED_STATUSES
from handlers.channels import CHANNELS, channel
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Guard,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.documents import said_by
from handlers.edges import RELATIONS, edge, recorded
from handlers.rules import finding, reject
from handlers.sharing import awaited, expiring, expiry, left, unknown_groups, with_interest
from handlers.signature import reads
from handlers.timing import TIMERS
from handlers.tying import TIES_MAX, ties_of

INTERESTS: Final = "interests"
"""Collection: one document for who is interested and who is addressed."""
SAID: Final = ("services", "areas", "note", "groups", "until")
"""What an interest says."""


def _reads_of(user: str, to: str) -> Iterator[tuple[str, Any]]:
    yield "users", to
    yield INTERESTS, edge(user, to)
    yield RELATIONS, edge(user, to)
    yield CHANNELS, channel(user, to)
    yield CHANNELS, channel(to, user)


def _express_reads(command: ExpressInterest, context: Context) -> Reads:
    for to in command.to:
        yield from _reads_of(context.sender.user, to)
        if command.until is not None and command.groups:
            yield TIMERS, expiry(context.sender.user, to, command.until)


@reads(_express_reads)
def express_interest(command: ExpressInterest, view: View, context: Context) -> Decision:
    """Ask each of the addressed for an answer, and share with them what they need for it.

    Whom one may not address is said in the same words as that there is none; that each has its role
    may be read stale.
    Rejects: interest.not-addressable, sharing.group-unknown, tie.period, tie.too-many
    Source: U5, U6.
    """
    user, addressed = context.sender.user, sorted(set(command.to))
    findings = (
        *_not_addressable(command, view, context),
        *unknown_groups(command.groups),
        *_unfit(command, view, context),
    )
    if findings:
        return reject(*findings)
    writes, events, states = list[Put](), list[InterestExpressed](), list[InterestState]()
    for to in addressed:
        was = view.get(INTERESTS, edge(user, to))
        document = _expressed(command, to, was, context)
        if not _is_same(was, document):
            writes += (
                Put(INTERESTS, document, was),
                *_shared(command, to, view, context),
                *_opened(user, to, view, context),
            )
            events.append(_event(document, user))
        states.append(interest_state(document if not _is_same(was, document) else was or document))
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=Interests(id=user, interests=tuple(states)),
        writes=tuple(writes),
        events=tuple(events),
        guards=tuple(g for event in events for g in _awaited(event, view)),
    )


def _expressed(
    command: ExpressInterest, to: str, was: Document | None, context: Context
) -> Document:
    user = context.sender.user
    return {
        "_id": edge(user, to),
        "revision": was["revision"] + 1 if was is not None else 1,
        "user": user,
        "to": to,
        "status": "expressed",
        "services": sorted(set(command.services)),
        "areas": sorted(set(command.areas)),
        "note": Secret(command.note),
        "groups": sorted(set(command.groups)),
        "until": command.until,
        "expressed_at": context.now,
    }


def _is_same(was: Document | None, document: Document) -> bool:
    """Whether it says what it said before, and stands."""
    if was is None or was["status"] == "withdrawn":
        return False
    return all(plain_of(was, name) == plain_of(document, name) for name in SAID)


def plain_of(document: Document, name: str) -> Any:
    """A value of an interest, opened where it is sealed."""
    return said_by(document.get(name))


def _event(document: Document, user: str) -> InterestExpressed:
    return InterestExpressed(
        id=user,
        by=user,
        to=document["to"],
        revision=document["revision"],
        groups=tuple(document["groups"]),
        until=document["until"],
    )


def _shared(command: ExpressInterest, to: str, view: View, context: Context) -> Iterator[Put]:
    """What goes with the interest, as ties that end with it."""
    user = context.sender.user
    was = view.get(RELATIONS, edge(user, to))
    kept = ties_of(was)
    after = with_interest(kept, command.groups, command.until, context)
    if after != kept:
        yield Put(RELATIONS, recorded(user, to, after, was), was)
        yield from expiring(user, to, command.until if command.groups else None, view)


def _awaited(event: InterestExpressed, view: View) -> tuple[Guard, ...]:
    return awaited(event.id, event.to, event.until if event.groups else None, view)


def _opened(user: str, to: str, view: View, context: Context) -> Iterator[Put]:
    """Who expresses interest has addressed the other, who may answer on the channel."""
    names = (channel(user, to), channel(to, user))
    if all(view.get(CHANNELS, name) is None for name in names):
        yield Put(CHANNELS, {"_id": names[0], "revision": 1, "opened_at": context.now})


def _not_addressable(command: ExpressInterest, view: View, context: Context) -> Iterator[Finding]:
    for position, to in enumerate(command.to):
        known = view.get("users", to)
        is_one = (
            known is not None
            and known["status"] not in ENDED_STATUSES
            and ASKED & {*known["roles"]}
        )
        if to == context.sender.user or not is_one:
            yield finding(
                "interest.not-addressable",
                f"to.{position}",
                expected="the id of another user who is an MO or an SO",
                got=to,
                advice="Look the MOs and SOs up in the directory.",
            )


def _unfit(command: ExpressInterest, view: View, context: Context) -> Iterator[Finding]:
    if command.until is not None and command.until <= context.now:
        yield finding(
            "tie.period",
            "until",
            expected="a moment to come",
            got=command.until.isoformat(),
            advice="Give an end that is still to come, or none.",
        )
    for position, to in enumerate(command.to):
        row = view.get(RELATIONS, edge(context.sender.user, to))
        if len(ties_of(row)) + len(command.groups) > TIES_MAX:
            yield finding(
                "tie.too-many",
                f"to.{position}",
                expected=f"at most {TIES_MAX} ties on record between the two, over or not",
                got=len(ties_of(row)),
                advice="Leave the interest as it is, instead of withdrawing it and beginning anew.",
            )


def _withdraw_reads(command: WithdrawInterest, context: Context) -> Reads:
    yield INTERESTS, edge(context.sender.user, command.to)
    yield RELATIONS, edge(context.sender.user, command.to)


@reads(_withdraw_reads)
def withdraw_interest(command: WithdrawInterest, view: View, context: Context) -> Decision:
    """End an interest, and what was shared with it.

    Rejects: interest.none
    Source: U5.
    """
    user, to = context.sender.user, command.to
    was = view.get(INTERESTS, edge(user, to))
    if was is None:
        return no_interest("to", to)
    if was["status"] == "withdrawn":
        return Accepted(user, interest_state(was), user)
    after, writes, event = withdrawal(was, view, context)
    return Accepted(
        subject=user, keyed_to=user, reply=interest_state(after), writes=writes, events=(event,)
    )


def withdrawal(
    was: Document, view: View, context: Context
) -> tuple[Document, tuple[Put, ...], InterestWithdrawn]:
    """An interest as it is when the sender has withdrawn it, what is written, and what is said."""
    user, to = was["user"], was["to"]
    withdrawn = {"status": "withdrawn", "withdrawn_at": context.now}
    after = {**was, **withdrawn, "revision": was["revision"] + 1}
    row = view.get(RELATIONS, edge(user, to))
    kept = ties_of(row)
    ties = with_interest(kept, (), None, context)
    ended = recorded(user, to, ties, row)
    event = InterestWithdrawn(
        id=user,
        by=context.sender.user,
        to=to,
        revision=after["revision"],
        left=left(ended, context.now),
    )
    shared_no_more = (Put(RELATIONS, ended, row),) if ties != kept else ()
    return after, (Put(INTERESTS, after, was), *shared_no_more), event


def no_interest(field: str, got: str) -> Rejected:
    """Refuse what names an interest that there is not between the two."""
    return reject(
        finding(
            "interest.none",
            field,
            expected="a user between whom and you there is an interest of this direction",
            got=got,
            advice="Ask with `interest.list.v1` which ones there are.",
        )
    )


def interest_state(document: Document) -> InterestState:
    """How it stands with an interest."""
    names = ("to", "status", "revision")
    return InterestState(id=document["user"], **{name: document[name] for name in names})
