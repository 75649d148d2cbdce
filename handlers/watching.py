"""Access notices: who wants to know that an asset is read, and what becomes of it being read."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.notices import AccessNoted, SetSubscription
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, View
from handlers.post import Post, digest_pot, digest_span
from handlers.rights import Relation
from handlers.rules import finding
from handlers.senders import Sender
from handlers.visibility import Standing, mandate_read, standing_reads, standing_to

WATCHES: Final = "watches"
"""Collection: for an asset whoever wants to know that it is read."""
WATCHERS_MAX: Final = 50
"""How many may watch one asset: each reading of it costs as many look-ups."""
WATCHING: Final[frozenset[Relation]] = frozenset(
    {"registrant", "owner", "delegate", "aggregator", "fsp"}
)
"""Who may want to know: whoever owns, operates or registered the asset."""


def may_watch(standing: Standing) -> bool:
    """Whether a user may be told who reads the asset; asked when it chooses and when it is told."""
    return bool(standing.held & WATCHING)


def watch_read(asset: str) -> tuple[str, str]:
    """What a query on an asset looks at, whether it may see it or not."""
    return WATCHES, asset


def noted(asset: str, view: View, context: Context) -> tuple[AccessNoted, ...]:
    """The fact that an asset was read, where somebody else wants to know."""
    watch = view.get(*watch_read(asset))
    others = set(watch["watchers"]) - {context.sender.user} if watch is not None else ()
    return (AccessNoted(id=asset, by=context.sender.user),) if others else ()


def watch_reads(command: SetSubscription, context: Context) -> Reads:
    """The assets that are to be watched, and what their watcher is to them."""
    for asset in command.access or ():
        yield watch_read(asset)
        yield from standing_reads("assets", asset, context.sender.user)


def unwatchable(command: SetSubscription, view: View, context: Context) -> Iterator[Finding]:
    """Refuse assets that are not the sender's to watch, in the words for what there is not."""
    assets = command.access or ()
    view.require(
        (
            *(mandate_read(view.get("assets", a), context.sender.user) for a in assets),
            *(key for a in assets for key in _crowd_reads(a, view)),
        )
    )
    for number, asset in enumerate(assets):
        document = view.get("assets", asset)
        standing = standing_to(("assets", asset), document, context.sender, view, context.now)
        if document is None or not may_watch(standing):
            yield finding(
                "subscription.access-unknown",
                f"access.{number}",
                expected="the id of an asset that you own, operate or registered",
                got=asset,
                advice="Leave it out, or ask its owner to relate you to it.",
            )
            continue
        watchers = _still(asset, view, context)
        if len(watchers) >= WATCHERS_MAX and context.sender.user not in watchers:
            yield finding(
                "subscription.access-crowded",
                f"access.{number}",
                expected=f"an asset that fewer than {WATCHERS_MAX} users watch",
                got=asset,
                advice="Leave it out; ask one of its other parties to tell you.",
            )


def _listed(asset: str, view: View) -> frozenset[str]:
    return frozenset((view.get(*watch_read(asset)) or {}).get("watchers", ()))


def _crowd_reads(asset: str, view: View) -> Iterator[tuple[str, Any]]:
    """What `_still` looks at where there is a crowd."""
    watchers = _listed(asset, view)
    if len(watchers) >= WATCHERS_MAX:
        for one in sorted(watchers):
            yield from _standing_reads(one, asset, view.get("assets", asset))


def _still(asset: str, view: View, context: Context) -> frozenset[str]:
    """Who watches an asset; where that is a crowd, without those whose tie is over."""
    watchers = _listed(asset, view)
    if len(watchers) < WATCHERS_MAX:
        return watchers
    document = view.get("assets", asset)
    return frozenset(
        one for one in watchers if may_watch(_standing(one, asset, document, view, context))
    )


def _standing(
    watcher: str, asset: str, document: Document | None, view: View, context: Context
) -> Standing:
    viewer = Sender(watcher, frozenset(), "confirmed")
    return standing_to(("assets", asset), document, viewer, view, context.now)


def watched(
    before: Iterable[str], after: Iterable[str], view: View, context: Context
) -> Iterator[Put | Drop]:
    """Keep for each asset who watches it, in step with what the sender has chosen."""
    user, old, new = context.sender.user, set(before), set(after)
    view.require(watch_read(asset) for asset in old | new)
    for asset in sorted(old | new):
        was, listed = view.get(*watch_read(asset)), _listed(asset, view)
        # Who has lost its place by a tie that was over has it back by choosing again.
        if (asset in new) != (user in listed):
            others = (_still(asset, view, context) if asset in new else listed) - {user}
            watchers = others | {user} if asset in new else others
            yield from _written(asset, sorted(watchers), was)


def _written(asset: str, watchers: list[str], was: Document | None) -> Iterator[Put | Drop]:
    if watchers:
        revision = was["revision"] + 1 if was is not None else 1
        document = {"_id": asset, "revision": revision, "watchers": watchers}
        yield Put(WATCHES, document, was)
    elif was is not None:
        yield Drop(WATCHES, was)


def note_reads(fact: AccessNoted, context: Context) -> Reads:
    """Who watches the asset."""
    yield watch_read(fact.id)
    yield "assets", fact.id


def note(fact: AccessNoted, view: View, context: Context) -> Handled:
    """Gather for the digest of each watcher but the reader, as far as it may know the asset now.

    Source: A6a.
    """
    watch, document = view.get(*watch_read(fact.id)), view.get("assets", fact.id)
    watchers = [one for one in (watch or {}).get("watchers", ()) if one != fact.by]
    view.require(key for one in watchers for key in _watcher_reads(one, fact, document))
    post = Post(view, context)
    for one in watchers:
        if may_watch(_standing(one, fact.id, document, view, context)):
            pot, kind, span = digest_pot(one), fact.message_type, digest_span(one, view)
            post.gather(pot, one, kind, (fact.id,), span, reader=fact.by)
    return Handled(unattributed(context.now), post.writes)


def _watcher_reads(
    watcher: str, fact: AccessNoted, document: Document | None
) -> Iterator[tuple[str, Any]]:
    yield from _standing_reads(watcher, fact.id, document)
    yield "subscriptions", watcher
    yield "pots", digest_pot(watcher)


def _standing_reads(
    watcher: str, asset: str, document: Document | None
) -> Iterator[tuple[str, Any]]:
    yield from standing_reads("assets", asset, watcher)
    yield mandate_read(document, watcher)
