"""How an asset begins to operate, is overdue, and ends."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from contracts.taxonomy import ASSET_TYPES
from handlers.edges import edge
from handlers.lapsing import GRACE_DAYS, UNDATED_DAYS
from handlers.rights import ASSET_GROUPS, RULING
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, issued
from tests.given import ROOT
from tests.life import BUYER, HEIR, THIRD, VERIFIER, Life, moment

PLANNED: Final = {"lifecycle": "planned", "expected_on": "2026-06-01"}
LAPSED: Final = "asset.lapsed"


@pytest.fixture
def life() -> Life:
    """A planned battery with a provider and a buyer."""
    found = Life.of(**PLANNED)
    found.relate(STRANGER, "fsp", "DC")
    found.relate(BUYER, "so")
    return found


# Commissioning.


def test_a_planned_asset_operates_from_its_day_on(life: Life) -> None:
    life.decider.now = datetime(2026, 5, 20, tzinfo=UTC)
    state = life.accept("asset.commission", OWNER, commissioned_on="2026-05-20")
    assert state == {
        "id": life.id, "status": "provisional", "lifecycle": "operating", "revision": 2,
    }  # fmt: skip
    assert life.document["commissioned_on"] == "2026-05-20"
    assert "expected_on" not in life.document
    assert life.facts == [
        (
            "asset.commissioned.v1",
            state
            | {
                "by": OWNER,
                "changed": ["commissioned_on"],
                "parties": {"registrant": PLATFORM, "owner": OWNER},
            },
        )
    ]
    assert life.told_of("asset.commissioned").keys() == {PLATFORM, STRANGER, BUYER}
    again = life.accept("asset.commission", OWNER, commissioned_on="2026-05-20")
    assert (again["revision"], life.facts) == (2, [])


def test_it_is_not_commissioned_on_a_day_to_come_or_twice(life: Life) -> None:
    tomorrow = f"{life.decider.now + timedelta(days=1):%Y-%m-%d}"
    assert life.refuse("asset.commission", OWNER, commissioned_on=tomorrow) == [
        ("lifecycle.dates", "data.commissioned_on")
    ]
    life.accept("asset.commission", OWNER, commissioned_on="2026-02-01")
    assert life.refuse("asset.commission", OWNER, commissioned_on="2026-02-02") == [
        ("asset.not-planned", "data.id")
    ]


@pytest.mark.parametrize(
    ("sender", "rule"),
    [(STRANGER, "asset.not-yours"), (BUYER, "asset.not-yours"), (THIRD, "asset.not-found")],
)
def test_only_who_may_write_the_day_commissions(life: Life, sender: str, rule: str) -> None:
    ((code, _),) = life.refuse("asset.commission", sender, commissioned_on="2026-02-01")
    assert code == rule
    ((code, _),) = life.refuse("asset.retire", sender, reason="other")
    assert code == rule


def test_who_has_seen_an_older_revision_neither_commissions_nor_retires(life: Life) -> None:
    life.update(OWNER, name="Two")
    stale = [("asset.stale", "data.expected_revision")]
    day = {"commissioned_on": "2026-02-01", "expected_revision": 1}
    assert life.refuse("asset.commission", OWNER, **day) == stale
    assert life.refuse("asset.retire", OWNER, reason="other", expected_revision=1) == stale


# Lapsing.


def days_of_grace(life: Life) -> datetime:
    """The first moment at which a battery that was expected on its day is overdue."""
    return datetime(2026, 6, 2, tzinfo=UTC) + timedelta(days=GRACE_DAYS["BAT"])


def test_a_planned_asset_lapses_loudly_when_its_grace_is_over(life: Life) -> None:
    life.decider.now = days_of_grace(life) - timedelta(milliseconds=1)
    life.due()
    assert (life.told, "overdue_since" in life.seen(OWNER)) == ([], False)
    at = life.later(milliseconds=1)
    life.due()
    told = {
        "id": life.id, "revision": 1, "expected_on": "2026-06-01", "overdue_since": moment(at)
    }  # fmt: skip
    assert life.told_of(LAPSED) == dict.fromkeys((PLATFORM, OWNER, STRANGER, BUYER), told)
    assert life.seen(BUYER)["overdue_since"] == moment(at)
    assert life.seen(BUYER)["lifecycle"] == "planned"
    assert (life.notices(OWNER), life.notices(STRANGER)) == ({f"{LAPSED}.v1"}, set())
    life.due()
    assert life.told == []
    assert life.decider.of("timers") == []


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("asset.commission", {"commissioned_on": "2026-09-01"}),
        ("asset.update", {"expected_on": "2027-01-01"}),
        ("asset.retire", {"reason": "decommissioned"}),
    ],
)
def test_it_waits_for_action_until_something_becomes_of_it(
    life: Life, operation: str, data: Any
) -> None:
    life.decider.now = days_of_grace(life)
    life.due()
    life.update(OWNER, name="Still waiting")
    assert life.notices(PLATFORM) == life.notices(OWNER) == {f"{LAPSED}.v1"}
    life.later(days=10)
    life.accept(operation, OWNER, **data)
    assert life.notices(PLATFORM) == life.notices(OWNER) == set()
    assert "overdue_since" not in life.seen(OWNER)


def test_another_day_is_waited_for_and_the_old_one_no_more(life: Life) -> None:
    life.update(OWNER, expected_on="2026-07-01")
    life.update(OWNER, expected_on="2026-06-01")
    life.update(OWNER, expected_on="2026-08-01")
    assert len(life.decider.of("timers")) == 3
    life.decider.now = days_of_grace(life) + timedelta(days=30)
    life.due()
    assert (life.told, len(life.decider.of("timers"))) == ([], 1)
    life.later(days=31)
    life.due()
    assert life.told_of(LAPSED)[OWNER]["expected_on"] == "2026-08-01"


def test_a_later_day_of_what_is_overdue_is_told(life: Life) -> None:
    life.decider.now = days_of_grace(life)
    life.due()
    life.update(OWNER, expected_on="2026-06-10")
    assert life.told_of("asset.redated").keys() == {PLATFORM, STRANGER, BUYER}
    life.later(days=9)
    life.due()
    assert life.told_of(LAPSED)[OWNER]["expected_on"] == "2026-06-10"
    life.update(OWNER, expected_on="2026-06-11")
    life.update(OWNER, expected_on="2026-06-01")
    assert life.told_of("asset.redated") == {}


@pytest.mark.parametrize("become", ["asset.commission", "asset.retire"])
def test_what_operates_or_is_no_more_does_not_lapse(life: Life, become: str) -> None:
    data = {"commissioned_on": "2026-02-01"} if "commission" in become else {"reason": "other"}
    life.accept(become, OWNER, **data)
    life.decider.now = days_of_grace(life)
    life.due()
    assert (life.told, life.decider.of("timers")) == ([], [])


def test_without_a_day_it_is_expected_after_a_year() -> None:
    life = Life.of(lifecycle="planned")
    days = UNDATED_DAYS + GRACE_DAYS["BAT"] + 1
    life.decider.now = NOW.replace(hour=0) + timedelta(days=days)
    life.due()
    assert "expected_on" not in life.told_of(LAPSED)[OWNER]


def test_an_operating_asset_has_no_timer() -> None:
    assert Life.of().decider.of("timers") == []


def test_a_type_that_an_operator_has_defined_has_the_grace_of_others() -> None:
    life = Life()
    life.accept("taxonomy.define", "operator", id="EVB", words="electric bus")
    life.id = life.accept("asset.register", OWNER, **asset(asset_type="EVB", **PLANNED))["id"]
    last = datetime(2026, 6, 2, tzinfo=UTC) + timedelta(days=GRACE_DAYS["OTH"])
    life.decider.now = last - timedelta(milliseconds=1)
    assert "overdue_since" not in life.seen(OWNER)
    life.decider.now = last
    life.due()
    assert life.told_of(LAPSED)[OWNER]["overdue_since"] == moment(last)
    life.later(days=1)
    life.accept("asset.commission", OWNER, commissioned_on="2026-09-01")
    assert "overdue_since" not in life.seen(OWNER)


GRACE_ROW: Final = re.compile(r"^\| `([A-Z]{3})` \| (\d+) \|$", re.MULTILINE)


def test_every_type_has_its_grace_and_the_page_says_it() -> None:
    page = (ROOT / "docs" / "registers" / "assets.md").read_text(encoding="utf-8")
    assert GRACE_DAYS.keys() == set(ASSET_TYPES)
    assert {t: int(days) for t, days in GRACE_ROW.findall(page)} == dict(GRACE_DAYS)


# Retiring.


def test_a_retired_asset_is_told_to_all_and_its_relations_end(life: Life) -> None:
    state = life.accept("asset.retire", OWNER, reason="decommissioned")
    assert (state["lifecycle"], state["revision"]) == ("retired", 2)
    assert life.told_of("asset.retired").keys() == {PLATFORM, STRANGER, BUYER}
    assert life.told_of("asset.unrelated") == {
        party: {
            "id": life.id,
            "by": OWNER,
            "party": party,
            "relation": relation,
            "until": moment(),
            "changed": ["relations"],
        }
        | service
        for party, relation, service in (
            (STRANGER, "fsp", {"service": "DC"}),
            (BUYER, "so", {}),
        )
    }
    for party in (STRANGER, BUYER):
        (tie,) = life.decider.documents["relations", edge(life.id, party)]["ties"]
        assert (tie["until"], tie["ended_by"]) == (NOW, OWNER)
        assert life.seen(party) is None
    shown = life.seen(OWNER)
    assert (shown["lifecycle"], shown["retirement"]) == ("retired", "decommissioned")
    again = life.accept("asset.retire", OWNER, reason="other")
    assert (again["revision"], life.facts) == (2, [])


def test_a_thousand_relations_end_page_by_page(life: Life) -> None:
    parties = [issued("USR", 20_000 + 37 * n) for n in range(PAGE + 20)]
    for party in parties:
        life.relate(party, "fsp")
    life.accept("asset.retire", "operator", reason="other")
    assert life.told_of("asset.retired").keys() == {PLATFORM, OWNER, STRANGER, BUYER, *parties}
    assert life.told_of("asset.unrelated").keys() == {STRANGER, BUYER, *parties}
    rows = life.decider.of("relations")
    assert all(tie["until"] is not None for row in rows for tie in row["ties"])


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("asset.update", {"name": "Two"}),
        ("asset.commission", {"commissioned_on": "2026-02-01"}),
        ("asset.relate", {"party": THIRD, "relation": "fsp"}),
    ],
)
def test_nothing_of_it_changes_any_more(life: Life, operation: str, data: Any) -> None:
    life.accept("asset.retire", OWNER, reason="other")
    assert life.refuse(operation, OWNER, **data) == [("asset.retired", "data.id")]


def test_its_device_may_be_registered_anew(life: Life) -> None:
    assert life.refuse("asset.register", STRANGER, **DEVICE) == [
        ("asset.duplicate", "data.identity.serial")
    ]
    life.accept("asset.retire", OWNER, reason="decommissioned")
    assert life.accept("asset.register", STRANGER, **DEVICE)["id"] != life.id


DEVICE: Final = {"asset_type": "EVC", "identity": {"make": "Acme", "serial": "SN-4711"}}


def test_a_wrong_type_is_retired_and_registered_anew(life: Life) -> None:
    life.accept("asset.retire", OWNER, reason="wrong-type")
    new = life.accept("asset.register", PLATFORM, **DEVICE, owner=OWNER, replaces=life.id)["id"]
    assert life.told_of("asset.replaced") == {
        OWNER: {"id": life.id, "revision": 3, "by": PLATFORM, "replaced_by": new}
    }
    assert life.seen(OWNER)["replaced_by"] == new
    old, life.id = life.id, new
    assert life.seen(OWNER)["replaces"] == old
    again = {**DEVICE, "identity": {"make": "Acme", "serial": "SN-4712"}, "owner": OWNER}
    assert life.refuse("asset.register", PLATFORM, **again, replaces=old) == [
        ("asset.not-replaceable", "data.replaces")
    ]


def test_what_is_not_retired_or_not_ones_own_is_not_replaced(life: Life) -> None:
    given = DEVICE | {"identity": {"make": "Acme", "serial": "SN-4712"}, "replaces": life.id}
    refused = [("asset.not-replaceable", "data.replaces")]
    assert life.refuse("asset.register", PLATFORM, **given, owner=OWNER) == refused
    life.accept("asset.retire", OWNER, reason="wrong-type")
    assert life.refuse("asset.register", THIRD, **given, owner=OWNER) == refused
    assert life.refuse("asset.register", PLATFORM, **given, owner=HEIR) == refused
    none = given | {"replaces": issued("BAT", 5), "owner": OWNER}
    assert life.refuse("asset.register", PLATFORM, **none) == refused


def test_who_rules_an_asset_are_those_who_say_who_is_related_to_it() -> None:
    writers = {r for r, right in ASSET_GROUPS["relations"].items() if right == "write"}
    assert writers == RULING
    assert VERIFIER not in writers
