"""Agreements over real servers: published, read, signed by hash, asked for anew, taken back."""

import pytest

from tests.broker.scene import (
    INTEREST,
    MARKETS,
    Given,
    Scene,
    accepted,
    agreement,
    asked,
    refused,
    the_market_is_there,
)
from tests.spine import Platform, Spine, asset

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]

NAME = "mo1-terms"
EXPRESS = "interest.express.v1"
FIRST = agreement(NAME, "Deliver what was sold.", EXPRESS)
MILD = agreement(NAME, "Deliver what was sold, please.", EXPRESS, older_stay_good=True)
STRICT = agreement(NAME, "Deliver what was sold, or pay.", EXPRESS)
RULES = agreement("backbone-rules", "Say what is so.", "asset.register.v1")


async def test_from_the_first_version_to_the_last_signature(working: Spine) -> None:
    """Each step looks at the answers, and at who was told: those whom it names, and nobody else."""
    scene = await Scene.open(working)
    await the_market_is_there(scene)
    for part in ("fsp", "other"):
        await scene.enter(part, scene.desk, name=f"{part} Flex Ltd", roles=["fsp"])
    await a_market_publishes_what_is_needed_to_address_it(scene)
    await it_is_read_before_one_has_an_account(scene)
    await it_is_signed_by_the_hash_of_what_was_read(scene)
    await whoever_has_signed_gets_through(scene)
    await a_mild_version_asks_nobody(scene)
    await a_strict_version_asks_anew(scene)
    await a_signature_is_taken_back(scene)
    await the_agreement_is_taken_back(scene)
    await an_operators_agreement_is_for_all(scene)


def wish(scene: Scene, *markets: str) -> Given:
    return {"to": [mo.user for mo in scene.some(*(markets or MARKETS))], **INTEREST, "groups": []}


async def unsigned(party: Platform, kind: str, data: Given) -> list[str]:
    """What a message is refused for until it is signed; its check says the same."""
    stem, _, version = kind.rpartition(".")
    found = []
    for one in (kind, f"{stem}.check.{version}"):
        answer = await refused(party, one, data)
        assert {finding["rule"] for finding in answer["findings"]} == {"agreement.unsigned"}
        found.append([str(finding["expected"]) for finding in answer["findings"]])
    assert found[0] == found[1]
    return found[0]


async def acceptable(party: Platform, data: Given) -> bool:
    """Whether the gate is open for an interest, which is not expressed by asking."""
    answer = await accepted(party, "interest.express.check.v1", data)
    return bool(answer["verdict"] == "acceptable")


async def a_market_publishes_what_is_needed_to_address_it(scene: Scene) -> None:
    """From then on it is needed by whoever addresses that market, and by nobody else."""
    assert await acceptable(scene["fsp"], wish(scene))
    given = await accepted(scene["mo1"], "agreement.publish.v1", FIRST)
    assert (given["version"], given["state"], given["publisher"]) == (
        1, "published", scene["mo1"].user,
    )  # fmt: skip
    again = await accepted(scene["mo1"], "agreement.publish.v1", FIRST)
    assert again == given
    (missing,) = await unsigned(scene["fsp"], EXPRESS, wish(scene))
    assert f"`{NAME}`, version 1, sha256 {FIRST['sha256']}" in missing
    assert await acceptable(scene["fsp"], wish(scene, "mo2", "mo3"))
    theft = agreement(NAME, "Mine.")
    answer = await refused(scene["mo2"], "agreement.publish.v1", theft)
    assert answer["code"] == "agreement.not-yours"
    await scene.told()


async def it_is_read_before_one_has_an_account(scene: Scene) -> None:
    """At the front desk; with an account it is said too what one has signed of it."""
    at_desk = await accepted(scene.desk, "agreement.get.v1", {"id": NAME})
    assert (at_desk["text"], at_desk["sha256"]) == (FIRST["text"], FIRST["sha256"])
    assert "signed" not in at_desk
    (row,) = (await accepted(scene["fsp"], "agreement.list.v1", {}))["agreements"]
    assert (row["id"], row["signed"], row["needed_for"]) == (NAME, 0, [EXPRESS])


async def it_is_signed_by_the_hash_of_what_was_read(scene: Scene) -> None:
    """Signing it again is nothing new; both sign, and the market hears of each."""
    wrong = await refused(scene["fsp"], "agreement.sign.v1", {"id": NAME, "sha256": "0" * 64})
    assert wrong["code"] == "agreement.other-hash"
    assert FIRST["sha256"] in wrong["findings"][0]["expected"]
    for part in ("fsp", "fsp", "other"):
        data = {"id": NAME, "sha256": FIRST["sha256"]}
        given = await accepted(scene[part], "agreement.sign.v1", data)
        assert (given["user"], given["version"]) == (scene[part].user, 1)
    await scene.told(mo1=["agreement.signed.v1"] * 2)
    assert scene.said("mo1", "agreement.signed.v1")["by"] == scene["other"].user


async def whoever_has_signed_gets_through(scene: Scene) -> None:
    answer = await accepted(scene["fsp"], EXPRESS, wish(scene))
    assert [one["status"] for one in answer["interests"]] == ["expressed"] * 3
    heard = ["interest.expressed.v1"]
    await scene.told(mo1=heard, mo2=heard, mo3=heard)


async def a_mild_version_asks_nobody(scene: Scene) -> None:
    """Its signers are told, and their signatures count on; who signs now signs the new one."""
    given = await accepted(scene["mo1"], "agreement.publish.v1", MILD)
    assert given["version"] == 2
    heard = ["agreement.published.v1"]
    await scene.told(fsp=heard, other=heard)
    assert await acceptable(scene["fsp"], wish(scene, "mo1") | {"note": "Five."})
    old = await refused(scene["fsp"], "agreement.sign.v1", {"id": NAME, "sha256": FIRST["sha256"]})
    assert old["code"] == "agreement.other-hash"
    view = await accepted(scene["fsp"], "agreement.get.v1", {"id": NAME})
    assert (view["version"], view["good_from"], view["signed"]) == (2, 1, 1)


async def a_strict_version_asks_anew(scene: Scene) -> None:
    """The gate is shut until it is signed, and what asks for it is open as long."""
    await accepted(scene["mo1"], "agreement.publish.v1", STRICT)
    heard = ["agreement.superseded.v1"]
    await scene.told(fsp=heard, other=heard)
    for part in ("fsp", "other"):
        assert await asked(scene[part]) == {("agreement.superseded.v1", NAME)}
    (missing,) = await unsigned(scene["fsp"], EXPRESS, wish(scene, "mo1") | {"note": "Five."})
    assert "version 3" in missing
    signature = {"id": NAME, "sha256": STRICT["sha256"]}
    await accepted(scene["fsp"], "agreement.sign.v1", signature)
    await scene.told(mo1=["agreement.signed.v1"])
    assert await asked(scene["fsp"]) == set()
    assert await asked(scene["other"]) == {("agreement.superseded.v1", NAME)}
    assert await acceptable(scene["fsp"], wish(scene, "mo1") | {"note": "Five."})
    await unsigned(scene["other"], EXPRESS, wish(scene, "mo1"))
    first = await accepted(scene["other"], "agreement.get.v1", {"id": NAME, "version": 1})
    assert (first["text"], first["signed"]) == (FIRST["text"], 1)


async def a_signature_is_taken_back(scene: Scene) -> None:
    """What was done with it stands; what is new needs it again. Taking it back twice is once."""
    for _ in range(2):
        given = await accepted(scene["fsp"], "agreement.revoke.v1", {"id": NAME})
        assert (given["state"], given["version"]) == ("published", 0)
    await scene.told(mo1=["agreement.revoked.v1"])
    await unsigned(scene["fsp"], EXPRESS, wish(scene, "mo1") | {"note": "Five."})
    (seen,) = (await accepted(scene["mo1"], "interest.list.v1", {"side": "received"}))["interests"]
    assert (seen["id"], seen["status"]) == (scene["fsp"].user, "expressed")


async def the_agreement_is_taken_back(scene: Scene) -> None:
    """By its publisher alone; then nobody needs it, and whoever still has a signature is told."""
    whole = {"id": NAME, "what": "agreement"}
    answer = await refused(scene["fsp"], "agreement.revoke.v1", whole)
    assert answer["code"] == "agreement.not-yours"
    given = await accepted(scene["mo1"], "agreement.revoke.v1", whole)
    assert given["state"] == "withdrawn"
    await scene.told(other=["agreement.withdrawn.v1"])
    for part in ("fsp", "other"):
        assert await acceptable(scene[part], wish(scene, "mo1") | {"note": "Six."})
    late = {"id": NAME, "sha256": STRICT["sha256"]}
    answer = await refused(scene["other"], "agreement.sign.v1", late)
    assert answer["code"] == "agreement.withdrawn"


async def an_operators_agreement_is_for_all(scene: Scene) -> None:
    """Of whatever others send; operators need none, and a market may not ask so much."""
    greedy = agreement("mo2-rules", "Ask us first.", "asset.register.v1")
    answer = await refused(scene["mo2"], "agreement.publish.v1", greedy)
    assert answer["code"] == "agreement.not-gateable"
    await accepted(scene.operator, "agreement.publish.v1", RULES)
    data = asset(owner=scene["fsp"].user)
    assert len(await unsigned(scene["fsp"], "asset.register.v1", data)) == 1
    await accepted(scene.operator, "asset.register.check.v1", data)
    signature = {"id": RULES["id"], "sha256": RULES["sha256"]}
    await accepted(scene["fsp"], "agreement.sign.v1", signature)
    made = await accepted(scene["fsp"], "asset.register.v1", data)
    assert made["id"].startswith("BAT-")
    await unsigned(scene["other"], "asset.register.v1", asset())
    await scene.told()
