"""The requirement's scenario of assets, A1 to A8, over real servers, as its steps are numbered."""

import time
from asyncio.subprocess import Process
from typing import Any, Final

import pytest

from tests.broker.cast import (
    BATTERY,
    HEAT_PUMP,
    NEIGHBOUR,
    NEW_MPAN,
    NEW_PLACE,
    OLD_MPAN,
    TIES,
    an_hour_is_over,
    attested,
    days_ago,
    each,
    kinds,
    represented,
    services,
    the_cast_is_there,
)
from tests.broker.scene import Scene, accepted, asked, now, refused
from tests.spine import Spine, asset, eventually

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]
ATTESTED: Final = "asset.attested.v1"
CONFIRMED: Final = "asset.confirmed.v1"
SENT: Final = 20
"""How many assets FSP-2 registers around the downtime."""


async def test_from_the_first_registration_to_the_downtime(lone: Spine) -> None:
    """Each step looks at the answers, and at who was told: those whom it names, and nobody else."""
    async with lone.process() as process:
        scene = await Scene.open(lone)
        began = time.monotonic()
        await the_cast_is_there(scene)
        await a1_an_asset_gets_its_id_at_once(scene)
        await a1a_its_parties_are_on_record(scene)
        await a1a_each_fsp_says_what_concerns_its_service(scene)
        await a2_evidence_confirms_service_by_service(scene)
        await a2b_what_is_proven_counts_for_the_next_service(scene)
        await a2c_a_planned_asset_waits_until_it_operates(scene)
        await a3_the_owner_consents(scene)
        await a3_what_may_be_in_a_portfolio_twice_is_flagged(scene)
        await a4_nobody_gets_a_second_id(scene)
        await a4a_who_overwrites_another_s_value_is_told_of(scene)
        await a6_markets_read_what_they_may_and_the_fsp_knows(scene)
        await a7b_who_has_not_seen_the_latest_is_refused(scene)
        before = await a7_the_asset_moves_and_keeps_its_id(scene)
        await a7_another_owner_takes_it_over(scene)
        await a7_the_source_looks_again(scene)
        await a3_the_owner_takes_its_consent_back(scene, before)
        await a7_the_past_can_be_read(scene, before)
        ids = await a8_it_goes_down_while_fsp_2_registers(scene, process)
    async with lone.running():
        await a8_nothing_is_lost_and_nothing_done_twice(scene, ids)
        print(f"the scenario took {time.monotonic() - began:.1f} s")  # noqa: T201  the figure


async def a1_an_asset_gets_its_id_at_once(scene: Scene) -> None:
    """From a registered user alone; it says its type, and where heavier data is held (A1b)."""
    fsp1, ada = scene["fsp1"], scene["ada"]
    answer = await refused(scene["verifier"], "asset.register.v1", BATTERY)
    assert answer["code"] == "sender.role"
    kind = await accepted(fsp1, "taxonomy.get.v1", {"id": "BAT"})
    assert kind["details"]["additionalProperties"] is False
    data = BATTERY | {"owner": ada.user, "reference": "SITE-7"}
    checked = await accepted(fsp1, "asset.register.check.v1", data)
    assert checked["verdict"] == "acceptable"
    made = await accepted(fsp1, "asset.register.v1", data)
    assert (made["status"], made["lifecycle"], made["revision"]) == ("provisional", "operating", 1)
    assert made["id"].startswith("BAT-")
    scene.assets["battery"] = made["id"]
    await scene.told(ada=["asset.registered.v1"])
    shown = await accepted(ada, "asset.get.v1", {"id": made["id"]})
    assert shown["registrant"] == fsp1.user
    assert shown["signposts"] == BATTERY["signposts"]
    question = {"external": [{"scheme": "own", "value": "SITE-7"}]}
    (known,) = (await accepted(fsp1, "asset.translate.v1", question))["external"]
    assert known["id"] == made["id"]


async def a1a_its_parties_are_on_record(scene: Scene) -> None:
    """Two FSPs, each for a service, two buyers and a verifier; nobody makes itself one of them."""
    ada, battery = scene["ada"], scene.assets["battery"]
    itself = {"id": battery, "party": scene["fsp2"].user, "relation": "fsp"}
    answer = await refused(scene["fsp2"], "asset.relate.v1", itself)
    assert answer["code"] == "asset.not-found"
    for tie in TIES:
        party = scene[tie["party"]].user
        await accepted(ada, "asset.relate.v1", {"id": battery, **tie, "party": party})
    heard = ["asset.related.v1"]
    await scene.told(fsp1=heard * len(TIES), **each(("fsp2", "so", "mo1", "verifier"), *heard))


async def a1a_each_fsp_says_what_concerns_its_service(scene: Scene) -> None:
    """And nothing of the other's, of which it does not even know."""
    fsp1, fsp2, battery = scene["fsp1"], scene["fsp2"], scene.assets["battery"]
    offers = {"DC": {"power_up_kw": 4}}, {"DFS": {"power_up_kw": 3}}
    await accepted(fsp1, "asset.update.v1", {"id": battery, "service": offers[0]})
    await accepted(fsp2, "asset.update.v1", {"id": battery, "service": offers[1]})
    answer = await refused(fsp2, "asset.update.v1", {"id": battery, "service": offers[0]})
    assert answer["code"] == "asset.not-yours"
    assert (await accepted(fsp2, "asset.get.v1", {"id": battery}))["service"] == offers[1]
    heard = ["asset.updated.v1"]
    await scene.told(ada=heard * 2, verifier=heard * 2, so=heard, fsp1=heard, mo1=heard)
    assert scene.said("mo1", "asset.updated.v1")["changed"] == ["service.DFS"]


async def a2_evidence_confirms_service_by_service(scene: Scene) -> None:
    """What is given is believed; then the verifier finds the meter, the capability and a test."""
    battery = scene.assets["battery"]
    given = await attested(scene, battery, "connection")
    assert given["status"] == "provisional"
    await scene.told(
        ada=[ATTESTED, CONFIRMED], fsp1=[ATTESTED, CONFIRMED], fsp2=[ATTESTED, CONFIRMED],
        so=[ATTESTED], mo1=[CONFIRMED],
    )  # fmt: skip
    assert scene.said("mo1", CONFIRMED)["services"] == ["DFS"]
    assert (await services(scene, "mo1")) == {"DFS": "confirmed"}
    given = await attested(scene, battery, "capability")
    assert given["status"] == "confirmed"
    everybody = ("ada", "fsp1", "fsp2", "so", "mo1")
    await scene.told(**each(everybody, ATTESTED, CONFIRMED))
    assert scene.said("so", CONFIRMED)["overall"] is True
    assert "DC" not in await services(scene, "ada")
    await attested(scene, battery, "test", service="DC")
    assert await services(scene, "ada") == {"DC": "confirmed", "DFS": "confirmed"}
    assert await services(scene, "so") == {"DC": "confirmed"}
    await scene.told(**each(("ada", "fsp1", "so"), ATTESTED, CONFIRMED))


async def a2b_what_is_proven_counts_for_the_next_service(scene: Scene) -> None:
    """A test for DC is good for DM as well: offered now, it is confirmed with the offer."""
    fsp1, battery = scene["fsp1"], scene.assets["battery"]
    offer = {"id": battery, "service": {"DM": {"power_up_kw": 4}}}
    await accepted(fsp1, "asset.update.v1", offer)
    assert (await services(scene, "fsp1"))["DM"] == "confirmed"
    both = ["asset.updated.v1", "asset.confirmed.v1"]
    await scene.told(ada=both, verifier=both)


async def a2c_a_planned_asset_waits_until_it_operates(scene: Scene) -> None:
    """It lapses loudly, can be attested and not confirmed, and is with its commissioning."""
    ada, fsp1, verifier = scene["ada"], scene["fsp1"], scene["verifier"]
    planned = HEAT_PUMP | {"owner": ada.user, "expected_on": days_ago(60)}
    pump = (await accepted(fsp1, "asset.register.v1", planned))["id"]
    scene.assets["pump"] = pump
    for party in (ada, fsp1):
        await party.until(lambda p=party: "asset.lapsed.v1" in kinds(p))  # type: ignore[misc]
    tie = {"id": pump, "party": verifier.user, "relation": "verifier"}
    await accepted(ada, "asset.relate.v1", tie)
    for scheme in ("identity", "capability"):
        assert (await attested(scene, pump, scheme))["status"] == "provisional"
    answer = await refused(scene.operator, "asset.confirm.v1", {"id": pump})
    assert answer["code"] == "asset.not-operating"
    seen = ["asset.attested.v1"] * 2
    await scene.told(
        ada=["asset.registered.v1", "asset.lapsed.v1", *seen],
        fsp1=["asset.lapsed.v1", "asset.related.v1", *seen],
        verifier=["asset.related.v1"],
    )
    assert await asked(ada) == await asked(fsp1) == {("asset.lapsed.v1", pump)}
    commission = {"id": pump, "commissioned_on": days_ago(0)}
    done = await accepted(ada, "asset.commission.v1", commission)
    assert (done["lifecycle"], done["status"]) == ("operating", "confirmed")
    both = ["asset.commissioned.v1", "asset.confirmed.v1"]
    await scene.told(fsp1=both, verifier=both)
    assert not await asked(ada) | await asked(fsp1)


async def a3_the_owner_consents(scene: Scene) -> None:
    """FSP-2 asserts what it has on paper, and the owner says the same (assumption 8)."""
    ada, fsp2, battery = scene["ada"], scene["fsp2"], scene.assets["battery"]
    word = {"id": battery, "party": fsp2.user, "service": "DFS"}
    given = await accepted(fsp2, "asset.consent.v1", word | {"method": "signature"})
    assert given["state"] == "asserted"
    given = await accepted(ada, "asset.consent.v1", word | {"method": "by-owner"})
    assert given["state"] == "verified"
    heard = ["asset.consented.v1"]
    await scene.told(ada=heard, fsp1=heard * 2, fsp2=heard)


async def a3_what_may_be_in_a_portfolio_twice_is_flagged(scene: Scene) -> None:
    """Two batteries behind one meter; the sums say what all of them can do."""
    fsp1, ada, battery = scene["fsp1"], scene["ada"], scene.assets["battery"]
    made = await accepted(fsp1, "asset.register.v1", NEIGHBOUR | {"owner": ada.user})
    top = (await accepted(fsp1, "asset.register.v1", {"asset_type": "PFL"}))["id"]
    scene.assets |= {"neighbour": made["id"], "portfolio": top}
    members = [battery, made["id"], scene.assets["pump"]]
    await accepted(fsp1, "portfolio.add.v1", {"id": top, "members": members})
    await fsp1.until(lambda: "portfolio.progressed.v1" in kinds(fsp1))
    held = (await accepted(fsp1, "asset.get.v1", {"id": top}))["members"]
    assert (held["count"], held["power_kw"]["total"], held["pending"]) == (3, 10.5, 0)
    listed = (await accepted(fsp1, "asset.list.v1", {"portfolio": top, "nested": True}))["assets"]
    assert [row["id"] for row in listed] == sorted(members)
    twice = (await accepted(fsp1, "portfolio.duplicates.v1", {"id": top}))["duplicates"]
    assert [(one["kind"], sorted(one["assets"])) for one in twice] == [
        ("meter", sorted(members[:2]))
    ]
    await scene.told(
        ada=["asset.registered.v1", *["portfolio.joined.v1"] * 3], fsp1=["portfolio.progressed.v1"]
    )


async def a4_nobody_gets_a_second_id(scene: Scene) -> None:
    """Whoever tries learns no id, and those with an interest learn of it (A5a), not of whom."""
    mo2, battery = scene["mo2"], scene.assets["battery"]
    again = BATTERY | {"identity": {"make": "ACME", "serial": "sn 4711"}}
    answer = await refused(mo2, "asset.register.v1", again)
    assert answer["code"] == "asset.duplicate"
    assert battery not in str(answer)
    attempt = "asset.duplicate-attempted.v1"
    parties = ("ada", "fsp1", "fsp2", "so", "mo1", "verifier")
    await scene.told(**each(parties, attempt))
    assert await asked(scene["fsp1"]) == {(attempt, battery)}
    assert mo2.user not in str(scene.said("fsp1", attempt))


async def a4a_who_overwrites_another_s_value_is_told_of(scene: Scene) -> None:
    """FSP-2 knows it otherwise: the last word stays, and FSP-1 learns of both values."""
    fsp1, fsp2, battery = scene["fsp1"], scene["fsp2"], scene.assets["battery"]
    flexible = {"flexible_connection": True}, {"flexible_connection": False}
    await accepted(fsp1, "asset.update.v1", {"id": battery, "capability": flexible[0]})
    await accepted(fsp2, "asset.update.v1", {"id": battery, "capability": flexible[1]})
    heard = ["asset.updated.v1"]
    both = each(("ada", "so", "mo1", "verifier"), *heard * 2)
    await scene.told(**both, fsp2=heard, fsp1=[*heard, "asset.conflicted.v1"])
    said = scene.said("fsp1", "asset.conflicted.v1")
    assert (said["by"], said["changed"]) == (fsp2.user, ["capability.flexible_connection"])
    assert said["before"]["capability"]["flexible_connection"] is True
    assert said["after"]["capability"]["flexible_connection"] is False


async def a6_markets_read_what_they_may_and_the_fsp_knows(scene: Scene) -> None:
    """MO-1 that buys from it reads a part, MO-2 nothing; FSP-1 has asked to know who reads."""
    fsp1, mo1, battery = scene["fsp1"], scene["mo1"], scene.assets["battery"]
    await accepted(fsp1, "subscription.set.v1", {"access": [battery], "digest_minutes": 60})
    (row,) = (await accepted(mo1, "asset.list.v1", {"asset_type": "BAT"}))["assets"]
    assert (row["id"], row["relations"]) == (battery, ["mo"])
    shown = await accepted(mo1, "asset.get.v1", {"id": battery})
    assert shown["capability"]["power_kw"] == 5
    assert shown.keys().isdisjoint({"owner", "identity", "connection", "location", "name"})
    assert (await refused(scene["mo2"], "asset.get.v1", {"id": battery}))["code"] == (
        "asset.not-found"
    )
    await eventually(lambda: an_hour_is_over(scene, fsp1))
    await fsp1.until(lambda: "notice.digest.v1" in kinds(fsp1))
    await accepted(fsp1, "subscription.set.v1", {"access": []})
    await scene.told(fsp1=["notice.digest.v1"])
    assert scene.said("fsp1", "notice.digest.v1")["readers"] == {battery: [mo1.user]}


async def a7b_who_has_not_seen_the_latest_is_refused(scene: Scene) -> None:
    """It is told the present revision, and what has changed since the one that it has seen."""
    fsp1, battery = scene["fsp1"], scene.assets["battery"]
    seen = (await accepted(fsp1, "asset.get.v1", {"id": battery}))["revision"]
    stale = {"id": battery, "expected_revision": seen - 1, "capability": {"ramp_kw_per_min": 2}}
    answer = await refused(fsp1, "asset.update.v1", stale)
    assert answer["code"] == "asset.stale"
    (finding,) = answer["findings"]
    wanted = f"the current revision, {seen} (changed since yours: capability)"
    assert finding["expected"] == wanted
    await scene.told()


async def a7_the_asset_moves_and_keeps_its_id(scene: Scene) -> str:
    """To another place with another meter: what was confirmed is open again, and buyers know."""
    ada, battery = scene["ada"], scene.assets["battery"]
    before = now()
    seen = (await accepted(ada, "asset.get.v1", {"id": battery}))["revision"]
    move = {"id": battery, "expected_revision": seen, **NEW_PLACE}
    moved = await accepted(ada, "asset.move.v1", move)
    assert (moved["id"], moved["status"]) == (battery, "provisional")
    assert set((await services(scene, "ada")).values()) == {"provisional"}
    heard, opened = "asset.moved.v1", "asset.reopened.v1"
    both = each(("fsp1", "fsp2", "so", "verifier"), heard, opened)
    await scene.told(**both, mo1=[opened])
    assert scene.said("mo1", opened)["services"] == ["DFS"]
    assert "connection.mpan_import" in scene.said("so", heard)["changed"]
    given = await attested(scene, battery, "connection")
    assert given["status"] == "confirmed"
    assert set((await services(scene, "ada")).values()) == {"confirmed"}
    both = each(("ada", "fsp1", "fsp2", "so"), ATTESTED, CONFIRMED)
    await scene.told(**both, mo1=[CONFIRMED])
    return before


async def a7_another_owner_takes_it_over(scene: Scene) -> None:
    """At once; the FSPs stay what they are, and who had registered it for the former owner not."""
    ada, heir, battery = scene["ada"], scene["heir"], scene.assets["battery"]
    await accepted(ada, "asset.transfer.v1", {"id": battery, "owner": heir.user})
    await scene.told(**each(("heir", "fsp1", "fsp2", "verifier"), "asset.transferred.v1"))
    assert scene.said("heir", "asset.transferred.v1")["former"] == ada.user
    assert (await refused(ada, "asset.get.v1", {"id": battery}))["code"] == "asset.not-found"
    shown = await accepted(heir, "asset.get.v1", {"id": battery})
    assert shown["owner"] == heir.user
    assert shown["name"] == BATTERY["name"]
    assert shown["status"] == "confirmed", "the evidence is of the device, whoever owns it"
    rows = (await accepted(scene["fsp1"], "asset.list.v1", {"asset_type": "BAT"}))["assets"]
    assert {row["id"]: row["relations"] for row in rows}[battery] == ["fsp"]


async def a7_the_source_looks_again(scene: Scene) -> None:
    """The register is a cache (A1b): the SO asks whoever gave the capability, and it says so."""
    so, fsp2, battery = scene["so"], scene["fsp2"], scene.assets["battery"]
    given = (await accepted(so, "asset.get.v1", {"id": battery}))["given"]["capability"]
    assert (given["by"], given["stale"]) == (fsp2.user, False)
    await accepted(so, "asset.refresh.v1", {"id": battery, "groups": ["capability"]})
    await scene.told(fsp2=["asset.refresh-asked.v1"])
    about = ("asset.refresh-asked.v1", f"{battery}/capability")
    assert about in await asked(fsp2)
    same = {"id": battery, "capability": {"flexible_connection": False}}
    await accepted(fsp2, "asset.update.v1", same)
    await scene.told(**each(("heir", "fsp1", "so", "mo1", "verifier"), "asset.refreshed.v1"))
    assert about not in await asked(fsp2)
    fresh = (await accepted(so, "asset.get.v1", {"id": battery}))["given"]["capability"]
    assert fresh["at"] > given["at"]


async def a3_the_owner_takes_its_consent_back(scene: Scene, before: str) -> None:
    """It asks who represents its asset, and FSP-2 does no more from then on, nor comes back."""
    heir, fsp1, fsp2 = scene["heir"], scene["fsp1"], scene["fsp2"]
    battery = scene.assets["battery"]
    question: dict[str, Any] = {"id": battery}
    wanted = {
        (scene[one["party"]].user, one["relation"], one.get("service"), one.get("brand"))
        for one in TIES
    }
    assert await represented(heir, question) == wanted
    withdrawal = {"id": battery, "party": fsp2.user}
    await accepted(heir, "asset.withdraw-consent.v1", withdrawal)
    await scene.told(fsp2=["asset.consent-withdrawn.v1"])
    assert scene.said("fsp2", "asset.consent-withdrawn.v1")["stopped"] == ["fsp"]
    offer = {"id": battery, "service": {"DFS": {"power_up_kw": 2}}}
    assert (await refused(fsp2, "asset.update.v1", offer))["code"] == "asset.not-found"
    back = withdrawal | {"relation": "fsp"}
    assert (await refused(scene.operator, "asset.relate.v1", back))["code"] == "consent.withdrawn"
    left = {one for one in wanted if one[0] != fsp2.user}
    assert await represented(heir, question) == left
    assert await represented(heir, question | {"at": before}) == wanted
    assert (await refused(fsp1, "asset.representation.v1", question))["code"] == (
        "relation.not-yours"
    )


async def a7_the_past_can_be_read(scene: Scene, before: str) -> None:
    """As of before the move by those who could see it then; the heir was nothing to it yet."""
    past = {"id": scene.assets["battery"], "as_of": before, "changes": False}
    for part in ("ada", "fsp1", "fsp2"):
        was = (await accepted(scene[part], "asset.history.v1", past))["was"]
        assert was["connection"]["mpan_import"] == OLD_MPAN
        assert was["location"]["postcode"] == BATTERY["location"]["postcode"]
        assert (was["owner"], was["status"]) == (scene["ada"].user, "confirmed")
    assert "was" not in await accepted(scene["heir"], "asset.history.v1", past)
    answer = await accepted(scene["heir"], "asset.history.v1", past | {"as_of": now()})
    assert answer["was"]["connection"]["mpan_import"] == NEW_MPAN
    assert (await refused(scene["mo2"], "asset.history.v1", past))["code"] == "asset.not-found"
    await scene.told()


async def a8_it_goes_down_while_fsp_2_registers(scene: Scene, process: Process) -> list[str]:
    """The broker has the commands, some of them are decided, and the process is killed."""
    fsp2 = scene["fsp2"]
    ids = [await fsp2.send("asset.register.v1", asset(f"NP-{n}")) for n in range(SENT)]
    await fsp2.answer(ids[0])
    process.kill()
    await process.wait()
    return ids


async def a8_nothing_is_lost_and_nothing_done_twice(scene: Scene, ids: list[str]) -> None:
    """Each command has its one answer, and as many assets are there as were registered."""
    fsp2 = scene["fsp2"]
    await fsp2.answered(ids)
    replies = [fsp2.answers(one)[0] for one in ids]
    assert {one.type for one in replies} == {"asset.register.accepted.v1"}
    assert len({one.data["id"] for one in replies}) == SENT
    assert await scene.spine.count("assets", registrant=fsp2.user) == SENT
    own = await accepted(fsp2, "asset.list.v1", {"asset_type": "BAT"})
    assert {row["id"] for row in own["assets"]} == {one.data["id"] for one in replies}
