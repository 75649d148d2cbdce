"""How an asset comes to another place."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.envelope import Finding
from contracts.moves import AssetMoved, MoveAsset
from handlers.amending import Wish, accepted, amended, change_reads, refused
from handlers.asset_groups import opened
from handlers.asset_rules import PLACE_RULES, asset_not_found
from handlers.decision import Context, Decision, Document, View
from handlers.documents import plain
from handlers.rules import check, finding, reject
from handlers.signature import reads
from handlers.visibility import seen

SAYS_WHERE: Final = {
    "location": ("postcode", "uprn", "point", "grid"),
    "connection": ("mpan_import", "mpan_export"),
}
"""Group -> of which fields one at least must say where that is."""


@reads(change_reads)
def move_asset(command: MoveAsset, view: View, context: Context) -> Decision:
    """Put another place, another connection or both in the place of what was there.

    Rejects: asset.not-found, asset.not-yours, asset.stale, asset.retired, move.nowhere,
        connection.gsp-group, location.outside
    Source: A1, A7.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, _ = found
    given = {n: v for n, v in _given(command).items() if v is not None}
    if (rejected := refused([*given], command.expected_revision, found, view)) is not None:
        return rejected
    if findings := tuple(_nowhere(given)):
        return reject(*findings)
    was = opened(stored)
    document = {**was, **given}
    if (rejected := check(PLACE_RULES, document, view, context)) is not None:
        return rejected
    wish = Wish(tuple(given), is_unseen=command.expected_revision is None)
    done = amended(stored, document, view, context, wish)
    return accepted(AssetMoved, was, done, context)


def _given(command: MoveAsset) -> dict[str, Any]:
    groups = {"location": command.location, "connection": command.connection}
    return {
        name: None if group is None else plain(group.model_dump(exclude_none=True))
        for name, group in groups.items()
    }


def _nowhere(given: Document) -> Iterator[Finding]:
    for group, value in given.items():
        if not any(value.get(field) for field in SAYS_WHERE[group]):
            yield finding(
                "move.nowhere",
                group,
                expected=f"at least one of {', '.join(SAYS_WHERE[group])}",
                advice="Say where it is now; leave the group out where it is the same.",
            )
