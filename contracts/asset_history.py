"""The language of an asset's history: what it was, and who changed what when."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from contracts.asset_groups import AssetGroups
from contracts.assets import AssetStatus, Confirmation, Lifecycle
from contracts.messages import EVERYBODY, Contract, Query
from contracts.services import ServiceCode
from contracts.values import AnyUserId, AssetId, AssetType, Timestamp


class AssetPast(AssetGroups):
    """What an asset was, or became with a change, as far as the asker could see it."""

    asset_type: AssetType | None = None
    status: AssetStatus | None = None
    status_at: datetime | None = None
    lifecycle: Lifecycle | None = None
    confirmations: dict[ServiceCode, Confirmation] | None = None
    replaces: AssetId | None = None
    replaced_by: AssetId | None = None
    retired_at: datetime | None = None
    retirement: str | None = None


class AssetChange(Contract):
    """One change of an asset, as far as the asker could see it then, and may see it now."""

    revision: int
    """What the asset's revision was from then on."""
    recorded_at: datetime
    """When the backbone decided it: from then on it was known."""
    valid_from: datetime
    """When its sender says that it is so from: the `time` of its command."""
    by: AnyUserId
    """Who changed it."""
    changed: tuple[str, ...]
    """Names of the groups that changed."""
    values: AssetPast
    """What they were from then on; of a group that is not here it was taken out, or erased."""


class AssetHistory(Contract):
    """What was known of an asset at a moment, and a page of its changes, the oldest first."""

    id: AssetId
    was: AssetPast | None = None
    """The asset as of the moment that was asked for; absent where there was none yet, or none that
    you could see."""
    changes: tuple[AssetChange, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ReadAssetHistory(Query, type="asset.history.v1", senders=EVERYBODY, accepted=AssetHistory):
    """Read what an asset was, and how it came to be what it is.

    Two times count, as for users: a change holds from its `valid_from` on, and is known from its
    `recorded_at` on. `as_of` asks by the first, `known_at` by the second.
    Shown is what you could see then, by what you were to the asset at that moment, and, as long as
    you are something to it, may see now. Who was something to it keeps that: a former owner, or a
    provider whose contract is over, reads what it could see until then, and nothing later.
    A page may hold fewer changes than there is room for.
    Errors: `asset.not-found`, `cursor.foreign`, `asset.history-too-long`.
    Source: A6, A7 of the requirement; who keeps what, by its rules of permission.
    """

    id: AssetId
    as_of: Timestamp | None = None
    """As it held at this moment; absent: now."""
    known_at: Timestamp | None = None
    """As it was known at this moment; absent: now. Changes that were recorded later are left
    out."""
    cursor: Annotated[str, Field(max_length=400)] | None = None
    """From the page before. Pages that follow the first have no `was`."""
    changes: StrictBool = True
    """Whether the changes are wanted too."""
