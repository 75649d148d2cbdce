"""Freshness: who is asked to give a group of an asset again, and when that is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from contracts.envelope import Finding
from contracts.refreshes import (
    AskedFor,
    AssetRefreshAsked,
    AssetRefreshed,
    RefreshAsset,
    RefreshState,
)
from handlers.asset_groups import key_of
from handlers.asset_rules import asset_not_found, asset_retired
from handlers.decision import Accepted, Context, Decision, Document, Drop, Put, Reads, View
from handlers.edges import RELATIONS, edge
from handlers.provenance import is_stale, kept_as, parts_of, source_of
from handlers.rules import finding, reject
from handlers.senders import RESERVED, Sender
from handlers.signature import reads
from handlers.visibility import mandate_read, named, seen, standing_reads, standing_to

REFRESHES: Final = "refreshes"
"""Collection: for an asset the groups that are asked for, each of whom, by whom and since when."""

ASKED_AGAIN: Final = timedelta(days=30)
"""After how long the same is asked of the same user once more, who may have closed the notice."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What is given again with a change: its groups, and what follows."""

    parts: tuple[str, ...] = ()
    writes: tuple[Put | Drop, ...] = ()
    events: tuple[AssetRefreshed, ...] = ()


def asked_of(asset: str, view: View) -> Document:
    """The groups that are asked for, as they are kept."""
    found: Document = (view.get(REFRESHES, asset) or {}).get("asked", {})
    return found


def about(asset: str, part: str) -> str:
    """What the notice of a group is about."""
    return f"{asset}/{part}"


def refresh_read(asset: str) -> tuple[str, str]:
    """What a change of an asset looks at, to know what it answers."""
    return REFRESHES, asset


def _reads(command: RefreshAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield refresh_read(command.id)


@reads(_reads)
def refresh_asset(command: RefreshAsset, view: View, context: Context) -> Decision:
    """Ask the source of each group, unless it is asked already.

    Rejects: asset.not-found, asset.retired, refresh.unknown-group, refresh.own, refresh.nobody
    Source: A1b.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    asset, standing = found
    if asset["lifecycle"] == "retired":
        return asset_retired(command.id)
    groups = tuple(dict.fromkeys(command.groups))
    known = {part for part in parts_of(asset) if standing.may("read", part)}
    if unknown := [group for group in groups if group not in known]:
        return reject(*map(_unknown, unknown))
    asked = asked_of(command.id, view)
    everyone = {group: _source(asset, group, view, context) for group in groups}
    sources = {
        n: of for n, of in everyone.items() if not _waits(asked.get(kept_as(n)), of, context)
    }
    if findings := tuple(_unanswerable(sources, context)):
        return reject(*findings)
    made = {"by": context.sender.user, "at": context.now}
    new = {kept_as(group): {"of": source, **made} for group, source in sources.items()}
    was, after = view.get(*refresh_read(command.id)), {**asked, **new}
    revision = was["revision"] + 1 if was is not None else 1
    row = {"_id": command.id, "revision": revision, "asked": after}
    return Accepted(
        subject=command.id,
        keyed_to=key_of(asset),
        reply=_state(command.id, groups, after),
        writes=(Put(REFRESHES, row, was),) if new else (),
        events=tuple(_asking(command.id, sources, context)),
    )


def _waits(row: Document | None, source: str | None, context: Context) -> bool:
    """Whether a group is asked for already, not long ago, of whoever would be asked now."""
    if row is None or row["of"] != source:
        return False
    return bool(context.now - row["at"] < ASKED_AGAIN)


def _asking(
    asset: str, sources: dict[str, str | None], context: Context
) -> Iterator[AssetRefreshAsked]:
    for group, source in sources.items():
        if source is not None:
            yield AssetRefreshAsked(
                id=asset,
                by=context.sender.user,
                of=source,
                group=group,
                about=about(asset, group),
            )


def _source(asset: Document, part: str, view: View, context: Context) -> str | None:
    """Whom to ask: who gave it last, else the owner or registrant; whoever may still write it."""
    likely = [source_of(asset, part).by, asset.get("owner"), named(asset).get("registrant")]
    users = [user for user in dict.fromkeys(likely) if user is not None and user not in RESERVED]
    view.require((RELATIONS, edge(asset["_id"], user)) for user in users)
    view.require(mandate_read(asset, user) for user in users)
    for user in users:
        sender = Sender(user, frozenset(), "confirmed")
        standing = standing_to(("assets", asset["_id"]), asset, sender, view, context.now)
        if standing.may("write", part) or user == asset.get("owner"):
            return user
    return None


def _state(asset: str, groups: Sequence[str], asked: Document) -> RefreshState:
    rows = ((group, asked[kept_as(group)]) for group in groups)
    return RefreshState(
        id=asset,
        asked=tuple(AskedFor(group=group, of=row["of"], at=row["at"]) for group, row in rows),
    )


def _unknown(group: str) -> Finding:
    return finding(
        "refresh.unknown-group",
        "groups",
        expected="groups of the asset that were given, and that you may read",
        got=group,
        advice="Take them from `given` of `asset.get.v1`.",
    )


def _unanswerable(sources: dict[str, str | None], context: Context) -> Iterator[Finding]:
    for group, source in sources.items():
        if source is None:
            yield finding(
                "refresh.nobody",
                "groups",
                expected="a group that somebody may still give",
                got=group,
                advice="Ask the backbone's operator, who may write it.",
            )
        elif source == context.sender.user:
            yield finding(
                "refresh.own",
                "groups",
                expected="a group that another gives",
                got=group,
                advice="Give it yourself with `asset.update.v1`.",
            )


def answered(
    asset: Document, said: Sequence[str], changed: Sequence[str], view: View, context: Context
) -> Answered:
    """What a sender gives again: what it has changed, or says is still so where that is news.

    That is where somebody asks for it, or where it was stale; else the same values are nothing new.
    """
    if not said and not changed:
        return Answered()
    asked = asked_of(asset["_id"], view)
    there = set(parts_of(asset))
    same = [part for part in said if part not in changed and part in there]
    again = [p for p in same if kept_as(p) in asked or is_stale(asset, p, context.now)]
    done = [part for part in changed if kept_as(part) in asked]
    events = tuple(
        AssetRefreshed(
            id=asset["_id"],
            revision=asset["revision"] + 1,
            by=context.sender.user,
            parties=named(asset) or None,
            of=asked.get(kept_as(part), {}).get("of"),
            about=about(asset["_id"], part),
            changed=(part,),
        )
        for part in (*done, *again)
    )
    left = {name: row for name, row in asked.items() if name not in map(kept_as, (*done, *again))}
    writes = tuple(_left(asset["_id"], left, view)) if len(left) < len(asked) else ()
    return Answered(tuple(again), writes, events)


def _left(asset: str, asked: dict[str, Any], view: View) -> Iterator[Put | Drop]:
    was = view.get(*refresh_read(asset))
    if was is None:
        return
    if asked:
        yield Put(REFRESHES, {**was, "asked": asked, "revision": was["revision"] + 1}, was)
    else:
        yield Drop(REFRESHES, was)
