"""Interest and what goes with it at the broker, from the first word until nothing is read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.spine import Platform, Received, Spine, eventually
from topology import names

pytestmark = pytest.mark.connected

BANK = {"account_name": "Canary Storage Ltd", "account_number": "12345678", "sort_code": "123456"}
NOTE = "Four batteries behind the harbour wall from May on."


@pytest.fixture(scope="module")
async def operator(working: Spine) -> Platform:
    """One for the module: two of them would share what they are told."""
    return await working.operator()


def told(party: Platform, kind: str) -> list[Received]:
    return [one for one in party.received if one.type == kind]


async def hear(party: Platform, kind: str, times: int = 1) -> None:
    """Wait until a party has been told so often."""
    await party.until(lambda: len(told(party, kind)) >= times)


async def asked(party: Platform) -> list[tuple[str, str]]:
    """What waits for a party's action: types and subjects."""
    page = await party.ask("notice.list.v1", {})
    return [(one["type"], one["subject"]) for one in page.data["notices"]]


async def market(spine: Spine, operator: Platform) -> Platform:
    """An MO, whom the operator has given the role and confirmed."""
    party = await spine.platform(roles=["mo", "special"])
    granted = await operator.ask("user.grant-role.v1", {"id": party.user, "roles": ["mo"]})
    assert granted.type == "user.grant-role.accepted.v1", granted.body
    confirmed = await operator.ask("user.confirm.v1", {"id": party.user})
    assert confirmed.type == "user.confirm.accepted.v1", confirmed.body
    return party


async def test_from_interest_to_a_change_that_is_acknowledged_to_the_end(
    working: Spine, operator: Platform
) -> None:
    fsp = await working.platform(roles=["fsp"], bank=BANK, address={"town": "Exampleton"})
    one, two = await market(working, operator), await market(working, operator)

    hidden = await one.ask("user.get.v1", {"id": fsp.user})
    interest: dict[str, Any] = {"services": ["DFS"], "note": NOTE, "groups": ["bank"]}
    await fsp.ask("interest.express.v1", {"to": [one.user, two.user], **interest})
    for party in (one, two):
        await hear(party, "interest.expressed.v1")
        assert await asked(party) == [("interest.expressed.v1", fsp.user)]

    # The MO reads what goes with it and no more, and answers.
    shown = await one.ask("user.get.v1", {"id": fsp.user})
    seen = await one.ask("interest.list.v1", {"side": "received"})
    answer = {"id": fsp.user, "answer": "more-information", "text": "How many MW?"}
    await one.ask("interest.answer.v1", answer)
    await hear(fsp, "interest.answered.v1")
    to_do = await asked(fsp)
    await fsp.ask("interest.express.v1", {"to": [one.user], **interest, "note": "40 MW."})
    await hear(one, "interest.expressed.v1", 2)
    done = await asked(fsp)

    # The data is changed once, and each says that it has taken it over.
    moved = BANK | {"account_number": "87654321"}
    await fsp.ask("user.update.v1", {"id": fsp.user, "bank": moved})
    for party in (one, two):
        await hear(party, "user.updated.v1")
    pending = await fsp.ask("change.pending.v1", {})
    again = await one.ask("user.get.v1", {"id": fsp.user})
    revision = again.data["revision"]
    await one.ask("change.acknowledge.v1", {"id": fsp.user, "revision": revision})
    left = await fsp.ask("change.pending.v1", {})

    # The end of the interest is the end of reading.
    await fsp.ask("interest.withdraw.v1", {"to": one.user})
    await hear(one, "interest.withdrawn.v1")
    gone = await one.ask("user.get.v1", {"id": fsp.user})
    await eventually(lambda: working.settled(names.NOTICES))

    assert hidden.data["code"] == gone.data["code"] == "user.not-found"
    assert hidden.data["findings"] == gone.data["findings"], "as if it had never been"
    assert shown.data["bank"] == BANK
    assert "address" not in shown.data
    assert seen.data["interests"][0]["note"] == NOTE
    assert to_do == [("interest.answered.v1", one.user)]
    assert done == []
    assert {p["party"] for p in pending.data["pending"]} == {one.user, two.user}
    assert again.data["bank"] == moved
    assert [p["party"] for p in left.data["pending"]] == [two.user]
    assert await asked(one) == []
    assert await asked(two) == sorted(
        [("interest.expressed.v1", fsp.user), ("user.updated.v1", fsp.user)]
    )
    await nothing_personal_is_told_or_kept_in_clear(working, operator, one, two)


async def test_a_grant_runs_out_by_itself_and_both_are_told(
    working: Spine, operator: Platform
) -> None:
    owner = await working.platform(roles=["owner"], bank=BANK)
    reader = await market(working, operator)
    end = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    wish = {"party": reader.user, "groups": ["bank"], "until": end}
    granted = await owner.ask("sharing.grant.v1", wish)
    during = await reader.ask("user.get.v1", {"id": owner.user})
    for party in (owner, reader):
        await hear(party, "sharing.expired.v1")
    after = await reader.ask("user.get.v1", {"id": owner.user})

    assert granted.type == "sharing.grant.accepted.v1", granted.body
    assert during.data["bank"] == BANK
    assert after.data["code"] == "user.not-found"
    assert await working.count("timers", kind="sharing") == 0
    (told_owner,), (told_reader,) = (told(p, "sharing.expired.v1") for p in (owner, reader))
    assert told_owner.data == told_reader.data
    assert told_owner.data["groups"] == ["bank"]


async def nothing_personal_is_told_or_kept_in_clear(
    spine: Spine, operator: Platform, *parties: Platform
) -> None:
    """No event holds a value, and no collection one in clear."""
    events = [
        r for p in (operator, *parties) for r in p.received if "correlationid" not in r.envelope
    ]
    assert len(events) > 8
    words = (b"Canary", b"12345678", b"87654321", b"harbour wall", b"How many MW")
    assert not [r.type for r in events for word in words if word in r.body]
    for name in await spine.database.list_collection_names():
        stored = str(await spine.raw(name)).encode()
        assert not [word for word in words if word in stored], name
