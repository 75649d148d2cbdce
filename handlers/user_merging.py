"""Two users who are one: the one is an alias of the other from then on, and sends nothing more."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from contracts.envelope import Finding
from contracts.merging import MergeRecords, MergeState, SplitRecords, UserAbsorbed, UserMerged
from contracts.messages import Event, register_of_entity
from handlers.aliases import KNOWN
from handlers.claiming import claim_keys
from handlers.conditions import signature_of, signed_version
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Drop,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.duplicates import CASES, case_id
from handlers.edges import RELATIONS, edge
from handlers.groups import opened
from handlers.merging import MERGES, case_of, merge_finding, recorded_merge
from handlers.rules import reject
from handlers.spans import Span
from handlers.tying import is_over, ties_of
from handlers.uniting import called, held_by, names_of, parties_of
from handlers.user_rules import user_not_found
from handlers.visibility import TAKING_PART, named

USER_ALIASES_MAX: Final = 10
"""How many aliases one user may have."""
WAS: Final = ("status", "status_at")
"""What an alias was before, as the record of the merge keeps it."""
_BEFORE_AGREEMENTS: Final = "`"
"""Behind what sorts after every user and asset: agreements alone are named in small letters."""


def signed_by(user: str) -> tuple[str, Span]:
    """What a user has signed, or is anything to besides users and assets."""
    return RELATIONS, Span("party", user, _BEFORE_AGREEMENTS)


def user_reads(command: MergeRecords | SplitRecords, context: Context) -> Reads:
    """The two users, what they are called and have signed, and what is known of the two."""
    for one in (command.id, command.other):
        yield "users", one
    yield names_of(command.other)
    yield parties_of(command.other)
    yield signed_by(command.other)
    yield MERGES, command.other
    yield CASES, case_id(command.id, command.other, context.identity)


def merge_users(command: MergeRecords, view: View, context: Context) -> Decision:
    """Make one an alias of the other, whose identifiers and external ids are the survivor's.

    Each is written under its own data key, and so are the external ids, which may go back: what is
    the other's is under no key but its own, wherever it is kept.
    Source: duplicates are merged and unmerged, BUC.2.
    """
    survivor, other = view.get("users", command.id), view.get("users", command.other)
    if survivor is None or other is None:
        return nobody(command, survivor)
    if other.get("merged_into") == command.id:
        return accepted(command, (survivor, other))
    if findings := tuple(_unfit(command, survivor, other, view, context)):
        return reject(*findings)
    return _merge(command, (survivor, other), view, context)


def nobody(command: MergeRecords | SplitRecords, survivor: Document | None) -> Rejected:
    """The answer where one of the two is not there."""
    if survivor is None:
        return user_not_found(command.id)
    return user_not_found(command.other, "other")


def _merge(
    command: MergeRecords, found: tuple[Document, Document], view: View, context: Context
) -> Accepted:
    survivor, other = found
    was, record = view.get(MERGES, command.other), opened(other)
    keys = list(claim_keys(record, context))
    view.require(keys)
    rows = (view.get(*key) for key in keys)
    held = [row for row in rows if row is not None and row["holder"] == command.other]
    # What was erased has no name any more that could be sealed anew.
    links = [r for r in view.page(*names_of(command.other))[0] if r["value"].value is not None]
    after = {
        **survivor,
        "revision": survivor["revision"] + 1,
        "aliases": sorted([*survivor.get("aliases", ()), command.other]),
    }
    alias = _alias(other, command.id, view, context)
    kept = recorded_merge(
        command,
        was,
        context,
        was={name: other[name] for name in WAS},
        links=[row["_id"] for row in links],
        claims=[row["_id"] for row in held],
    )
    closing, decided = case_of(command, "merged", view, context)
    return accepted(
        command,
        (after, alias),
        writes=(
            Put("users", after, survivor),
            Put("users", alias, other, command.other),
            Put(MERGES, kept, was),
            *called(links, command.id, command.other),
            *(held_by(after, row) for row in held),
            *closing,
        ),
        events=(*_merged(after, alias, context), *decided),
    )


def _alias(other: Document, survivor: str, view: View, context: Context) -> dict[str, Any]:
    """The record as it is, under its own key: out of the market, and known to whom it was."""
    rows, _ = view.page(*parties_of(other["_id"]))
    ties = {r["party"] for r in rows if any(not is_over(t, context.now) for t in ties_of(r))}
    return {
        **other,
        "revision": other["revision"] + 1,
        "status": "retired",
        "status_at": context.now,
        "merged_into": survivor,
        "merged_at": context.now,
        KNOWN: sorted({other["_id"], *ties, *named(other).values()}),
    }


def _unfit(
    command: MergeRecords, survivor: Document, other: Document, view: View, context: Context
) -> Iterator[Finding]:
    if command.id == command.other:
        yield merge_finding("merge.same", "another user than the survivor", command.other)
        return
    for field, one in (("id", survivor), ("other", other)):
        if one["status"] not in TAKING_PART:
            yield merge_finding(
                "merge.unfit", "a user who is provisional or confirmed", one["status"], field
            )
    if survivor["kind"] != other["kind"]:
        yield merge_finding("merge.unfit", f"a user of the kind {survivor['kind']}", other["kind"])
    if (survivor["status"], other["status"]) == ("provisional", "confirmed"):
        wanted = "a survivor who is confirmed, as the other is"
        yield merge_finding("merge.unfit", wanted, survivor["status"], "id")
    if other.get("aliases"):
        wanted = "a user without aliases; name it as the survivor"
        yield merge_finding("merge.unfit", wanted, "aliases")
    yield from _without_the_rights(survivor, other)
    yield from _unsigned(command.id, view.page(*signed_by(command.other))[0], view, context)
    pages = (view.page(*of(command.other)) for of in (parties_of, names_of, signed_by))
    is_full = len(survivor.get("aliases", ())) >= USER_ALIASES_MAX
    if is_full or any(further for _, further in pages):
        wanted = "a user with fewer parties, names, signatures or aliases than the limits"
        yield merge_finding("merge.too-many", wanted, command.other)


def _without_the_rights(survivor: Document, other: Document) -> Iterator[Finding]:
    """Roles are granted, and not inherited."""
    for name in ("roles", "sub_roles"):
        if missing := sorted(set(other.get(name, ())) - set(survivor.get(name, ()))):
            yield merge_finding(
                "merge.roles",
                "a survivor with every role and sub-role of the other",
                ", ".join(missing),
                "id",
            )


def _unsigned(
    survivor: str, rows: Sequence[Document], view: View, context: Context
) -> Iterator[Finding]:
    """A signature is somebody's own act: the survivor gives its own before."""
    signed = {
        row["entity"]: held["version"]
        for row in rows
        if register_of_entity(row["entity"]) == "agreements"
        and (held := signature_of(row, context.now)) is not None
    }
    view.require((RELATIONS, edge(name, survivor)) for name in signed)
    for name, version in sorted(signed.items()):
        if signed_version(view.get(RELATIONS, edge(name, survivor)), context.now) < version:
            yield merge_finding(
                "merge.agreements", f"a survivor who has signed version {version}", name, "id"
            )


def _merged(after: Document, alias: Document, context: Context) -> Iterator[Event]:
    by = context.sender.user
    yield UserMerged(
        id=alias["_id"],
        revision=alias["revision"],
        by=by,
        parties=named(alias) or None,
        into=after["_id"],
    )
    yield UserAbsorbed(
        id=after["_id"],
        revision=after["revision"],
        by=by,
        parties=named(after) or None,
        absorbed=alias["_id"],
    )


def accepted(
    command: MergeRecords | SplitRecords,
    pair: tuple[Document, Document],
    *,
    writes: tuple[Put | Drop, ...] = (),
    events: tuple[Event, ...] = (),
) -> Accepted:
    """The answer about two users, the survivor and the other as they are then."""
    survivor, other = pair
    state = MergeState(
        id=command.id,
        revision=survivor["revision"],
        other=command.other,
        other_revision=other["revision"],
    )
    return Accepted(command.id, state, command.id, writes, events)
