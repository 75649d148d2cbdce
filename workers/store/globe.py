"""Distances on the sphere: how MongoDB is asked for what is near, and how memory finds it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import sqrt
from typing import Any, Final

from handlers import circles
from handlers.spans import BANDS_PER_M, Around, band_of

DISTANCE: Final = "distance_m"
"""The field that says how far a document is."""
FIRST_M: Final = 500.0
"""Width of the ring that is looked at first."""
WIDER_MIN: Final = 0.5
WIDER_MAX: Final = 8.0
"""How much wider than all before it the next ring is, at least and at most."""
SLACK_M: Final = 0.001
"""The server turns metres into angles and back: at an edge it is asked for a little more."""

Row = Mapping[str, Any]
Ask = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[Row]]]
"""Runs a pipeline and gives what comes of it."""


def distance_m(around: Around, point: Mapping[str, Any]) -> float:
    """How far a stored point is from the middle."""
    longitude, latitude = point["coordinates"]
    return circles.distance_m((around.latitude, around.longitude), (latitude, longitude))


def behind(around: Around, row: Row) -> bool:
    """Whether a document belongs behind the place at which the page begins."""
    return placed(row) > (around.band, around.after)


def placed(row: Row) -> tuple[int, str]:
    """By what a page is sorted."""
    return band_of(row[DISTANCE]), str(row["_id"])


async def page_around(around: Around, ask: Ask) -> Sequence[Row]:
    """A page in few questions: mostly one or two, and one more for each end that ties lie at.

    The server gives documents by distance as it comes to them, and those that are alike in no
    order. So a band that a page begins or ends in is asked for by itself, in the order of its ids.
    """
    found: list[Row] = []
    if around.band >= 0:
        found += await ask(_band(around, around.band, around.after, around.limit))
    if len(found) >= around.limit:
        return found
    wanted = around.limit - len(found)
    rows = sorted(await _onwards(around, wanted + 1, ask), key=placed)
    if len(rows) <= wanted:
        return [*found, *rows]
    last = band_of(rows[wanted][DISTANCE])
    whole = [row for row in rows if band_of(row[DISTANCE]) < last]
    if len(whole) < wanted:
        whole += await ask(_band(around, last, "", wanted - len(whole)))
    return [*found, *whole[:wanted]]


async def _onwards(around: Around, count: int, ask: Ask) -> Sequence[Row]:
    """So many beyond the band in which the page begins, or all that there are.

    Ring by ring, each as wide as the last one's density tells: the server looks at thousands of
    documents for some dozens where the circle that it is given is wide.
    """
    found: list[Row] = []
    begin = low = (around.band + 1) / BANDS_PER_M
    width = FIRST_M
    while low <= around.radius_m:
        high = min(low + width, around.radius_m)
        rows = await ask(_ring(around, low, high, count - len(found)))
        found += rows
        if len(found) >= count or high >= around.radius_m:
            break
        # As far as twice as many as wanted reach, if it goes on like this.
        more = sqrt(count * 2 / len(found)) - 1 if found else WIDER_MAX
        low, width = high, (high - begin) * min(WIDER_MAX, max(WIDER_MIN, more))
    return found


def _ring(around: Around, low: float, high: float, limit: int) -> Sequence[Mapping[str, Any]]:
    """The nearest of a ring; of the last one the edge is inside."""
    edge = "$lt" if high < around.radius_m else "$lte"
    return [
        _near(around, low, high),
        {"$match": {DISTANCE: {"$gte": low, edge: high}}},
        {"$limit": limit},
        {"$unset": around.held},
    ]


def _band(around: Around, band: int, after: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """What is in one band and behind an id, by id."""
    least, most = band / BANDS_PER_M, (band + 1) / BANDS_PER_M
    return [
        _near(around, least, min(most, around.radius_m)),
        {"$match": {DISTANCE: {"$gte": least, "$lt": most, "$lte": around.radius_m}}},
        {"$match": {"_id": {"$gt": after}}},
        {"$sort": {"_id": 1}},
        {"$limit": limit},
        {"$unset": around.held},
    ]


def _near(around: Around, least: float, most: float) -> Mapping[str, Any]:
    middle = {"type": "Point", "coordinates": [around.longitude, around.latitude]}
    return {
        "$geoNear": {
            "near": middle,
            "key": around.field,
            "query": {around.held: around.value},
            "distanceField": DISTANCE,
            "minDistance": max(0.0, least - SLACK_M),
            "maxDistance": most + SLACK_M,
            "spherical": True,
        }
    }
