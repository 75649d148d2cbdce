"""Groups of a user's record are merged field by field, and what comes of it is whole."""

from typing import Any, Final

import pytest

from contracts.groups import Address, BankPatch, Insurance, ProfilePatch, UserClaims
from contracts.messages import Contract
from contracts.updates import UpdateUser
from handlers.groups import GIVEN, opened
from tests.builders import PLATFORM, user_document
from tests.decider import Decider, events
from tests.unit.test_updating import GROUPS, accepted, kept, refused

PATCHES: Final[dict[str, type[Contract]]] = {
    "claims": UserClaims, "address": Address, "bank": BankPatch, "insurance": Insurance,
    "profile": ProfilePatch,
}  # fmt: skip
LISTS: Final = {"contacts", "accreditation"}


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    found.documents["users", PLATFORM] = user_document()
    accepted(found, **GROUPS)
    return found


def record(decider: Decider) -> dict[str, Any]:
    return opened(decider.documents["users", PLATFORM] or {})


@pytest.mark.parametrize(
    ("group", "patch", "after"),
    [
        ("claims", {"lei": "213800WSGIIZCXF1P572"}, {"mpid": "EELC"}),
        ("address", {"line_1": "1 Quay"}, {"town": "Exampleton", "postcode": "SW1A 1AA"}),
        ("bank", {"sort_code": "202015"}, GROUPS["bank"]),
        ("bank", {"account_name": "Ada Example Ltd"}, {"account_number": "12345678"}),
        ("insurance", {"cover_gbp": 9}, {"insurer": "Acme Mutual", "reference": "P-77"}),
        ("profile", {"areas": ["_B"]}, {"services": ["DC"]}),
    ],
)
def test_the_other_fields_of_a_group_stay(
    decider: Decider, group: str, patch: dict[str, Any], after: dict[str, Any]
) -> None:
    before = {name: value for name, value in record(decider).items() if name != group}
    outcome = accepted(decider, **{group: patch})
    assert record(decider)[group] == after | patch
    assert events(outcome)[0][1]["changed"] == [group]
    left = record(decider)
    assert all(left[name] == before[name] for name in GIVEN if name != group)


@pytest.mark.parametrize("group", sorted(PATCHES))
def test_null_clears_any_field_and_the_last_one_its_group(decider: Decider, group: str) -> None:
    assert {*PATCHES, *LISTS, "name"} == set(UpdateUser.model_fields) & set(GIVEN)
    fields = dict.fromkeys(PATCHES[group].model_fields)
    accepted(decider, **{group: fields})
    assert group not in record(decider)
    assert events(accepted(decider, **{group: {}})) == []


@pytest.mark.parametrize("group", sorted(LISTS))
def test_lists_are_replaced_whole(decider: Decider, group: str) -> None:
    new = {"contacts": {"name": "Cy", "phone": "+442079460999"}, "accreditation": {"scheme": "B"}}
    accepted(decider, **{group: [new[group]]})
    assert [{**row, **new[group]} for row in record(decider)[group]] == record(decider)[group]
    assert len(record(decider)[group]) == 1


def test_bank_details_have_an_account_name_in_the_end(decider: Decider) -> None:
    missing = [("field.missing", "data.bank.account_name")]
    assert refused(decider, bank={"account_name": None}) == missing
    before = kept(decider)
    assert events(accepted(decider, bank={"sort_code": None})) == []
    assert {k: v for k, v in kept(decider).items() if k[0] == "users"} == {
        k: v for k, v in before.items() if k[0] == "users"
    }
    accepted(decider, bank=None)
    assert refused(decider, bank={"sort_code": "202015"}) == missing
    accepted(decider, bank={"account_name": "Ada", "sort_code": "202015"})
    assert record(decider)["bank"] == {"account_name": "Ada", "sort_code": "202015"}


def test_nobody_is_without_a_name(decider: Decider) -> None:
    (found,) = refused(decider, name=None)
    assert found[1] == "data.name"
