"""Where assets stand, kept so that they are found: derived from the asset and from its parties.

Every change of an asset or of its parties brings its row along in the same decision.

A row is found by those alone who may know of the asset: it says for whose eyes it is, and whoever
asks looks through what is for its own eyes. So neither an answer nor its time tells of the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from contracts.asset_groups import Location
from contracts.messages import register_of_entity
from contracts.taxonomy import OPERATOR
from handlers.areas import CELLS
from handlers.cutting import areas_at
from handlers.decision import Document, Drop, Put, Reads, Secret, View
from handlers.documents import changed_in
from handlers.edges import RELATIONS
from handlers.polygons import cell_at, place_of
from handlers.senders import Issuer
from handlers.shapes import FINE
from handlers.spans import Span
from handlers.visibility import Standing, named

PLACES: Final = "places"
VIEWERS_MAX: Final = 50
"""For so many users one asset is found by its place; any more ask by its id."""
SEALED: Final = "sealed"
_TOKEN_LENGTH: Final = 16


def cell_reads(asset: Mapping[str, Any]) -> Reads:
    """What tells an asset's areas: the document of its cell."""
    if (place := place_of(asset)) is not None:
        yield CELLS, cell_at(*place)


def location_reads(location: Location | None) -> Reads:
    """The same of a location that a command gives."""
    if location is not None:
        yield from cell_reads({"location": location.model_dump(exclude_none=True)})


def shelf_term(viewer: str, what: str) -> str:
    """Under what a viewer finds the places of persons: all of them, or those of one cell."""
    return f"{viewer}/{what}"


def fine_token(cell: str, identity: Issuer) -> str:
    """What stands for a fine cell: where a person lives is not said in plain."""
    return identity.fingerprint("place", cell)[:_TOKEN_LENGTH]


def row_of(
    asset: Document, viewers: Iterable[str], areas: Sequence[str], identity: Issuer
) -> Mapping[str, Any] | None:
    """An asset's row but for its revision; None where nobody knows its place, or it is no more."""
    place = place_of(asset)
    if place is None or asset["lifecycle"] == "retired":
        return None
    latitude, longitude = place
    known = dict.fromkeys([OPERATOR, *named(asset).values(), *viewers])
    row = {
        "_id": asset["_id"],
        "cell": cell_at(latitude, longitude),
        "areas": list(areas),
        "viewers": sorted(list(known)[:VIEWERS_MAX]),
    }
    if not isinstance(asset["location"], Secret):
        return row | {"point": {"type": "Point", "coordinates": [longitude, latitude]}}
    fine = fine_token(cell_at(latitude, longitude, FINE), identity)
    spots = (SEALED, row["cell"], fine)
    terms = [shelf_term(viewer, spot) for viewer in row["viewers"] for spot in spots]
    return row | {"person": asset.get("owner"), "terms": sorted(terms)}


def place_writes(
    writes: Sequence[Put | Drop], view: View, identity: Issuer
) -> Iterator[Put | Drop]:
    """The rows of the assets that a decision changes, or to which it ties another party."""
    assets = changed_in("assets", writes)
    tied: dict[str, list[str]] = {}
    for put in writes:
        if isinstance(put, Put) and put.collection == RELATIONS and put.was is None:
            entity = put.document["entity"]
            if register_of_entity(entity) == "assets":
                tied.setdefault(entity, []).append(put.document["party"])
    gone = _gone(writes)
    for asset, put in assets.items():
        moved = (tied.pop(asset, ()), gone.pop(asset, ()))
        yield from _placed(put, moved, view, identity)
    for asset, parties in tied.items():
        document, was = view.get("assets", asset), view.get(PLACES, asset)
        if document is not None:
            areas = was["areas"] if was is not None else areas_of(document, view)
            yield from row_writes(document, was, parties, areas, identity)
    for asset, left in gone.items():
        yield from _without(asset, left, view, identity)


def _gone(writes: Sequence[Put | Drop]) -> dict[str, list[str]]:
    """By asset those who are as if they had never been tied to it."""
    gone: dict[str, list[str]] = {}
    for one in writes:
        if isinstance(one, Drop) and one.collection == RELATIONS:
            entity = one.was["entity"]
            if register_of_entity(entity) == "assets":
                gone.setdefault(entity, []).append(one.was["party"])
    return gone


def _without(asset: str, gone: Sequence[str], view: View, identity: Issuer) -> Iterator[Put]:
    """The row without those who are as if they had never been tied to the asset."""
    document, was = view.get("assets", asset), view.get(PLACES, asset)
    if document is None or was is None:
        return
    viewers = [one for one in was["viewers"] if one not in gone]
    row = row_of(document, viewers, was["areas"], identity)
    if row is not None and was != {**row, "revision": was["revision"]}:
        yield Put(PLACES, {**row, "revision": was["revision"] + 1}, was)


def _placed(
    put: Put, moved: tuple[Sequence[str], Sequence[str]], view: View, identity: Issuer
) -> Iterator[Put | Drop]:
    """The row of a changed asset, with those who are tied to it now and without who is no more."""
    parties, gone = moved
    if put.was is not None and not parties and not gone and _alike(put.was, put.document):
        return
    was = view.get(PLACES, put.document["_id"]) if put.was is not None else None
    if put.was is not None and "merged_into" in put.was:
        # It is an asset again: those who are tied to it have been so before its row was made.
        rows, _ = view.page(RELATIONS, Span("entity", put.document["_id"]))
        parties = [*parties, *(row["party"] for row in rows)]
    known = [one for one in (was or {}).get("viewers", ()) if one not in gone]
    areas = areas_of(put.document, view)
    yield from _written(put.document, was, (*known, *parties), areas, identity)


def areas_of(asset: Document, view: View) -> list[str]:
    """The areas in which an asset lies, as kind and code; none where nobody knows its place."""
    place = place_of(asset)
    return areas_at(view.get(CELLS, cell_at(*place)), *place) if place is not None else []


def shown_areas(asset: str, standing: Standing, view: View) -> Mapping[str, Sequence[str]]:
    """The areas of an asset, for those who may read where it stands."""
    row = view.get(PLACES, asset)
    if row is None or not row["areas"] or not standing.may("read", "location"):
        return {}
    return {"areas": row["areas"]}


def row_writes(
    asset: Document,
    was: Document | None,
    tied: Iterable[str],
    areas: Sequence[str],
    identity: Issuer,
) -> Iterator[Put | Drop]:
    """An asset's row as it should be, where it is missing or another, or is to go."""
    return _written(asset, was, (*(was or {}).get("viewers", ()), *tied), areas, identity)


def _written(
    asset: Document,
    was: Document | None,
    viewers: Iterable[str],
    areas: Sequence[str],
    identity: Issuer,
) -> Iterator[Put | Drop]:
    row = row_of(asset, viewers, areas, identity)
    if row is None:
        if was is not None:
            yield Drop(PLACES, was)
        return
    revision = was["revision"] if was is not None else 0
    if was != {**row, "revision": revision}:
        yield Put(PLACES, {**row, "revision": revision + 1}, was)


def _alike(one: Document, other: Document) -> bool:
    """Whether nothing differs between two revisions of an asset that its row is made of."""
    return all(of(one) == of(other) for of in (place_of, named, lambda asset: asset["lifecycle"]))
