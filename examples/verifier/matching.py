"""What a reference register says of a registered asset: a pure comparison, without a broker.

The reference register is a table, and a mapping makes of each row what `asset.register.v1` would
say of its asset; the mappings of `examples/mappings` serve.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

Verdict = Literal["match", "mismatch", "unknown"]
Asset = Mapping[str, Any]
Key = tuple[str, str, str]
"""Group, field and folded value by which a row is found."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "identity": ("make", "model", "serial"),
    "connection": ("mpan_import", "mpan_export"),
    "location": ("postcode", "uprn", "point", "grid"),
    "capability": (
        "power_kw", "power_up_kw", "power_down_kw", "export_max_kw", "import_max_kw",
        "energy_kwh", "ramp_kw_per_min", "response_s", "duration_s",
    ),
}  # fmt: skip
"""Scheme -> the fields that an attestation of it vouches for."""
KEYS = (("connection", "mpan_export"), ("connection", "mpan_import"), ("identity", "serial"))
"""By what an asset is found, the first that it has first; a serial together with its make."""
NEAR_M = 100
"""Two surveys of one place differ by less."""
TOLERANCE = 0.001
"""A capacity is rounded differently in two registers; by more it is another one."""
DEGREE_M = 111_320


class Unusable(Exception):
    """The file is no table that the mapping can read; the text says what was expected."""


def reference(
    lines: Iterable[str], mapping: Callable[[dict[str, Any]], Any]
) -> dict[Key, list[Asset]]:
    """The rows of the file, by each key that they have."""
    found: dict[Key, list[Asset]] = {}
    rows = 0
    for row in csv.DictReader(lines):
        rows += 1
        made = mapping(row)
        asset = made.get("asset") if isinstance(made, Mapping) else None
        for key in keys(asset or {}):
            found.setdefault(key, []).append(asset or {})
    if rows and not found:
        raise Unusable(f"expected rows with an MPAN or a serial number, got none in {rows}")
    return found


def keys(asset: Asset) -> Iterator[Key]:
    """By what an asset can be found."""
    for group, field in KEYS:
        said = asset.get(group) or {}
        value = folded(said.get(field))
        if field == "serial":
            make = folded(said.get("make"))
            value = f"{make}/{value}" if make and value else ""
        if value:
            yield group, field, value


def verdicts(asset: Asset, file: Mapping[Key, list[Asset]]) -> dict[str, Verdict]:
    """Scheme -> verdict, of what `asset.get` shows of an asset.

    A group matches where the file confirms each value that the asset has in it, and mismatches
    where one differs. What the file does not have it cannot confirm: that is unknown.
    """
    known = list(keys(asset))
    row = next((one for one in (row_of(asset, file, key) for key in known) if one), None)
    if row is None:
        return {known[0][0]: "unknown"} if known else {}
    return {
        scheme: _judged(asset[scheme], row.get(scheme) or {}, given)
        for scheme, fields in FIELDS.items()
        if (given := [f for f in fields if (asset.get(scheme) or {}).get(f) is not None])
    }


def row_of(asset: Asset, file: Mapping[Key, list[Asset]], key: Key) -> Asset | None:
    """The row of a key; of several behind one connection the one of this type, if it is one."""
    rows = file.get(key, [])
    if len(rows) > 1:
        rows = [one for one in rows if one.get("asset_type") == asset.get("asset_type")]
    return rows[0] if len(rows) == 1 else None


def _judged(asset: Asset, row: Asset, fields: Iterable[str]) -> Verdict:
    said = [same(asset[f], row[f]) if row.get(f) is not None else None for f in fields]
    if False in said:
        return "mismatch"
    return "unknown" if None in said else "match"


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: places by distance, quantities nearly, words without signs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _distance_m(one, other) <= NEAR_M
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return folded(one) == folded(other)


def _distance_m(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    try:
        if "easting_m" in one:
            east, north = (
                one["easting_m"] - other["easting_m"],
                one["northing_m"] - other["northing_m"],
            )
            return math.hypot(east, north)
        north = (one["latitude"] - other["latitude"]) * DEGREE_M
        east = (one["longitude"] - other["longitude"]) * DEGREE_M
        return math.hypot(north, east * math.cos(math.radians(one["latitude"])))
    except (KeyError, TypeError):
        return math.inf


def folded(value: object) -> str:
    """Letters and digits without case; empty for none."""
    text = "" if value is None else str(value)
    return "".join(character for character in text.casefold() if character.isalnum())
