"""The language of freshness: the register is a cache, and asks its sources to look again."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from contracts.assets import PLATFORMS
from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, AssetId, UserId

GivenGroup = Annotated[
    str,
    Field(
        pattern=r"^[a-z_]+(\.[A-Z][A-Z0-9-]{0,15})?$",
        description="A group that was given, such as `capability`, or `service.DFS`.",
        examples=["capability"],
    ),
]


class AskedFor(Contract):
    """A group that is asked for, and of whom."""

    group: GivenGroup
    of: UserId
    at: datetime
    """Since when."""


class RefreshState(Contract):
    """What of an asset is asked for anew, of the groups that were named."""

    id: AssetId
    asked: tuple[AskedFor, ...]


class RefreshAsset(
    Command,
    type="asset.refresh.v1",
    senders=PLATFORMS | {"special", "verifier"},
    accepted=RefreshState,
):
    """Ask whoever gave groups of an asset to look again, and to give them anew.

    Asked is who gave a group last; where that user may not write it any more, the owner, else the
    registrant. It gets `asset.refresh-asked.v1`, which waits for its action until somebody gives
    the group again: `asset.update.v1` with the same values is enough.
    What is asked for already, of the same user, is not asked for again within 30 days.
    Errors: `asset.not-found`, `asset.retired`, `refresh.unknown-group`, `refresh.own`,
    `refresh.nobody`.
    Source: A1b of the requirement.
    """

    id: AssetId
    groups: Annotated[tuple[GivenGroup, ...], Field(min_length=1, max_length=20)]
    """Groups that you may read."""


class AssetRefreshAsked(Event, type="asset.refresh-asked.v1"):
    """Somebody asks you to look at what you gave of an asset, and to give it again."""

    id: AssetId
    by: AnyUserId
    """Who asks."""
    of: UserId
    """Who is asked."""
    group: GivenGroup
    about: str
    """What the notice is about: the asset and the group."""


class AssetRefreshed(Event, type="asset.refreshed.v1"):
    """A group that was asked for, or was stale, was given again; its values may be the same."""

    id: AssetId
    revision: int
    by: AnyUserId
    of: UserId | None = None
    """Who was asked for it; absent where nobody was."""
    about: str
    changed: tuple[str, ...]
    """The group of which this tells: only parties who may read it are told."""
