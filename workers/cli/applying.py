"""Making the topology, but none by which commands would pass by the directory of shards."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from contracts.taxonomy import SHARDED
from topology import names
from topology.drift import Drift
from topology.management import Management
from topology.plan import Plan
from workers.backbone import StartError, apply_topology, check_shards
from workers.cli.place import Place
from workers.store.driver import Driver
from workers.store.mongo import MongoStore
from workers.store.protocol import StateStore, StoreError


class Bound(Protocol):
    """Who knows what a queue is bound to."""

    async def bindings_of(self, queue: str) -> tuple[Mapping[str, Any], ...]:
        """The bindings of a queue; none where there is no such queue."""


async def applied(place: Place, plan: Plan, login: tuple[str, str]) -> None:
    """Make the plan at the broker, as this account. StartError before anything is changed."""
    async with (
        _maps(place) as store,
        Management(place.addresses.management_as(*login)) as management,
    ):
        await check_plan(store, place.settings.shards_max, plan, management)
    await apply_topology(place.addresses, place.vault, plan, *login)


async def check_plan(store: StateStore, shards_max: int, plan: Plan, bound: Bound) -> None:
    """Refuse what the workers refuse; without the map, to take a directory's bindings away."""
    try:
        await check_shards(store, shards_max)
    except StoreError as error:
        taken = await _directories(plan, bound)
        if taken:
            raise StartError(
                f"expected the map of shards from the database, since FLEXSPINE_SHARDS_MAX of "
                f"{shards_max} takes away the bindings of {', '.join(taken)}, got {error}. Set "
                "FLEXSPINE_SHARDS_MAX to what the topology was applied with, or apply when the "
                "database answers. Nothing was changed."
            ) from error


async def check_map(place: Place) -> None:
    """Refuse a setting that is too small for the map. Raises StartError and StoreError."""
    async with _maps(place) as store:
        await check_shards(store, place.settings.shards_max)


def is_of_setting(drift: Drift, plan: Plan) -> bool:
    """Whether the broker holds what another FLEXSPINE_SHARDS_MAX makes, and this one unmakes."""
    if drift.kind != "binding" or drift.state != "surplus":
        return False
    retired = {(b.exchange, b.queue, b.key) for b in plan.retired}
    return (drift.got["source"], drift.got["destination"], drift.got["key"]) in retired


def advice(shards_max: int, found: Iterable[Drift], plan: Plan) -> str | None:
    """What to set where a difference is of the setting, None where none is."""
    if not any(is_of_setting(drift, plan) for drift in found):
        return None
    return (
        f"The topology was applied with another FLEXSPINE_SHARDS_MAX than {shards_max}: set the "
        "one that the workers have, before anything is applied or repaired; if it is to change, "
        "see Shards in docs/runbook.md."
    )


async def _directories(plan: Plan, bound: Bound) -> list[str]:
    """The directories of which the plan would take a binding away."""
    fronts = {q for r in map(names.directory, SHARDED) for q in (r, names.bulk_mailbox(r))}
    retired = {(b.exchange, b.queue, b.key) for b in plan.retired if b.queue in fronts}
    return [
        queue
        for queue in sorted({queue for _, queue, _ in retired})
        if any(
            (row["source"], queue, row["routing_key"]) in retired
            for row in await bound.bindings_of(queue)
        )
    ]


@asynccontextmanager
async def _maps(place: Place) -> AsyncIterator[MongoStore]:
    settings = place.settings
    through = Driver(settings.mongo_driver)
    store = MongoStore(place.addresses.mongo_url, settings.database, through=through)
    try:
        yield store
    finally:
        await store.close()
