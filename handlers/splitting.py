"""A merge is undone: the alias is an asset again, with what was its."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.merging import AssetDivided, AssetRestored, SplitRecords
from contracts.messages import Event
from handlers.asset_groups import opened
from handlers.asset_rules import device_claim
from handlers.decision import Accepted, Context, Decision, Document, Put, View
from handlers.edges import RELATIONS, edge
from handlers.lapsing import moved_timer
from handlers.links import LINKS
from handlers.merging import MERGES, accepted, case_of, merge_finding, nowhere
from handlers.placing import cell_reads
from handlers.rejoining import back, membership_reads, parted, told
from handlers.rules import reject
from handlers.uniting import called, claim_id, claim_read, claimed_again, untied
from handlers.visibility import named

EXPECTED: Final = "an alias of the survivor, which has had one owner since they were merged"


def split_assets(command: SplitRecords, view: View, context: Context) -> Decision:
    """Make an alias the asset again that it was; what was said since stays with the survivor.

    Source: duplicates are merged and unmerged, BUC.2.
    """
    survivor, alias = view.get("assets", command.id), view.get("assets", command.other)
    record = view.get(MERGES, command.other)
    if survivor is None or alias is None:
        return nowhere(command, survivor)
    owners = {None, survivor.get("owner")}
    is_theirs = record is not None and record.get("asset", {}).get("owner") in owners
    if record is None or alias.get("merged_into") != command.id or not is_theirs:
        return reject(merge_finding("merge.none", EXPECTED, command.other))
    return _split(command, (survivor, alias), record, view, context)


def _split(
    command: SplitRecords,
    found: tuple[Document, Document],
    record: Document,
    view: View,
    context: Context,
) -> Accepted:
    (survivor, alias), pair, asset = found, (command.id, command.other), record["asset"]
    view.require(
        (
            *membership_reads(pair, record["portfolios"]),
            *((LINKS, link) for link in record["links"]),
            *((RELATIONS, edge(one, party)) for one in pair for party in record["parties"]),
            *claim_read(opened(asset), context),
            *cell_reads(asset),
        )
    )
    restored = {**asset, "revision": alias["revision"] + 1, "updated_at": context.now}
    device = device_claim(opened(asset))
    after = _divided(survivor, command.other, claim_id(device, context), context)
    links = [row for one in record["links"] if (row := view.get(LINKS, one)) is not None]
    again = back(pair, record["portfolios"], view)
    tallies, events = told(pair, again, view, context, is_merge=False)
    opening, reopened = case_of(command, "open", view, context)
    done = undone(record, context)
    return accepted(
        command,
        (after, restored),
        writes=(
            Put("assets", after, survivor),
            Put("assets", restored, alias),
            Put(MERGES, done, record),
            *untied(record, view, context),
            *called((row for row in links if row["entity"] == command.id), command.other),
            *claimed_again(restored, device, command.id, view, context),
            *moved_timer(alias, restored, view),
            *parted(pair, again, view),
            *tallies,
            *opening,
        ),
        events=(*_told(after, restored, context), *events, *reopened),
    )


def undone(record: Document, context: Context) -> dict[str, Any]:
    """What stays on record of a merge that is undone: of the asset itself nothing."""
    kept = {name: value for name, value in record.items() if name != "asset"}
    done = {"state": "split", "split_by": context.sender.user, "split_at": context.now}
    return {**kept, **done, "revision": record["revision"] + 1}


def _divided(survivor: Document, alias: str, held: str | None, context: Context) -> dict[str, Any]:
    aliases = [one for one in survivor.get("aliases", ()) if one != alias]
    claims = [one for one in survivor.get("claims_held", ()) if one != held]
    left = {n: v for n, v in survivor.items() if n not in {"aliases", "claims_held"}}
    return {
        **left,
        "revision": survivor["revision"] + 1,
        "updated_at": context.now,
        **({"aliases": aliases} if aliases else {}),
        **({"claims_held": claims} if claims else {}),
    }


def _told(after: Document, restored: Document, context: Context) -> Iterator[Event]:
    by = context.sender.user
    yield AssetRestored(
        id=restored["_id"],
        revision=restored["revision"],
        by=by,
        parties=named(restored) or None,
        split_from=after["_id"],
    )
    yield AssetDivided(
        id=after["_id"],
        revision=after["revision"],
        by=by,
        parties=named(after) or None,
        restored=restored["_id"],
    )
