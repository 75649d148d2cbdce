"""When a planned asset is overdue, and what follows when it is."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from contracts.lifecycle import AssetLapsed
from contracts.notices import NoticeDue
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Put, Reads, View
from handlers.post import Post
from handlers.timing import LAPSES, TIMERS, timer_id, timer_row
from handlers.visibility import named

GRACE_DAYS: Final[Mapping[str, int]] = {
    "EVC": 30,
    "EVH": 30,
    "HPA": 30,
    "HEM": 30,
    "HWT": 30,
    "STH": 30,
    "HVC": 30,
    "BAT": 90,
    "SOL": 90,
    "DSR": 90,
    "SIT": 90,
    "PFL": 90,
    "OTH": 90,
    "WND": 180,
    "HYD": 180,
    "GEN": 180,
    "CHP": 180,
    "BIO": 180,
    "TID": 180,
    "IFC": 180,
}
"""Asset type -> how many days after the expected one a planned asset lapses.

A type that an operator has defined is not among them: see `grace_days`.
"""
OTHERWISE: Final = "OTH"
"""As which a type counts that is not in the table."""
UNDATED_DAYS: Final = 365
"""After how many days a planned asset without an expected day counts as expected."""


def grace_days(asset_type: str) -> int:
    """How many days of grace assets of a type have, also of one that was defined later."""
    return GRACE_DAYS.get(asset_type, GRACE_DAYS[OTHERWISE])


def overdue_at(asset: Document) -> datetime | None:
    """When a planned asset is overdue: the days of grace are over; None for any other."""
    if asset["lifecycle"] != "planned":
        return None
    expected = asset.get("expected_on")
    if expected is None:
        first = asset["registered_at"].date() + timedelta(days=UNDATED_DAYS)
    else:
        first = date.fromisoformat(expected)
    last = first + timedelta(days=grace_days(asset["asset_type"]))
    return datetime.combine(last + timedelta(days=1), time(), UTC)


def overdue_since(asset: Document, now: datetime) -> datetime | None:
    """Since when a planned asset is overdue; None where it is not."""
    at = overdue_at(asset)
    return at if at is not None and at <= now else None


def _timer(asset: Document, due: datetime) -> str:
    return timer_id(due, f"{asset['_id']}/{LAPSES}")


def lapse_timer(asset: Document) -> Iterator[Put]:
    """What waits for the day on which a newly planned asset is overdue."""
    due = overdue_at(asset)
    if due is not None:
        row = timer_row(LAPSES, due, asset["_id"])
        yield Put(TIMERS, {"_id": _timer(asset, due), "revision": 1, **row})


def moved_timer(was: Document, asset: Document, view: View) -> Iterator[Put]:
    """What waits for another day; the timer of before finds nothing to do when it comes."""
    due = overdue_at(asset)
    if due is None or due == overdue_at(was):
        return
    # A day that was expected once before may have its timer still.
    if view.get(TIMERS, _timer(asset, due)) is None:
        yield from lapse_timer(asset)


def lapse_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer and its asset."""
    yield TIMERS, fact.timer
    yield "assets", fact.id


def lapse(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Say that the asset has lapsed, if it is still waited for since that day.

    Nothing is written on it: that it is overdue follows from its dates.
    Source: A2c.
    """
    keyed_to, post = unattributed(context.now), Post(view, context)
    timer, asset = view.get(TIMERS, fact.timer), view.get("assets", fact.id)
    if timer is None:
        return Handled(keyed_to)
    post.drop(TIMERS, fact.timer)
    if asset is None or overdue_at(asset) != timer["due"]:
        return Handled(keyed_to, post.writes)
    lapsed = AssetLapsed(
        id=fact.id,
        revision=asset["revision"],
        parties=named(asset) or None,
        expected_on=asset.get("expected_on"),
        overdue_since=timer["due"],
    )
    return Handled(keyed_to, post.writes, events=(lapsed,))
