"""What two registrations are to each other: one, parts of one, two, or for a person to say."""

from typing import Any, Final

import pytest

from handlers.decision import Secret
from handlers.matching.comparing import compare
from handlers.matching.folding import company_number, company_words, folded, key, phone
from handlers.matching.profiles import Organisation
from handlers.matching.reading import of_asset, of_document, of_user
from handlers.matching.tokens import tokens, wide_tokens
from handlers.matching.verdict import Comparison

FIRM: Final = {
    "kind": "organisation",
    "name": "Marlow Tidal Power Ltd",
    "address": {"line_1": "12 High Street", "town": "Leeds", "postcode": "LS1 4AB"},
    "contacts": [{"name": "Desk", "phone": "0113 496 0001", "email": "desk@marlow-tidal.co.uk"}],
}
FARM: Final = {
    "asset_type": "WND",
    "name": "Clyde Wind Farm",
    "location": {"point": {"latitude": 55.46, "longitude": -3.65}},
    "capability": {"power_kw": 350_000},
}
POST: Final = {
    "asset_type": "EVC",
    "name": "Town Hall Car Park",
    "location": {
        "postcode": "LS1 4AB",
        "point": {"latitude": 53.8008, "longitude": -1.5491},
    },
    "capability": {"power_kw": 7.0},
}


def firms(**changed: Any) -> Comparison:
    return compare(of_user(FIRM), of_user(FIRM | changed))


def farms(**changed: Any) -> Comparison:
    return compare(of_asset(FARM), of_asset(FARM | changed))


def posts(one: dict[str, Any], other: dict[str, Any]) -> Comparison:
    return compare(of_asset(POST | one), of_asset(POST | other))


@pytest.mark.parametrize(
    "name",
    [
        "MARLOW TIDAL POWER LIMITED",
        "The Marlow Tidal Power PLC",
        "Marlow Tidal Power",
        "Marlów Tidal Power L.T.D.",
    ],
)
def test_article_legal_form_case_and_accents_are_folded_away(name: str) -> None:
    assert company_words(name) == ("marlow", "tidal", "power")


@pytest.mark.parametrize("name", ["Marlow (UK) Ltd", "Marlow UK", "Marlow Co Ltd", "Marlow & Co"])
def test_what_tells_companies_of_one_house_apart_is_not_folded_away(name: str) -> None:
    assert company_words(name) != ("marlow",)
    found = compare(
        of_user(FIRM | {"name": "Marlow Ltd"}),
        of_user(FIRM | {"name": name}),
    )
    assert found.verdict == "unsure"


def test_letters_with_dots_are_one_word() -> None:
    assert folded("N. V. Nutricia") == "nv nutricia"
    assert company_words("Nutricia B V") == ("nutricia",)


@pytest.mark.parametrize(
    "value", ["Data not available", "Redacted", "0", "TBC", "N/A", "1234", "000000", "", None]
)
def test_a_placeholder_is_no_key(value: str | None) -> None:
    assert key(value) == ""
    assert phone(value) == ""
    assert of_asset({"asset_type": "BAT", "identity": {"serial": value}}).serial == ""


def test_lost_leading_zeros_of_a_company_number_are_put_back() -> None:
    assert company_number("7045982") == company_number("07045982") == "07045982"
    assert company_number("sc 12345") == "SC012345"


def test_a_number_of_telephone_is_the_same_with_and_without_its_country() -> None:
    assert phone("+44 113 496 0001") == phone("(0113) 4960001") == phone("0044 1134960001")


def test_the_same_organisation_under_another_spelling_is_the_same() -> None:
    found = firms(name="Marlow Tidal Powr Limited", address={"line_1": "12, High St."})
    assert found.verdict == "same"
    assert {one.field for one in found.reasons if one.agreement == "same"} >= {"phone", "place"}


def test_another_company_number_is_another_company() -> None:
    one = of_user(FIRM | {"claims": {"company_number": "01234568"}})
    other = of_user(FIRM | {"claims": {"company_number": "07654321"}})
    assert compare(one, other).verdict != "same"


def test_two_firms_at_one_address_are_not_one() -> None:
    found = firms(name="Harbour Bakery Ltd", contacts=[])
    assert found.verdict in {"different", "unsure"}


def test_one_name_in_two_towns_without_more_is_for_a_person() -> None:
    bare = {"kind": "organisation", "name": "Marlow Tidal Power Ltd"}
    one = of_user(bare | {"address": {"town": "Leeds", "postcode": "LS1 4AB"}})
    other = of_user(bare | {"address": {"town": "Truro", "postcode": "TR1 2AA"}})
    assert compare(one, other).verdict == "unsure"


def test_the_strongest_reason_comes_first_and_none_carries_a_value() -> None:
    found = firms()
    weights = [abs(one.weight) for one in found.reasons]
    assert weights == sorted(weights, reverse=True)
    assert "marlow" not in repr(found).casefold()


def test_persons_are_one_by_name_birth_and_address_and_two_by_name_alone() -> None:
    person = {"kind": "person", "given_name": "Ada", "family_name": "Whitlock"}
    full = person | {"born_on": "1961-02-28", "address": {"line_1": "3 Elm Row"}}
    assert compare(of_user(full), of_user(full | {"given_name": "Adah"})).verdict == "same"
    assert compare(of_user(person), of_user(person)).verdict == "unsure"


def test_a_sealed_group_is_read_as_an_open_one() -> None:
    sealed = {n: Secret(v) if n in {"name", "address"} else v for n, v in FIRM.items()}
    assert of_user(sealed) == of_user(FIRM)
    farm = {n: Secret(v) if n in {"name", "location"} else v for n, v in FARM.items()}
    assert of_asset(farm) == of_asset(FARM)


def test_of_an_erased_owner_nothing_is_compared() -> None:
    erased = of_asset({"asset_type": "BAT", "name": Secret(None), "location": Secret(None)})
    assert compare(erased, erased).verdict == "different"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Clyde Wind Farm", "Clyde North"),
        ("Clyde North", "Clyde South Wind Farm"),
        ("Clyde Wind Farm", "Clyde Extension"),
        ("Clyde 1", "Clyde Unit 2"),
    ],
)
def test_parts_of_one_farm_are_not_the_same(one: str, other: str) -> None:
    found = compare(
        of_asset(FARM | {"name": one}),
        of_asset(FARM | {"name": other, "capability": {"power_kw": 120_000}}),
    )
    assert found.verdict == "part_of"


def test_a_renamed_and_sold_asset_is_recognised() -> None:
    found = farms(name="Broken Cross Wind Farm", owner="Somebody Else Ltd")
    assert found.verdict in {"same", "unsure"}


def test_another_type_at_the_same_place_is_another_asset() -> None:
    assert farms(asset_type="BAT").verdict == "different"


def test_a_shared_connection_makes_no_one_asset() -> None:
    wire = {"connection": {"mpan_export": "1014569292506"}}
    one = of_asset(FARM | wire | {"name": "Mill Lane A"})
    other = of_asset(FARM | wire | {"name": "Mill Lane B"})
    assert compare(one, other).verdict == "part_of"


def test_posts_of_one_place_are_not_one() -> None:
    assert posts({}, {}).verdict == "unsure"
    stamped = posts({"identity": {"serial": "CP-77120"}}, {"identity": {"serial": "CP-77121"}})
    assert stamped.verdict == "part_of"
    listed = posts(
        {"registrant": "USR-A", "reference": "ncr:17aa"},
        {"registrant": "USR-A", "reference": "ncr:18bb"},
    )
    assert listed.verdict in {"part_of", "different"}


def test_one_serial_is_one_device_wherever_it_stands() -> None:
    stamp = {"identity": {"make": "Rolec", "serial": "CP-77120"}}
    moved = {"location": {"postcode": "TR1 2AA"}, "name": "Harbour"}
    assert posts(stamp, stamp | moved).verdict == "same"


@pytest.mark.parametrize("document", [FIRM, FARM, POST])
def test_a_comparison_does_not_depend_on_which_comes_first(document: dict[str, Any]) -> None:
    one, other = of_document(document), of_document(document | {"name": "Clyde North Tidal Ltd"})
    assert compare(one, other) == compare(other, one)


def test_a_user_and_an_asset_are_different() -> None:
    assert compare(of_user(FIRM), of_asset(FARM)).verdict == "different"


@pytest.mark.parametrize("document", [FIRM, FARM, POST])
def test_tokens_are_sorted_and_each_is_there_once(document: dict[str, Any]) -> None:
    profile = of_document(document)
    for found in (tokens(profile), wide_tokens(profile)):
        assert found == tuple(sorted(set(found)))
        assert found
    assert set(tokens(profile)) <= set(wide_tokens(profile))


def test_assets_some_metres_apart_share_a_token() -> None:
    for step in range(40):
        longitude = -1.5491 + step * 0.0007
        one = of_asset(
            POST | {"name": "", "location": {"point": {"latitude": 53.8, "longitude": longitude}}}
        )
        near = {"point": {"latitude": 53.8002, "longitude": longitude + 0.0004}}
        other = of_asset(POST | {"name": "", "location": near})
        assert set(tokens(one)) & set(tokens(other))


def test_a_firm_without_an_address_has_a_token() -> None:
    assert tokens(Organisation(name=("marlow",)))
