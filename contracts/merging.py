"""The language of merging: two assets that are one, how that is undone, and parts of one whole."""

from typing import ClassVar

from contracts.duplicates import CaseId, CaseState
from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, AssetId


class MergeState(Contract):
    """Two assets after they were merged or split."""

    id: AssetId
    """The survivor."""
    revision: int
    """The survivor's."""
    other: AssetId
    other_revision: int


class MergeAssets(Command, type="duplicates.merge.v1", senders={"operator"}, accepted=MergeState):
    """Make one asset of two: `id` keeps its id and its data, `other` is its alias from then on.

    The relations, external ids, the device and the portfolio memberships of the other become the
    survivor's; its data is kept for `duplicates.split.v1` and is not mixed in. Whoever names the
    other is answered `asset.merged`, with the survivor's id where it may see that one.
    Both are of one type and none of them a portfolio, none is retired or an alias, the other has
    no alias itself, and it has the survivor's owner or none. At most 200 parties and 200 external
    ids of the other.
    Merging the same again is accepted and changes nothing.
    Errors: `asset.not-found`, `merge.same`, `merge.unfit`, `merge.owner`, `merge.too-many`.
    Source: duplicates are merged and unmerged, BUC.2 of the requirement.
    """

    takes_aliases: ClassVar[bool] = True
    id: AssetId
    """Which of the two survives."""
    other: AssetId
    """Which of them becomes its alias."""


class SplitAssets(Command, type="duplicates.split.v1", senders={"operator"}, accepted=MergeState):
    """Undo a merge: the alias is the asset again that it was, under its own id.

    What came to the survivor by the merge goes back. What was said of the survivor since stays
    with it; a party that lost its tie or its consent meanwhile has none to the other either.
    A case of the two is open again. Splitting what is split already is `merge.none`.
    Errors: `asset.not-found`, `merge.none`.
    Source: duplicates are merged and unmerged, BUC.2 of the requirement.
    """

    takes_aliases: ClassVar[bool] = True
    id: AssetId
    """The survivor."""
    other: AssetId
    """Its alias."""


class JoinParts(Command, type="duplicates.part-of.v1", senders={"operator"}, accepted=CaseState):
    """Decide that the two assets of a case are parts of one whole: the portfolio that holds both.

    Put both into it before, with `portfolio.add.v1`; nothing else changes by it.
    Errors: `duplicates.not-found`, `duplicates.decided`, `duplicates.not-parts`.
    Source: duplicates are decided by people, BUC.2 of the requirement.
    """

    id: AssetId
    """The portfolio."""
    case: CaseId


class AssetMerged(Event, type="asset.merged.v1"):
    """An asset is an alias: what concerns it is told of the other one from now on."""

    id: AssetId
    """The alias."""
    revision: int
    by: AnyUserId
    into: AssetId


class AssetAbsorbed(Event, type="asset.absorbed.v1"):
    """Another asset is this one: its id is an alias, its parties and names are this one's."""

    id: AssetId
    revision: int
    by: AnyUserId
    absorbed: AssetId


class AssetRestored(Event, type="asset.restored.v1"):
    """An asset that was an alias is the asset again that it was."""

    id: AssetId
    revision: int
    by: AnyUserId
    split_from: AssetId


class AssetDivided(Event, type="asset.divided.v1"):
    """An alias of this asset is an asset of its own again, and has taken with it what was its."""

    id: AssetId
    revision: int
    by: AnyUserId
    restored: AssetId
