"""Which hops this release runs, and what they are made of: directories of shards, and replay."""

from typing import Any, Literal

from contracts.envelope import CONTENT_TYPE
from contracts.taxonomy import SHARDED
from outbox.wire import Wire
from topology import catalog, names
from workers.backbone import Backbone
from workers.directory import Directory, Following
from workers.line import Line
from workers.quota import Quota
from workers.resending import Resending
from workers.shares import Shares
from workers.steering import Steering


def fronted(backbone: Backbone) -> list[str]:
    """The registers that have a directory: those that may have shards, if there may be several."""
    if backbone.settings.shards_max == 1:
        return []
    return [register for register in catalog.registers(backbone.entries) if register in SHARDED]


def resending(backbone: Backbone, shares: Shares) -> Resending:
    """The hop of dead letters."""
    settings = backbone.settings

    def wire(channel: Any) -> Wire:
        return Wire(channel, names.REPLAY_ACCOUNT, CONTENT_TYPE, settings.publish_timeout_s)

    return Resending(
        owner=backbone.owner,
        store=backbone.store,
        shares=shares,
        make_broker=lambda: backbone.broker(names.REPLAY_ACCOUNT),
        make_wire=wire,
        per_second=settings.replay_per_second,
        lease_s=settings.lease_s,
        backoff_max_s=settings.backoff_max_s,
        clock=backbone.clock,
        naming=backbone.addresses.naming,
    )


def directory(backbone: Backbone, register: str, shares: Shares) -> Directory:
    """The directory of one register; the quota is counted here, where all of them pass."""
    settings = backbone.settings
    quota = Quota(settings.quota_per_minute, backbone.clock)

    def wire(channel: Any) -> Wire:
        return Wire(channel, names.DIRECTORY_ACCOUNT, CONTENT_TYPE, settings.publish_timeout_s)

    def line(kind: Literal["ordinary", "bulk"]) -> Line:
        return Line(
            steering=Steering(backbone.store, register, kind == "bulk"),
            quota=quota,
            announced=Following(backbone.clock),
            make_wire=wire,
            backoff_max_s=settings.backoff_max_s,
            naming=backbone.addresses.naming,
        )

    return Directory(
        name=names.directory(register),
        owner=backbone.owner,
        store=backbone.store,
        shares=shares,
        make_line=line,
        make_broker=lambda: backbone.broker(names.DIRECTORY_ACCOUNT),
        prefetch=settings.directory_prefetch_max,
        lease_s=settings.lease_s,
        backoff_max_s=settings.backoff_max_s,
    )
