"""The requirement's scenario of users, U1 to U9, over real servers, as its steps are numbered."""

import time

import pytest

from tests.broker.logins import is_let_in, is_shut_out
from tests.broker.scene import (
    COMMERCIAL,
    FSP,
    INTEREST,
    MARKETS,
    MOVED,
    SHARED,
    TERMS,
    Scene,
    accepted,
    agreement,
    asked,
    groups,
    match,
    now,
    refused,
    the_market_is_there,
)
from tests.spine import Spine, asset, eventually

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]


async def test_from_the_first_registration_to_the_erasure(working: Spine) -> None:
    """Each step looks at the answers, and at who was told: those whom it names, and nobody else."""
    scene = await Scene.open(working)
    began = time.monotonic()
    await the_market_is_there(scene)
    await u1_each_has_its_id_at_once(scene)
    await u2_nobody_gets_a_second_id(scene)
    await u2b_ids_are_translated_both_ways(scene)
    await u3_what_is_required_is_known_before(scene)
    await u4_no_interest_without_the_agreement(scene)
    await u5_three_markets_hear_of_the_interest(scene)
    await u6_the_markets_read_what_was_shared_and_no_more(scene)
    await u7_what_is_to_be_done_stays_until_it_is_done(scene)
    await u8_the_evidence_confirms_and_the_ids_are_used(scene)
    await u8_the_system_operator_gets_its_role(scene)
    await u9_a_change_is_made_once_and_taken_over(scene)
    await u9_the_past_can_be_read(scene)
    await a_suspension_ends(scene)
    await who_leaves_leaves_nothing(scene)
    print(f"the scenario took {time.monotonic() - began:.1f} s")  # noqa: T201  the figure


async def u1_each_has_its_id_at_once(scene: Scene) -> None:
    """The FSP at the front desk, the aggregator by the FSP, the owner by the aggregator."""
    fsp = await scene.enter("fsp", scene.desk, **FSP)
    aggregator = await scene.enter(
        "aggregator", scene["fsp"], "CLIENT-7", name="Village Batteries Ltd", roles=["aggregator"]
    )
    owner = await scene.enter(
        "owner", scene["aggregator"], "HOUSE-12", kind="person", name="Ada Example", roles=["owner"]
    )
    so = await scene.enter("so", scene.desk, name="The Wires plc", roles=["so"])
    for given in (fsp, aggregator, owner, so):
        assert (given["status"], given["revision"]) == ("provisional", 1)
    assert len({given["id"] for given in (fsp, aggregator, owner, so)}) == 4
    assert (so["roles"], so["roles_requested"]) == ([], ["so"])
    await scene.told(aggregator=["user.registered.v1"], owner=["user.registered.v1"])
    assert scene.said("aggregator", "user.registered.v1")["by"] == fsp["id"]


async def u2_nobody_gets_a_second_id(scene: Scene) -> None:
    """Written otherwise it is the same number; the applicant learns no id, the FSP no applicant."""
    again = FSP | {"name": "HARBOUR FLEX", "claims": {"company_number": " 1234567 "}}
    answer = await refused(scene.desk, "user.register.v1", again)
    assert answer["code"] == "user.duplicate"
    assert scene["fsp"].user not in str(answer)
    await scene.told(fsp=["user.duplicate-attempted.v1"])
    assert "by" not in scene.said("fsp", "user.duplicate-attempted.v1")
    assert await asked(scene["fsp"]) == {("user.duplicate-attempted.v1", scene["fsp"].user)}


async def u2b_ids_are_translated_both_ways(scene: Scene) -> None:
    """The FSP's own ids are its own: an MO that asks for the same ones gets nothing."""
    fsp, aggregator = scene["fsp"], scene["aggregator"].user
    own = {"scheme": "own", "value": "CLIENT-7"}
    crm = {"scheme": "crm", "value": "0815"}
    await accepted(fsp, "user.link-id.v1", {"id": aggregator, **crm})
    question = {"external": [own, crm], "ids": [aggregator]}
    known = await accepted(fsp, "user.translate.v1", question)
    unknown = await accepted(scene["mo1"], "user.translate.v1", question)
    assert [one["id"] for one in known["external"]] == [aggregator, aggregator]
    assert sorted(known["ids"][0]["external"], key=lambda one: one["scheme"]) == [crm, own]
    assert not any(one.get("id") for one in unknown["external"])
    assert not any(one.get("external") for one in unknown["ids"])
    await scene.told()


async def u3_what_is_required_is_known_before(scene: Scene) -> None:
    """At the front desk; a check says what is missing and wrong, and nothing is kept of it."""
    fsp = scene["fsp"]
    wanted = ["address.postcode", "contacts", "bank"]
    required = await accepted(scene.desk, "user.requirements.v1", {"role": "fsp"})
    assert required["required"] == wanted
    assert required["registration"]["$schema"].endswith("2020-12/schema")
    wish = {"kind": "organisation", "name": "Another Ltd", "roles": ["fsp"]}
    checked = await accepted(scene.desk, "user.register.check.v1", wish)
    assert checked["missing"] == {"fsp": wanted}
    wrong = {"id": fsp.user, "bank": COMMERCIAL["bank"] | {"sort_code": "20-20"}}
    finding = (await refused(fsp, "user.update.check.v1", wrong))["findings"][0]
    assert (finding["rule"], finding["field"]) == ("sort-code.format", "data.bank.sort_code")
    given = await accepted(fsp, "user.update.v1", {"id": fsp.user, **COMMERCIAL})
    assert (given["status"], given["revision"]) == ("provisional", 2)
    await scene.told()


async def u4_no_interest_without_the_agreement(scene: Scene) -> None:
    """MO-1 publishes what everybody has to sign who is interested in its market."""
    mo1, fsp = scene["mo1"], scene["fsp"]
    terms = agreement("mo1-terms", TERMS, "interest.express.v1")
    await accepted(mo1, "agreement.publish.v1", terms)
    wish = {"to": [mo.user for mo in scene.some(*MARKETS)], **INTEREST}
    answer = await refused(fsp, "interest.express.v1", wish)
    assert answer["code"] == "agreement.unsigned"
    assert "mo1-terms" in str(answer["findings"])
    await scene.told()
    read = await accepted(fsp, "agreement.get.v1", {"id": "mo1-terms"})
    assert (read["text"], read["signed"]) == (TERMS, 0)
    await accepted(fsp, "agreement.sign.v1", {"id": "mo1-terms", "sha256": read["sha256"]})
    await scene.told(mo1=["agreement.signed.v1"])
    assert (await accepted(fsp, "interest.express.check.v1", wish))["verdict"] == "acceptable"


async def u5_three_markets_hear_of_the_interest(scene: Scene) -> None:
    """Found in the directory; once it is signed the same words are accepted, and told once."""
    fsp = scene["fsp"]
    found = (await accepted(fsp, "directory.search.v1", {"role": "mo"}))["entries"]
    assert {one["id"] for one in found} == {mo.user for mo in scene.some(*MARKETS)}
    stranger = await accepted(fsp, "directory.search.v1", {"text": "Ada Example"})
    assert stranger["entries"] == [], "a person is nobody's to find"
    wish = {"to": [one["id"] for one in found], **INTEREST}
    given = await accepted(fsp, "interest.express.v1", wish)
    assert [one["status"] for one in given["interests"]] == ["expressed"] * 3
    await accepted(fsp, "interest.express.v1", wish)
    heard = ["interest.expressed.v1"]
    await scene.told(mo1=heard, mo2=heard, mo3=heard)
    for mo in scene.some(*MARKETS):
        assert await asked(mo) == {("interest.expressed.v1", fsp.user)}
        (seen,) = (await accepted(mo, "interest.list.v1", {"side": "received"}))["interests"]
        assert (seen["id"], seen["note"]) == (fsp.user, INTEREST["note"])


async def u6_the_markets_read_what_was_shared_and_no_more(scene: Scene) -> None:
    """Two groups go with the interest; MO-3 is shown a third for a while."""
    fsp, mo3 = scene["fsp"], scene["mo3"]
    for mo in scene.some(*MARKETS):
        assert (await groups(mo, fsp.user)).keys() == set(SHARED)
    await accepted(fsp, "sharing.grant.v1", {"party": mo3.user, "groups": ["insurance"]})
    await scene.told(mo3=["sharing.granted.v1"])
    assert (await groups(mo3, fsp.user)).keys() == {*SHARED, "insurance"}
    assert (await groups(scene["mo2"], fsp.user))["bank"]["account_number"] == "31926819"
    await accepted(fsp, "sharing.revoke.v1", {"party": mo3.user, "groups": ["insurance"]})
    await scene.told(mo3=["sharing.revoked.v1"])
    assert (await groups(mo3, fsp.user)).keys() == set(SHARED)
    for stranger in scene.some("owner", "aggregator"):
        answer = await refused(stranger, "user.get.v1", {"id": fsp.user})
        assert answer["code"] == "user.not-found"
    await scene.told()


async def u7_what_is_to_be_done_stays_until_it_is_done(scene: Scene) -> None:
    """MO-1 asks for more, on the channel too; what the FSP has to do is open until it has."""
    fsp, mo1 = scene["fsp"], scene["mo1"]
    more = {"id": fsp.user, "answer": "more-information", "text": "How many MW?"}
    await accepted(mo1, "interest.answer.v1", more)
    await scene.told(fsp=["interest.answered.v1"])
    assert await asked(mo1) == set()
    await accepted(mo1, "channel.send.v1", {"to": fsp.user, "text": "By Friday, please."})
    await scene.told(fsp=["channel.received.v1"])
    assert scene.said("fsp", "channel.received.v1")["text"] == "By Friday, please."
    await accepted(fsp, "channel.send.v1", {"to": mo1.user, "text": "You will have it."})
    await scene.told(mo1=["channel.received.v1"])
    attempt = ("user.duplicate-attempted.v1", fsp.user)
    assert await asked(fsp) == {attempt, ("interest.answered.v1", mo1.user)}
    answer = INTEREST | {"to": [mo1.user], "note": "Forty."}
    await accepted(fsp, "interest.express.v1", answer)
    await scene.told(mo1=["interest.expressed.v1"])
    assert await asked(fsp) == {attempt}
    for mo in scene.some(*MARKETS):
        await accepted(mo, "interest.answer.v1", {"id": fsp.user, "answer": "accepted"})
    await scene.told(fsp=["interest.answered.v1"] * 3)
    assert await asked(fsp) == {attempt}


async def u8_the_evidence_confirms_and_the_ids_are_used(scene: Scene) -> None:
    """The verifier compares; with its match the FSP is confirmed, and an asset names its users."""
    fsp, verifier = scene["fsp"], scene["verifier"]
    seen = await accepted(verifier, "user.get.v1", {"id": fsp.user})
    assert seen["claims"] == FSP["claims"]
    assert "bank" not in seen
    given = await accepted(verifier, "user.attest.v1", match(seen, "company_number"))
    assert given["status"] == "confirmed"
    confirmed = ["user.confirmed.v1"]
    await scene.told(
        fsp=["user.attested.v1", *confirmed], mo1=confirmed, mo2=confirmed, mo3=confirmed
    )
    assert scene.said("fsp", "user.confirmed.v1")["grounds"] == "evidence"
    data = asset(owner=scene["owner"].user)
    made = await accepted(scene["aggregator"], "asset.register.v1", data)
    await scene.told(owner=["asset.registered.v1"])
    shown = await accepted(scene["owner"], "asset.get.v1", {"id": made["id"]})
    assert shown["registrant"] == scene["aggregator"].user


async def u8_the_system_operator_gets_its_role(scene: Scene) -> None:
    """The role that waited, with what the SO does in particular; then it may answer as one."""
    so = scene["so"]
    assert (await refused(so, "interest.list.v1", {"side": "received"}))["code"] == "sender.role"
    wish = {"id": so.user, "roles": ["so"], "sub_roles": ["planning", "dispatch"]}
    given = await accepted(scene.operator, "user.grant-role.v1", wish)
    assert (given["roles"], given["sub_roles"]) == (["so"], ["dispatch", "planning"])
    assert (given["status"], given["roles_requested"]) == ("provisional", [])
    await accepted(scene.operator, "user.confirm.v1", {"id": so.user})
    await scene.told(so=["user.roles-granted.v1", "user.confirmed.v1"])
    assert (await accepted(so, "interest.list.v1", {"side": "received"}))["interests"] == []


async def u9_a_change_is_made_once_and_taken_over(scene: Scene) -> None:
    """Bank and contact, told to the three by name; two say that they have it."""
    fsp, mo3 = scene["fsp"], scene["mo3"]
    before = await accepted(fsp, "user.get.v1", {"id": fsp.user})
    stale = {"id": fsp.user, "expected_revision": before["revision"] - 1, **MOVED}
    assert (await refused(fsp, "user.update.v1", stale))["code"] == "user.stale"
    change = stale | {"expected_revision": before["revision"]}
    given = await accepted(fsp, "user.update.v1", change)
    assert given["status"] == "confirmed"
    heard = ["user.updated.v1"]
    await scene.told(mo1=heard, mo2=heard, mo3=heard)
    for part in MARKETS:
        assert sorted(scene.said(part, "user.updated.v1")["changed"]) == SHARED
        assert await asked(scene[part]) == {("user.updated.v1", fsp.user)}
    for mo in scene.some("mo1", "mo2"):
        shown = await accepted(mo, "user.get.v1", {"id": fsp.user})
        assert shown["bank"] == COMMERCIAL["bank"] | {"account_number": "12345678"}
        seen = {"id": fsp.user, "revision": shown["revision"]}
        await accepted(mo, "change.acknowledge.v1", seen)
    await scene.told()
    (pending,) = (await accepted(fsp, "change.pending.v1", {}))["pending"]
    assert (pending["party"], sorted(pending["groups"])) == (mo3.user, SHARED)
    open_for = [part for part in MARKETS if await asked(scene[part])]
    assert open_for == ["mo3"]


async def u9_the_past_can_be_read(scene: Scene) -> None:
    """As of before the change, by one that may read it; of the insurance it learns nothing."""
    fsp, mo1 = scene["fsp"], scene["mo1"]
    changes = (await accepted(fsp, "user.history.v1", {"id": fsp.user}))["changes"]
    last = next(one for one in reversed(changes) if "bank" in one["changed"])
    earlier = next(one for one in changes if one["revision"] == last["revision"] - 1)
    past = {"id": fsp.user, "as_of": earlier["valid_from"]}
    was = (await accepted(mo1, "user.history.v1", past))["was"]
    assert (was["bank"], was["contacts"][0]["name"]) == (COMMERCIAL["bank"], "Bo Desk")
    assert "insurance" not in was
    is_now = (await accepted(mo1, "user.history.v1", {"id": fsp.user, "as_of": now()}))["was"]
    assert is_now["bank"]["account_number"] == "12345678"
    await scene.told()


async def a_suspension_ends(scene: Scene) -> None:
    """The broker lets the FSP in no more; when it is back it has missed nothing."""
    fsp = scene["fsp"]
    wish = {"id": fsp.user, "reason": "security", "note": "a key was lost"}
    assert (await accepted(scene.operator, "user.suspend.v1", wish))["status"] == "suspended"
    await eventually(lambda: is_shut_out(scene.spine, fsp.user, fsp.password))
    back = await accepted(scene.operator, "user.reinstate.v1", {"id": fsp.user})
    assert back["status"] == "confirmed"
    await eventually(lambda: is_let_in(scene.spine, fsp.user, fsp.password))
    scene.parties["fsp"] = await scene.spine.again(fsp)
    heard = ["user.suspended.v1", "user.reinstated.v1"]
    await scene.told(fsp=heard, mo1=heard, mo2=heard, mo3=heard)
    assert "a key was lost" not in str([one.body for one in scene["fsp"].received])


async def who_leaves_leaves_nothing(scene: Scene) -> None:
    """The owner, a person, retires and destroys its data; its aggregator is told what ends."""
    owner, aggregator = scene.leave("owner"), scene["aggregator"]
    itself = {"id": owner.user}
    assert (await accepted(owner, "user.retire.v1", itself))["status"] == "retired"
    await accepted(owner, "user.erase.v1", itself | {"confirm_id": owner.user})
    await aggregator.until(lambda: [r for r in aggregator.received if r.type == "user.erased.v1"])
    await scene.told(aggregator=["user.retired.v1", "mandate.ended.v1", "user.erased.v1"])
    for reader in (aggregator, scene.operator):
        shown = await accepted(reader, "user.get.v1", itself)
        assert shown["status"] == "retired"
        assert "Ada Example" not in str(shown)
    question = {"external": [{"scheme": "own", "value": "HOUSE-12"}]}
    (known,) = (await accepted(aggregator, "user.translate.v1", question))["external"]
    assert "id" not in known
