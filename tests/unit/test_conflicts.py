"""Simultaneous updates: who is told that its value was overwritten; who writes which service."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest

from contracts.asset_groups import AssetGroups
from handlers.amending import SERVICES_MAX
from handlers.provenance import CONFLICT_HOURS, MAX_AGE_DAYS
from handlers.rights import ASSET_GROUPS, SCOPED
from tests.builders import OWNER, PLATFORM, STRANGER
from tests.given import ROOT
from tests.life import BUYER, THIRD, Life

CONFLICTED: Final = "asset.conflicted"
EVENING: Final = {"days": ["mo", "tu"], "from_time": "17:00", "until_time": "24:00"}


@pytest.fixture
def life() -> Life:
    """An asset with two providers of different services and a third for none in particular."""
    found = Life.of(capability={"power_kw": 5})
    found.relate(STRANGER, "fsp", "DC")
    found.relate(THIRD, "fsp", "DFS")
    found.later(days=30)
    return found


def test_whoever_wrote_what_is_overwritten_is_told_both_values(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6, "energy_kwh": 12.5})
    life.later(hours=23)
    life.update(THIRD, capability={"power_kw": 7})
    assert life.told_of(CONFLICTED) == {
        STRANGER: {
            "id": life.id,
            "revision": 3,
            "by": THIRD,
            "of": STRANGER,
            "changed": ["capability.power_kw"],
            "given_in": {"capability": 2},
            "before": {"capability": {"power_kw": 6}},
            "after": {"capability": {"power_kw": 7}},
        }
    }
    # The backbone and its operators learn names, and no values.
    (fact,) = [data for kind, data in life.facts if kind == "asset.conflicted.v1"]
    assert "before" not in fact
    assert "after" not in fact


@pytest.mark.parametrize(
    ("patch", "is_conflict"),
    [
        ({"capability": {"power_kw": 7}}, True),
        ({"capability": {"power_kw": None}}, True),
        ({"capability": {"energy_kwh": 3}}, False),
        ({"capability": {"power_kw": 6}}, False),
        ({"service": {"DFS": {"power_up_kw": 1}}}, False),
    ],
    ids=str,
)
def test_what_was_not_there_or_stays_is_no_conflict(
    life: Life, patch: Any, *, is_conflict: bool
) -> None:
    life.update(STRANGER, capability={"power_kw": 6})
    life.update(THIRD, **patch)
    assert (STRANGER in life.told_of(CONFLICTED)) is is_conflict


def test_a_writer_is_not_in_conflict_with_itself(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6})
    life.update(STRANGER, capability={"power_kw": 7})
    assert life.told_of(CONFLICTED) == {}


def test_whoever_names_the_revision_has_seen_what_it_overwrites(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6})
    life.update(THIRD, capability={"power_kw": 7}, expected_revision=2)
    assert life.told_of(CONFLICTED) == {}
    life.update(STRANGER, capability={"power_kw": 8}, expected_revision=3)
    stale = life.refuse("asset.update", THIRD, capability={"power_kw": 9}, expected_revision=3)
    assert stale == [("asset.stale", "data.expected_revision")]


@pytest.mark.parametrize(("group", "patch"), [
    ("capability", {"capability": {"power_kw": 7}}),
    ("location", {"location": {"postcode": "M1 1AA"}}),
])  # fmt: skip
def test_it_is_a_conflict_within_the_time_of_the_group_alone(
    life: Life, group: str, patch: Any
) -> None:
    before = {"capability": {"power_kw": 6}, "location": {"postcode": "SW1A 1AA"}}
    for hours, told in ((CONFLICT_HOURS[group], {PLATFORM}), (CONFLICT_HOURS[group] + 1, set())):
        life.update(PLATFORM, **{group: before[group]}, expected_revision=life.document["revision"])
        life.later(hours=hours)
        life.update(OWNER, **patch)
        assert life.told_of(CONFLICTED).keys() == told


def test_each_field_has_its_writer(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6})
    life.update(OWNER, capability={"energy_kwh": 3})
    life.update(THIRD, capability={"power_kw": 7, "energy_kwh": 4})
    told = {who: data["changed"] for who, data in life.told_of(CONFLICTED).items()}
    assert told == {STRANGER: ["capability.power_kw"], OWNER: ["capability.energy_kwh"]}


def test_a_registration_counts_like_an_update() -> None:
    life = Life.of(location={"town": "Exampleton"})
    life.later(hours=1)
    life.update(OWNER, location={"town": "Elsewhere"}, name="Two")
    ((who, data),) = life.told_of(CONFLICTED).items()
    assert (who, data["changed"]) == (PLATFORM, ["location.town"])
    assert data["before"]["location"] == {"town": "Exampleton"}
    assert data["given_in"] == {"location": 1}


def test_whoever_may_not_see_it_any_more_is_told_nothing(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6})
    life.unrelate(STRANGER)
    life.update(THIRD, capability={"power_kw": 7})
    assert life.told_of(CONFLICTED) == {}


def test_what_is_told_again_has_the_values_that_may_still_be_read(life: Life) -> None:
    life.update(STRANGER, capability={"power_kw": 6}, service={"DC": {"power_up_kw": 1}})
    life.update(OWNER, capability={"power_kw": 7}, service={"DC": {"power_up_kw": 2}})
    ((_, data),) = life.told_of(CONFLICTED).items()
    assert data["before"]["service"] == {"DC": {"power_up_kw": 1}}
    assert replayed(life)["before"] == data["before"]
    life.relate(STRANGER, "so", "DFS")
    assert replayed(life)["before"] == {"capability": {"power_kw": 6}}
    life.unrelate(STRANGER)
    assert replayed(life) == {}


def replayed(life: Life) -> Any:
    """The conflict as the provider is told it again."""
    life.later(seconds=10)
    life.send("event.replay", STRANGER, from_sequence=1)
    found = [data for data in life.told if data[1] == f"{CONFLICTED}.v1"]
    return found[0][2] if found else {}


# Which service is whose.


def test_a_provider_writes_what_concerns_its_service_and_no_other(life: Life) -> None:
    life.update(STRANGER, service={"DC": {"power_up_kw": 3, "available": [EVENING]}})
    assert life.facts[0][1]["changed"] == ["service.DC"]
    denied = [("asset.not-yours", "data.service.DFS")]
    for offer in ({"power_up_kw": 1}, None):
        assert life.refuse("asset.update", STRANGER, service={"DFS": offer}) == denied
    mixed = {"DC": {"power_up_kw": 4}, "DFS": {"power_up_kw": 1}}
    assert life.refuse("asset.update", STRANGER, service=mixed) == denied
    life.update(THIRD, service={"DFS": {"duration_s": 60}})
    assert life.document["service"]["DC"]["available"] == [EVENING]


def test_each_reads_and_is_told_of_its_own_service(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 3}, "DFS": {"power_up_kw": 4}})
    told = {who: data["changed"] for who, data in life.told_of("asset.updated").items()}
    assert told == {
        PLATFORM: ["service.DC", "service.DFS"],
        STRANGER: ["service.DC"],
        THIRD: ["service.DFS"],
    }
    assert life.seen(STRANGER)["service"] == {"DC": {"power_up_kw": 3}}
    assert life.seen(STRANGER)["given"].keys() >= {"service.DC", "capability"}
    assert "service.DFS" not in life.seen(STRANGER)["given"]
    life.relate(BUYER, "so")
    assert life.seen(BUYER)["service"].keys() == {"DC", "DFS"}
    life.relate(BUYER, "so", "PR")
    assert "service" not in life.seen(BUYER)


def test_one_with_ties_for_two_services_writes_both(life: Life) -> None:
    rows = life.decider.documents
    key = ("relations", f"{life.id}/{STRANGER}")
    (tie,) = rows[key]["ties"]
    rows[key] = {**rows[key], "ties": [tie, {**tie, "service": "PR"}]}
    life.update(STRANGER, service={"DC": {"power_up_kw": 3}, "PR": {"power_up_kw": 4}})
    rows[key] = {**rows[key], "ties": [tie, {**tie, "service": None}]}
    life.update(STRANGER, service={"DFS": {"power_up_kw": 3}})


def test_a_service_is_taken_out_with_null(life: Life) -> None:
    life.update(OWNER, service={"DC": {"power_up_kw": 3}, "DFS": {"power_up_kw": 4}})
    life.update(STRANGER, service={"DC": None})
    assert life.document["service"].keys() == {"DFS"}
    assert life.refuse("asset.update", STRANGER, service=None) == [
        ("asset.not-yours", "data.service.DFS")
    ]
    life.update(OWNER, service=None)
    assert "service" not in life.document


def test_there_are_not_more_services_than_can_be_looked_at(life: Life) -> None:
    offers = {f"S{n}": {"power_up_kw": 1} for n in range(SERVICES_MAX)}
    life.update(OWNER, service=offers)
    more = life.refuse("asset.update", OWNER, service={"ONE-MORE": {"power_up_kw": 1}})
    assert more == [("service.too-many", "data.service")]


@pytest.mark.parametrize(
    "window",
    [
        EVENING | {"from_time": "24:00"},
        EVENING | {"until_time": "17:00"},
        EVENING | {"until_time": "16:59"},
        EVENING | {"days": []},
    ],
)
def test_hours_end_after_they_begin(life: Life, window: Any) -> None:
    kind, _ = life.send("asset.update", OWNER, service={"DC": {"available": [window]}})
    assert kind == "asset.update.rejected.v1"


# Who gave what, and when.


def test_the_asset_says_who_gave_each_group_and_when(life: Life) -> None:
    first = life.seen(OWNER)["given"]["capability"]
    at = life.later(hours=1)
    life.update(STRANGER, capability={"power_kw": 6})
    assert first["by"] == PLATFORM
    second = life.seen(OWNER)["given"]["capability"]
    wanted = {"by": STRANGER, "at": at.isoformat().replace("+00:00", "Z"), "revision": 2}
    assert second == wanted | {"stale": False}
    assert life.seen(OWNER)["given"]["identity"]["by"] == PLATFORM


@pytest.mark.parametrize("group", ["capability", "identity"])
def test_what_is_older_than_it_keeps_is_stale(group: str) -> None:
    life = Life.of(capability={"power_kw": 5})
    start = life.decider.now
    life.decider.now = start + timedelta(days=MAX_AGE_DAYS[group])
    assert life.seen(OWNER)["given"][group]["stale"] is False
    life.later(seconds=1)
    assert life.seen(OWNER)["given"][group]["stale"] is True


ROW: Final = re.compile(r"^\| `([a-z_]+)` \| (\d+) \| (\d+) \|$", re.MULTILINE)


def test_the_page_has_the_times_of_every_group() -> None:
    page = (ROOT / "docs" / "registers" / "assets.md").read_text(encoding="utf-8")
    rows = {group: (int(hours), int(days)) for group, hours, days in ROW.findall(page)}
    assert rows == {g: (hours, MAX_AGE_DAYS[g]) for g, hours in CONFLICT_HOURS.items()}


def test_every_group_that_is_given_has_its_times() -> None:
    groups = ASSET_GROUPS.keys() & AssetGroups.model_fields.keys() - {"registrant"}
    assert groups == CONFLICT_HOURS.keys() == MAX_AGE_DAYS.keys()
    assert ASSET_GROUPS.keys() >= SCOPED
