"""Level one: an asset that is registered once more, or that may be."""

import math
import re
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.decision import NotLoadedError, View
from handlers.duplicates import CASES
from handlers.neighbours import DIGITS, SHARED_MAX, TOKENS
from handlers.suspecting import CORNERS, is_compared, suspects, tokens_of
from tests.builders import OWNER, PLATFORM, STRANGER, user_document
from tests.decider import VAULT, Decider, events, reply, rules
from tests.unit.test_assets import accept, changed, document, new, refused, register

FARM: Final[dict[str, Any]] = {
    "asset_type": "SOL",
    "name": "Clyde Meadow Solar",
    "identity": None,
    "connection": {"mpan_export": "1000000000040"},
    "location": {
        "postcode": "CB7 9AA",
        "point": {"latitude": 52.3950, "longitude": 0.2620},
    },
    "capability": {"power_kw": 5000},
}
BESIDE: Final = {"postcode": "CB7 9AA", "point": {"latitude": 52.3952, "longitude": 0.2621}}
ELSEWHERE: Final = {"postcode": "PL1 1AA", "point": {"latitude": 50.37, "longitude": -4.14}}


def farm(sender: str = PLATFORM, message_type: str = "asset.register.v1", **data: Any) -> Any:
    given: dict[str, Any] = {n: v for n, v in (FARM | data).items() if v is not None}
    given.setdefault("identity", {})
    return new(sender, message_type, **given)


def row_of(token: str) -> str:
    return f"{token.partition('|')[0]}|{VAULT.fingerprint('asset-token', token)}"


@pytest.fixture
def decider() -> Decider:
    return Decider()


def kept(decider: Decider, asset: str) -> list[str]:
    """In which rows of tokens an asset is."""
    return sorted(row["_id"] for row in decider.of(TOKENS) if asset in row["assets"])


def test_the_same_asset_is_refused_and_the_incumbent_told(decider: Decider) -> None:
    first = register(decider, farm())
    (outcome,) = decider.decide(farm(STRANGER, name="Clyde Meadow", location=BESIDE))
    kind, data = reply(outcome)
    assert (kind, rules(data)) == ("asset.register.rejected.v1", [("asset.duplicate", "")])
    assert first not in str(data)
    ((kind, told),) = events(outcome)
    assert (kind, told["id"]) == ("asset.duplicate-attempted.v1", first)


def test_who_is_named_on_it_is_told_which_it_is(decider: Decider) -> None:
    first = register(decider, farm())
    (outcome,) = decider.decide(farm())
    (only,) = reply(outcome)[1]["findings"]
    assert (only["rule"], only["got"]) == ("asset.duplicate", f"the same as {first}")


def test_a_check_is_no_oracle_of_what_strangers_have(decider: Decider) -> None:
    register(decider, farm())
    check = "asset.register.check.v1"
    letter = decider.ask(farm(STRANGER, check))
    assert letter is not None
    assert letter.type == "asset.register.check.accepted.v1"
    own = decider.ask(farm(PLATFORM, check))
    assert own is not None
    assert own.type == "asset.register.check.rejected.v1"


@pytest.mark.parametrize(
    "other",
    [
        {"location": ELSEWHERE, "connection": {}},
        {"asset_type": "EVC", "name": None},
        {"identity": {"make": "Acme", "serial": "SN-4712"}},
        {"asset_type": "BAT", "name": "Clyde Meadow Battery", "capability": {"power_kw": 900}},
    ],
    ids=["elsewhere", "another type", "one says which device", "beside it"],
)
def test_another_asset_is_another(decider: Decider, other: dict[str, Any]) -> None:
    register(decider, farm(identity={"make": "Acme", "serial": "SN-1"}))
    register(decider, farm(STRANGER, **other))
    assert decider.of(CASES) == []


def test_a_retired_asset_stands_in_nobodys_way(decider: Decider) -> None:
    first = register(decider, farm())
    assert kept(decider, first)
    accept(decider, changed(first, message_type="asset.retire.v1", reason="decommissioned"))
    assert kept(decider, first) == []
    register(decider, farm(STRANGER))


def test_rows_follow_an_asset_that_moves(decider: Decider) -> None:
    first = register(decider, farm())
    before = kept(decider, first)
    accept(decider, changed(first, location=ELSEWHERE))
    after = kept(decider, first)
    assert set(before) & set(after) == {row_of("mpan|1000000000040")}
    assert after == sorted(tokens_of(document(decider, first), VAULT))
    assert refused(decider, farm(STRANGER, location=ELSEWHERE)) == [("asset.duplicate", "")]


def test_halves_of_one_site_are_not_refused(decider: Decider) -> None:
    """Two batteries of 49.5 MW at one spot under one name: a real register has such."""
    half: dict[str, Any] = {
        "asset_type": "BAT",
        "connection": None,
        "capability": {"power_kw": 49500},
    }
    first = register(decider, farm(**half, name="CLAY TYE FARM"))
    (outcome,) = decider.decide(farm(STRANGER, **half, name="CLAY TYE ROAD"))
    second = reply(outcome)[1]["id"]
    (case,) = decider.of(CASES)
    assert (case["records"], case["verdict"], case["status"]) == (
        sorted((first, second)),
        "same",
        "open",
    )
    told = [(kind, data["id"]) for kind, data in events(outcome)]
    assert told == [
        ("asset.registered.v1", second),
        ("asset.duplicate-suspected.v1", second),
        ("asset.duplicate-suspected.v1", first),
    ]
    assert not any(first in str(data) for _, data in events(outcome)[:2])


def test_rows_say_what_it_is_about_and_no_word_of_it(decider: Decider) -> None:
    first = register(decider, farm())
    said = []
    for serial in (None, "SN-4711", "SN-4712"):
        device = {"make": "Acme", "serial": serial} if serial else {}
        accept(decider, changed(first, identity=device, name=f"Farm {serial}"))
        row = decider.documents[TOKENS, row_of("mpan|1000000000040")]
        assert row is not None
        said.append(row["assets"][first])
    assert said[0].keys() == {"name", "power", "corner"}
    assert len({one["name"] for one in said}) == 3
    assert len({one["device"] for one in said[1:]}) == 2
    assert all(len(one["device"]) == len(one["name"]) == DIGITS for one in said[1:])
    assert all((one["power"], one["corner"]) == (38, [6, 15]) for one in said)


def test_of_many_close_by_those_are_read_that_may_be_it(decider: Decider) -> None:
    """What shares the spot alone is left out; a name, a power or the corner brings it back."""
    away = {"postcode": "CB7 8ZZ", "point": {"latitude": 52.3990, "longitude": 0.2590}}
    apart: dict[str, Any] = {
        "connection": None, "name": "Fen End", "location": away, "capability": {"power_kw": 50},
    }  # fmt: skip
    for differing, is_read in (
        ({}, False),
        ({"name": "CLYDE MEADOW  solar"}, True),
        ({"capability": {"power_kw": 5100}}, True),
        ({"location": {"point": BESIDE["point"]}}, True),
        ({"location": {"postcode": "CB7 9AA"}}, False),
        ({"connection": {"mpan_export": "1000000000040"}, "location": ELSEWHERE}, True),
    ):
        alone = Decider()
        other = register(alone, farm(**(apart | differing)))
        newcomer = document(alone, register(alone, farm()))
        tokens = {
            key: alone.documents.get((TOKENS, key))
            for key in tokens_of(newcomer, VAULT, around=True)
        }
        without = {
            k: v and {**v, "assets": {o: e for o, e in v["assets"].items() if o == other}}
            for k, v in tokens.items()
        }
        asked = View({TOKENS: without, "assets": {}})
        if is_read:
            with pytest.raises(NotLoadedError, match=other):
                suspects(newcomer, asked, VAULT)
        else:
            assert suspects(newcomer, asked, VAULT) == []


def test_another_device_at_the_same_place_is_not_read(decider: Decider) -> None:
    here: dict[str, Any] = {
        "asset_type": "HPA",
        "location": {"postcode": "CB7 9AA"},
        "connection": None,
    }
    register(decider, farm(**here, identity={"make": "Acme", "serial": "SN-4711"}))
    newcomer = farm(STRANGER, **here, identity={"make": "Acme", "serial": "SN-4712"})
    (outcome,) = decider.decide(newcomer)
    assert reply(outcome)[0] == "asset.register.accepted.v1"
    assert decider.of(CASES) == []


def test_a_token_that_many_share_says_nothing(decider: Decider) -> None:
    for number in range(SHARED_MAX + 1):
        spot = {"latitude": 50.5 + number / 10, "longitude": -1.5}
        register(
            decider,
            new(
                asset_type="HPA",
                identity={"make": "Acme", "serial": f"SN-{number}"},
                location={"postcode": "CB7 9AA", "point": spot},
            ),
        )
    row = decider.documents[TOKENS, row_of("postcode|HPA|CB79AA")]
    assert row is not None
    assert (row["full"], row["assets"]) == (True, {})
    revision = row["revision"]
    register(
        decider,
        new(asset_type="HPA", identity={}, location={"postcode": "CB7 9AA"}),
    )
    assert decider.documents[TOKENS, row_of("postcode|HPA|CB79AA")] == {**row, "revision": revision}


def test_no_row_says_which_connection_or_place_it_is_of(decider: Decider) -> None:
    """The archive keeps ids of what was written, and outlasts the erasure of a later owner."""
    first = register(decider, farm())
    ids = kept(decider, first)
    assert len(ids) == 3
    assert all(re.fullmatch(r"(mpan|postcode|spot)\|[0-9a-f]{64}", one) for one in ids)
    (row, *_) = (row for row in decider.of(TOKENS) if first in row["assets"])
    # Which corner of a square that is under a key, and which power of many: no place by itself.
    assert all(0 <= number < CORNERS for number in row["assets"][first]["corner"])


def test_an_asset_of_a_person_has_no_rows(decider: Decider) -> None:
    person = user_document(OWNER, roles=["owner"], kind="person")
    decider.documents["users", OWNER] = person
    first = register(decider, farm(owner=OWNER))
    assert kept(decider, first) == []
    assert not is_compared(document(decider, first))
    register(decider, farm(STRANGER))


def test_the_order_of_the_store_plays_no_part(decider: Decider) -> None:
    """Candidates go by what they share and by id, whatever the rows list first."""
    for number in range(3):
        register(decider, farm(connection=None, capability={"power_kw": 5000 + number}))
    newcomer = document(decider, register(decider, farm(connection=None)))
    keys = tokens_of(newcomer, VAULT, around=True)
    rows = {key: decider.documents.get((TOKENS, key)) for key in keys}
    turned = {
        key: row and {**row, "assets": dict(reversed(row["assets"].items()))}
        for key, row in reversed(rows.items())
    }
    known = {row["_id"]: row for row in decider.of("assets")}
    found = suspects(newcomer, View({TOKENS: rows, "assets": known}), VAULT)
    assert found == suspects(newcomer, View({TOKENS: turned, "assets": known}), VAULT)
    assert len(found) > 1


def test_a_row_made_again_is_not_taken_for_the_one_before(decider: Decider) -> None:
    """Another lane that has read the first row must lose against the second."""
    first = register(decider, farm())
    key = row_of("mpan|1000000000040")
    before = decider.documents[TOKENS, key]
    accept(decider, changed(first, message_type="asset.retire.v1", reason="decommissioned"))
    assert decider.documents.get((TOKENS, key)) is None
    decider.now += timedelta(seconds=1)
    register(decider, farm(STRANGER))
    after = decider.documents[TOKENS, key]
    assert before is not None
    assert after is not None
    assert before["assets"].keys() != after["assets"].keys()
    assert before["revision"] != after["revision"]


@settings(max_examples=300)
@given(
    latitude=st.floats(50, 60),
    longitude=st.floats(-8, 2),
    away_m=st.floats(0, 100),
    towards=st.floats(0, 2 * math.pi),
)
def test_who_stands_within_a_hundred_metres_is_looked_for(
    latitude: float, longitude: float, away_m: float, towards: float
) -> None:
    north, east = away_m * math.cos(towards), away_m * math.sin(towards)
    metres = 111_320
    beside = {
        "latitude": latitude + north / metres,
        "longitude": longitude + east / metres / math.cos(math.radians(latitude)),
    }
    here = {"latitude": latitude, "longitude": longitude}
    one, other = ({"asset_type": "SOL", "location": {"point": point}} for point in (here, beside))
    assert set(tokens_of(one, VAULT)) <= set(tokens_of(other, VAULT, around=True))
    assert len(tokens_of(other, VAULT, around=True)) <= 4
