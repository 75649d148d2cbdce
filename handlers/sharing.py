"""Sharing: who may read which groups of a user's data, since when and until when."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from contracts.envelope import Finding
from contracts.messages import Contract
from contracts.sharing import (
    GrantSharing,
    ListSharing,
    RevokeSharing,
    SharedGroup,
    SharingGranted,
    SharingPage,
    SharingRevoked,
    SharingState,
)
from contracts.taxonomy import USER_PREFIX
from contracts.users import ENDED_STATUSES
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Guard,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.edges import READER, RELATIONS, edge, holds, recorded, shared
from handlers.paging import after_of, cursor_of, foreign
from handlers.rights import GRANTABLE
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.timing import SHARING, TIMERS, timer_id, timer_row
from handlers.tying import Tie, ended, is_known, is_over, tie, ties_of, unfit

GRANT: Final = "grant"
INTEREST: Final = "interest"


def _grant_reads(command: GrantSharing, context: Context) -> Reads:
    user = context.sender.user
    yield "users", user
    yield "users", command.party
    yield RELATIONS, edge(user, command.party)
    if command.until is not None:
        yield TIMERS, expiry(user, command.party, command.until)


@reads(_grant_reads)
def grant_sharing(command: GrantSharing, view: View, context: Context) -> Decision:
    """Let another read groups of the sender's record; a group that is granted already is left.

    That the party exists may be read stale.
    Rejects: sharing.party-unknown, sharing.group-unknown, tie.period, tie.too-many
    Source: U6.
    """
    user, party = context.sender.user, command.party
    unknown = (*_unknown_party(command, view, context), *unknown_groups(command.groups))
    if unknown:
        return reject(*unknown)
    was = view.get(RELATIONS, edge(user, party))
    kept, added, findings = ties_of(was), list[Tie](), dict[Finding, None]()
    for group in sorted(set(command.groups)):
        asked = (command.from_time, command.until)
        new = tie(READER, asked, context, group=group, via=GRANT)
        like = [one for one in kept if _is_of(one, GRANT) and one["group"] == group]
        if not is_known(new, like):
            findings |= dict.fromkeys(unfit(new, like, [*kept, *added]))
            added.append(new)
    if findings:
        return reject(*findings)
    if not added:
        return Accepted(user, state_of(user, party, was, context.now), user)
    document = recorded(user, party, [*kept, *added], was)
    event = SharingGranted(
        id=user,
        by=user,
        party=party,
        groups=tuple(one["group"] for one in added),
        from_time=added[0]["from"],
        until=command.until,
    )
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=state_of(user, party, document, context.now),
        writes=(Put(RELATIONS, document, was), *expiring(user, party, command.until, view)),
        events=(event,),
        guards=awaited(user, party, command.until, view),
    )


def _revoke_reads(command: RevokeSharing, context: Context) -> Reads:
    yield RELATIONS, edge(context.sender.user, command.party)


@reads(_revoke_reads)
def revoke_sharing(command: RevokeSharing, view: View, context: Context) -> Decision:
    """End what a party may read, however it came to be shared.

    Rejects: sharing.none
    Source: U6.
    """
    user, party = context.sender.user, command.party
    was = view.get(RELATIONS, edge(user, party))
    kept = ties_of(was)
    groups = frozenset(command.groups)

    def meant(one: Tie) -> bool:
        return bool(one["as"] == READER and (not groups or one["group"] in groups))

    if not any(map(meant, kept)):
        return _none(party)
    after, moment = ended(kept, meant, command.until, context)
    if after == kept:
        return Accepted(user, state_of(user, party, was, context.now), user)
    document = recorded(user, party, after, was)
    changed = {new["group"] for new, old in zip(after, kept, strict=True) if new != old}
    event = SharingRevoked(
        id=user,
        by=user,
        party=party,
        groups=tuple(sorted(changed)),
        until=moment,
        left=left(document, context.now),
    )
    later = moment if moment > context.now else None
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=state_of(user, party, document, context.now),
        writes=(Put(RELATIONS, document, was), *expiring(user, party, later, view)),
        events=(event,),
        guards=awaited(user, party, later, view),
    )


def _list_reads(query: ListSharing, context: Context) -> Reads:
    yield RELATIONS, _page(query, context)


def _question(query: ListSharing) -> str:
    return f"sharing.list/{query.side}"


def _page(query: ListSharing, context: Context) -> Span:
    """A page of the relations of users: ids of users sort behind those of most assets."""
    after = after_of(query.cursor, _question(query), context) or f"{USER_PREFIX}-"
    return Span("entity" if query.side == "given" else "party", context.sender.user, after)


@reads(_list_reads)
def list_sharing(query: ListSharing, view: View, context: Context) -> Contract | Rejected:
    """Answer with what the asker shares, or with what is shared with it.

    Rejects: cursor.foreign
    Source: U6.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    rows, further = view.page(RELATIONS, _page(query, context))
    states = (state_of(row["entity"], row["party"], row, context.now) for row in rows if _is(row))
    more = further.startswith(f"{USER_PREFIX}-")
    return SharingPage(
        shared=tuple(one for one in states if one.groups),
        cursor=cursor_of(further, question, context) if more else None,
    )


def _is(row: Document) -> bool:
    """Whether it is recorded to a user; of assets nothing is shared."""
    return bool(row["entity"].startswith(f"{USER_PREFIX}-"))


def state_of(user: str, party: str, row: Document | None, now: datetime) -> SharingState:
    """What is shared between two, but for what is over."""
    groups = tuple(
        SharedGroup(group=one["group"], from_time=one["from"], until=one["until"], via=one["via"])
        for one in ties_of(row)
        if one["as"] == READER and not is_over(one, now)
    )
    revision = row["revision"] if row is not None else 0
    return SharingState(id=user, party=party, revision=revision, groups=groups)


def left(row: Document, now: datetime) -> tuple[str, ...]:
    """What a party may still read, for those who are told that something ended."""
    return tuple(sorted(shared(row, now)))


def expiry(user: str, party: str, until: datetime) -> str:
    """Id of the timer of what two users share until a moment."""
    return timer_id(until, edge(user, party))


def expiring(user: str, party: str, until: datetime | None, view: View) -> Iterator[Put]:
    """Set the timer of an end, where there is one and no timer yet."""
    if until is None:
        return
    key = expiry(user, party, until)
    if view.get(TIMERS, key) is None:
        row = {"_id": key, "revision": 1, **timer_row(SHARING, until, user)}
        yield Put(TIMERS, row)


def awaited(user: str, party: str, until: datetime | None, view: View) -> tuple[Guard, ...]:
    """The timer of an end that is there already: it must not go off before this is kept.

    The lane of the notices would find nothing that ends by this decision, and drop it.
    """
    timer = view.get(TIMERS, expiry(user, party, until)) if until is not None else None
    return (Guard(TIMERS, timer),) if timer is not None else ()


def with_interest(
    kept: Sequence[Tie], groups: Iterable[str], until: datetime | None, context: Context
) -> list[Tie]:
    """All ties, of those that go with an interest just these groups until then; no others."""
    wanted = set(groups)

    def is_wanted(one: Tie) -> bool:
        return one["group"] in wanted and bool(one["until"] == until)

    def meant(one: Tie) -> bool:
        return _is_of(one, INTEREST) and not is_wanted(one)

    after, _ = ended(kept, meant, None, context)
    there = {one["group"] for one in after if _is_of(one, INTEREST) and holds(one, context.now)}
    new = (
        tie(READER, (None, until), context, group=group, via=INTEREST)
        for group in sorted(wanted - there)
    )
    return [*after, *new]


def _is_of(one: Tie, via: str) -> bool:
    return bool(one["as"] == READER and one["via"] == via)


def unknown_groups(groups: Iterable[str]) -> Iterator[Finding]:
    """Refuse groups that cannot be shared, or that there are not."""
    for position, group in enumerate(groups):
        if group not in GRANTABLE:
            yield finding(
                "sharing.group-unknown",
                f"groups.{position}",
                expected=f"one of {', '.join(sorted(GRANTABLE))}",
                got=group,
                advice="Take the groups from the column `reader` on the page on rights.",
            )


def _unknown_party(command: GrantSharing, view: View, context: Context) -> Iterator[Finding]:
    known = view.get("users", command.party)
    if command.party == context.sender.user or known is None or known["status"] in ENDED_STATUSES:
        yield finding(
            "sharing.party-unknown",
            "party",
            expected="the id of another registered user",
            got=command.party,
            advice="Check the id; who is to read your data registers first.",
        )


def _none(party: str) -> Rejected:
    return reject(
        finding(
            "sharing.none",
            "party",
            expected="a user with whom you share or shared these groups",
            got=party,
            advice="Ask with `sharing.list.v1` what you share.",
        )
    )
