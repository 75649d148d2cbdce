"""The language of an asset that moves: to another place, or to another owner."""

from typing import Self

from pydantic import model_validator

from contracts.asset_groups import Connection, Location
from contracts.assets import PLATFORMS, AssetState, AssetStatus
from contracts.messages import Command, Event
from contracts.patches import Revision
from contracts.values import AnyUserId, AssetId, UserId


class MoveAsset(Command, type="asset.move.v1", senders=PLATFORMS, accepted=AssetState):
    """Say where an asset stands from now on, how it is connected there, or both; it keeps its id.

    A group that is given takes the place of the one before, as a whole: nothing of the old place
    is left. What is confirmed is provisional again, and those who buy from it are told.
    The same again is accepted and changes nothing.
    Errors: `asset.not-found`, `asset.not-yours`, `asset.stale`, `asset.retired`, `move.nowhere`,
    `connection.gsp-group`, `location.outside`.
    Source: A1, A7 of the requirement.
    """

    id: AssetId
    location: Location | None = None
    """With a postcode, a UPRN, a point or a grid reference."""
    connection: Connection | None = None
    """With an MPAN."""
    expected_revision: Revision | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.location is None and self.connection is None:
            raise ValueError("location, connection or both")
        return self


class AssetMoved(Event, type="asset.moved.v1"):
    """An asset stands elsewhere, or has another connection; ask for it to see the values."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    changed: tuple[str, ...]
    """Names of the changed fields."""
    area: str | None = None
    """GSP group in which it lies now, as far as it is known."""


class TransferAsset(Command, type="asset.transfer.v1", senders=PLATFORMS, accepted=AssetState):
    """Give an asset to another owner, at once; the new owner is told and need not accept.

    Sent by the present owner or an operator; where no owner is named, by the registrant, who
    thereby names the first one and stays its registrant.
    From then on the former owner, whoever acts for it, and who had registered the asset for it are
    nothing to it any more; they keep the history that they could see. Recorded relations stay, and
    the new owner may end them. Naming the present owner is accepted and changes nothing.
    Errors: `asset.not-found`, `asset.not-yours`, `asset.stale`, `asset.retired`,
    `asset.owner-unknown`.
    Source: A1a of the requirement, and the states of an asset.
    """

    id: AssetId
    owner: UserId
    """A registered user."""
    expected_revision: Revision | None = None


class AssetTransferred(Event, type="asset.transferred.v1"):
    """An asset has another owner."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    owner: UserId
    """Who owns it now."""
    former: UserId | None = None
    """Who owned it before."""
    changed: tuple[str, ...] = ("owner",)
    """The group of which this tells: told to whoever may read it, and to both owners."""
