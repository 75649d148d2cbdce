"""Access notices: who wants to know that an asset is read, and what becomes of it being read."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.notices import AccessNoted, SetSubscription
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Drop, Handled, Put, Reads, Sender, View
from handlers.post import Post, digest_pot, digest_span
from handlers.rules import finding
from handlers.visibility import mandate_read, standing_reads, standing_to

WATCHES: Final = "watches"
"""Collection: for an asset whoever wants to know that it is read."""
WATCHERS_MAX: Final = 50
"""How many may watch one asset: each reading of it costs as many look-ups."""


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
    """Refuse assets that the sender is nothing to, in the words for those that there are not."""
    assets = command.access or ()
    view.require(mandate_read(view.get("assets", a), context.sender.user) for a in assets)
    for number, asset in enumerate(assets):
        document = view.get("assets", asset)
        standing = standing_to(("assets", asset), document, context.sender, view, context.now)
        if document is None or not standing.may_see:
            yield finding(
                "subscription.access-unknown",
                f"access.{number}",
                expected="the id of an asset that you own, operate or registered",
                got=asset,
                advice="Leave it out, or ask its owner to relate you to it.",
            )
            continue
        watchers = (view.get(*watch_read(asset)) or {}).get("watchers", ())
        if len(watchers) >= WATCHERS_MAX and context.sender.user not in watchers:
            yield finding(
                "subscription.access-crowded",
                f"access.{number}",
                expected=f"an asset that fewer than {WATCHERS_MAX} users watch",
                got=asset,
                advice="Leave it out; ask one of its other parties to tell you.",
            )


def watched(
    user: str, before: Iterable[str], after: Iterable[str], view: View
) -> Iterator[Put | Drop]:
    """Keep for each asset who watches it, in step with what one of them has chosen."""
    old, new = set(before), set(after)
    view.require(watch_read(asset) for asset in old | new)
    for asset in sorted(old ^ new):
        was = view.get(*watch_read(asset))
        others = set(was["watchers"] if was is not None else ()) - {user}
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
        viewer = Sender(one, frozenset(), "confirmed")
        standing = standing_to(("assets", fact.id), document, viewer, view, context.now)
        if standing.may_see:
            kind, subjects = fact.message_type, (fact.id, fact.by)
            post.gather(digest_pot(one), one, kind, subjects, digest_span(one, view))
    return Handled(unattributed(context.now), post.writes)


def _watcher_reads(
    watcher: str, fact: AccessNoted, document: Document | None
) -> Iterator[tuple[str, Any]]:
    yield from standing_reads("assets", fact.id, watcher)
    yield mandate_read(document, watcher)
    yield "subscriptions", watcher
    yield "pots", digest_pot(watcher)
