"""A tie at the broker: who has one hears of the asset, and who has none any more hears nothing."""

import pytest

from tests.spine import Platform, Received, Spine, asset, eventually
from topology import names

pytestmark = pytest.mark.connected


def told(party: Platform, kind: str) -> list[Received]:
    return [one for one in party.received if one.type == kind]


async def test_an_fsp_hears_of_an_asset_while_it_is_related_to_it(working: Spine) -> None:
    owner = await working.platform(roles=["owner"])
    fsp = await working.platform(roles=["fsp"])
    battery = (await owner.ask("asset.register.v1", asset())).data["id"]
    hidden = await fsp.ask("asset.get.v1", {"id": battery})

    tie = {"id": battery, "party": fsp.user, "relation": "fsp"}
    related = await owner.ask("asset.relate.v1", {**tie, "service": "DFS"})
    await fsp.until(lambda: told(fsp, "asset.related.v1"))
    shown = await fsp.ask("asset.get.v1", {"id": battery})
    await owner.ask("asset.update.v1", {"id": battery, "name": "One"})
    await fsp.until(lambda: told(fsp, "asset.updated.v1"))

    await owner.ask("asset.unrelate.v1", tie)
    await fsp.until(lambda: told(fsp, "asset.unrelated.v1"))
    await owner.ask("asset.update.v1", {"id": battery, "name": "Two"})
    # What comes later and reaches the FSP says that what came before did not.
    later = await owner.ask("asset.register.v1", asset())
    await owner.ask("asset.relate.v1", {**tie, "id": later.data["id"]})
    await fsp.until(lambda: len(told(fsp, "asset.related.v1")) > 1)
    await eventually(lambda: working.settled(names.NOTICES))
    gone = await fsp.ask("asset.get.v1", {"id": battery})

    assert hidden.data["code"] == "asset.not-found"
    assert related.data["ties"][0]["service"] == "DFS"
    assert shown.data["registrant"] == owner.user
    (updated,) = told(fsp, "asset.updated.v1")
    assert (updated.queue, updated.data["changed"]) == (names.events_queue(fsp.user), ["name"])
    assert gone.data["code"] == "asset.not-found"
    assert hidden.data["findings"] == gone.data["findings"], "as if it had never been"
    sequences = [int(r.envelope["sequence"]) for r in fsp.received if "sequence" in r.envelope]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_delegate_acts_while_it_has_the_mandate(working: Spine) -> None:
    platform = await working.platform(roles=["aggregator"])
    ada = await working.platform(roles=["owner"])
    battery = (await ada.ask("asset.register.v1", asset(owner=ada.user))).data["id"]

    before = await platform.ask("asset.get.v1", {"id": battery})
    await ada.ask("mandate.give.v1", {"delegate": platform.user})
    await platform.until(lambda: told(platform, "mandate.given.v1"))
    during = await platform.ask("asset.update.v1", {"id": battery, "name": "One"})
    ended = await platform.ask("mandate.end.v1", {"user": ada.user})
    await ada.until(lambda: told(ada, "mandate.ended.v1"))
    after = await platform.ask("asset.update.v1", {"id": battery, "name": "Two"})

    assert before.data["code"] == "asset.not-found"
    assert during.type == "asset.update.accepted.v1"
    assert ended.data["mandates"] == []
    assert after.data["code"] == "asset.not-found"
