"""Published pages change only on purpose: `make golden` writes them anew, a review reads them."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from contracts.messages import split_type
from contracts.requirements import DIALECT
from tests.builders import asset, user
from tests.golden.pages import DOCS, kept, pages, papers
from topology.catalog import build
from topology.render import ENVELOPE, schemas

SCHEMAS = schemas(build())
PAGES = pages()


def test_there_are_no_other_pages_than_those_that_are_published() -> None:
    assert sorted(kept()) == sorted(PAGES)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_as_it_was_reviewed(name: str) -> None:
    assert kept().get(name) == PAGES[name], "run `make golden` and look at the difference"


@pytest.mark.parametrize("name", sorted(papers()))
def test_paper_is_as_it_was_reviewed(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == papers()[name], "run `make golden`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_one_of_its_dialect_and_named_after_its_type(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["$id"]) == (DIALECT, f"urn:flexspine:schema:{name}")
    assert name == ENVELOPE or split_type(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_refuses_unknown_fields_and_explains_its_message(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["additionalProperties"] is False
    assert schema["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_of_a_schema_leads_somewhere(name: str) -> None:
    text = json.dumps(SCHEMAS[name])
    given = {part.partition('"')[0] for part in text.split('"$ref": "')[1:]}
    defined = {f"#/$defs/{definition}" for definition in SCHEMAS[name].get("$defs", {})}
    assert given == defined


WHOLE_ASSET: dict[str, Any] = asset(
    connection={"mpan_import": "2000000000015", "voltage_kv": 0.4, "gsp_group": "_H"},
    location={
        "postcode": "sw1a1aa",
        "uprn": "N/A",
        "point": {"latitude": 51.5, "longitude": -0.12},
        "grid": {"easting_m": 530000, "northing_m": 180000},
    },
    capability={"power_kw": 3.6, "duration_s": 7200},
    technologies=[{"source": "sun", "asset_type": "SOL"}],
    commissioned_on="2020-01-01",
)
WHOLE_USER: dict[str, Any] = user(
    claims={"company_number": "1234567", "vat_number": "n/a", "lei": "213800WSGIIZCXF1P572"},
    address={"line_1": "1 Example Street", "postcode": "SW1A 1AA"},
    contacts=[{"name": "A. Person", "email": "a@example.com", "phone": "020 7946 0000"}],
    bank={"account_name": "Example", "sort_code": "12-34-56", "account_number": "12345678"},
    account_key_hash="A" * 48,
)
TAKEN = [
    ("asset.register.v1", asset()),
    ("asset.register.v1", WHOLE_ASSET),
    ("asset.update.v1", {"id": "bat000000000001v", "name": None, "location": {"point": None}}),
    ("asset.get.v1", {"id": "BAT-0000-0000-0001-V"}),
    ("user.register.v1", user()),
    ("user.register.v1", WHOLE_USER),
    ("user.get.v1", {"id": "USR-0000-0000-0001-G"}),
]
FORGIVEN = [
    ("asset.register.v1", asset(connection={"mpan_import": "TBC"})),
    ("user.register.v1", user(claims={"mpid": "N/A"})),
    ("asset.update.v1", {"id": "BAT-0000-0000-0001-V", "connection": {"mpan_import": "N/A"}}),
]
REFUSED = [
    ("asset.register.v1", asset(colour="red")),
    ("asset.register.v1", asset(asset_type="xxx")),
    ("asset.register.v1", asset(connection={"mpan_import": 2000000000015})),
    ("asset.register.v1", asset(capability={"power_kw": "5"})),
    ("asset.register.v1", asset(location={"point": {"latitude": 91, "longitude": 0}})),
    ("asset.update.v1", {"name": "One"}),
    ("asset.get.v1", {"id": "BAT"}),
    ("user.register.v1", user(roles=[])),
    ("user.register.v1", user(account_key_hash="x")),
]


@pytest.mark.parametrize(("name", "data"), TAKEN)
def test_what_the_contract_takes_its_schema_takes(name: str, data: dict[str, Any]) -> None:
    TypeAdapter(build()[name].contract).validate_python(data)
    Draft202012Validator(SCHEMAS[name]).validate(data)


@pytest.mark.parametrize(("name", "data"), FORGIVEN)
def test_schema_asks_for_nothing_where_the_contract_forgives_a_placeholder(
    name: str, data: dict[str, Any]
) -> None:
    TypeAdapter(build()[name].contract).validate_python(data)
    assert not Draft202012Validator(SCHEMAS[name]).is_valid(data)


@pytest.mark.parametrize(("name", "data"), REFUSED)
def test_what_the_schema_refuses_the_contract_refuses(name: str, data: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMAS[name]).is_valid(data)
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(build()[name].contract).validate_python(data)
