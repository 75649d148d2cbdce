"""What the mapping of an Embedded Capacity Register makes of a row, judged on made-up rows."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from workers.cli.lines import Line
from workers.cli.mappings import MappingError, TableMapping

EASTING = "Location (X-coordinate):_Eastings (where data is held)"
NORTHING = "Location (y-coordinate):_Northings (where data is held)"
VOLTAGE = "Point of Connection (POC)_Voltage (kV)"
CAPACITY = "Energy Source & Energy Conversion Technology 1 - Registered Capacity (MW)"
ROW = {
    "source_row": "7",
    "Export MPAN / MSID": "1000000000040",
    "Customer Name": "Sunny Fen Ltd",
    "Customer Site": "Fen Farm",
    "Address Line 1": "Drove Road",
    "Address Line 2": "Fen End",
    "Town/ City": "Ely",
    "County": "Cambs",
    "Postcode": "CB7 9AA",
    EASTING: "554000",
    NORTHING: "280000",
    "Longitude": "0.2624",
    "Latitude": "52.3995",
    VOLTAGE: "33kV",
    "Licence Area": "East",
    "Energy Source 1": "Solar",
    "Energy Conversion Technology 1": "Photovoltaic",
    CAPACITY: "49.999",
    "Flexible Connection (Yes/No)": "Yes",
    "Connection Status": "Connected",
    "Already connected Registered Capacity (MW)": "5.9999",
    "Date Connected": "2016-10-01",
}


@pytest.fixture(scope="module")
def ecr() -> TableMapping:
    return TableMapping.open("ecr")


def table(*rows: Mapping[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def asset(ecr: TableMapping, **changed: str) -> dict[str, Any]:
    envelope = ecr.lines(table(ROW | changed))[-1].envelope
    assert envelope is not None
    data: dict[str, Any] = envelope["data"]
    return data


def test_a_row_is_an_asset_of_its_customer_registered_by_the_operator(ecr: TableMapping) -> None:
    sender, owner, line = ecr.lines(table(ROW))
    assert sender.envelope is not None
    assert owner.envelope is not None
    assert line.envelope is not None
    assert sender.envelope["source"] == "urn:flexspine:user:operator"
    assert owner.envelope["onbehalfof"] == "ecr:customer:Sunny Fen Ltd"
    assert owner.envelope["source"] == f"urn:flexspine:user:$reply:{sender.envelope['id']}"
    assert line.label == "row 1 (source_row 7)"
    assert line.envelope["data"] == {
        "asset_type": "SOL",
        "name": "Fen Farm",
        "lifecycle": "operating",
        "commissioned_on": "2016-10-01",
        "connection": {"mpan_export": "1000000000040", "voltage_kv": 33, "dno": "East"},
        "location": {
            "address": "Drove Road, Fen End",
            "town": "Ely",
            "county": "Cambs",
            "postcode": "CB7 9AA",
            "grid": {"easting_m": 554000, "northing_m": 280000},
            "point": {"latitude": 52.3995, "longitude": 0.2624},
        },
        "capability": {"power_kw": 5999.9, "flexible_connection": True},
        "technologies": [
            {
                "source": "Solar",
                "conversion": "Photovoltaic",
                "asset_type": "SOL",
                "power_kw": 49999,
            }
        ],
        "owner": f"$reply:{owner.envelope['id']}",
    }


def test_a_customer_is_one_owner_however_many_rows_it_has(ecr: TableMapping) -> None:
    lines = ecr.lines(table(ROW, ROW, ROW | {"Customer Name": "Redacted"}))
    owners = [line for line in lines if line.label.startswith("owner")]
    assert len(owners) == 1
    assert len({_id(line) for line in lines}) == len(lines)
    last = lines[-1].envelope
    assert last is not None
    assert "owner" not in last["data"]


def test_the_operator_is_the_same_for_the_next_file(ecr: TableMapping) -> None:
    (one, *_), (other, *_) = ecr.lines(table(ROW)), ecr.lines(table(ROW | {"County": "Kent"}))
    assert one == other


@pytest.mark.parametrize("easting", ["0", "", "Data not available"])
def test_an_easting_of_zero_is_no_place_and_no_point(ecr: TableMapping, easting: str) -> None:
    assert {"grid", "point"} & set(asset(ecr, **{EASTING: easting})["location"]) == set()


@pytest.mark.parametrize(
    ("voltage", "expected"),
    [("33kV", 33), ("LV", 0.4), ("132 KV", 132), ("NULL", None), ("high", "high")],
)
def test_voltages(ecr: TableMapping, voltage: str, expected: object) -> None:
    assert asset(ecr, **{VOLTAGE: voltage})["connection"].get("voltage_kv") == expected


@pytest.mark.parametrize(
    ("source", "technology", "chp", "expected"),
    [
        ("Wind onshore", "Other", "", "WND"),
        ("Fosil gas", "Engine", "", "GEN"),
        ("Fossil - Gas", "Engine", "Yes", "CHP"),
        ("Biofuel landfill gas", "Engine", "", "BIO"),
        ("", "Storage - Electrochemical  (Batteries)", "", "BAT"),
        ("Stored Energy (all stored energy irrespective of the original energy source)", "", "",
         "BAT"),
        ("Hydro", "", "", "HYD"),
        ("Perpetual motion", "Wheel", "", "Perpetual motion"),
    ],
)  # fmt: skip
def test_types(ecr: TableMapping, source: str, technology: str, chp: str, expected: str) -> None:
    changed = {
        "Energy Source 1": source,
        "Energy Conversion Technology 1": technology,
        "CHP Cogeneration (Yes/No)": chp,
    }
    assert asset(ecr, **changed)["asset_type"] == expected


def test_a_second_technology_is_listed_on_the_asset(ecr: TableMapping) -> None:
    technologies = asset(ecr, **{"Energy Source 2": "Storage battery"})["technologies"]
    assert [one["asset_type"] for one in technologies] == ["SOL", "BAT"]


def test_an_accepted_connection_is_planned(ecr: TableMapping) -> None:
    data = asset(ecr, **{"Connection Status": "Accepted to Connect"})
    assert data["lifecycle"] == "planned"
    assert "commissioned_on" not in data
    assert data["expected_on"] == "2016-10-01"


def test_a_column_that_nobody_knows_is_passed_on_by_its_name(ecr: TableMapping) -> None:
    data = asset(ecr, **{"Colour (RAL)": "9010", "owner": "me", "Empty": " "})
    assert data["Colour (RAL)"] == "9010"
    assert data["column owner"] == "me"
    assert "Empty" not in data


def test_what_has_no_field_is_counted() -> None:
    ecr = TableMapping.open("ecr")
    ecr.lines(table(ROW | {"Country": "England", "Reference": ""}))
    assert ecr.left_out == {"Country": 1}


def test_a_row_of_other_length_is_a_malformed_line(ecr: TableMapping) -> None:
    content = table(ROW) + b"1,2,3\r\n"
    last = ecr.lines(content)[-1]
    assert last.envelope is None
    assert "3 cells" in last.fault


@pytest.mark.parametrize("content", [b"", b"a,b,a\r\n1,2,3\r\n", b"a\r\n\xff\r\n"])
def test_a_table_that_cannot_be_read_stops_the_start(ecr: TableMapping, content: bytes) -> None:
    with pytest.raises(MappingError, match="expected"):
        ecr.lines(content)


def test_an_unknown_mapping_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="ecr"):
        TableMapping.open("nothing")
    with pytest.raises(MappingError):
        TableMapping.open(str(tmp_path / "absent.toml"))


def _id(line: Line) -> str:
    assert line.envelope is not None
    return str(line.envelope["id"])
