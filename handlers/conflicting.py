"""A conflict: whoever gave a value that was overwritten unseen is told it, before and after."""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.assets import AssetConflicted
from handlers.asset_groups import PARTED, key_of
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Reads, View
from handlers.documents import history_id, plain, said_by
from handlers.post import Post
from handlers.senders import Sender
from handlers.visibility import event_with_values, mandate_read, standing_reads, standing_to


def tell_conflict_reads(fact: AssetConflicted, context: Context) -> Reads:
    """The asset, what its former writer is to it, and the revisions that hold the values."""
    yield from standing_reads("assets", fact.id, fact.of)
    yield "sequences", fact.of
    for revision in {fact.revision, *(fact.given_in or {}).values()}:
        yield "history", history_id(fact.id, revision)


def tell_conflict(fact: AssetConflicted, view: View, context: Context) -> Handled:
    """Tell the former writer, as far as it may still see what it wrote.

    What is kept of it for being told again ends with the asset's owner, whose place it may say.
    Source: A4a, A7, assumption 11.
    """
    asset = view.get("assets", fact.id)
    writer = Sender(fact.of, frozenset(), "confirmed")
    if asset is None:
        return Handled(unattributed(context.now))
    view.require([mandate_read(asset, fact.of)])
    standing = standing_to(("assets", fact.id), asset, writer, view, context.now)
    revisions = fact.given_in or {}
    before = {
        part: view.get("history", history_id(fact.id, revision))
        for part, revision in revisions.items()
    }
    after = view.get("history", history_id(fact.id, fact.revision))
    values = {
        "before": _values(fact.changed, before),
        "after": _values(fact.changed, dict.fromkeys(revisions, after)),
    }
    visible = event_with_values(fact.of, standing, fact, values)
    if visible is None:
        return Handled(unattributed(context.now))
    post = Post(view, context)
    post.send(visible, fact.message_type, fact.id)
    return Handled(key_of(asset), post.writes, tuple(post.told))


def _values(paths: Iterable[str], rows: Mapping[str, Document | None]) -> dict[str, Any]:
    """Of the groups as the rows keep them, the fields that are meant; what was erased is none."""
    found: dict[str, Any] = {}
    for part, row in rows.items():
        group, _, name = part.partition(".")
        value = said_by((row or {}).get("values", {}).get(group))
        held = (value or {}).get(name) if group in PARTED else value
        fields = {p[len(part) + 1 :].partition(".")[0] for p in paths if p.startswith(f"{part}.")}
        if isinstance(held, Mapping):
            held = {field: held[field] for field in sorted(fields) if field in held}
        if held in (None, {}):
            continue
        if group in PARTED:
            found.setdefault(group, {})[name] = plain(held)
        else:
            found[group] = plain(held)
    return found
