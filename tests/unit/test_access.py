"""Access notices: who asked for them is told in a digest that an asset was read."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.letters import Letter
from handlers.visibility import recorded
from handlers.watching import WATCHERS_MAX
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued
from tests.decider import Decider, reply, rules

NOTED: Final = "access.noted.v1"
ABSENT: Final = issued("BAT", 9000)


@pytest.fixture
def decider() -> Decider:
    return Decider()


@pytest.fixture
def battery(decider: Decider) -> str:
    (outcome,) = decider.decide(command(data=asset(owner=OWNER), id="register"))
    return str(reply(outcome)[1]["id"])


def watch(decider: Decider, user: str, *assets: str, known: str = "watch") -> Any:
    chosen = command("subscription.set.v1", {"access": assets}, sender=user, id=f"{known}-{user}")
    (outcome,) = decider.decide(chosen)
    return reply(outcome)


def read(decider: Decider, asset_id: str, asker: str, known: str = "ask") -> Letter:
    letter = decider.ask(command("asset.get.v1", {"id": asset_id}, sender=asker, id=known))
    assert letter is not None
    return letter


def follow(decider: Decider, letter: Letter) -> list[Letter]:
    facts = [Delivery(one.body, one.type, BACKBONE) for one in letter.noted]
    return [one for outcome in decider.decide(*facts) for one in outcome.letters]


def watchers(decider: Decider) -> dict[str, list[str]]:
    return {row["_id"]: row["watchers"] for row in decider.of("watches")}


def test_who_watches_is_told_in_sum_who_read(decider: Decider, battery: str) -> None:
    watch(decider, OWNER, battery)
    for number in range(30):
        decider.now = NOW + timedelta(seconds=number)
        at_once = follow(decider, read(decider, battery, PLATFORM))
        assert at_once == []
    decider.now = NOW + timedelta(hours=1)
    (digest,) = [one for outcome in decider.due() for one in outcome.letters]
    data = json.loads(digest.body)["data"]

    assert (digest.recipient, digest.type) == (OWNER, "notice.digest.v1")
    assert data["kinds"] == {NOTED: 30}
    assert data["subjects"] == [battery, PLATFORM]
    assert len(decider.of("pots")) == len(decider.of("timers")) == 0


def test_nobody_is_told_who_has_not_asked_for_it(decider: Decider, battery: str) -> None:
    assert read(decider, battery, PLATFORM).noted == ()
    watch(decider, OWNER, battery)
    assert read(decider, battery, OWNER).noted == ()
    (noted,) = read(decider, battery, OPERATOR).noted
    assert (noted.kind, noted.type) == ("domain", NOTED)
    assert json.loads(noted.body)["data"] == {"id": battery, "by": OPERATOR}


def test_a_reading_that_is_refused_is_none(decider: Decider, battery: str) -> None:
    watch(decider, OWNER, battery)
    refused = read(decider, battery, STRANGER)
    assert (refused.type, refused.noted) == ("asset.get.rejected.v1", ())


def test_the_same_id_again_does_not_hide_a_reading(decider: Decider, battery: str) -> None:
    watch(decider, OWNER, battery)
    first = read(decider, battery, PLATFORM)
    decider.now = NOW + timedelta(milliseconds=1)
    second = read(decider, battery, PLATFORM)
    follow(decider, first)
    follow(decider, first)
    follow(decider, second)
    assert [row["kinds"] for row in decider.of("pots")] == [{NOTED: 2}]


def test_the_look_up_follows_the_choice(decider: Decider, battery: str) -> None:
    other = reply(
        decider.decide(
            command(
                data=asset(identity={"make": "Acme", "serial": "SN-2"}, owner=OWNER), id="other"
            )
        )[0]
    )[1]["id"]
    watch(decider, OWNER, battery, other)
    watch(decider, PLATFORM, other)
    both = watchers(decider)
    watch(decider, OWNER, battery, known="less")
    less = watchers(decider)
    watch(decider, OWNER, known="none")

    assert both == {battery: [OWNER], other: sorted([OWNER, PLATFORM])}
    assert less == {battery: [OWNER], other: [PLATFORM]}
    assert watchers(decider) == {other: [PLATFORM]}


def test_only_assets_that_one_has_to_do_with(decider: Decider, battery: str) -> None:
    hidden, missing = (watch(decider, STRANGER, one, known=one) for one in (battery, ABSENT))
    row = recorded(battery, STRANGER, [{"as": "fsp", "from": NOW, "until": None}])
    decider.documents["relations", row["_id"]] = row
    operated = watch(decider, STRANGER, battery, known="operated")

    assert rules(hidden[1]) == rules(missing[1]) == [
        ("subscription.access-unknown", "data.access.0")
    ]  # fmt: skip
    assert operated[0] == "subscription.set.accepted.v1"


def test_a_relation_that_ended_ends_the_watching(decider: Decider, battery: str) -> None:
    row = recorded(battery, STRANGER, [{"as": "fsp", "from": NOW, "until": None}])
    decider.documents["relations", row["_id"]] = row
    watch(decider, STRANGER, battery)
    letter = read(decider, battery, PLATFORM)
    over = recorded(battery, STRANGER, [{"as": "fsp", "from": NOW, "until": NOW}], row)
    decider.documents["relations", row["_id"]] = over
    follow(decider, letter)
    assert decider.of("pots") == []


def test_a_crowd_may_not_watch_one_asset(decider: Decider, battery: str) -> None:
    crowd = [issued("USR", 10_000 + 50 * n) for n in range(WATCHERS_MAX)]
    row = {"_id": battery, "revision": 1, "watchers": sorted(crowd)}
    decider.documents["watches", battery] = row
    assert rules(watch(decider, OWNER, battery)[1]) == [
        ("subscription.access-crowded", "data.access.0")
    ]
