"""Broadcasts: who may say something to an area, how often, and whom it would reach."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.broadcasts import BroadcastAsked, BroadcastNotice, BroadcastState
from contracts.envelope import Finding
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Secret, View
from handlers.edges import RELATIONS
from handlers.polygons import AREA_KM2_MAX, CELLS_MAX, Corners, area_km2, cells, fault_of
from handlers.reaching import BROADCASTS, counted, is_meant, opted_in, parties_of, ring_of
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span

BROADCASTERS: Final = "broadcasters"
"""Collection: how many broadcasts a user has sent today."""
A_DAY_MAX: Final = 10
CELLS_COUNTED_MAX: Final = 150
"""A check looks at no more: it is answered at once, and writes nothing down to go on from."""


def _broadcast_reads(command: BroadcastNotice, context: Context) -> Reads:
    yield BROADCASTERS, context.sender.user
    yield BROADCASTS, _name(context)


def _name(context: Context) -> str:
    said = f"{context.sender.user}\x1f{context.command_id}"
    return context.identity.fingerprint("broadcast", said)[:24]


@reads(_broadcast_reads)
def broadcast_notice(command: BroadcastNotice, view: View, context: Context) -> Decision:
    """Keep what is to be told to an area; the check counts whom it would reach.

    Rejects: notice.polygon-invalid, notice.polygon-large, notice.power-range,
        notice.broadcast-limit
    Source: U5.
    """
    user, (ring,) = context.sender.user, command.polygon.coordinates
    was = view.get(BROADCASTERS, user)
    findings = (*_unfit(command, ring), *_too_many(was, context))
    if findings:
        return reject(*findings)
    name, today = _name(context), f"{context.now:%Y-%m-%d}"
    sent = was["count"] if was is not None and was["day"] == today else 0
    counter = {"_id": user, "revision": was["revision"] + 1 if was is not None else 1}
    document = {
        "_id": name,
        "revision": 1,
        "sender": user,
        "state": "running",
        "told": 0,
        "ring": [list(corner) for corner in ring],
        "types": list(command.asset_types or ()),
        "min_kw": command.min_power_kw,
        "max_kw": command.max_power_kw,
        "text": Secret(command.text),
        "at": context.now,
    }
    return Accepted(
        subject=name,
        keyed_to=user,
        reply=BroadcastState(id=name),
        writes=(
            Put(BROADCASTS, document),
            Put(BROADCASTERS, {**counter, "day": today, "count": sent + 1}, was),
        ),
        events=(BroadcastAsked(id=name, by=user),),
        preview=_preview(document, view, context) if context.dry_run else {},
    )


def _unfit(command: BroadcastNotice, ring: Corners) -> Iterator[Finding]:
    place = "polygon.coordinates"
    if (expected := fault_of(ring)) is not None:
        yield finding(
            "notice.polygon-invalid",
            place,
            expected=expected,
            advice="Draw one simple ring in WGS84, longitude first, as GeoJSON has it.",
        )
    elif (size := area_km2(ring)) > AREA_KM2_MAX or len(cells(ring)) > CELLS_MAX:
        yield finding(
            "notice.polygon-large",
            place,
            expected=f"at most {AREA_KM2_MAX} km2, and a shape that is no long thin line",
            got=f"{size:.0f} km2",
            advice="Send several broadcasts, each to a part of the area.",
        )
    least, most = command.min_power_kw, command.max_power_kw
    if least is not None and most is not None and least > most:
        yield finding(
            "notice.power-range",
            "max_power_kw",
            expected=f"no less than min_power_kw, {least}",
            got=most,
            advice="Exchange the two, or leave one out.",
        )


def _too_many(was: Document | None, context: Context) -> Iterator[Finding]:
    if was is None or was["day"] != f"{context.now:%Y-%m-%d}" or was["count"] < A_DAY_MAX:
        return
    yield finding(
        "notice.broadcast-limit",
        "",
        expected=f"at most {A_DAY_MAX} broadcasts of yours a day",
        advice="Wait until tomorrow (UTC), under a new id.",
    )


def _preview(broadcast: Document, view: View, context: Context) -> Mapping[str, Any]:
    """How many would be told, as far as one look goes; never who, and never how few."""
    ring = ring_of(broadcast)
    area = cells(ring)
    spans = [Span("cell", cell) for cell in area[:CELLS_COUNTED_MAX]]
    view.require(("assets", span) for span in spans)
    pages = [view.page("assets", span) for span in spans]
    assets = [row for rows, _ in pages for row in rows if is_meant(row, broadcast, ring)]
    edges = [Span("entity", asset["_id"]) for asset in assets]
    view.require((RELATIONS, span) for span in edges)
    users: set[str] = set()
    further = [more for _, more in pages]
    for asset, span in zip(assets, edges, strict=True):
        rows, more = view.page(RELATIONS, span)
        further.append(more)
        users.update(parties_of(asset, rows, context.now))
    reached = opted_in(users, context.sender.user, view)
    is_whole = not any(further) and len(area) <= CELLS_COUNTED_MAX
    return {"audience": counted(len(reached)), "audience_is_whole": is_whole}
