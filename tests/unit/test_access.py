"""Access notices: who asked for them is told in a digest that an asset was read."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.notices import AccessNoted
from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.edges import recorded
from handlers.letters import Letter
from handlers.post import SUBJECTS_MAX
from handlers.watching import WATCHERS_MAX
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
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


def tie(decider: Decider, entity: str, party: str, relation: str, until: Any = None) -> None:
    row = recorded(entity, party, [{"as": relation, "from": NOW, "until": until}])
    decider.documents["relations", row["_id"]] = row


def crowded(decider: Decider, asset_id: str) -> list[str]:
    crowd = [issued("USR", 10_000 + 50 * n) for n in range(WATCHERS_MAX)]
    for one in crowd:
        tie(decider, asset_id, one, "fsp")
    row = {"_id": asset_id, "revision": 1, "watchers": sorted(crowd)}
    decider.documents["watches", asset_id] = row
    return crowd


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
    assert data["subjects"] == [battery]
    assert data["readers"] == {battery: [PLATFORM]}
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
    crowd = crowded(decider, battery)
    assert rules(watch(decider, OWNER, battery)[1]) == [
        ("subscription.access-crowded", "data.access.0")
    ]
    assert watchers(decider) == {battery: sorted(crowd)}


def test_whose_tie_is_over_keeps_no_place_in_a_crowd(decider: Decider, battery: str) -> None:
    crowd = crowded(decider, battery)
    tie(decider, battery, crowd[7], "fsp", until=NOW)
    assert watch(decider, OWNER, battery)[0] == "subscription.set.accepted.v1"
    assert watchers(decider) == {battery: sorted({*crowd, OWNER} - {crowd[7]})}


def test_a_place_that_was_lost_is_had_again_by_choosing_again(
    decider: Decider, battery: str
) -> None:
    tie(decider, battery, STRANGER, "fsp")
    first = watch(decider, STRANGER, battery)
    crowded(decider, battery)
    refused = watch(decider, STRANGER, battery, known="refused")
    decider.documents["watches", battery] = {"_id": battery, "revision": 9, "watchers": [OWNER]}
    again = watch(decider, STRANGER, battery, known="again")
    assert rules(refused[1]) == [("subscription.access-crowded", "data.access.0")]
    assert again[1] == first[1]
    assert watchers(decider) == {battery: sorted([OWNER, STRANGER])}


@pytest.mark.parametrize("relation", ["mo", "so", "installer", "reader"])
def test_who_may_but_see_an_asset_is_not_told_who_else_does(
    decider: Decider, battery: str, relation: str
) -> None:
    tie(decider, battery, STRANGER, relation)
    refused = watch(decider, STRANGER, battery)
    assert rules(refused[1]) == [("subscription.access-unknown", "data.access.0")]
    row = {"_id": battery, "revision": 1, "watchers": [STRANGER]}
    decider.documents["watches", battery] = row
    follow(decider, read(decider, battery, PLATFORM))
    assert decider.of("pots") == []


@pytest.mark.parametrize("relation", ["fsp", "aggregator"])
def test_who_operates_it_is_told(decider: Decider, battery: str, relation: str) -> None:
    tie(decider, battery, STRANGER, relation)
    watch(decider, STRANGER, battery)
    follow(decider, read(decider, battery, PLATFORM))
    assert [row["recipient"] for row in decider.of("pots")] == [STRANGER]


def test_an_operator_is_refused_what_it_would_not_be_told(decider: Decider, battery: str) -> None:
    assert rules(watch(decider, OPERATOR, battery)[1]) == [
        ("subscription.access-unknown", "data.access.0")
    ]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_digest_that_comes_again_names_the_readers_while_one_may_watch(
    decider: Decider, battery: str, *, is_over: bool
) -> None:
    tie(decider, battery, STRANGER, "fsp")
    decider.documents["users", STRANGER] = user_document(STRANGER)
    watch(decider, STRANGER, battery)
    follow(decider, read(decider, battery, PLATFORM))
    decider.now = NOW + timedelta(hours=1)
    decider.due()
    if is_over:
        tie(decider, battery, STRANGER, "fsp", until=NOW)
        tie(decider, battery, STRANGER, "mo")
    ask = command(
        "event.replay.v1", {"from_sequence": 1}, sender=STRANGER, id="again",
        time=decider.now.isoformat(),
    )  # fmt: skip
    told, _end = decider.consequences(decider.decide(ask))
    data = json.loads(told.body)["data"]
    assert data["subjects"] == [battery]
    assert data["readers"] == ({} if is_over else {battery: [PLATFORM]})


def test_a_digest_names_no_more_than_some_readers(decider: Decider, battery: str) -> None:
    watch(decider, OWNER, battery)
    readers = [issued("USR", 20_000 + 50 * n) for n in range(SUBJECTS_MAX + 1)]
    for reader in readers:
        fact = Letter.fact(AccessNoted(id=battery, by=reader), id=reader, time=NOW)
        decider.decide(Delivery(fact.body, fact.type, BACKBONE))
    (pot,) = decider.of("pots")
    assert pot["readers"] == {battery: readers[:SUBJECTS_MAX]}
    assert pot["kinds"] == {NOTED: SUBJECTS_MAX + 1}
