"""What is in a portfolio, listed page by page on each store: the same, and each asset once."""

import uuid
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from handlers.admission import Limits
from tests.builders import NOW, STRANGER, command
from tests.conformance.store import Store
from tests.decider import RULEBOOK, VAULT, Decider, said
from tests.memory.shards import put_in
from tests.portfolios import Scene
from tests.servers import TestServers
from workers.queries import Desk
from workers.store.indexes import INDEXES
from workers.store.memory import MemoryStore
from workers.store.mongo import MongoStore

MEMBERS: Final = 230
"""More than a page has."""
QUESTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"limit": 7, "asset_type": "WND"},
    {"nested": True, "limit": 200},
    {"nested": True, "limit": 9, "asset_type": "WND", "lifecycle": "planned"},
    {"nested": True, "limit": 3, "asset_type": "PFL"},
)


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.connected)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    servers: TestServers = request.getfixturevalue("servers")
    opened = MongoStore(servers.urls.mongo_url, f"membership-{uuid.uuid4().hex[:8]}")
    await opened.install(INDEXES)
    yield opened
    await opened.close()


def filled() -> tuple[Decider, str]:
    """A portfolio of three, of which the stranger may see every other member."""
    scene = Scene()
    top, left, right = (scene.portfolio(n) for n in range(3))
    planned = {"lifecycle": "planned"}
    many = [scene.asset(n, "BAT" if n % 3 else "WND", **planned) for n in range(MEMBERS)]
    scene.add(top, left, right, *many[:210])
    scene.add(left, right, *many[200:])
    scene.add(right, *many[:20])
    for asset in (top, right, *many[::2]):
        scene.tie(asset, STRANGER, "fsp")
    return scene.decider, top


async def asked(desk: Desk, data: dict[str, Any]) -> Any:
    """What the desk answers."""
    return said(await desk.answer(command("asset.list.v1", data, sender=STRANGER)))[1]


async def listed(desk: Desk, data: dict[str, Any]) -> list[str]:
    page = await asked(desk, data)
    found = [row["id"] for row in page["assets"]]
    while "cursor" in page:
        page = await asked(desk, data | {"cursor": page["cursor"]})
        found += [row["id"] for row in page["assets"]]
    return found


async def test_each_store_lists_what_plain_documents_hold(store: Store) -> None:
    decider, top = filled()
    await put_in(store, decider.documents)
    desk = Desk(store, VAULT, RULEBOOK, Limits(), lambda: NOW)
    for more in QUESTIONS:
        data = {"portfolio": top, **more}
        found = await listed(desk, data)
        rows = (d for d in decider.of("members") if "within" in d)
        inside = {row["asset"] for row in rows if more.get("nested") or row["within"] == top}
        seen = {row["entity"] for row in decider.of("relations") if row["party"] == STRANGER}
        kind = more.get("asset_type", "")
        wanted = sorted(one for one in inside & seen if one.startswith(kind))
        if "lifecycle" in more:
            wanted = [one for one in wanted if not one.startswith("PFL")]
        assert sorted(found) == wanted
        assert more.get("nested") or found == wanted
