"""The language of merging: two records that are one, how that is undone, parts of one whole."""

from typing import ClassVar

from contracts.duplicates import CaseId, CaseState
from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, AssetId, RecordId, UserId


class MergeState(Contract):
    """Two records after they were merged or split."""

    id: RecordId
    """The survivor."""
    revision: int
    """The survivor's."""
    other: RecordId
    other_revision: int


class MergeRecords(Command, type="duplicates.merge.v1", senders={"operator"}, accepted=MergeState):
    """Make one of two assets, or of two users: `id` keeps its data, `other` is its alias.

    Of assets, the relations, external ids, the device and the portfolio memberships of the other
    become the survivor's. Both are of one type and none of them a portfolio, none is retired or an
    alias, the other has no alias itself, and it has the survivor's owner or none. At most 200
    parties and 200 external ids of the other.
    Of users, the identifiers and external ids of the other become the survivor's, and afterwards,
    a portion at a time, its assets, relations and the mandates that it has been given. Both are
    organisations or both persons, and take part in the market; the other has no role that the
    survivor has not, and has signed nothing that the survivor has not. Whatever the other sends
    from then on is refused as `user.merged`; its accounts stay, so that it reads what waits in its
    queues.
    The data of the other is kept for `duplicates.split.v1` and is not mixed in. Whoever names the
    other is answered `asset.merged` or `user.merged`, with the survivor's id where it may see it.
    Merging the same again is accepted and changes nothing.
    Errors: `asset.not-found`, `user.not-found`, `merge.same`, `merge.unfit`, `merge.owner`,
    `merge.roles`, `merge.agreements`, `merge.too-many`.
    Source: duplicates are merged and unmerged, BUC.2 of the requirement.
    """

    takes_aliases: ClassVar[bool] = True
    id: RecordId
    """Which of the two survives."""
    other: RecordId
    """Which of them becomes its alias."""


class SplitRecords(Command, type="duplicates.split.v1", senders={"operator"}, accepted=MergeState):
    """Undo a merge: the alias is the asset, or the user, again that it was, under its own id.

    What came to the survivor by the merge goes back. What was said of the survivor since stays
    with it; a party that lost its tie or its consent meanwhile has none to the other either.
    A case of the two is open again. Splitting what is split already is `merge.none`.
    Errors: `asset.not-found`, `user.not-found`, `merge.none`.
    Source: duplicates are merged and unmerged, BUC.2 of the requirement.
    """

    takes_aliases: ClassVar[bool] = True
    id: RecordId
    """The survivor."""
    other: RecordId
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


class UserMerged(Event, type="user.merged.v1"):
    """A user is an alias: what concerns it is told of the other one from now on."""

    id: UserId
    """The alias."""
    revision: int
    by: AnyUserId
    into: UserId


class UserAbsorbed(Event, type="user.absorbed.v1"):
    """Another user is this one: its id is an alias, its identifiers and names are this one's."""

    id: UserId
    revision: int
    by: AnyUserId
    absorbed: UserId


class UserRestored(Event, type="user.restored.v1"):
    """A user that was an alias is the user again that it was."""

    id: UserId
    revision: int
    by: AnyUserId
    split_from: UserId


class UserDivided(Event, type="user.divided.v1"):
    """An alias of this user is a user of its own again, and has taken with it what was its."""

    id: UserId
    revision: int
    by: AnyUserId
    restored: UserId
