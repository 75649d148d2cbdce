"""The values: what each accepts, its normal form, and the rule that each refusal names."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from contracts import values
from contracts.messages import Contract
from contracts.values import quantity, rule
from contracts.values.text import OneLine

TYPES = {
    name: getattr(values, name)
    for name in values.__all__
    if name[0].isupper() and name not in {"Grid", "Point", "OrNotGiven", "Rule"}
}
ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in TYPES.items()}

GOOD = [
    ("UserId", "USR-0000-0000-0001-G", "USR-0000-0000-0001-G"),
    ("UserId", " usr00000000000lg ", "USR-0000-0000-0001-G"),
    ("UserId", "USR-OOOO-0000-000I-G", "USR-0000-0000-0001-G"),
    ("AccountName", "USR-0000-0000-0001-G", "USR-0000-0000-0001-G"),
    ("AccountName", "usr00000000000lg/night-shift", "USR-0000-0000-0001-G/night-shift"),
    ("AccountName", "USR-0000-0000-0001-G/bulk", "USR-0000-0000-0001-G/bulk"),
    ("AnyUserId", "usr-0000-0000-0001-g", "USR-0000-0000-0001-G"),
    ("AnyUserId", "operator", "operator"),
    ("AnyUserId", "front-desk", "front-desk"),
    ("AssetId", "bat-0000-0000-0001-v", "BAT-0000-0000-0001-V"),
    ("RecordId", "bat-0000-0000-0001-v", "BAT-0000-0000-0001-V"),
    ("RecordId", "USR00000000OOO1G", "USR-0000-0000-0001-G"),
    ("AssetType", "PFL", "PFL"),
    ("CommandId", "a", "a"),
    (
        "Details",
        {"chemistry": "LFP", "b": [1, {"c": None}]},
        {"chemistry": "LFP", "b": [1, {"c": None}]},
    ),
    ("CommandId", "A" * 128, "A" * 128),
    ("Mpan", "1312345678907", "1312345678907"),
    ("Mpan", "20 0000 0000 015", "2000000000015"),
    ("Mpan", "1234567890126", "1234567890126"),
    ("Mpan", "1000000000040", "1000000000040"),
    ("Mpid", "eelc", "EELC"),
    ("BmUnit", "t_draxx-1", "T_DRAXX-1"),
    ("BmUnit", "2__AEELC000", "2__AEELC000"),
    ("Eic", "10x1001a1001a38y", "10X1001A1001A38Y"),
    ("GspGroup", "_A", "_A"),
    ("MacAddress", "00-1a-2b-3c-4d-5e", "00:1A:2B:3C:4D:5E"),
    ("CompanyNumber", "1234567", "01234567"),
    ("CompanyNumber", "sc1234", "SC001234"),
    ("CompanyNumber", "R0000123", "R0000123"),
    ("CompanyNumber", "IP1234R", "IP01234R"),
    ("VatNumber", "GB 980 7806 84", "GB980780684"),
    ("VatNumber", "980780684001", "GB980780684001"),
    ("VatNumber", "GD001", "GBGD001"),
    ("Lei", "213800wsgiizcxf1p572", "213800WSGIIZCXF1P572"),
    ("Iban", "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
    ("SortCode", "00-34-56", "003456"),
    ("AccountNumber", "0123 4567", "01234567"),
    ("Uprn", "000123", "123"),
    ("Postcode", "sw1a1aa", "SW1A 1AA"),
    ("Postcode", "M1 1AE", "M1 1AE"),
    ("Postcode", "CO12  5NB", "CO12 5NB"),
    ("Postcode", "gir0aa", "GIR 0AA"),
    ("Postcode", "bfpo57", "BFPO 57"),
    ("Latitude", 52, 52.0),
    ("Longitude", -0.0, 0.0),
    ("Easting", 530000, 530000.0),
    ("Northing", 0.5, 0.5),
    ("Kilowatt", 0, Decimal(0)),
    ("Kilowatt", 49.9, Decimal("49.9")),
    ("KilowattHour", 1e12, Decimal(10**12)),
    ("Kilovolt", 400, Decimal(400)),
    ("KilovoltAmpere", 0.1, Decimal("0.1")),
    ("Seconds", 0.000001, Decimal("0.000001")),
    ("KilowattPerMinute", 600, Decimal(600)),
    ("Pound", 5_000_000, Decimal(5_000_000)),
    ("Amount", 1250.5, Decimal("1250.5")),
    ("Amount", Decimal("100000000.000001"), Decimal("100000000.000001")),
    ("Name", "  Cafe\u0301   Power ", "Caf\u00e9 Power"),
    ("Line", "1 Example\u00a0Street", "1 Example Street"),
    ("Email", "Flex.Desk+a@Example.COM", "Flex.Desk+a@example.com"),
    ("Phone", "+44 (0)20 7946 0000", "+442079460000"),
    ("Phone", "020 7946 0000", "+442079460000"),
    ("Phone", "0047 22 00 00 00", "+4722000000"),
    ("Timestamp", "2025-03-30T01:30:00Z", datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
    ("Timestamp", "2025-10-26t00:30:00.9999+01:00", datetime(2025, 10, 25, 23, 30, 0, 999000, UTC)),
    ("Date", "2024-02-29", "2024-02-29"),
]

BAD = [
    *((name, 1234567890123, "value.text") for name in ("UserId", "Mpan", "Uprn", "Name", "Date")),
    ("UserId", "USR-0000-0000-0001", "user-id.format"),
    ("UserId", "USR-0000-0000-000U-G", "user-id.format"),
    ("UserId", "BAT-0000-0000-0001-V", "user-id.format"),
    ("UserId", "USR-0000-0000-0002-G", "user-id.check-digit"),
    ("AccountName", "USR-0000-0000-0001-G/", "account-name.format"),
    ("AccountName", "USR-0000-0000-0001-G/Night", "account-name.format"),
    ("AccountName", f"USR-0000-0000-0001-G/{'x' * 21}", "account-name.format"),
    ("AccountName", "USR-0000-0000-0001-G/a/b", "account-name.format"),
    ("AnyUserId", "Operator", "user-id.format"),
    ("AssetId", "BAT/0000/0000/0001/V", "asset-id.format"),
    ("AssetId", "USR-0000-0000-0001-G", "asset-id.type"),
    ("AssetId", "S0L-0000-0000-0001-G", "asset-id.format"),
    ("AssetId", "BAT-0000-0000-0010-V", "asset-id.check-digit"),
    ("RecordId", "CASE-0000-0000-0001-V", "record-id.format"),
    ("RecordId", "BAT-0000-0000-0010-V", "record-id.check-digit"),
    ("AssetType", "bat", "asset-type.unknown"),
    ("CommandId", "", "command-id.format"),
    ("Details", "LFP", "details.form"),
    ("Details", {"a": "x" * 9000}, "details.size"),
    ("Details", {"a": [[[[[[1]]]]]]}, "details.size"),
    ("CommandId", "a" * 129, "command-id.format"),
    ("CommandId", "a b", "command-id.format"),
    ("CommandId", "a\n", "command-id.format"),
    ("Mpan", "131234567890X", "mpan.format"),
    ("Mpan", "\u0661312345678907", "mpan.format"),
    ("Mpan", "131234567890", "mpan.length"),
    ("Mpan", "1312345678906", "mpan.check-digit"),
    ("Mpan", "1321345678907", "mpan.check-digit"),
    ("Mpan", "0000000000000", "mpan.prefix"),
    ("Mpid", "EELCX", "mpid.format"),
    ("Mpid", "E\u00df0", "mpid.format"),
    ("BmUnit", "DRAXX-1", "bm-unit.prefix"),
    ("BmUnit", "X_DRAXX-1", "bm-unit.prefix"),
    ("BmUnit", "T_", "bm-unit.format"),
    ("Eic", "10X1001A1001A38", "eic.format"),
    ("Eic", "10X1001A1001A38-", "eic.format"),
    ("Eic", "10X1001A1001A83Y", "eic.check-digit"),
    ("GspGroup", "A", "gsp-group.unknown"),
    ("MacAddress", "00:1A:2B:3C:4D", "mac-address.format"),
    ("CompanyNumber", "123456789", "company-number.format"),
    ("CompanyNumber", "00000000", "company-number.format"),
    ("CompanyNumber", "SC01234R", "company-number.format"),
    ("CompanyNumber", "XX123456", "company-number.prefix"),
    ("VatNumber", "GB12345678", "vat-number.format"),
    ("VatNumber", "FR980780684", "vat-number.format"),
    ("VatNumber", "000000000", "vat-number.format"),
    ("VatNumber", "GB802311781", "vat-number.check-digit"),
    ("Lei", "213800WSGIIZCXF1P57", "lei.format"),
    ("Lei", "213800WSGIIZCXF1P527", "lei.check-digit"),
    ("Iban", "GB82", "iban.format"),
    ("Iban", "ZZ82WEST12345698765432", "iban.check-digit"),
    ("Iban", "GB82WEST12345698765423", "iban.check-digit"),
    ("SortCode", "12345", "sort-code.format"),
    ("AccountNumber", "1234567", "account-number.format"),
    ("Uprn", "0", "uprn.format"),
    ("Uprn", "1234567890123", "uprn.format"),
    *(("Postcode", text, "postcode.format") for text in ("C012 5NB", "IP60 LE", "Rm9", "SW1A 1CA")),
    ("Postcode", "C1 5NB", "postcode.area"),
    *(("Latitude", value, "point.type") for value in (True, "52", math.nan, math.inf, 10**400)),
    ("Latitude", 90.1, "latitude.range"),
    ("Longitude", -180.1, "longitude.range"),
    ("Easting", 0, "grid.missing"),
    ("Northing", 0.0, "grid.missing"),
    ("Easting", -1, "grid.range"),
    ("Northing", 5_200_000, "grid.range"),
    *(("Kilowatt", value, "quantity.type") for value in (True, "5", None, math.nan, math.inf)),
    ("Kilowatt", Decimal("sNaN"), "quantity.type"),
    ("Kilowatt", -0.001, "quantity.negative"),
    ("Kilowatt", 0.1 + 0.2, "quantity.precision"),
    ("Kilowatt", Decimal("1.000000000000001"), "quantity.precision"),
    ("Kilowatt", 100_000_001, "quantity.range"),
    ("Kilowatt", 10**400, "quantity.range"),
    ("Seconds", 1e-7, "quantity.range"),
    ("Kilovolt", 11_000, "quantity.range"),
    ("Pound", -1, "quantity.negative"),
    ("Amount", -1, "quantity.negative"),
    ("Name", "", "text.empty"),
    ("Name", " \u00a0 ", "text.empty"),
    ("Name", "x" * 201, "text.length"),
    *(("Name", f"a{char}b", "text.control") for char in "\x00\n\u200b\u202e\ud800\u2028"),
    *(
        ("Email", text, "email.format")
        for text in ("a", "a@b", "A <a@b.uk>", "a..b@c.uk", "é@b.uk")
    ),
    ("Email", "a" * 65 + "@example.com", "email.format"),
    *(("Phone", text, "phone.format") for text in ("7946 0000", "+44 1", "020 79460000 x1")),
    ("Timestamp", "2025-03-30", "timestamp.format"),
    ("Timestamp", "2025-02-29T00:00:00Z", "timestamp.format"),
    ("Timestamp", "2025-03-30T01:30:00", "timestamp.offset"),
    ("Timestamp", "0001-01-01T00:00:00+01:00", "timestamp.range"),
    ("Timestamp", "2525-01-01T00:00:00Z", "timestamp.range"),
    *(("Date", text, "date.format") for text in ("0000-00-00", "201-01-15", "30/03/2025")),
    ("Date", "0201-01-15", "date.range"),
]


def broken_rule(name: str, value: object) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        ADAPTERS[name].validate_python(value)
    (detail,) = caught.value.errors()
    return dict(detail)


@pytest.mark.parametrize(("name", "value", "normal"), GOOD)
def test_value_gets_its_normal_form(name: str, value: object, normal: object) -> None:
    """The normal form is of the same type, parses to itself and goes to JSON and back."""
    adapter = ADAPTERS[name]
    parsed = adapter.validate_python(value)
    assert (parsed, type(parsed)) == (normal, type(normal))
    assert adapter.validate_python(parsed) == parsed
    assert adapter.validate_json(adapter.dump_json(parsed)) == parsed


@pytest.mark.parametrize(("name", "value", "code"), BAD)
def test_refusal_names_its_rule(name: str, value: object, code: str) -> None:
    """The error carries the rule's key, what was expected and what to do, and not the value."""
    detail = broken_rule(name, value)
    assert detail["type"] == code
    assert set(detail["ctx"]) == {"expected", "advice"}
    assert all(isinstance(words, str) and words for words in detail["ctx"].values())
    assert detail["msg"].endswith(".")
    assert "{" not in detail["msg"]


def test_every_rule_is_tested() -> None:
    """A rule that no value can break is dead, and a rule without a test is a guess."""
    modules = [import_module(f"contracts.values.{m.name}") for m in iter_modules(values.__path__)]
    codes = {
        found.code for m in modules for found in vars(m).values() if isinstance(found, rule.Rule)
    }
    codes |= {quantity.QUANTITY_RANGE, OneLine(1).length_rule.code}
    assert codes == {code for _, _, code in BAD}


def test_every_type_is_tested() -> None:
    assert set(TYPES) == {name for name, _, _ in GOOD}


@pytest.mark.parametrize("name", TYPES)
def test_published_schema_is_true(name: str) -> None:
    """What we accept fits the schema for senders, what we send the one for receivers."""
    adapter = ADAPTERS[name]
    schemas = {mode: adapter.json_schema(mode=mode) for mode in ("validation", "serialization")}
    for mode, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert schema["description"].endswith("."), mode
        for example in schema["examples"]:
            adapter.validate_python(example)
            Draft202012Validator(schema).validate(example)
    for _, value, normal in (case for case in GOOD if case[0] == name):
        Draft202012Validator(schemas["validation"]).validate(value)
        sent = adapter.dump_python(normal, mode="json")
        Draft202012Validator(schemas["serialization"]).validate(sent)


def test_field_has_its_own_words_beside_those_of_the_type() -> None:
    class Pair(Contract):
        mpan: values.Mpan
        """Of the import meter."""

    schema = Pair.model_json_schema()
    assert schema["properties"]["mpan"] == {
        "$ref": "#/$defs/Mpan",
        "description": "Of the import meter.",
    }
    assert "13 digits" in schema["$defs"]["Mpan"]["description"]


def test_point_and_grid_are_models() -> None:
    assert values.Point.model_validate({"latitude": 52, "longitude": 1}).latitude == 52.0
    with pytest.raises(ValidationError) as caught:
        values.Grid.model_validate({"easting_m": 0, "northing_m": 254094})
    assert [(e["type"], e["loc"]) for e in caught.value.errors()] == [
        ("grid.missing", ("easting_m",))
    ]


@given(st.decimals(0, 10**8, places=6))
def test_quantity_survives_a_json_number(amount: Decimal) -> None:
    adapter = ADAPTERS["Kilowatt"]
    parsed = adapter.validate_python(amount)
    assert parsed == amount
    assert adapter.validate_json(adapter.dump_json(parsed)) == parsed
    assert str(adapter.validate_json(adapter.dump_json(parsed))) == str(parsed)


def test_equal_quantities_are_equal_bytes() -> None:
    spellings = [35, 35.0, Decimal("35.00"), Decimal("3.5E+1"), Decimal("035.0")]
    assert {str(ADAPTERS["Kilowatt"].validate_python(value)) for value in spellings} == {"35"}
    assert ADAPTERS["Kilowatt"].dump_json(Decimal(35)) == b"35"


@given(
    st.datetimes(datetime(1881, 1, 1), datetime(2199, 1, 1)),  # noqa: DTZ001  the offset is drawn
    st.integers(-14 * 60, 14 * 60),
)
def test_timestamp_is_the_same_moment_to_the_millisecond(local: datetime, minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    parsed = ADAPTERS["Timestamp"].validate_python(moment.isoformat())
    assert timedelta(0) <= moment - parsed < timedelta(milliseconds=1)
    assert parsed.utcoffset() == timedelta(0)
    assert ADAPTERS["Timestamp"].validate_json(ADAPTERS["Timestamp"].dump_json(parsed)) == parsed


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(TYPES)),
    st.text(max_size=20) | st.floats() | st.integers() | st.none(),
)
def test_whatever_comes_is_parsed_or_refused_by_a_rule(name: str, value: object) -> None:
    """No value makes a parser stumble, and what it lets through is its own normal form."""
    adapter = ADAPTERS[name]
    try:
        parsed = adapter.validate_python(value)
    except ValidationError:
        assert set(broken_rule(name, value)["ctx"]) == {"expected", "advice"}
    else:
        assert adapter.validate_python(parsed) == parsed


def test_mpan_tells_the_gsp_group() -> None:
    assert values.gsp_group("1312345678907") == "_D"
    assert values.gsp_group("2600000000007") is None
