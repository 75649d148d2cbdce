"""Who takes part in the scenario of assets, and what they say of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from handlers.post import digest_pot
from handlers.timing import TIMERS
from tests.broker.scene import Given, Scene, accepted, personal, the_market_is_there
from tests.spine import Platform

CAST: Final[dict[str, dict[str, Any]]] = {
    "ada": {"kind": "person", "name": "Ada Example", "roles": ["owner"]},
    "heir": {"name": "Cold Store Ltd", "roles": ["owner"]},
    "fsp1": {"name": "Harbour Flex Ltd", "roles": ["fsp"]},
    "fsp2": {"name": "Nightly Power Ltd", "roles": ["fsp"]},
    "so": {"name": "The Wires plc", "roles": ["so"]},
}
"""Beside the markets and the verifier; all are confirmed before it begins."""
OLD_MPAN: Final = "1312345678907"
NEW_MPAN: Final = "1000000000040"
BATTERY: Final[dict[str, Any]] = {
    "asset_type": "BAT",
    "name": "Cellar",
    "identity": {"make": "Acme", "model": "Wall 2", "serial": "SN-4711"},
    "connection": {"mpan_import": OLD_MPAN},
    "location": {"address": "1 Quay Street", "postcode": "CH1 1AA"},
    "capability": {"power_kw": 5, "energy_kwh": 13.5},
    "signposts": [{"what": "half-hourly readings", "url": "https://example.com/readings"}],
}
NEIGHBOUR: Final[dict[str, Any]] = {
    "asset_type": "BAT",
    "identity": {"make": "Acme", "serial": "SN-4712"},
    "connection": {"mpan_import": OLD_MPAN},
    "capability": {"power_kw": 2.5},
}
"""Another one behind the same meter."""
HEAT_PUMP: Final[dict[str, Any]] = {
    "asset_type": "HPA",
    "lifecycle": "planned",
    "identity": {"make": "Warmth", "serial": "HP-1"},
    "capability": {"power_kw": 3},
}
NEW_PLACE: Final[dict[str, Any]] = {
    "connection": {"mpan_import": NEW_MPAN},
    "location": {"address": "2 Mill Lane", "postcode": "CB7 9AA"},
}
TIES: Final[tuple[dict[str, str], ...]] = (
    {"party": "fsp1", "relation": "fsp", "service": "DC", "brand": "Harbour Balance"},
    {"party": "fsp2", "relation": "fsp", "service": "DFS", "brand": "Warm Nights"},
    {"party": "so", "relation": "so", "service": "DC"},
    {"party": "mo1", "relation": "mo", "service": "DFS"},
    {"party": "verifier", "relation": "verifier"},
)
"""Who is what to the battery."""


async def the_cast_is_there(scene: Scene) -> None:
    """Owners, FSPs and a system operator, whom the operator has registered and confirmed."""
    await the_market_is_there(scene)
    for part, data in CAST.items():
        given = await scene.enter(part, scene.operator, **data)
        await accepted(scene.operator, "user.confirm.v1", {"id": given["id"]})
    await scene.told(**each(CAST, "user.registered.v1", "user.confirmed.v1"))


def days_ago(days: int) -> str:
    """A day that is past, as a message says it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"


async def attested(scene: Scene, asset: str, scheme: str, **more: Any) -> Given:
    """Let the verifier look at an asset and say that its source says the same."""
    verifier = scene["verifier"]
    seen = await accepted(verifier, "asset.get.v1", {"id": asset})
    word = {"scheme": scheme, "verdict": "match", "source": "archive 2026-11", **more}
    looked_at = {"expected_revision": seen["revision"], "evidence_at": days_ago(1) + "T00:00:00Z"}
    return await accepted(verifier, "asset.attest.v1", {"id": asset, **looked_at, **word})


async def services(scene: Scene, part: str) -> dict[str, str]:
    """By service what the battery's data is, as far as one of the cast may know that."""
    asked = {"id": scene.assets["battery"]}
    shown = await accepted(scene[part], "asset.get.v1", asked)
    return {code: one["status"] for code, one in shown.get("confirmations", {}).items()}


async def represented(owner: Platform, question: Given) -> set[tuple[str, str, str, str]]:
    """Who is what to the one asset that an owner asks about: service and brand, where one is."""
    (told,) = (await accepted(owner, "asset.representation.v1", question))["assets"]
    parts = ("party", "relation", "service", "brand")
    return {tuple(one.get(part) for part in parts) for one in told["parties"]}


async def an_hour_is_over(scene: Scene, party: Platform) -> bool:
    """Bring a party's digest to its time; whether there was one."""
    due = {"$set": {"due": datetime.now(UTC)}}
    found = {"_id": {"$regex": f"/{digest_pot(party.user)}$"}}
    return bool((await scene.spine.database[TIMERS].update_many(found, due)).matched_count)


def kinds(party: Platform) -> set[str]:
    """Types of what a party was told without having asked."""
    return {one.type for one in personal(party)}


def each(parts: Iterable[str], *heard: str) -> dict[str, list[str]]:
    """The same for each of the cast: what it was told."""
    return {part: list(heard) for part in parts}
