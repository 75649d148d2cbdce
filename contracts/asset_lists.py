"""The language of looking through assets: which ones are whose, a page at a time."""

from typing import Annotated, Final, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from contracts.assets import PLATFORMS, AssetState, AssetStatus, Lifecycle
from contracts.messages import Contract, Query
from contracts.values import AssetId, AssetType, GspGroup, UserId

ASSETS_MAX: Final = 200
"""Assets of a page at most."""
Cursor = Annotated[str, Field(max_length=100)]


class AssetRow(AssetState):
    """One asset in a list, as far as the asker may see it; `asset.get.v1` has the rest."""

    asset_type: AssetType
    name: str | None = None
    area: str | None = None
    """GSP group, as far as it is known and the asker may read the connection."""
    relations: tuple[str, ...]
    """What the asker is to it."""


class AssetPage(Contract):
    """Assets in the order of their ids, which begin with their type.

    With `nested`: in the order of the portfolios that hold them, and in each by their ids.
    """

    assets: tuple[AssetRow, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListAssets(
    Query,
    type="asset.list.v1",
    senders=PLATFORMS | {"special", "verifier"},
    accepted=AssetPage,
):
    """Find the assets that one registered, owns or is related to by now.

    Whoever acts for another by mandate may ask for what that one owns, an operator for whatever is
    anybody's, or for all.
    The order is that of the ids, which never change: who reads page after page, changing nothing
    but the cursor, gets nothing twice and misses nothing that fitted all the time.
    A page looks at some hundreds of assets: with a rare status or area it may have few entries, or
    none, and still not be the last.
    With `portfolio`: what is in that, for whoever may read its group `members`. Listed is what the
    asker may see by itself, each asset once; `portfolio.members.v1` gives the ids of the rest.
    Errors: `cursor.foreign`, `user.not-found`; with `portfolio`: `asset.not-found` (also where the
    asker may not read its members), `portfolio.type`.
    Source: A3, A6 of the requirement.
    """

    of: UserId | None = None
    """Whose assets; absent: the asker's, or all where an operator asks."""
    portfolio: AssetId | None = None
    """What is in this portfolio, whoever's it is; not together with `of`."""
    nested: StrictBool = False
    """With `portfolio`: also what is in the portfolios in it, to any depth."""
    asset_type: AssetType | None = None
    status: AssetStatus | None = None
    lifecycle: Lifecycle | None = None
    area: GspGroup | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=ASSETS_MAX)] = 50
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.portfolio is not None and self.of is not None:
            raise ValueError("either of or portfolio")
        if self.portfolio is None and self.nested:
            raise ValueError("nested with a portfolio")
        return self
