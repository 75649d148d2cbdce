"""What the shipped verifier makes of a registration and a file of companies."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / "examples" / "verifier"
SAMPLE: Final = FOLDER / "companies-2026-11-01.csv"


def _loaded() -> ModuleType:
    """The example as a module: it is no package of ours."""
    spec = importlib.util.spec_from_file_location("verifier_compare", FOLDER / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


COMPARE: Final = _loaded()
FILE: Final = COMPARE.companies(SAMPLE.read_text("utf-8").splitlines())


def verdicts(name: str, number: str | None, postcode: str | None = None) -> dict[str, Any]:
    claims = {"company_number": number} if number is not None else {}
    address = {"postcode": postcode} if postcode is not None else None
    found: dict[str, Any] = COMPARE.verdicts(
        {"name": name, "claims": claims, "address": address}, FILE
    )
    return found


@pytest.mark.parametrize(
    ("name", "number", "verdict"),
    [
        ("Fenland Flex Limited", "99000001", "match"),
        ("fenland flex ltd", "99000001", "match"),
        ("Fenland-Flex, Ltd.", "9900 0001", "match"),
        ("Piccadilly Flex Exchange public limited company", "99000003", "match"),
        ("East Wash Networks plc", "99000004", "match"),
        ("St Johns Storage Limited", "00990005", "match"),
        ("ST. JOHN'S STORAGE LTD", "990005", "match"),  # Lost its leading zeros.
        ("North and South Power (UK) Ltd", "99000007", "match"),
        ("Wattle Aggregation Ltd", "sc990002", "match"),
        ("Wattle Aggregation Ltd", "SC 990002", "match"),
        ("Sandbox Flexibility Ltd", "99001002", "match"),  # In liquidation, and still there.
        ("North and South Power Ltd", "99000007", "mismatch"),  # UK is part of a name.
        ("Thornbury LLP", "OC990008", "mismatch"),  # So is Co.
        ("Thornbury & Company LLP", "OC990008", "mismatch"),
        ("Fenland Flex plc", "99000001", "mismatch"),  # Another legal form is another company.
        ("Fenland Flexibility Ltd", "99000001", "mismatch"),
        ("Lamplight Energy Ltd", "99000006", "mismatch"),  # Dissolved.
        ("Somebody Else Ltd", "99000001", "mismatch"),
        ("Fenland Flex Ltd", "99000099", "unknown"),  # A number that the file does not have.
        ("Fenland Flex Ltd", "990002", "unknown"),  # The prefix is part of a number.
        ("Fenland Flex Ltd", None, "unknown"),
        ("Fenland Flex Ltd", "n/a", "unknown"),
        ("", "99000001", "mismatch"),
    ],
)
def test_verdict_on_the_number(name: str, number: str | None, verdict: str) -> None:
    assert verdicts(name, number)["company_number"] == verdict


@pytest.mark.parametrize(
    ("postcode", "verdict"),
    [("PE15 9AA", "match"), ("pe159aa", "match"), ("CB7 4AA", "unknown"), (None, None)],
)
def test_an_address_matches_or_is_unknown(postcode: str | None, verdict: str | None) -> None:
    """The register knows one address of a company: another is no contradiction."""
    found = verdicts("Fenland Flex Ltd", "99000001", postcode)
    assert found.get("address") == verdict


def test_the_address_of_another_company_proves_nothing() -> None:
    assert verdicts("Somebody Else Ltd", "99000001", "PE15 9AA") == {"company_number": "mismatch"}


def test_what_the_verifier_may_not_see_is_unknown() -> None:
    assert COMPARE.verdicts({"id": "USR-1"}, FILE) == {"company_number": "unknown"}


def test_the_file_is_read_as_the_register_writes_it() -> None:
    """Its header has spaces, a spreadsheet adds a mark and takes zeros, and rows may be short."""
    head = "\ufeffCompanyName, CompanyNumber,RegAddress.PostCode,CompanyStatus,More"
    found = COMPARE.companies([head, '"A, B LTD",42,,Active', "SHORT,43", "NONE,,X,Active"])
    assert list(found) == ["00000042", "00000043"]
    assert found["00000042"].name == "A, B LTD"


def test_a_file_of_something_else_is_refused_by_name() -> None:
    with pytest.raises(COMPARE.Unusable, match="expected columns CompanyNumber, RegAddress"):
        COMPARE.companies(["CompanyName,CompanyStatus", "A,Active"])


def test_the_forms_are_folded_and_the_words_are_not() -> None:
    assert COMPARE.folded_name("Acme UK & Co. Ltd") == "acme uk and co limited"
    assert COMPARE.folded_name("ACME UK AND CO LIMITED") == "acme uk and co limited"
    assert COMPARE.folded_name("E.ON plc") == "eon public limited company"
