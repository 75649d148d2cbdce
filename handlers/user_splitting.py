"""A merge of two users is undone: the alias is a user again, with what was its."""

from collections.abc import Iterator
from typing import Final

from contracts.merging import SplitRecords, UserDivided, UserRestored
from contracts.messages import Event
from handlers.aliases import KNOWN
from handlers.claiming import claims_of, strong_claims
from handlers.decision import Accepted, Context, Decision, Document, Put, View
from handlers.groups import opened
from handlers.links import LINKS
from handlers.merging import MERGES, case_of, merge_finding
from handlers.rules import claim, holder_of, reject
from handlers.splitting import undone
from handlers.uniting import called, held_by
from handlers.user_merging import accepted, nobody
from handlers.visibility import named

ALIAS: Final = frozenset({"merged_into", "merged_at", KNOWN})
"""What the record of an alias has besides."""


def split_users(command: SplitRecords, view: View, context: Context) -> Decision:
    """Make an alias the user again that it was; what was said since stays with the survivor.

    Source: duplicates are merged and unmerged, BUC.2.
    """
    survivor, alias = view.get("users", command.id), view.get("users", command.other)
    record = view.get(MERGES, command.other)
    if survivor is None or alias is None:
        return nobody(command, survivor)
    if record is None or alias.get("merged_into") != command.id:
        return reject(merge_finding("merge.none", "an alias of the survivor", command.other))
    return _split(command, (survivor, alias), record, view, context)


def _split(
    command: SplitRecords,
    found: tuple[Document, Document],
    record: Document,
    view: View,
    context: Context,
) -> Accepted:
    survivor, alias = found
    view.require(
        (
            *((LINKS, link) for link in record["links"]),
            *(("claims", one) for one in record["claims"]),
        )
    )
    restored = {
        **{name: value for name, value in alias.items() if name not in ALIAS},
        **record["was"],
        "revision": alias["revision"] + 1,
    }
    aliases = [one for one in survivor.get("aliases", ()) if one != command.other]
    after = {
        **{name: value for name, value in survivor.items() if name != "aliases"},
        "revision": survivor["revision"] + 1,
        **({"aliases": aliases} if aliases else {}),
    }
    links = [row for one in record["links"] if (row := view.get(LINKS, one)) is not None]
    opening, reopened = case_of(command, "open", view, context)
    return accepted(
        command,
        (after, restored),
        writes=(
            Put("users", after, survivor),
            Put("users", restored, alias, command.other),
            Put(MERGES, undone(record, context), record),
            *called(
                (row for row in links if row["entity"] == command.id),
                command.other,
                command.other,
            ),
            *_claimed_again(restored, survivor, record, view, context),
            *opening,
        ),
        events=(*_told(after, restored, context), *reopened),
    )


def _claimed_again(
    restored: Document, survivor: Document, record: Document, view: View, context: Context
) -> Iterator[Put]:
    """The identifiers that came by the merge, where nobody else has made them its own by now."""
    taken_up = strong_claims(opened(survivor))
    for one in claims_of(opened(restored)):
        if context.identity.fingerprint(*one) not in record["claims"] or one in taken_up:
            continue
        held = holder_of(*one, view, context)
        if held is None:
            yield claim(*one, restored, context)
        elif held["holder"] == survivor["_id"]:
            yield held_by(restored, held)


def _told(after: Document, restored: Document, context: Context) -> Iterator[Event]:
    by = context.sender.user
    yield UserRestored(
        id=restored["_id"],
        revision=restored["revision"],
        by=by,
        parties=named(restored) or None,
        split_from=after["_id"],
    )
    yield UserDivided(
        id=after["_id"],
        revision=after["revision"],
        by=by,
        parties=named(after) or None,
        restored=restored["_id"],
    )
