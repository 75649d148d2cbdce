"""The language of portfolios: what is put into them, what is in them, how far their sums are."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from contracts.assets import PLATFORMS
from contracts.messages import Command, Contract, Event, Query
from contracts.values import AnyUserId, AssetId

MEMBERS_MAX = 500
"""How many assets one command adds or removes."""
MemberIds = Annotated[tuple[AssetId, ...], Field(min_length=1, max_length=MEMBERS_MAX)]
DuplicateKind = Literal["ways", "meter"]
"""`ways`: the portfolio holds the asset by more than one way; it is counted once.
`meter`: other assets of the same type are behind the same MPAN; each is counted."""
READERS = PLATFORMS | {"special", "verifier"}


class Duplicate(Contract):
    """An asset that may be in the portfolio twice: flagged, and not refused."""

    kind: DuplicateKind
    assets: tuple[AssetId, ...]
    """Those that the asker may know, at most ten."""
    count: int
    """Of `meter` how many assets there are; of `ways` how many ways."""


class PortfolioState(Contract):
    """What an accepted command on a portfolio is answered with."""

    id: AssetId
    changed: int
    """How many assets the command has added, or removed."""
    revision: int | None = None
    """Of the portfolio's membership: it rises with every command that changes it; absent for who
    may not read its members."""
    unchanged: tuple[AssetId, ...] = ()
    """Those that were members already, or were none, or that were named twice."""
    pending: int | None = None
    """Changes of this portfolio's own members that are not in its sums yet, these included; absent
    for who may not read its members."""
    duplicates: tuple[Duplicate, ...] = ()
    """What of the added assets is in the portfolio already, as far as members are counted."""


class AddToPortfolio(
    Command, type="portfolio.add.v1", senders=PLATFORMS, accepted=PortfolioState
):  # fmt: skip
    """Put assets, or portfolios, into a portfolio; all of them or none.

    Sent by whoever may write the portfolio's group `members` and each asset's group `portfolios`;
    the page on rights says which relations may. The owner of each asset is told.
    An asset that is a member already is accepted and changes nothing. An asset may be in 50
    portfolios; portfolios nest to a depth of 8, and none is below itself.
    The answer comes before the sums: `pending` says how many changes they lack, and
    `portfolio.progressed.v1` is told when they have them.
    Errors: `asset.not-found` (also where the sender may not see it), `portfolio.type`,
    `portfolio.not-yours`, `portfolio.member-not-yours`, `portfolio.retired`, `portfolio.cycle`,
    `portfolio.depth`, `portfolio.too-wide`, `portfolio.crowded`, `tie.too-many`.
    Source: A2, A3 and A7 of the requirement: a portfolio is simply a type of asset.
    """

    id: AssetId
    """The portfolio."""
    members: MemberIds


class RemoveFromPortfolio(
    Command, type="portfolio.remove.v1", senders=PLATFORMS, accepted=PortfolioState
):  # fmt: skip
    """Take assets, or portfolios, out of a portfolio; that they were in it stays on record.

    Sent by whoever may write the portfolio's group `members`; and, for assets of its own, by an
    asset's owner or the owner's delegate, whose asset nobody else keeps in a portfolio.
    An asset that is no member is accepted and changes nothing.
    Errors: `asset.not-found`, `portfolio.type`, `portfolio.not-yours`.
    Source: A7 of the requirement: assets shift between portfolios.
    """

    id: AssetId
    """The portfolio."""
    members: MemberIds


class Member(Contract):
    """One direct member of a portfolio."""

    id: AssetId
    since: datetime
    duplicates: tuple[DuplicateKind, ...] = ()
    """Why it may be in the portfolio twice."""


class MemberPage(Contract):
    """Some of a portfolio's direct members, in the order of their ids."""

    id: AssetId
    members: tuple[Member, ...]
    cursor: str | None = None
    """With it the next page is asked for; absent behind the last one."""


PageSize = Annotated[StrictInt, Field(ge=1, le=200)]


class ListMembers(Query, type="portfolio.members.v1", senders=READERS, accepted=MemberPage):
    """List a portfolio's direct members, in pages; what is in a nested portfolio is asked of that.

    For those who may read the portfolio's group `members`. The values of a member are asked for
    with `asset.get.v1`, and go by what the asker is to that member.
    Errors: `asset.not-found` (also where the asker may not read its members), `portfolio.type`,
    `cursor.foreign`.
    Source: A6 of the requirement.
    """

    id: AssetId
    cursor: str | None = Field(default=None, max_length=200)
    limit: PageSize = 100


class DuplicatePage(Contract):
    """Some of what may be in a portfolio twice."""

    id: AssetId
    duplicates: tuple[Duplicate, ...]
    cursor: str | None = None
    """With it the next page is asked for; absent behind the last one."""


class ListDuplicates(
    Query, type="portfolio.duplicates.v1", senders=READERS, accepted=DuplicatePage
):  # fmt: skip
    """List what may be in a portfolio twice, to any depth, in pages.

    An asset is named where it is a direct member or the asker may see it by itself.
    Errors: `asset.not-found` (also where the asker may not read its members), `portfolio.type`,
    `cursor.foreign`.
    Source: A3 of the requirement: flag duplicates within each unit or portfolio.
    """

    id: AssetId
    cursor: str | None = Field(default=None, max_length=300)
    limit: Annotated[StrictInt, Field(ge=1, le=50)] = 50


class PortfolioChanged(Event, type="portfolio.changed.v1"):
    """Assets have come into a portfolio, or have gone; told to those who may read its members."""

    id: AssetId
    revision: int
    """Of the portfolio's membership."""
    by: AnyUserId
    added: tuple[AssetId, ...] = ()
    removed: tuple[AssetId, ...] = ()
    changed: tuple[str, ...] = ("members",)
    """The group of which this tells."""


class PortfolioJoined(Event, type="portfolio.joined.v1"):
    """An asset is in a portfolio now; told to the asset's owner."""

    id: AssetId
    """The asset."""
    portfolio: AssetId
    by: AnyUserId


class PortfolioLeft(Event, type="portfolio.left.v1"):
    """An asset is in a portfolio no more; told to the asset's owner."""

    id: AssetId
    """The asset."""
    portfolio: AssetId
    by: AnyUserId


class PortfolioProgressed(Event, type="portfolio.progressed.v1"):
    """A change of a portfolio's members is in its sums, and in those of the portfolios above."""

    id: AssetId
    revision: int
    """Of the sums."""
    as_of: int
    """Revision of the membership up to which everything of its own members is in the sums."""
    pending: int
    """Changes of its own members that are not in the sums yet."""
    count: int
    """Assets that are counted."""
    changed: tuple[str, ...] = ("members",)
    """The group of which this tells."""


class PortfolioCounting(Event, type="portfolio.counting.v1", apart=True):
    """Assets are to be counted anew in every portfolio above them; for the backbone itself."""

    id: AssetId
    """The portfolio whose membership has changed, or the asset whose data has."""
    assets: tuple[AssetId, ...] = ()
    settled: int = 0
    """How many changes of the portfolio's members are done with these."""


class PortfolioNested(Event, type="portfolio.nested.v1", apart=True):
    """A portfolio has come into another one, or has gone: whatever is in it is counted anew."""

    id: AssetId
    """The portfolio above."""
    nested: AssetId
    """The one that was put in or taken out."""


class PortfolioLeaving(Event, type="portfolio.leaving.v1", apart=True):
    """An asset is taken out of every portfolio, since it is retired; for the backbone itself."""

    id: AssetId
    by: AnyUserId
