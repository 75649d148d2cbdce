"""What the mappings of projects and of charge points make of a row, judged on made-up rows."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.test_mappings import table
from workers.cli.mappings import TableMapping

PROJECT = {
    "Ref ID": "9001",
    "Operator (or Applicant)": "Fenland Flex Ltd",
    "Site Name": "Drove  Farm\u00a0",
    "Technology Type": "Wind Onshore",
    "Storage Type": "",
    "Installed Capacity (MWelec)": "4.60",
    "CHP Enabled": "",
    "Turbine Capacity (MW)": "2.30",
    "No. of Turbines": "2",
    "Mounting Type for Solar": "",
    "Development Status": "Operational",
    "Development Status (short)": "Operational",
    "Address": "Drove Road, Fen End",
    "County": "Cambs",
    "Country": "England",
    "Post Code": "CB7 9AA",
    "X-coordinate": "554000",
    "Y-coordinate": "280000.5",
    "Operational": "31/03/2015",
}
SECOND = "connector2"
POINT = {
    "chargeDeviceID": "cfeedcdd",
    "reference": "ours 7",
    "name": "Riddons Road",
    "latitude": "51.431454",
    "longitude": "0.031175",
    "buildingNumber": "2",
    "thoroughfare": "Riddons Road",
    "town": "Leek",
    "county": "",
    "postcode": "SE12 9QR",
    "uprn": "",
    "deviceManufacturer": "Siemens",
    "deviceModel": "",
    "deviceNetworks": "A network",
    "chargeDeviceStatus": "In service",
    "locationType": "Public car park",
    "accessRestrictionFlag": "0",
    "connector1Type": "Type 2 Mennekes (IEC62196)",
    "connector1RatedOutputKW": "7.0",
    "connector1ChargeMethod": "Single Phase AC",
    "connector1TetheredCable": "0",
    f"{SECOND}Type": "JEVS G105 (CHAdeMO) DC",
    f"{SECOND}RatedOutputKW": "50.0",
    f"{SECOND}ChargeMethod": "DC",
    f"{SECOND}TetheredCable": "1",
}


@pytest.fixture(scope="module")
def repd() -> TableMapping:
    return TableMapping.open("repd-projects")


@pytest.fixture(scope="module")
def ncr() -> TableMapping:
    return TableMapping.open("ncr")


def made(mapping: TableMapping, row: Mapping[str, str], **changed: str) -> dict[str, Any]:
    envelope = mapping.lines(table({**row, **changed}))[-1].envelope
    assert envelope is not None
    data: dict[str, Any] = envelope["data"]
    return data


def test_a_project_is_an_asset_under_the_table_s_own_reference(repd: TableMapping) -> None:
    assert made(repd, PROJECT) == {
        "reference": "repd:9001",
        "asset_type": "WND",
        "name": "Drove Farm",
        "lifecycle": "operating",
        "commissioned_on": "2015-03-31",
        "location": {
            "address": "Drove Road, Fen End",
            "county": "Cambs",
            "postcode": "CB7 9AA",
            "grid": {"easting_m": 554000, "northing_m": 280000.5},
        },
        "capability": {"power_kw": 4600},
        "technologies": [{"source": "Wind Onshore"}],
        "details": {"offshore": False, "turbines": 2, "turbine_kw": 2300},
    }


def test_numbers_that_are_written_otherwise_are_the_same(repd: TableMapping) -> None:
    other = {"Installed Capacity (MWelec)": "4.6", "X-coordinate": "554000.0"}
    assert made(repd, PROJECT, **other) == made(repd, PROJECT)
    assert made(repd, PROJECT, **{"Installed Capacity (MWelec)": "1,200"})["capability"] == {
        "power_kw": 1_200_000
    }
    unread = made(repd, PROJECT, **{"Installed Capacity (MWelec)": "about 5"})
    assert unread["capability"] == {"power_kw": "about 5"}


@pytest.mark.parametrize(
    ("status", "lifecycle"),
    [
        ("Operational", "operating"),
        ("Under Construction", "planned"),
        ("Application Refused", "planned"),
        ("Decommissioned", "Decommissioned"),  # Refused by name: nobody registers what is gone.
        ("", ""),
    ],
)
def test_lifecycles_of_projects(repd: TableMapping, status: str, lifecycle: str) -> None:
    data = made(repd, PROJECT, **{"Development Status (short)": status})
    assert data["lifecycle"] == lifecycle
    assert ("commissioned_on" in data) == (lifecycle == "operating")


@pytest.mark.parametrize(
    ("technology", "chp", "code", "details"),
    [
        ("Solar Photovoltaics", "", "SOL", {"mounting": "roof"}),
        ("Battery", "", "BAT", None),
        ("Anaerobic Digestion", "Yes", "CHP", None),
        ("Anaerobic Digestion", "No", "BIO", None),
        ("Solar Photovoltaics", "yes", "SOL", {"mounting": "roof"}),
        ("Pumped Storage Hydroelectricity", "", "HYD", {"kind": "pumped"}),
        ("Shoreline Wave", "", "TID", {"kind": "wave"}),
        ("Perpetual Motion", "", "Perpetual Motion", None),
        ("", "", "", None),
    ],
)
def test_types_of_projects(
    repd: TableMapping, technology: str, chp: str, code: str, details: object
) -> None:
    changed = {"Technology Type": technology, "CHP Enabled": chp, "Mounting Type for Solar": "Roof"}
    data = made(repd, PROJECT, **changed)
    assert data["asset_type"] == code
    assert data.get("details") == details


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("CB7 9AA", "CB7 9AA"),
        ("CB7", None),
        ("CB7 9", None),
        ("CB7 9A", None),
        ("CB7 OAA", "CB7 OAA"),
    ],
)
def test_the_beginning_of_a_postcode_is_left_out_and_counted(
    given: str, expected: str | None
) -> None:
    repd = TableMapping.open("repd-projects")
    assert made(repd, PROJECT, **{"Post Code": given})["location"].get("postcode") == expected
    assert repd.left_out.get("Post Code", 0) == (expected is None)


def test_what_a_project_has_without_a_field_is_counted() -> None:
    repd = TableMapping.open("repd-projects")
    data = made(repd, PROJECT, **{"No. of Turbines": "0", "Mounting Type for Solar": "Ground"})
    assert "turbines" not in data["details"]
    assert repd.left_out == {
        "Operator (or Applicant)": 1,
        "Development Status": 1,
        "Country": 1,
        "Mounting Type for Solar": 1,
    }


def test_a_project_without_a_place_has_no_grid_reference(repd: TableMapping) -> None:
    assert "grid" not in made(repd, PROJECT, **{"X-coordinate": "", "Y-coordinate": ""})["location"]


def test_a_charge_point_is_an_asset_with_its_connectors(ncr: TableMapping) -> None:
    assert made(ncr, POINT) == {
        "reference": "ncr:cfeedcdd",
        "asset_type": "EVC",
        "name": "Riddons Road",
        "lifecycle": "operating",
        "identity": {"make": "Siemens"},
        "location": {
            "address": "2 Riddons Road",
            "town": "Leek",
            "postcode": "SE12 9QR",
            "point": {"latitude": 51.431454, "longitude": 0.031175},
        },
        "capability": {"power_kw": 50},
        "details": {
            "access": "public",
            "network": "A network",
            "connectors": [
                {"type": "type-2", "power_kw": 7, "current": "ac", "phases": 1, "tethered": False},
                {"type": "chademo", "power_kw": 50, "current": "dc", "tethered": True},
            ],
        },
    }


@pytest.mark.parametrize(
    ("place", "restricted", "access"),
    [
        ("On-street", "0", "public"),
        ("On-street", "1", None),
        ("Workplace car park", "1", "workplace"),
        ("Other", "0", None),
        ("", "", None),
    ],
)
def test_who_has_access(ncr: TableMapping, place: str, restricted: str, access: str | None) -> None:
    data = made(ncr, POINT, locationType=place, accessRestrictionFlag=restricted)
    assert data["details"].get("access") == access


def test_halves_of_a_row_are_passed_on_to_be_refused(ncr: TableMapping) -> None:
    """The first half ends before its connectors, the second has them in others' columns."""
    first = made(ncr, POINT, connector1Type="", connector1RatedOutputKW="",
                 connector1ChargeMethod="", connector1TetheredCable="")  # fmt: skip
    assert first["details"]["connectors"][0] == {}
    second = made(
        ncr, POINT, chargeDeviceID=" ", latitude="", longitude="0", chargeDeviceStatus="7.0"
    )
    assert second["reference"] == ""
    assert second["lifecycle"] == "7.0"
    assert second["location"]["point"] == {"longitude": 0}


def test_an_unknown_connector_is_another_one(ncr: TableMapping) -> None:
    data = made(ncr, POINT, connector2Type="Type 9", connector2RatedOutputKW="")
    assert data["details"]["connectors"][1] == {"type": "other", "current": "dc", "tethered": True}
    assert data["capability"] == {"power_kw": 7}
