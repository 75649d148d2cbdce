"""Attempted duplicates: the incumbent is told, once and then in sum, and never who it was."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.taxonomy import BACKBONE, FRONT_DESK
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.edges import recorded
from handlers.letters import Letter
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user
from tests.decider import Decider, events, reply, rules

ATTEMPTED: Final = "asset.duplicate-attempted.v1"
ATTEMPTS: Final = 10_000
BATCH: Final = 500
TRACE: Final = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
LEI: Final = "213800WSGIIZCXF1P572"
AGGREGATOR: Final = issued("USR", 4000)


@pytest.fixture
def decider() -> Decider:
    return Decider()


def registered(decider: Decider) -> str:
    (outcome,) = decider.decide(command(data=asset(owner=OWNER), id="register"))
    decider.consequences([outcome])
    return str(reply(outcome)[1]["id"])


def attempts(count: int, first: int = 0) -> list[Delivery]:
    return [
        command(sender=STRANGER, id=f"attempt-{number}") for number in range(first, first + count)
    ]


def facts(outcomes: list[Outcome]) -> list[Delivery]:
    letters = [one for o in outcomes for one in o.letters if one.kind == "domain"]
    return [Delivery(one.body, one.type, BACKBONE, headers=dict(one.trace)) for one in letters]


def told(outcomes: list[Outcome]) -> list[Letter]:
    return [one for o in outcomes for one in o.letters if one.kind == "personal"]


def content(letter: Letter) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(letter.body)
    return said


@pytest.mark.timeout(180)
def test_ten_thousand_attempts_are_two_notices_of_each_party(decider: Decider) -> None:
    asset_id = registered(decider)
    before = decider.documents["sequences", OWNER]["last"]
    said: list[Letter] = []
    for first in range(0, ATTEMPTS, BATCH):
        refused = decider.decide(*attempts(BATCH, first))
        assert {reply(one)[1]["code"] for one in refused} == {"asset.duplicate"}
        said += told(decider.decide(*facts(refused)))
    decider.now = NOW + timedelta(hours=1)
    digests = told(decider.due())

    assert sorted(str(letter.recipient) for letter in said) == sorted([OWNER, PLATFORM])
    assert {letter.type for letter in said} == {ATTEMPTED}
    assert {content(letter)["data"]["id"] for letter in said} == {asset_id}
    assert sorted(str(letter.recipient) for letter in digests) == sorted([OWNER, PLATFORM])
    for letter in digests:
        assert content(letter)["data"]["kinds"] == {ATTEMPTED: ATTEMPTS - 1}
        assert content(letter)["data"]["subjects"] == [asset_id]
    assert decider.documents["sequences", OWNER]["last"] == before + 2
    asking = sorted((row["recipient"], row["type"]) for row in decider.of("notices"))
    assert asking == sorted([(OWNER, ATTEMPTED), (PLATFORM, ATTEMPTED)])
    assert decider.of("pots") == decider.of("timers") == []


def test_nobody_learns_who_tried(decider: Decider) -> None:
    asset_id = registered(decider)
    (attempt,) = attempts(1)
    refused = decider.decide(
        Delivery(attempt.body, attempt.type, STRANGER, headers=dict(TRACE), message_id="mine")
    )
    said = told(decider.decide(*facts(refused)))
    again = [letter for user in (OWNER, PLATFORM) for letter in replayed(decider, user)]

    assert [kind for kind, _ in events(refused[0])] == [ATTEMPTED]
    assert events(refused[0])[0][1]["by"] == STRANGER
    assert len(said) == 2
    assert [content(letter)["data"] for letter in said] == [{"id": asset_id, "roles": ["fsp"]}] * 2
    assert [one.type for one in again].count(ATTEMPTED) == 2
    for letter in (*said, *again):
        assert STRANGER.encode() not in letter.body
        assert letter.trace == ()
    for name in ("events", "notices", "pots"):
        assert STRANGER not in repr([_plain(row) for row in decider.of(name)])


def replayed(decider: Decider, user: str) -> list[Letter]:
    ask = command("event.replay.v1", {"from_sequence": 1}, sender=user, id=f"replay-{user}")
    return decider.consequences(decider.decide(ask))


def _plain(row: Any) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in row.items()}


def test_those_with_an_interest_are_told_too_and_the_applicant_is_not(decider: Decider) -> None:
    asset_id = registered(decider)
    for party in (AGGREGATOR, STRANGER):
        tie = {"as": "aggregator", "from": NOW, "until": None}
        row = recorded(asset_id, party, [tie])
        decider.documents["relations", row["_id"]] = row
    said = told(decider.decide(*facts(decider.decide(*attempts(1)))))

    assert sorted(str(one.recipient) for one in said) == sorted([OWNER, PLATFORM, AGGREGATOR])


def test_an_update_that_takes_anothers_device_is_an_attempt(decider: Decider) -> None:
    asset_id = registered(decider)
    mine = asset(identity={"make": "Acme", "serial": "SN-1"})
    (made,) = decider.decide(command(data=mine, sender=STRANGER, id="mine"))
    change = {"id": reply(made)[1]["id"], "identity": {"serial": "SN-4711"}}
    (refused,) = decider.decide(command("asset.update.v1", change, sender=STRANGER, id="change"))

    assert rules(reply(refused)[1]) == [("asset.duplicate", "data.identity.serial")]
    assert [(kind, data["id"]) for kind, data in events(refused)] == [(ATTEMPTED, asset_id)]


def test_an_attempt_that_is_hopeless_anyway_is_none(decider: Decider) -> None:
    registered(decider)
    broken = asset(lifecycle="planned", commissioned_on="2020-01-01")
    (refused,) = decider.decide(command(data=broken, sender=STRANGER, id="broken"))

    assert reply(refused)[1]["code"] == "lifecycle.dates"
    assert events(refused) == []


@pytest.mark.parametrize("sender", [STRANGER, FRONT_DESK])
def test_a_user_is_told_that_somebody_used_its_identifier(decider: Decider, sender: str) -> None:
    data = user(claims={"lei": LEI}, roles=["aggregator"])
    (first,) = decider.decide(
        command("user.register.v1", data, sender=PLATFORM, id="first", onbehalfof="7")
    )
    incumbent = reply(first)[1]["id"]
    more = {} if sender == FRONT_DESK else {"onbehalfof": "8"}
    known = "8f14e45f-ceea-467f-a9d3-2b8f9a1b2c3d"
    (refused,) = decider.decide(command("user.register.v1", data, sender=sender, id=known, **more))
    said = told(decider.decide(*facts([refused])))

    assert reply(refused)[1]["code"] == "user.duplicate"
    assert sorted(str(one.recipient) for one in said) == sorted([PLATFORM, incumbent])
    assert [content(one)["data"] for one in said] == [
        {"id": incumbent, "roles": ["aggregator"]}
    ] * 2


def test_the_registrant_who_tries_again_is_not_told_of_itself(decider: Decider) -> None:
    registered(decider)
    said = told(decider.decide(*facts(decider.decide(command(id="once-more")))))

    assert [one.recipient for one in said] == [OWNER]


def test_a_check_is_no_attempt(decider: Decider) -> None:
    registered(decider)
    check = command("asset.register.check.v1", asset(), sender=PLATFORM, id="check")
    letter = decider.ask(check)

    assert letter is not None
    assert letter.type == "asset.register.check.rejected.v1"
    assert decider.of("pots") == []


def test_who_reads_groups_of_a_user_is_not_told_that_somebody_tried(decider: Decider) -> None:
    """Of a user are told: itself, its registrant, and whoever acts for it."""
    decider.documents["users", STRANGER] |= {"status": "confirmed"}  # type: ignore[operator]
    decider.decide(
        command("user.update.v1", {"id": OWNER, "claims": {"lei": LEI}}, sender=OWNER, id="claim"),
        command("sharing.grant.v1", {"party": STRANGER, "groups": ["claims"]}, sender=OWNER,
                id="share"),
        command("mandate.give.v1", {"delegate": PLATFORM}, sender=OWNER, id="give"),
    )  # fmt: skip
    data = user(claims={"lei": LEI})
    refused = decider.decide(command("user.register.v1", data, sender="operator", id="attempt"))
    assert {letter.recipient for letter in told(decider.decide(*facts(refused)))} == {
        OWNER,
        PLATFORM,
    }
