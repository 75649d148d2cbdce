"""A portfolio at the broker: its sums are told to be complete, and are."""

from typing import Any

import pytest

from tests.spine import Platform, Received, Spine, asset

pytestmark = pytest.mark.connected


def told(party: Platform, kind: str) -> list[Received]:
    return [one for one in party.received if one.type == kind]


async def test_a_platform_knows_when_the_sums_are_complete(working: Spine) -> None:
    owner = await working.platform(roles=["owner"])
    fsp = await working.platform(roles=["fsp"])
    power: dict[str, Any] = {"capability": {"power_kw": 2.5}}
    batteries = [
        (await fsp.ask("asset.register.v1", asset(owner=owner.user, **power))).data["id"]
        for _ in range(3)
    ]
    low, top = [
        (await fsp.ask("asset.register.v1", {"asset_type": "PFL"})).data["id"] for _ in range(2)
    ]
    await fsp.ask("portfolio.add.v1", {"id": top, "members": [low, batteries[0]]})
    added = await fsp.ask("portfolio.add.v1", {"id": low, "members": batteries})
    circle = await fsp.ask("portfolio.add.v1", {"id": low, "members": [top]})
    await fsp.until(
        lambda: any(
            one.data["id"] == low and one.data["as_of"] == added.data["revision"]
            for one in told(fsp, "portfolio.progressed.v1")
        )
    )
    await fsp.until(lambda: len(told(fsp, "portfolio.progressed.v1")) > 2)
    members = (await fsp.ask("asset.get.v1", {"id": top})).data["members"]
    await owner.until(lambda: len(told(owner, "portfolio.joined.v1")) > 3)
    taken = await owner.ask("portfolio.remove.v1", {"id": low, "members": [batteries[1]]})
    await fsp.until(lambda: told(fsp, "portfolio.changed.v1"))
    await fsp.until(lambda: len(told(fsp, "portfolio.progressed.v1")) > 3)
    after = (await fsp.ask("asset.get.v1", {"id": top})).data["members"]
    page = await fsp.ask("portfolio.members.v1", {"id": low})

    assert circle.data["code"] == "portfolio.cycle"
    assert (members["count"], members["power_kw"], members["doubled"], members["pending"]) == (
        *(3, {"total": 7.5, "of": 3}, 1),
        0,
    )
    assert taken.data["changed"] == 1
    assert (after["count"], after["power_kw"]["total"]) == (2, 5)
    assert [one["id"] for one in page.data["members"]] == sorted({*batteries} - {batteries[1]})
