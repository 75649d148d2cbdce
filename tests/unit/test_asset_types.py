"""The taxonomy as data: new types, what each has of its own, and what is said of a wrong one."""

import itertools
from typing import Any, Final

import pytest

from contracts.taxonomy import ASSET_TYPES, DETAILS, OPERATOR
from handlers.accounts import first_accounts
from tests.builders import PLATFORM, STRANGER, asset, command
from tests.decider import Decider, events, reply, rules, said

COUNT: Final = itertools.count()
BUS: Final = {
    "type": "object",
    "properties": {
        "seats": {"type": "integer", "minimum": 1},
        "depot": {"type": "string", "maxLength": 20},
    },
    "additionalProperties": False,
}


@pytest.fixture
def decider() -> Decider:
    return Decider()


def send(decider: Decider, kind: str, data: dict[str, Any], sender: str = PLATFORM) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"c-{next(COUNT)}"))
    return outcome


def define(decider: Decider, **changes: Any) -> Any:
    data = {"id": "EVB", "words": "electric bus", "details": BUS} | changes
    return send(decider, "taxonomy.define.v1", data, OPERATOR)


def ask(decider: Decider, kind: str, data: dict[str, Any]) -> Any:
    return said(decider.ask(command(kind, data, sender=PLATFORM)))[1]


def register(decider: Decider, **changes: Any) -> tuple[str, Any]:
    kind, data = reply(send(decider, "asset.register.v1", asset(**changes)))
    return kind, data


def test_a_type_that_is_defined_is_a_type_like_any_other(decider: Decider) -> None:
    kind, data = register(decider, asset_type="EVB")
    assert (kind, rules(data)) == (
        "asset.register.rejected.v1",
        [("asset-type.unknown", "data.asset_type")],
    )
    outcome = define(decider)
    assert reply(outcome) == ("taxonomy.define.accepted.v1", {"id": "EVB", "revision": 1})
    kind, data = register(decider, asset_type="EVB", details={"seats": 40})
    assert kind == "asset.register.accepted.v1"
    assert data["id"].startswith("EVB-")
    shown = ask(decider, "asset.get.v1", {"id": data["id"]})
    assert shown["details"] == {"seats": 40}
    assert reply(send(decider, "asset.update.v1", {"id": data["id"], "details": {"depot": "A"}}))[1]
    shown = ask(decider, "asset.get.v1", {"id": data["id"]})
    assert shown["details"] == {"seats": 40, "depot": "A"}


def test_everybody_with_an_account_is_told_what_has_changed(decider: Decider) -> None:
    for user in (PLATFORM, STRANGER):
        for account in first_accounts(user, "A" * 48):
            decider.documents["accounts", account["_id"]] = account
    define(decider)
    wider = BUS | {"properties": BUS["properties"] | {"seats": {"type": "integer"}}}  # type: ignore[operator]
    outcome = define(decider, details=wider)
    (event,) = events(outcome)
    assert event[0] == "taxonomy.defined.v1"
    assert event[1]["changed"] == ["details.seats"]
    assert {one.recipient for one in decider.consequences([outcome])} == {PLATFORM, STRANGER}
    again = define(decider, details=wider)
    assert reply(again)[1]["revision"] == 2
    assert not events(again)


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"seats": 0}, [("details.invalid", "data.details.seats")]),
        ({"seats": "40"}, [("details.invalid", "data.details.seats")]),
        ({"sets": 40}, [("details.invalid", "data.details")]),
        ({"depot": "x" * 21, "seats": 1.5}, [
            ("details.invalid", "data.details.depot"),
            ("details.invalid", "data.details.seats"),
        ]),
    ],
    ids=str,
)  # fmt: skip
def test_details_are_judged_by_their_type(decider: Decider, details: Any, expected: Any) -> None:
    define(decider)
    _, data = register(decider, asset_type="EVB", details=details)
    assert rules(data) == expected


def test_what_is_expected_is_said_in_the_words_of_the_schema(decider: Decider) -> None:
    define(decider)
    _, data = register(decider, asset_type="EVB", details={"sets": 40})
    assert data["findings"][0]["expected"] == "no fields but depot, seats"
    _, data = register(decider, asset_type="EVB", details={"seats": 0})
    assert (data["findings"][0]["expected"], data["findings"][0]["got"]) == ("minimum 1", "0")


def test_a_type_without_details_takes_none(decider: Decider) -> None:
    _, data = register(decider, asset_type="OTH", details={"any": 1})
    assert rules(data) == [("details.undefined", "data.details")]


def test_details_have_a_limit(decider: Decider) -> None:
    _, data = register(decider, details={"chemistry": "x" * 9000})
    assert rules(data) == [("details.size", "data.details")]
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    _, data = register(decider, details={"chemistry": deep})
    assert data["findings"][0]["rule"] in {"details.size", "message.undecodable", "field.type"}


def test_a_younger_schema_does_not_stand_in_the_way_of_other_groups(decider: Decider) -> None:
    define(decider)
    _, data = register(decider, asset_type="EVB", details={"seats": 40})
    define(decider, details=BUS | {"properties": {"depot": {"type": "string"}}})
    kind, _ = reply(send(decider, "asset.update.v1", {"id": data["id"], "name": "Number 9"}))
    assert kind == "asset.update.accepted.v1"
    given = {"id": data["id"], "details": {"depot": "B"}}
    _, said_of_it = reply(send(decider, "asset.update.v1", given))
    assert rules(said_of_it) == [("details.invalid", "data.details")]
    given["details"] = {"depot": "B", "seats": None}
    assert reply(send(decider, "asset.update.v1", given))[0] == "asset.update.accepted.v1"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "array", "properties": {}, "additionalProperties": False},
        BUS | {"additionalProperties": True},
        BUS | {"properties": {"Seats": {}}},
        BUS | {"properties": {"seats": {"type": "number of seats"}}},
        BUS | {"properties": {"seats": {"$ref": "https://example.com/schema"}}},
        BUS | {"$id": "https://example.com/schema"},
        BUS | {"properties": {"seats": {"description": "x" * 40_000}}},
    ],
    ids=lambda schema: str(schema)[-40:],
)
def test_a_schema_is_closed_and_its_own(decider: Decider, schema: Any) -> None:
    kind, data = reply(define(decider, details=schema))
    assert kind == "taxonomy.define.rejected.v1"
    assert {rule for rule, _ in rules(data)} == {"taxonomy.schema"}
    assert not decider.of("asset_types")


def test_the_shipped_schemas_are_as_one_would_define_them(decider: Decider) -> None:
    for code in DETAILS:
        shown = ask(decider, "taxonomy.get.v1", {"id": code})
        outcome = send(
            decider,
            "taxonomy.define.v1",
            {"id": code, "words": shown["words"], "details": shown["details"]},
            OPERATOR,
        )
        assert reply(outcome)[1] == {"id": code, "revision": 0}
    assert DETAILS.keys() <= ASSET_TYPES.keys()
    assert not decider.of("asset_types")


def test_the_list_has_the_shipped_and_the_defined_ones_in_order(decider: Decider) -> None:
    define(decider)
    page = ask(decider, "taxonomy.list.v1", {})
    assert [one["id"] for one in page["types"]] == sorted([*ASSET_TYPES, "EVB"])
    assert "cursor" not in page


def test_a_long_list_comes_in_pages(decider: Decider) -> None:
    for number in range(250):
        code = f"A{chr(65 + number // 26)}{chr(65 + number % 26)}"
        decider.documents["asset_types", code] = {
            "_id": code, "revision": 1, "words": "x", "details": None,
        }  # fmt: skip
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(5):
        page = ask(decider, "taxonomy.list.v1", cursor)
        seen += [one["id"] for one in page["types"]]
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == sorted(set(seen))
    assert set(seen) == {*ASSET_TYPES, *(key for _, key in decider.documents if len(key) == 3)}


def test_technologies_are_of_types_that_there_are(decider: Decider) -> None:
    _, data = register(decider, technologies=[{"source": "sun", "asset_type": "QQQ"}])
    assert rules(data) == [("asset-type.unknown", "data.technologies.0.asset_type")]


def test_measurement_points_and_signposts_are_kept_and_shown(decider: Decider) -> None:
    given = {
        "meters": [
            {"mpan": "2000000000015", "measures": "import", "scope": "site"},
            {"meter": "SUB-1", "measures": "net", "scope": "asset", "interval_s": 1800},
        ],
        "signposts": [{"what": "Half-hourly readings", "holder": STRANGER}],
    }
    _, data = register(decider, **given)
    shown = ask(decider, "asset.get.v1", {"id": data["id"]})
    assert {name: shown[name] for name in given} == given


@pytest.mark.parametrize(
    ("group", "row"),
    [
        ("meters", {"measures": "import", "scope": "site"}),
        ("meters", {"mpan": "2000000000015", "meter": "1", "measures": "net", "scope": "site"}),
        ("signposts", {"what": "Readings"}),
    ],
    ids=str,
)
def test_a_measurement_point_is_one_and_a_signpost_leads_somewhere(
    decider: Decider, group: str, row: Any
) -> None:
    _, data = register(decider, **{group: [row]})
    assert rules(data) == [("field.type", f"data.{group}.0")]
