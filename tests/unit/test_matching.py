"""What the shipped verifier of assets makes of an asset and a reference register."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from jsonata import Jsonata

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
SAMPLE: Final = EXAMPLES / "verifier" / "capacity-2026-11-01.csv"


def _loaded() -> ModuleType:
    """The example as a module: it is no package of ours."""
    spec = importlib.util.spec_from_file_location(
        "verifier_matching", EXAMPLES / "verifier" / "matching.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MATCHING: Final = _loaded()
MAPPING: Final = Jsonata((EXAMPLES / "mappings" / "ecr.jsonata").read_text("utf-8")).evaluate
FILE: Final = MATCHING.reference(SAMPLE.read_text("utf-8").splitlines(), MAPPING)
FARM: Final = {
    "asset_type": "SOL",
    "connection": {"mpan_export": "1000000000040"},
    "location": {"postcode": "cb79aa", "grid": {"easting_m": 554050, "northing_m": 280050}},
    "capability": {"power_kw": 50000, "export_max_kw": 45000},
}


def verdicts(**changed: Any) -> dict[str, str]:
    found: dict[str, str] = MATCHING.verdicts(FARM | changed, FILE)
    return found


def test_what_the_register_says_too_matches_group_by_group() -> None:
    assert verdicts() == {"connection": "match", "location": "match", "capability": "match"}


@pytest.mark.parametrize(
    ("group", "said", "verdict"),
    [
        ("capability", {"power_kw": 49999}, "match"),
        ("capability", {"power_kw": 40000}, "mismatch"),
        ("capability", {"power_kw": 50000, "energy_kwh": 10}, "unknown"),
        ("capability", {"power_kw": 40000, "energy_kwh": 10}, "mismatch"),
        ("location", {"postcode": "CB7 9AB"}, "mismatch"),
        ("location", {"grid": {"easting_m": 554000, "northing_m": 280101}}, "mismatch"),
        ("location", {"postcode": "CB7 9AA", "uprn": "1"}, "unknown"),
        (
            "connection",
            {"mpan_export": "1000000000040", "mpan_import": "1000000000059"},
            "unknown",
        ),
    ],
)
def test_verdicts(group: str, said: dict[str, Any], verdict: str) -> None:
    assert verdicts(**{group: said})[group] == verdict


def test_a_group_without_a_value_is_not_attested() -> None:
    assert "location" not in verdicts(location={"county": "Cambs"})
    assert "identity" not in verdicts(identity={"mac": "00:00:00:00:00:01"})


def test_what_the_register_does_not_have_is_unknown_by_its_key() -> None:
    assert verdicts(connection={"mpan_export": "1000000000003"}) == {"connection": "unknown"}
    device = {"make": "Acme", "serial": "S-1"}
    assert verdicts(connection={}, identity=device) == {"identity": "unknown"}


def test_without_a_key_there_is_nothing_to_attest() -> None:
    assert verdicts(connection={}) == {}
    assert MATCHING.verdicts({"id": "SOL-1"}, FILE) == {}


def rows(*assets: dict[str, Any]) -> Any:
    return {key: list(assets) for asset in assets for key in MATCHING.keys(asset)}


def test_of_several_behind_one_connection_it_is_the_one_of_its_type() -> None:
    store = {**FARM, "asset_type": "BAT", "capability": {"power_kw": 10}}
    found = MATCHING.verdicts(FARM, rows(FARM, store))
    assert found["capability"] == "match"
    assert MATCHING.verdicts(FARM, rows(FARM, FARM)) == {"connection": "unknown"}


def test_a_device_is_found_by_make_and_serial_however_they_are_written() -> None:
    device = {"asset_type": "BAT", "identity": {"make": "Acme Ltd", "serial": "ab-1"}}
    same = {"asset_type": "BAT", "identity": {"make": "ACME LTD", "serial": "AB1"}}
    assert MATCHING.verdicts(device, rows(same)) == {"identity": "match"}


def test_points_are_compared_by_distance() -> None:
    here = {"latitude": 52.4, "longitude": 0.26}
    assert MATCHING.same(here, {"latitude": 52.4005, "longitude": 0.2605})
    assert not MATCHING.same(here, {"latitude": 52.4, "longitude": 0.2621})
    assert not MATCHING.same(here, {"latitude": 52.4})


def test_a_table_without_any_key_is_refused() -> None:
    with pytest.raises(MATCHING.Unusable, match="MPAN"):
        MATCHING.reference(["Colour", "green"], lambda _row: {"asset": {"name": "x"}})
