"""Two assets that are one: the one is an alias of the other from then on."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from contracts.duplicates import CaseDecided
from contracts.envelope import Finding
from contracts.merging import (
    AssetAbsorbed,
    AssetMerged,
    MergeRecords,
    MergeState,
    SplitRecords,
)
from contracts.messages import Event
from handlers.aliases import KNOWN
from handlers.asset_groups import is_personal, key_of, opened
from handlers.asset_rules import asset_not_found, own_claim
from handlers.belonging import PLACEMENTS, placed_in
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
from handlers.dismissing import DECIDED, closed
from handlers.duplicates import CASES, case_id, changed
from handlers.edges import RELATIONS, edge
from handlers.nesting import is_portfolio
from handlers.placing import PLACES
from handlers.portfolio_rules import PORTFOLIOS_MAX
from handlers.rejoining import joined, membership_reads, told
from handlers.rejoining import merged as rejoined
from handlers.rules import finding, reject
from handlers.uniting import (
    called,
    claim_read,
    held_by,
    inherited,
    names_of,
    parties_of,
    tied,
)
from handlers.visibility import named

MERGES: Final = "merges"
"""Collection: of each alias what it was, and what of it became the survivor's."""
ALIASES_MAX: Final = 50
"""How many aliases one asset may have."""
REMAINS: Final = (
    "_id", "asset_type", "status", "status_at", "registrant", "registered_at", "transferred_at",
    "home", "updated_at",
)  # fmt: skip
"""What is left of an asset that is an alias; nothing of it is of use, or told."""


def pair_reads(command: MergeRecords | SplitRecords, context: Context) -> Reads:
    """The two assets with their parties and portfolios, and what is known of the two together."""
    for one in (command.id, command.other):
        yield "assets", one
        yield PLACEMENTS, one
        yield PLACES, one
        yield parties_of(one)
    yield names_of(command.other)
    yield MERGES, command.other
    yield CASES, case_id(command.id, command.other, context.identity)


def merge_assets(command: MergeRecords, view: View, context: Context) -> Decision:
    """Make one an alias of the other, and what it was to others the survivor's.

    Source: duplicates are merged and unmerged, BUC.2.
    """
    survivor, other = view.get("assets", command.id), view.get("assets", command.other)
    if survivor is None or other is None:
        return nowhere(command, survivor)
    if other.get("merged_into") == command.id:
        return accepted(command, (survivor, other))
    if findings := tuple(_unfit(command, survivor, other, view)):
        return reject(*findings)
    return _merge(command, (survivor, other), view, context)


def _merge(
    command: MergeRecords, found: tuple[Document, Document], view: View, context: Context
) -> Accepted:
    survivor, other = found
    pair, was = (command.id, command.other), view.get(MERGES, command.other)
    ties = inherited(other, command.id, view, context)
    view.require(
        (
            *membership_reads(pair, placed_in(view.get(PLACEMENTS, command.other))),
            *((RELATIONS, edge(command.id, party)) for party in ties),
            *claim_read(opened(other), context),
        )
    )
    held = own_claim(opened(other), view, context)
    new = joined(*pair, view)
    # What was erased has no name any more that could be sealed anew.
    links = [r for r in view.page(*names_of(command.other))[0] if r["value"].value is not None]
    closing, decided = case_of(command, "merged", view, context)
    kept = {"portfolios": new, "links": [row["_id"] for row in links], "parties": [*ties]}
    # The asset is sealed as it was: both are of one owner, under whose key this decision is kept.
    record = recorded_merge(command, was, context, asset=dict(other), **kept)
    after = _absorbing(survivor, command.other, held, context)
    alias = _alias(other, command.id, [*ties, *named(other).values()], context)
    tallies, events = told(pair, new, view, context, is_merge=True)
    return accepted(
        command,
        (after, alias),
        writes=(
            Put("assets", after, survivor),
            Put("assets", alias, other),
            Put(MERGES, record, was),
            *tied(*pair, ties, view, context),
            *called(links, command.id),
            *((held_by(after, held),) if held is not None else ()),
            *rejoined(pair, new, view, context),
            *tallies,
            *closing,
        ),
        events=(*_merged(after, alias, other, context), *events, *decided),
    )


def nowhere(command: MergeRecords | SplitRecords, survivor: Document | None) -> Rejected:
    """The answer where one of the two is not there."""
    if survivor is None:
        return asset_not_found(command.id)
    return asset_not_found(command.other, "other")


def _unfit(
    command: MergeRecords, survivor: Document, other: Document, view: View
) -> Iterator[Finding]:
    if command.id == command.other:
        yield merge_finding("merge.same", "another asset than the survivor", command.other)
        return
    kinds = {one["asset_type"] for one in (survivor, other)}
    for field, one in (("id", survivor), ("other", other)):
        if one["lifecycle"] == "retired":
            yield merge_finding(
                "merge.unfit", "an asset that is planned or operating", one["_id"], field
            )
    if len(kinds) > 1 or is_portfolio(command.id):
        yield merge_finding(
            "merge.unfit", "two assets of one type, which are no portfolios", sorted(kinds)
        )
    if other.get("aliases"):
        yield merge_finding(
            "merge.unfit", "an asset without aliases; name it as the survivor", "aliases"
        )
    owners = {survivor.get("owner")} if is_personal(survivor) else {None, survivor.get("owner")}
    # What nobody owns stands in clear, and would in the record of a person's asset.
    if other.get("owner") not in owners:
        yield merge_finding(
            "merge.owner",
            "an asset of the survivor's owner, or of none",
            other.get("owner", "none"),
        )
    pages = (view.page(*of(command.other)) for of in (parties_of, names_of))
    places = (placed_in(view.get(PLACEMENTS, one["_id"])) for one in (survivor, other))
    full = len(set().union(*places)) > PORTFOLIOS_MAX
    if full or any(end for _, end in pages) or len(survivor.get("aliases", ())) >= ALIASES_MAX:
        expected = "an asset with fewer parties, names, portfolios or aliases than the limits"
        yield merge_finding("merge.too-many", expected, command.other)


def merge_finding(rule: str, expected: str, got: object, field: str = "other") -> Finding:
    """What speaks against merging or splitting two assets."""
    return finding(
        rule,
        field,
        expected=expected,
        got=got,
        advice="Correct the records first, or dismiss the case.",
    )


def recorded_merge(
    command: MergeRecords, former: Document | None, context: Context, /, **kept: Any
) -> dict[str, Any]:
    """What is known of a merge, in the place of a former one, with what a split needs besides."""
    return {
        "_id": command.other,
        "revision": former["revision"] + 1 if former is not None else 1,
        "survivor": command.id,
        "state": "merged",
        "by": context.sender.user,
        "at": context.now,
        **kept,
    }


def _absorbing(
    survivor: Document, alias: str, held: Document | None, context: Context
) -> dict[str, Any]:
    claims = [*survivor.get("claims_held", ()), *([held["_id"]] if held is not None else [])]
    return {
        **survivor,
        "revision": survivor["revision"] + 1,
        "updated_at": context.now,
        "aliases": sorted([*survivor.get("aliases", ()), alias]),
        **({"claims_held": claims} if claims else {}),
    }


def _alias(other: Document, survivor: str, known: list[str], context: Context) -> dict[str, Any]:
    return {
        **{name: other[name] for name in REMAINS if name in other},
        "revision": other["revision"] + 1,
        "lifecycle": "retired",
        "merged_into": survivor,
        "merged_at": context.now,
        KNOWN: sorted(set(known)),
    }


def _merged(after: Document, alias: Document, other: Document, context: Context) -> Iterator[Event]:
    by = context.sender.user
    yield AssetMerged(
        id=alias["_id"],
        revision=alias["revision"],
        by=by,
        parties=named(other) or None,
        into=after["_id"],
    )
    yield AssetAbsorbed(
        id=after["_id"],
        revision=after["revision"],
        by=by,
        parties=named(after) or None,
        absorbed=alias["_id"],
    )


def case_of(
    command: MergeRecords | SplitRecords,
    status: Literal["merged", "open"],
    view: View,
    context: Context,
) -> tuple[tuple[Put, ...], tuple[Event, ...]]:
    """The case of the two, decided by it or open again, and what that is to its assignee."""
    was = view.get(CASES, case_id(command.id, command.other, context.identity))
    if was is None:
        return (), ()
    after = (
        closed(was, status, context, survivor=command.id)
        if status != "open"
        else changed({n: v for n, v in was.items() if n not in DECIDED}, status=status)
    )
    event = CaseDecided(
        id=was["_id"],
        revision=after["revision"],
        by=context.sender.user,
        status=status,
        survivor=after.get("survivor"),
        assignee=was.get("assignee"),
    )
    return (Put(CASES, after, was),), (event,)


def accepted(
    command: MergeRecords | SplitRecords,
    pair: tuple[Document, Document],
    *,
    writes: tuple[Put | Drop, ...] = (),
    events: tuple[Event, ...] = (),
) -> Accepted:
    """The answer about two assets, the survivor and the other as they are then."""
    survivor, other = pair
    state = MergeState(
        id=command.id,
        revision=survivor["revision"],
        other=command.other,
        other_revision=other["revision"],
    )
    return Accepted(command.id, state, key_of(survivor), writes, events)
