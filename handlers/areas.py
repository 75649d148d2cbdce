"""Areas: boundaries as they are loaded, cut into the coarse cells of which a place reads one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shapely.geometry.base import BaseGeometry

from contracts.areas import (
    AREA_CODE,
    AreaAssignAsked,
    AreaFeature,
    AreaLoaded,
    AreaState,
    AssignAreas,
    AssignState,
    LoadArea,
)
from contracts.envelope import Finding
from handlers.cutting import Piece, centre_of, cut, extent_km2, merged_polygons, polygons_of
from handlers.decision import Accepted, Context, Decision, Document, Drop, Put, Reads, View
from handlers.polygons import EAST, NORTH, SOUTH, WEST, cells_of
from handlers.rules import finding, reject
from handlers.signature import reads

AREAS: Final = "areas"
"""Collection: of each kind what is loaded, by the kind; of each area its extent, by kind/code."""
CELLS: Final = "area_cells"
"""Collection: for each cell the pieces of the areas that reach into it."""
CORNERS_MAX: Final = 500_000
"""Of one load: what is written of it is one commit, and one row of the archive."""
EXTENT_KM2_MIN: Final = 0.001
KINDS: Final = "kinds"
"""Document of `areas` that says which kinds there are."""
KINDS_MAX: Final = 10
ALL: Final = "areas"


@dataclass(frozen=True, slots=True)
class Area:
    """One area of a load."""

    code: str
    name: str | None
    shape: BaseGeometry
    repaired: bool


def area_id(kind: str, code: str) -> str:
    """The id of an area."""
    return f"{kind}/{code}"


def _load_reads(command: LoadArea, context: Context) -> Reads:
    yield AREAS, KINDS
    yield AREAS, command.kind


@reads(_load_reads)
def load_area(command: LoadArea, view: View, context: Context) -> Decision:
    """Cut the boundaries into cells, and let every asset be gone through.

    Rejects: area.code, area.outside, area.empty, area.corners, area.kinds
    Source: the architecture's reference sets, A1.
    """
    head = view.get(AREAS, command.kind)
    if findings := (*_too_much(command, head, view), *_codes_unfit(command)):
        return reject(*findings)
    areas = _areas(command)
    if findings := tuple(_unfit(areas)):
        return reject(*findings)
    codes = [area.code for area in areas]
    repaired = tuple(area.code for area in areas if area.repaired)
    was_codes, was_cells = (head["codes"], head["cells"]) if head is not None else ([], [])
    # Asked for before anything is cut, which takes long and is then done once.
    reached = {cell for area in areas for cell in cells_of(area.shape)} | {*was_cells}
    known = {area_id(command.kind, code) for code in (*codes, *was_codes)}
    view.require([*((CELLS, cell) for cell in reached), *((AREAS, area) for area in known)])
    pieces = {area.code: cut(area.shape) for area in areas}
    cells = sorted({cell for of_one in pieces.values() for cell in of_one})
    writes = (
        *_area_writes(command.kind, areas, pieces, was_codes, view),
        *_cell_writes(command.kind, pieces, [*cells, *was_cells], view),
    )
    new = {"edition": command.edition, "codes": codes, "cells": cells}
    if head is not None and not writes and new.items() <= head.items():
        return Accepted(command.kind, _state(head, repaired), context.sender.user)
    revision = head["revision"] + 1 if head is not None else 1
    document = {"_id": command.kind, "revision": revision, "loaded_at": context.now, **new}
    loaded = AreaLoaded(
        id=command.kind,
        revision=revision,
        by=context.sender.user,
        edition=command.edition,
        areas=len(codes),
    )
    return Accepted(
        subject=command.kind,
        keyed_to=context.sender.user,
        reply=_state(document, repaired),
        writes=(Put(AREAS, document, head), *_kinds_put(command.kind, view), *writes),
        events=(loaded,),
    )


def _assign_reads(command: AssignAreas, context: Context) -> Reads:
    return ()


@reads(_assign_reads)
def assign_areas(command: AssignAreas, view: View, context: Context) -> Decision:
    """Let every asset be gone through.

    Source: the architecture's reference sets.
    """
    asked = AreaAssignAsked(id=ALL, by=context.sender.user)
    return Accepted(ALL, AssignState(id=ALL), context.sender.user, events=(asked,))


def _state(head: Document, repaired: tuple[str, ...]) -> AreaState:
    return AreaState(
        id=head["_id"],
        revision=head["revision"],
        areas=len(head["codes"]),
        cells=len(head["cells"]),
        repaired=repaired,
    )


def _too_much(command: LoadArea, head: Document | None, view: View) -> Iterator[Finding]:
    corners = sum(_corners(one) for one in command.boundaries.features)
    if corners > CORNERS_MAX:
        yield finding(
            "area.corners",
            "boundaries",
            expected=f"at most {CORNERS_MAX} corners",
            got=corners,
            advice="Load a generalised edition of the boundaries.",
        )
    kinds = (view.get(AREAS, KINDS) or {}).get("kinds", [])
    if head is None and len(kinds) >= KINDS_MAX:
        yield finding(
            "area.kinds",
            "kind",
            expected=f"at most {KINDS_MAX} kinds of area: {', '.join(kinds)}",
            got=command.kind,
            advice="Load it as the next edition of one of them.",
        )


def _corners(feature: AreaFeature) -> int:
    return sum(len(ring) for rings in polygons_of(feature.geometry) for ring in rings)


def _code(command: LoadArea, feature: AreaFeature) -> str:
    value = feature.properties.get(command.code_property)
    is_code = isinstance(value, str | int) and not isinstance(value, bool)
    return " ".join(str(value).split()) if is_code else ""


def _codes_unfit(command: LoadArea) -> Iterator[Finding]:
    for number, feature in enumerate(command.boundaries.features):
        code = _code(command, feature)
        if re.fullmatch(AREA_CODE, code) is None:
            yield finding(
                "area.code",
                f"boundaries.features.{number}.properties.{command.code_property}",
                expected=f"a code: {AREA_CODE}",
                got=feature.properties.get(command.code_property, ""),
                advice="Name the property that has the code in `code_property`.",
            )


def _areas(command: LoadArea) -> Sequence[Area]:
    """One area for a code, in the order of the codes."""
    parts: dict[str, list[AreaFeature]] = {}
    for feature in command.boundaries.features:
        parts.setdefault(_code(command, feature), []).append(feature)
    found = []
    for code, features in sorted(parts.items()):
        shape, repaired = merged_polygons((one.geometry for one in features), command.crs)
        name = features[0].properties.get(command.name_property or "")
        found.append(Area(code, name if isinstance(name, str) else None, shape, repaired))
    return found


def _unfit(areas: Sequence[Area]) -> Iterator[Finding]:
    for area in areas:
        if area.shape.is_empty or extent_km2(area.shape) < EXTENT_KM2_MIN:
            yield finding(
                "area.empty",
                "boundaries",
                expected=f"a boundary of {area.code} with at least {EXTENT_KM2_MIN} km2 inside",
                advice="Check `crs`, and that the corners do not lie on one line.",
            )
            continue
        west, south, east, north = area.shape.bounds
        inside = west >= WEST and east <= EAST and south >= SOUTH and north <= NORTH
        if not inside:
            yield finding(
                "area.outside",
                "boundaries",
                expected=f"{area.code} between {WEST} and {EAST} east, {SOUTH} and {NORTH} north",
                got=", ".join(f"{bound:.3f}" for bound in area.shape.bounds),
                advice="Check `crs` and the order: easting or longitude first.",
            )


def _area_writes(
    kind: str,
    areas: Sequence[Area],
    pieces: Mapping[str, Mapping[str, Piece]],
    was: Sequence[str],
    view: View,
) -> Iterator[Put | Drop]:
    """The documents of the areas that are new, or not what they were, and of those that ended."""
    for area in areas:
        before = view.get(AREAS, area_id(kind, area.code))
        longitude, latitude, reach_m = centre_of(area.shape)
        new: dict[str, Any] = {
            "kind": kind,
            "code": area.code,
            "name": area.name,
            "centre": [longitude, latitude],
            "reach_m": reach_m,
            "cells": sorted(pieces[area.code]),
        }
        yield from _changed(AREAS, area_id(kind, area.code), new, before)
    for code in sorted({*was} - pieces.keys()):
        if (before := view.get(AREAS, area_id(kind, code))) is not None:
            yield Drop(AREAS, before)


def _cell_writes(
    kind: str,
    pieces: Mapping[str, Mapping[str, Piece]],
    cells: Sequence[str],
    view: View,
) -> Iterator[Put | Drop]:
    """The cells with the pieces of this kind anew, and those of the others as they are."""
    for cell in sorted({*cells}):
        before = view.get(CELLS, cell)
        others = [p for p in (before or {}).get("pieces", ()) if p["kind"] != kind]
        own = [
            {"kind": kind, "code": code, "whole": of_one[cell] is None, "wkb": of_one[cell]}
            for code, of_one in pieces.items()
            if cell in of_one
        ]
        new = {"pieces": sorted((*others, *own), key=lambda p: (p["kind"], p["code"]))}
        if new["pieces"]:
            yield from _changed(CELLS, cell, new, before)
        elif before is not None:
            yield Drop(CELLS, before)


def _changed(
    collection: str, key: str, new: Mapping[str, Any], was: Document | None
) -> Iterator[Put]:
    revision = was["revision"] if was is not None else 0
    if was != {"_id": key, "revision": revision, **new}:
        yield Put(collection, {"_id": key, "revision": revision + 1, **new}, was)


def _kinds_put(kind: str, view: View) -> Iterator[Put]:
    was = view.get(AREAS, KINDS)
    kinds = (was or {}).get("kinds", [])
    if kind not in kinds:
        yield from _changed(AREAS, KINDS, {"kinds": sorted([*kinds, kind])}, was)
