"""Assets by where they stand: what lies within, page after page, for those alone who may know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.envelope import Finding
from contracts.nearby import AssetsNear, FindAssetsNear, NearAsset
from contracts.taxonomy import OPERATOR
from handlers.areas import AREAS
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.edges import ties
from handlers.paging import after_of, cursor_of, foreign
from handlers.placing import PLACES, SEALED, fine_token, shelf_term
from handlers.polygons import AREA_KM2_MAX, area_km2, fault_of, place_of
from handlers.rules import finding, reject
from handlers.shapes import Shape, drawn, of_area
from handlers.signature import reads
from handlers.spans import Around, Span, band_of
from handlers.visibility import mandate_read, standing_reads, standing_to

CANDIDATES: Final = 2
"""How many times as many places as its limit one page looks at, where not each of them fits."""
CANDIDATES_MIN: Final = 100
SEALED_AT_ONCE: Final = 100
"""How many places of persons one page opens."""
CELLS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """How far the pages have come: behind which place by distance, or behind which one sealed."""

    sealed: bool = False
    number: int = -1
    """A band of distance, or which cell."""
    id: str = ""

    @classmethod
    def of(cls, after: str) -> "Place":
        """Read it from a cursor; without one it is the beginning."""
        if not after:
            return cls()
        part, number, key = after.split("|")
        return cls(part == "s", int(number), key)

    @property
    def after(self) -> str:
        return f"{'s' if self.sealed else 'p'}|{self.number}|{self.id}"


def _question(query: FindAssetsNear) -> str:
    return f"asset.near/{query.model_dump_json(exclude={'cursor'})}"


def _near_reads(query: FindAssetsNear, context: Context) -> Reads:
    """What is known to be looked at; through another's assets nobody looks without a mandate."""
    yield mandate_read({"owner": query.owner}, context.sender.user)
    if query.area is not None:
        yield AREAS, query.area
    if query.owner is not None:
        return
    yield PLACES, _any_sealed(_shelf(query, context))
    place = Place.of(after_of(query.cursor, _question(query), context))
    if (shape := drawn(query)) is not None and not place.sealed:
        yield PLACES, _around(query, shape, place, context)


def _shelf(query: FindAssetsNear, context: Context) -> str:
    """For whose eyes the places are that are looked through."""
    if query.owner is not None:
        return query.owner
    return OPERATOR if context.sender.is_operator else context.sender.user


def _any_sealed(shelf: str) -> Span:
    return Span.of_list("terms", [shelf_term(shelf, SEALED)], "", 1)


def _around(query: FindAssetsNear, shape: Shape, place: Place, context: Context) -> Around:
    filtered = shape.needs_more or query.asset_types is not None
    return Around(
        field="point",
        held="viewers",
        value=_shelf(query, context),
        longitude=shape.circle.longitude,
        latitude=shape.circle.latitude,
        radius_m=shape.circle.radius_m,
        limit=max(CANDIDATES_MIN, CANDIDATES * query.limit) if filtered else query.limit,
        band=place.number,
        after=place.id,
    )


@reads(_near_reads)
def find_assets_near(query: FindAssetsNear, view: View, context: Context) -> AssetsNear | Rejected:
    """Answer with a page of the assets inside whose location the asker may read.

    Rejects: near.place, near.polygon, near.area-unknown, cursor.foreign
    Source: A6, U5.
    """
    question = _question(query)
    if findings := (*_unfit(query, view), *foreign(query.cursor, question, context)):
        return reject(*findings)
    area = view.get(AREAS, query.area) if query.area is not None else None
    shape = of_area(area) if area is not None else drawn(query)
    if shape is None or not _may_look(query, view, context):
        return AssetsNear(assets=())
    place = Place.of(after_of(query.cursor, question, context))
    page = Page(query, shape, view, context)
    following = page.by_cell(place) if place.sealed else page.by_distance(place)
    return AssetsNear(
        assets=tuple(page.assets),
        cursor=cursor_of(following.after, question, context) if following is not None else None,
    )


def _may_look(query: FindAssetsNear, view: View, context: Context) -> bool:
    """Whether the asker looks through what is for its own eyes, or for those of its mandator."""
    if query.owner in {None, context.sender.user}:
        return True
    mandate = view.get(*mandate_read({"owner": query.owner}, context.sender.user))
    return "delegate" in ties(mandate, context.now)


@dataclass(slots=True)
class Page:
    """One page as it fills."""

    query: FindAssetsNear
    shape: Shape
    view: View
    context: Context
    assets: list[NearAsset] = field(default_factory=list)

    @property
    def shelf(self) -> str:
        """Whose places are looked through."""
        return _shelf(self.query, self.context)

    def by_distance(self, place: Place) -> Place | None:
        """Take what the index gives, and say where the next page begins.

        Where it gives nothing the page goes on with the sealed ones; one page is not both, since
        what each looks at leads to more.
        """
        around = _around(self.query, self.shape, place, self.context)
        self.view.require([(PLACES, around), (PLACES, _any_sealed(self.shelf))])
        rows = self.view.around(PLACES, around)
        inside = [row for row in rows if self._is_inside(row)]
        looked_at = inside[: self.query.limit]
        self._take(looked_at)
        if len(looked_at) < len(inside):
            return Place(number=band_of(looked_at[-1]["distance_m"]), id=looked_at[-1]["_id"])
        if len(rows) == around.limit:
            return Place(number=band_of(rows[-1]["distance_m"]), id=rows[-1]["_id"])
        kept, _ = self.view.page(PLACES, _any_sealed(self.shelf))
        if not kept:
            return None
        return Place(sealed=True, number=0) if rows else self.by_cell(Place(sealed=True, number=0))

    def by_cell(self, place: Place) -> Place | None:
        """Open the next places of persons, and say where the ones after them begin."""
        found, following = self._sealed(place)
        fit = [(number, row) for number, row in found if self._is_meant(row)]
        looked_at = fit[: self.query.limit]
        self._take([row for _, row in looked_at])
        if len(looked_at) < len(fit):
            number, row = looked_at[-1]
            return Place(sealed=True, number=number, id=row["_id"])
        return following

    def _sealed(self, place: Place) -> tuple[Sequence[tuple[int, Document]], Place | None]:
        """The rows of the next cells, each with the number of its cell, and what comes then."""
        cells, fine = self.shape.searched()
        next_cells = list(enumerate(cells))[place.number : place.number + CELLS_AT_ONCE]
        spans = [(n, self._span(cell, place, n, fine=fine)) for n, cell in next_cells]
        self.view.require((PLACES, span) for _, span in spans)
        found: list[tuple[int, Document]] = []
        for number, span in spans:
            rows, further = self.view.page(PLACES, span)
            if len(found) + len(rows) > SEALED_AT_ONCE:
                return found, Place(sealed=True, number=number)
            found += [(number, row) for row in rows]
            if further:
                return found, Place(sealed=True, number=number, id=further)
        behind = place.number + len(spans)
        return found, Place(sealed=True, number=behind) if behind < len(cells) else None

    def _span(self, cell: str, place: Place, number: int, *, fine: bool) -> Span:
        spot = fine_token(cell, self.context.identity) if fine else cell
        after = place.id if number == place.number else ""
        return Span.of_list("terms", [shelf_term(self.shelf, spot)], after, SEALED_AT_ONCE)

    def _is_meant(self, row: Document) -> bool:
        """Whether the type fits, which the id says, and the area, where one is asked for."""
        types, area = self.query.asset_types, self.shape.area
        return (types is None or _type_of(row["_id"]) in types) and (
            area is None or area in row["areas"]
        )

    def _is_inside(self, row: Document) -> bool:
        longitude, latitude = row["point"]["coordinates"]
        return self._is_meant(row) and self.shape.holds(latitude, longitude, row["areas"])

    def _read(self, rows: Sequence[Document]) -> None:
        """What says who the asker is to the assets; whose a person's is the row says already."""
        viewer = self.context.sender.user
        own = (key for row in rows for key in standing_reads("assets", row["_id"], viewer))
        known = (mandate_read({"owner": r["person"]}, viewer) for r in rows if "person" in r)
        self.view.require([*own, *known])
        found = [self.view.get("assets", row["_id"]) for row in rows]
        self.view.require(mandate_read(asset, viewer) for asset in found)

    def _take(self, rows: Sequence[Document]) -> None:
        """Put assets onto the page, those that are inside and whose location may be read."""
        self._read(rows)
        for row in rows:
            key, now = ("assets", row["_id"]), self.context.now
            asset = self.view.get(*key)
            standing = standing_to(key, asset, self.context.sender, self.view, now)
            if asset is None or not standing.may("read", "location"):
                continue
            if "distance_m" in row:
                self.assets.append(_shown(asset, row, row["distance_m"]))
                continue
            # A person's is opened here and not before: for those alone who may read it.
            place = place_of(asset)
            if place is not None and self.shape.holds(*place, row["areas"]):
                self.assets.append(_shown(asset, row, self.shape.circle.distance_m(*place)))


def _type_of(asset: str) -> str:
    return asset.partition("-")[0]


def _shown(asset: Document, row: Mapping[str, Any], distance_m: float) -> NearAsset:
    return NearAsset(
        id=asset["_id"],
        asset_type=asset["asset_type"],
        status=asset["status"],
        lifecycle=asset["lifecycle"],
        distance_m=round(distance_m),
        areas=tuple(row["areas"]),
    )


def _unfit(query: FindAssetsNear, view: View) -> Iterator[Finding]:
    if sum(one is not None for one in (query.point, query.polygon, query.area)) != 1:
        yield finding(
            "near.place",
            "",
            expected="one of: point with radius_m, polygon, area",
            advice="Give one of them, and ask once for each.",
        )
    if query.area is not None and view.get(AREAS, query.area) is None:
        yield finding(
            "near.area-unknown",
            "area",
            expected="an area that is loaded, as kind and code",
            got=query.area,
            advice="Compare with the `areas` of an asset, or ask an operator which are loaded.",
        )
    if query.polygon is None:
        return
    (ring,) = query.polygon.coordinates
    fault = fault_of(ring)
    if fault is None and area_km2(ring) > AREA_KM2_MAX:
        fault = f"at most {AREA_KM2_MAX} km2"
    if fault is not None:
        yield finding(
            "near.polygon",
            "polygon.coordinates",
            expected=fault,
            advice="Draw one simple ring in WGS84, longitude first, as GeoJSON has it.",
        )
