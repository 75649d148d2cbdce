"""How a planned asset comes to operate."""

from collections.abc import Iterator

from contracts.envelope import Finding
from contracts.lifecycle import AssetCommissioned, CommissionAsset
from handlers.amending import amended, refused
from handlers.asset_groups import key_of, opened, state_of
from handlers.asset_rules import area_of, asset_not_found
from handlers.decision import Accepted, Context, Decision, Document, Reads, View
from handlers.proofs import PROOF_ROWS, confirmed_event, proof_span, proofs_of, settled
from handlers.refreshing import refresh_read
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.visibility import named, seen, standing_reads


def _reads(command: CommissionAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield refresh_read(command.id)
    yield PROOF_ROWS, proof_span(command.id)


@reads(_reads)
def commission_asset(command: CommissionAsset, view: View, context: Context) -> Decision:
    """Let a planned asset operate from a day on, and confirm what evidence has proven before.

    What operates since that day stays as it is.

    Rejects: asset.not-found, asset.not-yours, asset.stale, asset.retired, asset.not-planned,
        lifecycle.dates
    Source: A2c.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    paths = ["commissioned_on"]
    if (rejected := refused(paths, command.expected_revision, found, view)) is not None:
        return rejected
    stored, _ = found
    was = opened(stored)
    if findings := tuple(_unfit(command, was, context)):
        return reject(*findings)
    after = {n: v for n, v in was.items() if n != "expected_on"}
    after |= {"lifecycle": "operating", "commissioned_on": command.commissioned_on}
    done = amended(stored, after, view, context)
    if done is None:
        return Accepted(command.id, state_of(was), key_of(was))
    judged = settled(done.document, proofs_of(command.id, view), context)
    state = state_of(judged.document)
    event = AssetCommissioned(
        **dict(state),
        by=context.sender.user,
        parties=named(was) or None,
        area=area_of(was),
    )
    return Accepted(
        subject=command.id,
        keyed_to=key_of(was),
        reply=state,
        writes=done.with_document(judged.document),
        events=(event, *done.events, *confirmed_event(judged, "evidence", context)),
    )


def _unfit(command: CommissionAsset, was: Document, context: Context) -> Iterator[Finding]:
    day = command.commissioned_on
    if was["lifecycle"] != "planned" and was.get("commissioned_on") != day:
        yield finding(
            "asset.not-planned",
            "id",
            expected="an asset that is planned",
            got=was["lifecycle"],
            advice="Correct the day with `asset.update.v1`.",
        )
    elif day > f"{context.now:%Y-%m-%d}":
        yield finding(
            "lifecycle.dates",
            "commissioned_on",
            expected=f"a day that has come: {context.now:%Y-%m-%d} at the latest",
            got=day,
            advice="Give another `expected_on` with `asset.update.v1`, and commission it then.",
        )
