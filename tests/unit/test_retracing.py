"""An asset's history: what was so, what was known, and who could see it then."""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from contracts.history import CHANGES_MAX
from handlers.edges import edge, recorded
from handlers.history import REVISIONS_MAX
from tests.builders import NOW, OWNER, PLATFORM, STRANGER
from tests.life import BUYER, HEIR, THIRD, Life, moment

FIRST: Final = {"town": "Exampleton"}
DAY: Final = timedelta(days=1)


def power(kw: float) -> Any:
    return {"power_kw": kw}


@pytest.fixture
def life() -> Life:
    """Days 0 to 9, with a provider of days 2 to 6 and another from day 4 on."""
    found = Life.of(capability=power(1), location=FIRST, name="One")
    found.later(days=2)
    found.relate(STRANGER, "fsp", "DC")
    found.later(days=1)
    found.update(OWNER, capability=power(3), service={"DC": {"power_up_kw": 3}})
    found.later(days=1)
    found.relate(THIRD, "fsp", "DFS")
    found.later(days=1)
    found.update(OWNER, capability=power(5), service={"DFS": {"power_up_kw": 5}})
    found.later(days=1)
    found.unrelate(STRANGER)
    found.later(days=2)
    found.update(OWNER, capability=power(8))
    found.later(days=1)
    return found


def history(life: Life, viewer: str, **asked: Any) -> Any:
    return life.accept("asset.history", viewer, **asked)


def on(day: int) -> str:
    """Noon and a minute of a day: what happened on it is known."""
    return moment(NOW + day * DAY + timedelta(minutes=1))


def powers(found: Any) -> list[float]:
    changes = (one["values"].get("capability", {}) for one in found["changes"])
    return [one["power_kw"] for one in changes if one]


@pytest.mark.parametrize(
    ("day", "kw", "services"), [(0, 1, None), (3, 3, {"DC"}), (4, 3, {"DC"}), (8, 8, {"DC", "DFS"})]
)
def test_the_owner_sees_what_it_was(life: Life, day: int, kw: int, services: Any) -> None:
    for asked in ({"as_of": on(day)}, {"known_at": on(day)}):
        was = history(life, OWNER, **asked)["was"]
        assert was["capability"] == power(kw)
        assert was.get("service", {}).keys() == (services or set())
        assert (was["asset_type"], was["lifecycle"], was["owner"]) == ("BAT", "operating", OWNER)


def test_changes_have_both_times_and_who_made_them(life: Life) -> None:
    changes = history(life, OWNER)["changes"]
    assert [(one["revision"], one["by"]) for one in changes] == [
        (1, PLATFORM), (2, OWNER), (3, OWNER), (4, OWNER),
    ]  # fmt: skip
    at = NOW + 3 * DAY
    assert (changes[1]["recorded_at"], changes[1]["valid_from"]) == (
        moment(at), moment(at - timedelta(seconds=1)),
    )  # fmt: skip
    assert changes[1]["changed"] == ["capability", "service"]
    assert changes[1]["values"] == {"capability": power(3), "service": {"DC": {"power_up_kw": 3}}}


def test_a_former_provider_keeps_what_it_could_see_and_learns_nothing_later(life: Life) -> None:
    assert life.seen(STRANGER) is None
    found = history(life, STRANGER)
    assert (powers(found), "was" in found) == ([3, 5], False)
    assert [list(one["values"].get("service", {})) for one in found["changes"]] == [["DC"], []]
    assert history(life, STRANGER, as_of=on(5))["was"]["capability"] == power(5)
    assert history(life, STRANGER, as_of=on(2))["was"]["location"] == FIRST
    for day in (1, 6, 8):
        assert "was" not in history(life, STRANGER, as_of=on(day))


def test_what_was_recorded_after_it_had_gone_is_not_known_to_it(life: Life) -> None:
    back = life.decider.now
    # Said on day 9 of day 5.
    life.decider.now = NOW + 5 * DAY + timedelta(minutes=1)
    row_time = life.decider.now
    life.decider.now = back
    key = ("history", f"{life.id}/00000004")
    row = life.decider.documents[key]
    assert row is not None
    life.decider.documents[key] = {**row, "valid_from": row_time - timedelta(seconds=30)}
    assert history(life, OWNER, as_of=on(5))["was"]["capability"] == power(8)
    assert history(life, STRANGER, as_of=on(5))["was"]["capability"] == power(5)


def test_who_came_later_sees_the_changes_from_then_on(life: Life) -> None:
    assert powers(history(life, THIRD)) == [5, 8]
    assert history(life, THIRD)["was"]["capability"] == power(8)
    assert history(life, THIRD, as_of=on(4))["was"]["capability"] == power(3)
    assert "was" not in history(life, THIRD, as_of=on(3))
    # What one may not see now is not shown of the past.
    row = life.decider.documents["relations", edge(life.id, THIRD)]
    assert row is not None
    (tie,) = row["ties"]
    now = life.decider.now
    ties = [{**tie, "until": now}, {**tie, "as": "mo", "from": now, "until": None}]
    life.decider.documents["relations", row["_id"]] = recorded(life.id, THIRD, ties, row)
    assert "location" not in history(life, THIRD, as_of=on(4))["was"]
    assert powers(history(life, THIRD)) == [5, 8]


def test_the_former_owner_keeps_its_time_and_the_new_one_has_its_own(life: Life) -> None:
    tie = {"as": "delegate", "from": NOW, "until": None}
    rows = life.decider.documents
    rows["relations", edge(OWNER, BUYER)] = recorded(OWNER, BUYER, [tie])
    assert powers(history(life, BUYER)) == [1, 3, 5, 8]
    life.accept("asset.transfer", OWNER, owner=HEIR)
    life.later(days=1)
    life.update(HEIR, capability=power(10))
    life.later(days=1)
    for former in (OWNER, PLATFORM):
        assert life.seen(former) is None
        assert powers(history(life, former)) == [1, 3, 5, 8]
        assert history(life, former, as_of=on(3))["was"]["name"] == "One"
        assert "was" not in history(life, former, as_of=on(10))
    assert powers(history(life, HEIR)) == [10]
    assert history(life, HEIR)["was"]["capability"] == power(10)
    assert "was" not in history(life, HEIR, as_of=on(3))
    assert life.refuse("asset.history", BUYER) == [("asset.not-found", "data.id")]
    assert powers(history(life, "operator")) == [1, 3, 5, 8, 10]


def test_who_was_never_anything_to_it_learns_nothing(life: Life) -> None:
    assert life.refuse("asset.history", BUYER) == [("asset.not-found", "data.id")]
    row = recorded(life.id, BUYER, [future(life.later(days=0))])
    life.decider.documents["relations", row["_id"]] = row
    assert life.refuse("asset.history", BUYER) == [("asset.not-found", "data.id")]


def future(now: datetime) -> Any:
    return {"as": "so", "from": now + DAY, "until": now + 2 * DAY, "service": None}


def test_the_history_of_a_retired_asset_stays_readable(life: Life) -> None:
    life.accept("asset.retire", OWNER, reason="decommissioned")
    life.later(days=1)
    last = history(life, OWNER)["changes"][-1]
    assert last["values"]["retirement"] == "decommissioned"
    assert last["values"]["lifecycle"] == "retired"
    assert powers(history(life, THIRD)) == [5, 8]


def test_changes_come_page_by_page(life: Life) -> None:
    for number in range(CHANGES_MAX):
        life.update(OWNER, capability=power(number + 100))
    first = history(life, OWNER)
    second = history(life, OWNER, cursor=first["cursor"])
    assert [len(first["changes"]), len(second["changes"])] == [CHANGES_MAX, 4]
    assert ("was" in second, "cursor" in second) == (False, False)
    assert life.refuse("asset.history", THIRD, cursor=first["cursor"]) == [
        ("cursor.foreign", "data.cursor")
    ]
    assert (
        "changes" not in history(life, OWNER, changes=False)
        or not history(life, OWNER, changes=False)["changes"]
    )


def test_of_too_many_changes_nothing_is_put_together(life: Life) -> None:
    long = {**life.document, "revision": REVISIONS_MAX + 1}
    life.decider.documents["assets", life.id] = long
    found = life.refuse("asset.history", OWNER, as_of=on(3))
    assert found == [("asset.history-too-long", "data.as_of")]


def test_what_is_still_so_leaves_no_change(life: Life) -> None:
    life.accept("asset.refresh", OWNER, groups=["location"])
    life.update(PLATFORM, location=FIRST)
    assert life.document["revision"] == 5
    assert len(history(life, OWNER)["changes"]) == 4
