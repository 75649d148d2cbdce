"""Erasure: what of a user is destroyed in the commit itself, and what is gone through afterwards.

Its data key goes with the commit, and with it all that is sealed under it, wherever that is.
What is kept in plain goes too: at once from the record and the claims, page by page from the rest.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from contracts.erasing import EraseUser, ErasureState, UserEraseAsked
from contracts.users import ENDED_STATUSES
from handlers.absorbed import aliases_of, released_by_aliases
from handlers.bookkeeping import unattributed
from handlers.changing import CHANGES
from handlers.claiming import claim_keys, released
from handlers.decision import Accepted, Context, Decision, Document, Drop, Put, Reads, View
from handlers.groups import opened
from handlers.leaving import lingering
from handlers.merging import MERGES
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.user_rules import user_not_found, user_not_yours
from handlers.visibility import seen, standing_reads

ERASURES: Final = "erasures"
"""Collection: a document for each user who was erased: who asked, when, and how far it is."""
REMAINS: Final = frozenset(
    {
        "_id", "revision", "kind", "status", "status_at", "roles", "sub_roles",
        "roles_requested", "rejection", "registrant", "registered_at", "erased_at", "erased_by",
    }
)  # fmt: skip
"""What remains of a user's record and of its history; a group that is not here goes."""


def _erase_reads(command: EraseUser, context: Context) -> Reads:
    yield from standing_reads("users", command.id, context.sender.user)
    yield ERASURES, command.id
    yield CHANGES, command.id


@reads(_erase_reads)
def erase_user(command: EraseUser, view: View, context: Context) -> Decision:
    """Destroy the data of a user who has left, and have the rest of it gone through.

    Its aliases are the same user: their data goes with it, and is gone through like its own.

    Rejects: user.not-found, user.not-yours, user.confirm-id, user.not-retired
    Source: the right to erasure.
    """
    found = seen("users", command.id, view, context)
    if found is None:
        return user_not_found(command.id)
    user, standing = found
    if not standing.held & {"self", "operator"}:
        return user_not_yours(command.id)
    if findings := tuple(_unfit(command, user)):
        return reject(*findings)
    was = view.get(ERASURES, command.id)
    if was is not None and was["state"] == "done":
        return _accepted(user, was, context)
    record = _record(command.id, was, context)
    if was is not None:
        return _accepted(user, record, context, (Put(ERASURES, record, was),), (record,))
    aliases = aliases_of(user)
    view.require((name, one) for one in aliases for name in ("users", MERGES, CHANGES))
    others = [row for one in aliases if (row := view.get("users", one)) is not None]
    records = [record, *(_record(one["_id"], None, context) for one in others)]
    after = _emptied(user, context)
    writes: tuple[Put | Drop, ...] = (
        *(Put(ERASURES, one) for one in records),
        Put("users", after, user),
        *_drops(user, view, context),
        *(Put("users", _emptied(one, context), one) for one in others),
        *_drops_of_aliases(aliases, view),
        *(lingering(user, view, context) if "self" in standing.held else ()),
    )
    return _accepted(after, record, context, writes, records)


def _record(user: str, was: Document | None, context: Context) -> dict[str, Any]:
    return {
        "_id": user,
        "revision": was["revision"] + 1 if was is not None else 1,
        "run": was["run"] + 1 if was is not None else 1,
        "state": "running",
        "by": was["by"] if was is not None else context.sender.user,
        "at": was["at"] if was is not None else context.now,
    }


def _emptied(user: Document, context: Context) -> dict[str, Any]:
    return {
        **{name: value for name, value in user.items() if name in REMAINS},
        "revision": user["revision"] + 1,
        "erased_at": context.now,
        "erased_by": context.sender.user,
    }


def tombstone(row: Document, at: datetime) -> dict[str, Any]:
    """A row of history without values: who changed which groups, and when."""
    values = row["values"]
    return {
        **row,
        "values": {name: value for name, value in values.items() if name in REMAINS},
        "erased": sorted({*row.get("erased", ()), *(values.keys() - REMAINS)}),
        "erased_at": at,
    }


def _drops(user: Document, view: View, context: Context) -> Iterator[Drop]:
    """What it claims, which may be claimed anew, and what it has changed of what it shares."""
    record = opened(user)
    view.require(claim_keys(record, context))
    own = tuple(released(record, view, context))
    yield from own
    yield from (one for one in released_by_aliases(user, view) if one not in own)
    changes = view.get(CHANGES, user["_id"])
    if changes is not None:
        yield Drop(CHANGES, changes)


def _drops_of_aliases(aliases: Sequence[str], view: View) -> Iterator[Drop]:
    """That they were merged, and what they have changed of what they shared."""
    for name in (MERGES, CHANGES):
        rows = (view.get(name, one) for one in aliases)
        yield from (Drop(name, row) for row in rows if row is not None)


def _accepted(
    user: Document,
    record: Document,
    context: Context,
    writes: tuple[Put | Drop, ...] = (),
    records: Sequence[Document] = (),
) -> Accepted:
    """The answer; `records` are the erasures that are asked for with it."""
    state: Any = record["state"]
    sender, itself = context.sender.user, user["_id"]
    return Accepted(
        subject=itself,
        # What is said of it now must outlast its key.
        keyed_to=sender if sender != itself else unattributed(context.now),
        reply=ErasureState(
            id=itself,
            status=user["status"],
            revision=user["revision"],
            erased_at=record["at"],
            state=state,
        ),
        writes=writes,
        events=tuple(UserEraseAsked(id=r["_id"], by=sender, run=r["run"]) for r in records),
        erases=tuple(r["_id"] for r in records),
    )


def _unfit(command: EraseUser, user: Document) -> Iterator[Any]:
    if command.confirm_id != command.id:
        yield finding(
            "user.confirm-id",
            "confirm_id",
            expected="the id of the user who is to be erased, once more",
            got=command.confirm_id,
            advice="Compare the two ids; there is no way back.",
        )
    if user["status"] not in ENDED_STATUSES:
        yield finding(
            "user.not-retired",
            "id",
            expected="a user who is retired or was rejected",
            got=user["status"],
            advice="Retire the user first.",
        )
