"""An operator works cases at the broker: of assets from the analysis to a split, and of users."""

from typing import Any

import pytest

from tests.broker.scene import accepted, refused
from tests.spine import Platform, Spine, asset, eventually

pytestmark = pytest.mark.connected


def told(party: Platform, kind: str) -> list[str]:
    return [str(one.data["id"]) for one in party.received if one.type == kind]


async def test_an_operator_works_a_case_end_to_end(working: Spine) -> None:
    operator = await working.operator()
    first = await working.platform(roles=["fsp"])
    second = await working.platform(roles=["fsp"])
    power: dict[str, Any] = {"capability": {"power_kw": 5}}
    survivor = (await accepted(first, "asset.register.v1", asset(**power)))["id"]
    # Alike in nothing that registrations are compared by, so that the analysis opens the case.
    elsewhere = power | {"connection": {"mpan_import": "1312345678907"}, "reference": "mine"}
    other = (await accepted(second, "asset.register.v1", asset(**elsewhere)))["id"]
    portfolio = (await accepted(first, "asset.register.v1", {"asset_type": "PFL"}))["id"]
    for member in (survivor, other):
        data = {"id": portfolio, "members": [member]}
        await accepted(operator, "portfolio.add.v1", data)
    pair = {"id": survivor, "other": other, "verdict": "same", "score": 0.97}
    found = {"pairs": [pair], "model": "analysis-1"}
    (case,) = (await accepted(operator, "duplicates.open.v1", found))["opened"]
    await second.until(lambda: other in told(second, "asset.duplicate-suspected.v1"))
    best = {"status": "open", "score_min": 0.95, "kind": "assets"}
    listed = await accepted(operator, "duplicates.list.v1", best)
    assert [row["id"] for row in listed["cases"]] == [case]
    await refused(second, "duplicates.get.v1", {"id": case})

    both = {"id": survivor, "other": other}
    await accepted(operator, "duplicates.merge.v1", both)
    await second.until(lambda: other in told(second, "asset.merged.v1"))
    await first.until(lambda: survivor in told(first, "asset.absorbed.v1"))
    named = await refused(second, "asset.update.v1", {"id": other, "name": "Mine"})
    assert named["code"] == "asset.merged"
    assert survivor in named["findings"][0]["expected"]
    await accepted(second, "asset.update.v1", {"id": survivor, "name": "Ours"})
    wish = {"external": [{"scheme": "own", "value": "mine"}]}
    assert survivor in str(await accepted(second, "asset.translate.v1", wish))

    async def counts(number: int) -> bool:
        shown = await accepted(first, "asset.get.v1", {"id": portfolio})
        return bool((shown["members"]["pending"], shown["members"]["count"]) == (0, number))

    await eventually(lambda: counts(1))
    await accepted(operator, "duplicates.split.v1", both)
    await second.until(lambda: other in told(second, "asset.restored.v1"))
    await eventually(lambda: counts(2))
    await accepted(second, "asset.get.v1", {"id": other})
    hidden = await refused(second, "asset.get.v1", {"id": survivor})
    assert hidden["code"] == "asset.not-found"

    dismissed = {"id": case, "reason": "same-place"}
    state = await accepted(operator, "duplicates.dismiss.v1", dismissed)
    assert state["status"] == "dismissed"
    again = await accepted(operator, "duplicates.open.v1", found | {"model": "analysis-2"})
    assert again["unchanged"] == [case]
    await first.until(lambda: survivor in told(first, "asset.duplicate-dismissed.v1"))


async def test_two_registrations_of_one_organisation_are_one_user_and_two_again(
    working: Spine,
) -> None:
    operator = await working.operator()
    first = await working.platform(roles=["fsp"])
    second = await working.platform(roles=["fsp"])
    owner = await working.platform(roles=["owner"])
    for party in (first, second):
        await accepted(party, "user.update.v1", {"id": party.user, "name": "Fenland Flex Ltd"})
    thing = (await accepted(second, "asset.register.v1", asset(owner=owner.user)))["id"]
    pair = {"id": first.user, "other": second.user, "verdict": "same", "score": 0.98}
    found = {"pairs": [pair], "model": "analysis-1"}
    (case,) = (await accepted(operator, "duplicates.open.v1", found))["opened"]

    both = {"id": first.user, "other": second.user}
    await accepted(operator, "duplicates.merge.v1", both)
    assert (await accepted(operator, "duplicates.get.v1", {"id": case}))["status"] == "merged"
    # Who it is by now it reads in its own queue, and is told whatever it sends.
    await second.until(lambda: second.user in told(second, "user.merged.v1"))
    itself = {"id": second.user}
    for kind, data in (("user.get.v1", itself), ("user.update.v1", itself | {"name": "Mine"})):
        answer = await refused(second, kind, data)
        assert answer["code"] == "user.merged"
        assert first.user in answer["findings"][0]["expected"]

    async def may_write() -> bool:
        wish = {"id": thing, "name": "Ours"}
        return (await first.ask("asset.update.v1", wish)).type == "asset.update.accepted.v1"

    await eventually(may_write)
    await accepted(owner, "asset.update.v1", {"id": thing, "name": "Shed"})
    await first.until(lambda: thing in told(first, "asset.updated.v1"))

    await accepted(operator, "duplicates.split.v1", both)
    await second.until(lambda: second.user in told(second, "user.restored.v1"))
    await accepted(second, "asset.update.v1", {"id": thing, "name": "Theirs"})

    async def is_hidden() -> bool:
        found = await first.ask("asset.get.v1", {"id": thing})
        return found.type == "asset.get.rejected.v1"

    await eventually(is_hidden)
    dismissed = {"id": case, "reason": "different-things"}
    await accepted(operator, "duplicates.dismiss.v1", dismissed)
    assert thing not in told(second, "asset.updated.v1")


async def test_a_registration_of_a_namesake_is_a_case_for_an_operator(working: Spine) -> None:
    operator = await working.operator()
    first = await working.platform(roles=["fsp"])
    second = await working.platform(roles=["fsp"])
    like: dict[str, Any] = {"kind": "organisation", "roles": ["owner"]}
    ids = []
    for party, name in ((first, "Marlow Tidal Power Ltd"), (second, "The Marlow Tidal Power")):
        data, whom = like | {"name": name}, {"onbehalfof": "my customer"}
        ids.append((await accepted(party, "user.register.v1", data, **whom))["id"])
    known, newcomer = ids
    await first.until(lambda: known in told(first, "user.duplicate-suspected.v1"))
    found = {"kind": "users", "status": "open", "score_min": 0.9}
    (case,) = (await accepted(operator, "duplicates.list.v1", found))["cases"]
    assert case["records"] == sorted((known, newcomer))
    wish = {"id": case["id"], "to": operator.user}
    assert (await accepted(operator, "duplicates.assign.v1", wish))["assignee"] == operator.user
    hidden = await refused(second, "user.get.v1", {"id": known})
    assert hidden["code"] == "user.not-found"
    dismissed = {"id": case["id"], "reason": "different-things"}
    assert (await accepted(operator, "duplicates.dismiss.v1", dismissed))["status"] == "dismissed"
    await second.until(lambda: newcomer in told(second, "user.duplicate-dismissed.v1"))
    heard = [one for one in second.received if ".duplicate-" in str(one.type)]
    assert not [one for one in heard if known in str(one.data)]
