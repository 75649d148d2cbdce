"""How an asset ends: it is retired, its relations end, and another may take its place."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from contracts.envelope import Finding
from contracts.lifecycle import AssetReplaced, AssetRetired, RetireAsset
from contracts.refreshes import AssetRefreshAsked
from contracts.relations import AssetUnrelated
from handlers.amending import amended
from handlers.asset_groups import key_of, opened, state_of
from handlers.asset_rules import asset_not_found, own_claim
from handlers.bookkeeping import unattributed
from handlers.decision import Accepted, Context, Decision, Document, Drop, Handled, Put, Reads, View
from handlers.edges import RELATIONS
from handlers.patching import stale
from handlers.post import NOTICES, Post, todo
from handlers.provenance import part_name
from handlers.refreshing import about, asked_of, refresh_read
from handlers.rights import RULING
from handlers.rules import finding, reject
from handlers.senders import RESERVED, Sender
from handlers.signature import reads
from handlers.spans import Span
from handlers.telling import announce, tell_reads
from handlers.tying import Tie, ended, is_over
from handlers.visibility import event_naming, mandate_read, named, seen, standing_reads


def _reads(command: RetireAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield refresh_read(command.id)


@reads(_reads)
def retire_asset(command: RetireAsset, view: View, context: Context) -> Decision:
    """Take an asset out for good and free its device; its relations end afterwards, page by page.

    Rejects: asset.not-found, asset.not-yours, asset.stale
    Source: the states of an asset.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, standing = found
    if not standing.held & RULING:
        return reject(not_ruling())
    was = opened(stored)
    if was["lifecycle"] == "retired":
        return Accepted(command.id, state_of(was), key_of(was))
    expected = command.expected_revision
    if findings := tuple(stale(expected, stored, standing, view, rule="asset.stale")):
        return reject(*findings)
    after = {**was, "lifecycle": "retired", "retired_at": context.now}
    done = amended(stored, after | {"retirement": command.reason}, view, context)
    if done is None:
        raise ValueError(f"expected retiring to change {command.id}")
    state = state_of(done.document)
    event = AssetRetired(
        **dict(state),
        by=context.sender.user,
        parties=named(was) or None,
        reason=command.reason,
    )
    return Accepted(
        subject=command.id,
        keyed_to=key_of(was),
        reply=state,
        writes=(*done.writes, *_freed(was, view, context)),
        events=(event,),
    )


def not_ruling() -> Finding:
    """The answer to whoever may see an asset and has no say in what becomes of it."""
    return finding(
        "asset.not-yours",
        "id",
        expected="an asset that you registered or own, or whose owner lets you act",
        advice="Ask the asset's owner, or the owner for a mandate.",
    )


def _freed(was: Document, view: View, context: Context) -> Iterator[Drop]:
    if (held := own_claim(was, view, context)) is not None:
        yield Drop("claims", held)
    # Those of its aliases, which are this asset too.
    for taken in was.get("claims_held", ()):
        row = view.get("claims", taken)
        if row is not None and row["holder"] == was["_id"] and row != held:
            yield Drop("claims", row)


def end_ties_reads(fact: AssetRetired, context: Context) -> Reads:
    """Who is told of it, which is who is related to it, and what was asked for of it."""
    yield from tell_reads(fact, context)
    yield refresh_read(fact.id)


def end_ties(fact: AssetRetired, view: View, context: Context) -> Handled:
    """Tell the parties, a page of them at a time, and end what each of them was to the asset.

    Source: the states of an asset.
    """
    post = Post(view, context)
    further = announce(fact, post)
    edges, _ = view.page(RELATIONS, Span("entity", fact.id, context.cursor or ""))
    view.require(("sequences", row["party"]) for row in edges)
    asker = replace(context, sender=Sender(fact.by, frozenset(), "confirmed"))
    for row in edges:
        after, _ = ended(row["ties"], lambda _: True, None, asker)
        if after == row["ties"]:
            continue
        post.put(RELATIONS, row["_id"], {"ties": after})
        for one in row["ties"]:
            if not is_over(one, context.now):
                _tell_end(one, row["party"], fact, post)
    _end_asking(fact, post)
    return Handled(unattributed(context.now), post.writes, tuple(post.told), further)


def _end_asking(fact: AssetRetired, post: Post) -> None:
    """What nobody will give any more waits for nobody."""
    waiting = {
        todo(row["of"], AssetRefreshAsked.message_type, about(fact.id, part_name(kept)))
        for kept, row in asked_of(fact.id, post.view).items()
    }
    post.view.require((NOTICES, notice) for notice in waiting)
    for notice in sorted(waiting):
        post.close(notice, fact.message_type)
    post.drop(*refresh_read(fact.id))


def _tell_end(one: Tie, party: str, fact: AssetRetired, post: Post) -> None:
    if party in RESERVED:
        return
    over = AssetUnrelated(
        id=fact.id,
        by=fact.by,
        party=party,
        relation=one["as"],
        service=one.get("service"),
        until=post.context.now,
    )
    post.send(event_naming(party, over, ()), over.message_type, fact.id)


REPLACEABLE: Final = "a retired asset of the same owner that nothing has replaced, yours to rule"


def replaced_reads(asset: str | None, context: Context) -> Reads:
    """The asset in whose place another is registered."""
    if asset is not None:
        yield from standing_reads("assets", asset, context.sender.user)


def not_replaceable(
    asset: str | None, keeper: str, view: View, context: Context
) -> Iterator[Finding]:
    """Whether the sender may register another in its place, in one word for every reason.

    Both are of one owner, under whose key what both say is written in one decision.
    """
    if asset is None:
        return
    view.require([mandate_read(view.get("assets", asset), context.sender.user)])
    found = seen("assets", asset, view, context)
    if found is None or not found[1].held & RULING or not _is_open(found[0], keeper):
        yield finding(
            "asset.not-replaceable",
            "replaces",
            expected=REPLACEABLE,
            got=asset,
            advice="Retire it first; ask its owner where it is not yours.",
        )


def _is_open(asset: Document, keeper: str) -> bool:
    is_free = asset["lifecycle"] == "retired" and "replaced_by" not in asset
    return is_free and key_of(asset) == keeper


def replacement(
    asset: str | None, by: str, view: View, context: Context
) -> Iterator[tuple[Put, AssetReplaced]]:
    """What the retired asset says of its replacement, and the event of it."""
    was = view.get("assets", asset) if asset is not None else None
    if was is None:
        return
    revision = was["revision"] + 1
    after = {**was, "replaced_by": by, "revision": revision, "updated_at": context.now}
    event = AssetReplaced(
        id=was["_id"],
        revision=revision,
        by=context.sender.user,
        parties=named(was) or None,
        replaced_by=by,
    )
    yield Put("assets", after, was), event
