"""The broadcasts' language: a word to every party with an asset in an area."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, AssetType, Kilowatt, Latitude, Longitude

Corner = tuple[Longitude, Latitude]
"""Longitude first, as GeoJSON has it; WGS84."""
Ring = Annotated[tuple[Corner, ...], Field(min_length=4, max_length=201)]


class Polygon(Contract):
    """A GeoJSON polygon of one ring: up to 200 corners, the first repeated at the end."""

    type: Literal["Polygon"]
    coordinates: tuple[Ring]


class BroadcastState(Contract):
    """The broadcast is under way; how many it has reached is told when it is done."""

    id: str


class BroadcastNotice(
    Command, type="notice.broadcast.v1", senders={"operator", "so", "mo"}, accepted=BroadcastState
):
    """Say something to every party with an asset inside a polygon that has opted in.

    Told are owner, registrant, aggregators and FSPs of the assets of the given types and sizes,
    each once however many assets it has, but for the sender.
    An asset is found by its point or grid reference; a postcode alone is no place.
    The check counts whom it would reach, without names. Ten a day for each sender.
    Errors: `notice.polygon-invalid`, `notice.polygon-large`, `notice.power-range`,
    `notice.broadcast-limit`.
    Source: U5 of the requirement.
    """

    polygon: Polygon
    asset_types: tuple[AssetType, ...] | None = Field(default=None, min_length=1, max_length=50)
    """Absent: all."""
    min_power_kw: Kilowatt | None = None
    """Registered capacity; with either bound, assets without one are left out."""
    max_power_kw: Kilowatt | None = None
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class BroadcastAsked(Event, type="notice.broadcast-asked.v1", apart=True):
    """A broadcast is to be told; for the backbone itself."""

    id: str
    by: AnyUserId


class BroadcastReceived(Event, type="notice.broadcast-received.v1"):
    """An operator, SO or MO says something to those with assets in an area."""

    id: AnyUserId
    """The recipient."""
    by: AnyUserId
    broadcast: str
    text: str


class BroadcastDone(Event, type="notice.broadcast-done.v1"):
    """A broadcast of yours has reached whom it could."""

    id: AnyUserId
    """Who had sent it."""
    broadcast: str
    audience: int
    """How many were told, rounded down to 5, 10, 20, 50, 100, 200 and so on; fewer are 0."""
