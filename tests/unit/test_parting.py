"""Who has left is in nobody's way: what was between it and others ends, and they hear of it."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from contracts.taxonomy import OPERATOR
from handlers.decision import Secret
from handlers.edges import edge, recorded
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, delivery, issued, user_document
from tests.decider import Decider, events, said
from tests.unit.test_interests import MARKET, SECOND, express, listed, todos
from tests.unit.test_sharing import BANK, HOUR, ask

BATTERY: Final = issued("BAT", 1000)
WITHDRAWN: Final = "interest.withdrawn.v1"
Heard = list[tuple[str, str, Mapping[str, Any]]]


@pytest.fixture
def decider() -> Decider:
    """An FSP with data, two MOs, and an owner whose battery the FSP serves."""
    made = Decider()
    made.documents["users", PLATFORM] = user_document(bank=Secret(BANK), registrant=STRANGER)
    for user in (MARKET, SECOND):
        made.documents["users", user] = user_document(user, roles=["mo"], status="confirmed")
    return made


def aftermath(decider: Decider, outcome: Any) -> tuple[Heard, list[tuple[str, Any]], list[Any]]:
    """Who was told what in the end, all facts on the way, and the outcomes of these."""
    heard: Heard = []
    facts: list[tuple[str, Any]] = []
    done: list[Any] = []
    seen: set[str] = set()
    waiting = _facts(outcome, seen)
    while waiting:
        outcomes = decider.decide(waiting.pop(0))
        for one in outcomes:
            assert one.kind in {"handled", "continued", "idle"}, one.kind
            done.append(one)
            facts += events(one)
            again = [decider._again(one)] if one.kind == "continued" else []
            waiting = [*again, *waiting, *_facts(one, seen)]
            heard += [
                (str(letter.recipient), *said(letter))
                for letter in one.letters
                if letter.kind == "personal"
            ]
    return heard, facts, done


def _facts(outcome: Any, seen: set[str]) -> list[Any]:
    """The facts of an outcome, each under an id that none before had."""
    found = [one for one in outcome.letters if one.kind == "domain"]
    for fact in found:
        named = fact.body.decode().split('"id":"', 1)[1].split('"', 1)[0]
        assert named not in seen
        seen.add(named)
    return [delivery(fact.body, type=fact.type, account="flex-relay") for fact in found]


def retire(decider: Decider, user: str = PLATFORM, sender: str = "") -> Any:
    return ask(decider, "user.retire.v1", sender or user, id=user)


def statuses(decider: Decider) -> dict[tuple[str, str], str]:
    return {(row["user"], row["to"]): row["status"] for row in decider.of("interests")}


def of(heard: Heard, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(to, data) for to, type_of, data in heard if type_of == kind]


# Interests.


@pytest.mark.parametrize(
    ("kind", "more"), [("retire", {}), ("reject", {"reason": "identity"})], ids=lambda x: str(x)[:6]
)
def test_the_interests_of_who_has_left_are_withdrawn_and_the_markets_told(
    decider: Decider, kind: str, more: dict[str, str]
) -> None:
    aftermath(decider, express(decider, MARKET, SECOND, groups=["bank"]))
    ask(decider, "interest.withdraw.v1", PLATFORM, to=SECOND)
    decider.now += HOUR
    outcome = ask(decider, f"user.{kind}.v1", OPERATOR, id=PLATFORM, **more)
    heard, _, _ = aftermath(decider, outcome)
    assert set(statuses(decider).values()) == {"withdrawn"}
    (one,) = [data for to, data in of(heard, WITHDRAWN) if to == MARKET]
    assert one == {
        "id": PLATFORM, "by": OPERATOR, "to": MARKET, "revision": 2, "left": [],
    }  # fmt: skip
    assert {to for to, _ in of(heard, WITHDRAWN)} == {PLATFORM, MARKET}
    assert todos(decider, MARKET) == []
    row = decider.documents["relations", edge(PLATFORM, MARKET)]
    assert [tie["until"] for tie in row["ties"]] == [decider.now]
    (mine,) = listed(decider, MARKET, "received")["interests"]
    assert (mine["status"], mine["note"][:4]) == ("withdrawn", "Four")


def test_the_interests_in_a_market_that_has_left_are_withdrawn_under_their_own_keys(
    decider: Decider,
) -> None:
    users = [issued("USR", 20_000 + 100 * n) for n in range(5)]
    for user in users:
        decider.documents["users", user] = user_document(user)
        said_to = {"to": [MARKET], "note": "Mine."}
        aftermath(decider, ask(decider, "interest.express.v1", user, **said_to))
    heard, _, done = aftermath(decider, retire(decider, MARKET))
    assert [to for to, _ in of(heard, WITHDRAWN)] == sorted(users, key=lambda u: edge(u, MARKET))
    assert all(data["by"] == data["to"] == MARKET for _, data in of(heard, WITHDRAWN))
    for outcome in done:
        for write in outcome.writes:
            if write.collection == "interests":
                assert outcome.keyed_to == write.document["user"]
    assert set(statuses(decider).values()) == {"withdrawn"}


def test_many_interests_are_gone_through_page_by_page(decider: Decider) -> None:
    for number in range(PAGE + 7):
        to = issued("USR", 30_000 + 100 * number)
        row = {
            "_id": edge(PLATFORM, to), "revision": 1, "user": PLATFORM, "to": to,
            "status": "expressed", "note": Secret("Mine."), "groups": [],
        }  # fmt: skip
        decider.documents["interests", row["_id"]] = row
    heard, facts, done = aftermath(decider, retire(decider))
    assert set(statuses(decider).values()) == {"withdrawn"}
    assert max(sum(w.collection == "interests" for w in one.writes) for one in done) == PAGE
    assert len([kind for kind, _ in facts if kind == WITHDRAWN]) == PAGE + 7
    assert len({to for to, _ in of(heard, WITHDRAWN)}) == PAGE + 7


# What ends with an erasure.


def tied(decider: Decider, entity: str, party: str, *ties: dict[str, Any]) -> None:
    always = {"from": NOW, "until": None, "by": entity, "at": NOW}
    row = recorded(entity, party, [always | tie for tie in ties])
    decider.documents["relations", row["_id"]] = row


def erased(decider: Decider, sender: str) -> tuple[Heard, list[tuple[str, Any]], list[Any]]:
    aftermath(decider, retire(decider, sender=sender))
    decider.now += HOUR
    outcome = ask(decider, "user.erase.v1", sender, id=PLATFORM, confirm_id=PLATFORM)
    return aftermath(decider, outcome)


@pytest.mark.parametrize("sender", [PLATFORM, OPERATOR])
def test_the_other_side_of_every_tie_is_told_and_nobody_who_is_erased(
    decider: Decider, sender: str
) -> None:
    decider.documents["assets", BATTERY] = {
        "_id": BATTERY, "revision": 1, "owner": OWNER, "registrant": OWNER, "name": "Cottage",
    }  # fmt: skip
    tied(decider, PLATFORM, STRANGER, {"as": "delegate"})
    tied(
        decider,
        OWNER,
        PLATFORM,
        {"as": "delegate"},
        {"as": "reader", "group": "name", "via": "grant"},
    )
    tied(
        decider,
        PLATFORM,
        MARKET,
        *({"as": "reader", "group": g, "via": "grant"} for g in ("bank", "name")),
    )
    tied(
        decider, BATTERY, PLATFORM,
        {"as": "fsp", "service": "DFS"}, {"as": "fsp", "service": "DC"}, {"as": "aggregator"},
        {"as": "so", "until": NOW},
    )  # fmt: skip
    heard, facts, _ = erased(decider, sender)
    ended = {"by": sender, "until": decider.now.isoformat().replace("+00:00", "Z")}
    relations = {"changed": ["relations"]}
    assert sorted(heard, key=str) == sorted(
        [
            (
                STRANGER,
                "mandate.ended.v1",
                {"id": PLATFORM, "delegate": STRANGER, **ended, **relations},
            ),
            (OWNER, "mandate.ended.v1", {"id": OWNER, "delegate": PLATFORM, **ended, **relations}),
            (
                OWNER,
                "sharing.revoked.v1",
                {"id": OWNER, "party": PLATFORM, "groups": ["name"], "left": [], **ended},
            ),
            (
                MARKET,
                "sharing.revoked.v1",
                {"id": PLATFORM, "party": MARKET, "groups": ["bank", "name"], "left": [], **ended},
            ),
            *(
                (
                    OWNER,
                    "asset.unrelated.v1",
                    {"id": BATTERY, "party": PLATFORM, "relation": r, **ended, **relations},
                )
                for r in ("aggregator", "fsp")
            ),
            (
                STRANGER,
                "user.erased.v1",
                {
                    "id": PLATFORM,
                    "revision": 3,
                    "status": "retired",
                    "by": sender,
                    "erased_at": ended["until"],
                },
            ),
        ],
        key=str,
    )
    assert all("Example" not in str(data) and "1234" not in str(data) for _, data in facts)
    assert [row for row in decider.of("events") if row["recipient"] == PLATFORM] == []


def test_who_was_erased_is_told_nothing_any_more(decider: Decider) -> None:
    """Though its assets remain, and name it."""
    erased(decider, OPERATOR)
    decider.documents["assets", BATTERY] = {
        "_id": BATTERY, "revision": 1, "owner": PLATFORM, "registrant": OWNER, "name": "Cottage",
        "asset_type": "BAT", "lifecycle": "operating", "status": "provisional",
        "registered_at": NOW,
    }  # fmt: skip
    wish = {"id": BATTERY, "party": SECOND, "relation": "mo"}
    heard, _, _ = aftermath(decider, ask(decider, "asset.relate.v1", OWNER, **wish))
    assert [to for to, _, _ in heard] == [SECOND]
    assert [row for row in decider.of("events") if row["recipient"] == PLATFORM] == []


def test_an_interest_that_still_stands_is_withdrawn_with_the_erasure(decider: Decider) -> None:
    """As where the retirement is still being gone through."""
    aftermath(decider, express(decider, MARKET))
    retire(decider, sender=OPERATOR)
    outcome = ask(decider, "user.erase.v1", OPERATOR, id=PLATFORM, confirm_id=PLATFORM)
    heard, _, _ = aftermath(decider, outcome)
    assert [to for to, _ in of(heard, WITHDRAWN)] == [MARKET]
    assert (decider.of("interests"), todos(decider, MARKET)) == ([], [])
