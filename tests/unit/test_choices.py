"""How a user is told: mandatory kinds, its choices, digests; and what waits for its action."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.assets import AssetUpdated
from handlers.edges import recorded
from handlers.kinds import KINDS, Kind
from handlers.letters import Letter
from handlers.spans import PAGE
from handlers.telling import choice
from handlers.visibility import Standing
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued
from tests.decider import Decider, reply, rules, said

UPDATED: Final = "asset.updated.v1"
AREA: Final = "_A"
SET: Final = "subscription.set.v1"
BATTERY: Final = issued("BAT", 1)


@pytest.fixture
def decider() -> Decider:
    return Decider()


@pytest.fixture
def battery(decider: Decider) -> str:
    given = asset(owner=OWNER, connection={"gsp_group": AREA})
    (outcome,) = decider.decide(command(data=given, id="register"))
    return str(reply(outcome)[1]["id"])


def choose(decider: Decider, known: str, **chosen: Any) -> tuple[str, Any]:
    (outcome,) = decider.decide(command(SET, chosen, sender=OWNER, id=known))
    return reply(outcome)


def updated(decider: Decider, battery: str, power: float) -> list[Letter]:
    data = {"id": battery, "capability": {"power_kw": power}}
    return decider.consequences(
        decider.decide(command("asset.update.v1", data, id=f"update-{power}-{decider.now:%H%M%S}"))
    )


MANDATORY: Final = sorted(kind.message_type for kind, rule in KINDS.items() if rule.mandatory)


@pytest.mark.parametrize("kind", MANDATORY)
@pytest.mark.parametrize("how", ["off", "digest"])
def test_what_is_mandatory_cannot_be_switched_off(decider: Decider, kind: str, how: str) -> None:
    answer = choose(decider, "off", kinds={kind: how})
    assert rules(answer[1]) == [("notice.mandatory", f"data.kinds.{kind}")]
    assert decider.of("subscriptions") == []
    assert choose(decider, "now", kinds={kind: "now"})[0] == "subscription.set.accepted.v1"


def test_there_is_something_mandatory() -> None:
    assert "asset.duplicate-attempted.v1" in MANDATORY
    assert "user.duplicate-attempted.v1" in MANDATORY


def test_a_choice_for_an_asset_or_an_area_does_not_silence_what_is_mandatory(
    decider: Decider, battery: str
) -> None:
    choose(decider, "off", assets={battery: "off"}, areas={AREA: "off"}, kinds={UPDATED: "off"})
    refused = decider.decide(command(sender=STRANGER, id="attempt"))
    told = decider.consequences(refused)
    assert sorted(str(one.recipient) for one in told) == sorted([OWNER, PLATFORM])


@pytest.mark.parametrize(
    ("by_asset", "by_area", "by_kind", "expected"),
    [
        (None, None, None, "now"),
        (None, None, "off", "off"),
        (None, "digest", "off", "digest"),
        ("now", "digest", "off", "now"),
        ("off", None, "now", "off"),
        ("off", "now", None, "off"),
    ],
)
def test_an_asset_goes_before_its_area_and_that_before_the_kind(
    by_asset: str | None, by_area: str | None, by_kind: str | None, expected: str
) -> None:
    fact = AssetUpdated(
        id=BATTERY, revision=2, status="provisional", by=PLATFORM, changed=("name",), area=AREA
    )  # fmt: skip
    chosen = {
        "assets": {BATTERY: by_asset} if by_asset else {},
        "areas": {AREA: by_area} if by_area else {},
        "kinds": {UPDATED: by_kind} if by_kind else {},
    }
    owner = Standing("assets", frozenset({"owner"}))
    assert choice(Kind(), fact, chosen, owner) == expected
    assert choice(Kind(mandatory=True), fact, chosen, owner) == "now"


def test_a_choice_by_area_tells_nobody_where_an_asset_is(decider: Decider, battery: str) -> None:
    row = recorded(battery, STRANGER, [{"as": "mo", "from": NOW, "until": None}])
    decider.documents["relations", row["_id"]] = row
    chosen = {"areas": {AREA: "off"}, "kinds": {UPDATED: "now"}}
    decider.decide(
        *(command(SET, chosen, sender=one, id=f"area-{one}") for one in (OWNER, STRANGER))
    )
    assert [one.recipient for one in updated(decider, battery, 1)] == [STRANGER]


@pytest.mark.parametrize(
    ("name", "key"), [("kinds", UPDATED), ("assets", BATTERY), ("areas", AREA)]
)
def test_null_withdraws_a_choice(decider: Decider, name: str, key: str) -> None:
    choose(decider, "off", kinds={UPDATED: "off"}, assets={BATTERY: "off"}, areas={AREA: "off"})
    _, state = choose(decider, "null", **{name: {key: None}})
    _, again = choose(decider, "again", **{name: {key: None}})
    left = {field: list(state[field]) for field in ("kinds", "assets", "areas")}
    assert left == {"kinds": [UPDATED], "assets": [BATTERY], "areas": [AREA]} | {name: []}
    assert (state["revision"], again["revision"]) == (2, 2)


def test_a_choice_for_what_is_mandatory_may_be_withdrawn(decider: Decider) -> None:
    choose(decider, "now", kinds={MANDATORY[0]: "now"})
    assert choose(decider, "null", kinds={MANDATORY[0]: None})[1]["kinds"] == {}


def test_the_choices_hold_on_the_way_of_an_event(decider: Decider, battery: str) -> None:
    told = [updated(decider, battery, 1)]
    choose(decider, "kind", kinds={UPDATED: "off"})
    told.append(updated(decider, battery, 2))
    choose(decider, "area", areas={AREA: "now"})
    told.append(updated(decider, battery, 3))
    choose(decider, "asset", assets={battery: "off"})
    told.append(updated(decider, battery, 4))
    assert [[one.recipient for one in letters] for letters in told] == [[OWNER], [], [OWNER], []]
    assert decider.documents["sequences", OWNER]["last"] == 2


def test_a_digest_gathers_and_is_told_when_it_is_due(decider: Decider, battery: str) -> None:
    choose(decider, "digest", kinds={UPDATED: "digest"}, digest_minutes=5)
    silent = [updated(decider, battery, power) for power in (1, 2, 2, 3)]
    decider.now = NOW + timedelta(minutes=4, seconds=59)
    early = decider.due()
    decider.now = NOW + timedelta(minutes=5)
    (outcome,) = decider.due()
    (letter,) = outcome.letters
    later = updated(decider, battery, 9)

    assert silent == [[], [], [], []]
    assert list(early) == []
    assert dict(said(letter)[1]) | {"first_at": "", "last_at": ""} == {
        "id": OWNER, "kinds": {UPDATED: 3}, "subjects": [battery], "first_at": "", "last_at": "",
    }  # fmt: skip
    assert json.loads(letter.body)["sequence"] == "1"
    assert later == []
    assert [row["due"] for row in decider.of("timers")] == [NOW + timedelta(minutes=10)]


def test_what_is_announced_twice_is_told_once(decider: Decider, battery: str) -> None:
    choose(decider, "digest", kinds={UPDATED: "digest"}, digest_minutes=5)
    updated(decider, battery, 1)
    decider.now = NOW + timedelta(minutes=5)
    rows = list(decider.of("timers"))
    first = [one for outcome in decider.due() for one in outcome.letters]
    for row in rows:
        decider.documents["timers", row["_id"]] = row
    again = [one for outcome in decider.due() for one in outcome.letters]
    assert (len(first), again) == (1, [])


def test_a_change_of_nothing_tells_nobody(decider: Decider, battery: str) -> None:
    once, again = updated(decider, battery, 5), updated(decider, battery, 5)
    assert (len(once), again) == (1, [])
    (same,) = decider.decide(
        command("asset.update.v1", {"id": battery, "capability": {"power_kw": 5.0}}, id="same")
    )
    assert [one.kind for one in same.letters] == ["reply"]


def test_choosing_the_same_again_changes_nothing(decider: Decider) -> None:
    first = choose(decider, "once", kinds={UPDATED: "off"})
    again = choose(decider, "again", kinds={UPDATED: "off"})
    assert first[1]["revision"] == again[1]["revision"] == 1


def notices(decider: Decider, count: int, recipient: str = OWNER) -> None:
    for number in range(1, count + 1):
        key = f"{recipient}/{number:012d}"
        decider.documents["notices", key] = {
            "_id": key, "revision": 1, "recipient": recipient, "sequence": number,
            "type": "asset.duplicate-attempted.v1", "subject": BATTERY, "state": "open",
            "opened_at": NOW, "shelf": f"{recipient}/open",
        }  # fmt: skip


def listed(decider: Decider, asker: str = OWNER, **asked: Any) -> Any:
    return said(decider.ask(command("notice.list.v1", asked, sender=asker, id="list")))


def test_notices_come_in_pages_with_cursors(decider: Decider) -> None:
    notices(decider, 2 * PAGE + 7)
    notices(decider, 3, STRANGER)
    found: list[int] = []
    sizes = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        _, page = listed(decider, **cursor)
        found += [one["sequence"] for one in page["notices"]]
        sizes.append(len(page["notices"]))
        cursor = {"cursor": page["cursor"]} if "cursor" in page else {}
    assert (found, sizes) == (list(range(1, 2 * PAGE + 8)), [PAGE, PAGE, 7])
    assert cursor == {}


def test_the_cursor_of_another_is_refused(decider: Decider) -> None:
    notices(decider, PAGE)
    notices(decider, PAGE, STRANGER)
    cursor = listed(decider)[1]["cursor"]
    forged = cursor[:-1] + ("0" if cursor[-1] != "0" else "1")
    moved = cursor.replace(f"{PAGE:012d}", f"{1:012d}")
    answers = [
        listed(decider, STRANGER, cursor=cursor),
        listed(decider, cursor=forged),
        listed(decider, cursor=moved),
        listed(decider, cursor="anything"),
        listed(decider, state="all", cursor=cursor),
    ]
    assert [kind for kind, _ in answers] == ["notice.list.rejected.v1"] * 5
    assert {rule for _, data in answers for rule, _ in rules(data)} == {"cursor.foreign"}
    assert listed(decider, cursor=cursor)[0] == "notice.list.accepted.v1"


def test_a_notice_is_closed_by_its_recipient_alone(decider: Decider) -> None:
    notices(decider, 2)
    key = f"{OWNER}/{1:012d}"

    def close(sender: str, known: str, notice: str = key) -> Any:
        message = command("notice.close.v1", {"id": notice}, sender=sender, id=known)
        (outcome,) = decider.decide(message)
        return reply(outcome)

    another, nothing = close(STRANGER, "1"), close(OWNER, "2", "nothing")
    closed, again = close(OWNER, "3"), close(OWNER, "4")
    assert rules(another[1]) == rules(nothing[1]) == [("notice.not-found", "data.id")]
    assert closed[1] == again[1] == {"id": key, "state": "closed"}
    assert decider.documents["notices", key]["revision"] == 2
    assert [one["sequence"] for one in listed(decider)[1]["notices"]] == [2]
    assert [one["sequence"] for one in listed(decider, state="closed")[1]["notices"]] == [1]
    assert [one["sequence"] for one in listed(decider, state="all")[1]["notices"]] == [1, 2]


def test_many_closed_notices_leave_no_page_of_open_ones_empty(decider: Decider) -> None:
    notices(decider, 2 * PAGE + 2)
    rows = [row["_id"] for row in decider.of("notices")]
    for number in range(0, 2 * PAGE, 100):
        ids = rows[number : number + 100]
        decider.decide(command("notice.close.v2", {"ids": ids}, sender=OWNER, id=f"close-{number}"))
    (_, still), (_, closed) = listed(decider), listed(decider, state="closed")
    (_, rest) = listed(decider, state="closed", cursor=closed["cursor"])
    (_, whole) = listed(decider, state="all")
    assert [one["id"] for one in still["notices"]] == rows[-2:]
    assert "cursor" not in still
    assert [one["id"] for one in (*closed["notices"], *rest["notices"])] == rows[:-2]
    assert [one["id"] for one in whole["notices"]] == rows[:PAGE]


def test_a_notice_stands_where_its_state_says(decider: Decider, battery: str) -> None:
    kind = "asset.duplicate-attempted.v1"
    attempts = [command(sender=STRANGER, id=f"attempt-{n}") for n in range(2)]
    decider.consequences(decider.decide(attempts[0]))
    opened = [one["type"] for one in listed(decider)[1]["notices"]]
    key = f"{OWNER}/{kind}/{battery}"
    decider.decide(command("notice.close.v1", {"id": key}, sender=OWNER, id="close"))
    closed = [one["type"] for one in listed(decider, state="closed")[1]["notices"]]
    left = listed(decider)[1]["notices"]
    assert (opened, closed, left) == ([kind], [kind], [])
    decider.now = NOW + timedelta(hours=2)
    decider.due()
    decider.consequences(decider.decide(attempts[1]))
    assert [one["id"] for one in listed(decider)[1]["notices"]] == [key]
    assert listed(decider, state="closed")[1]["notices"] == []
