"""The market's code lists as data: a new code is a new line here, and nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

ASSET_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "EVC": "EV charge point",
        "EVH": "electric vehicle",
        "HPA": "heat pump",
        "BAT": "battery storage",
        "SOL": "solar PV",
        "WND": "wind",
        "HYD": "hydro",
        "GEN": "thermal generator",
        "CHP": "combined heat and power",
        "BIO": "biomass, biogas, landfill or sewage gas",
        "DSR": "industrial or commercial load",
        "HEM": "home energy manager",
        "HWT": "hot water tank",
        "STH": "storage heater",
        "HVC": "heating, ventilation or cooling",
        "TID": "tidal and wave",
        "IFC": "interconnector",
        "SIT": "site",
        "PFL": "portfolio",
        "OTH": "other",
    }
)
"""Asset type -> words.
The code is part of every id of the type, so a code is never renamed, re-used or taken out.
Further types are defined on a running backbone, by `taxonomy.define.v1`."""


def _details() -> Mapping[str, str]:
    """The shipped schemas of details: one object of a file, by asset type."""
    path = Path(__file__).with_name("types.json")
    schemas = json.loads(path.read_text(encoding="utf-8"))
    written = {
        code: json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for code, one in schemas.items()
    }
    return MappingProxyType(written)


DETAILS: Final = _details()
"""Asset type -> JSON Schema of its details, as text, with which the backbone comes."""

USER_PREFIX: Final = "USR"
"""Prefix of a user's id; never an asset type."""

OPERATOR: Final = "operator"
FRONT_DESK: Final = "front-desk"
VERIFIER: Final = "verifier"
RESERVED_USERS: Final = frozenset({OPERATOR, FRONT_DESK})
"""Users that every register knows without a document."""
BACKBONE: Final = "flex-relay"
"""The account under which the backbone itself sends; the broker vouches for it as for any other."""

SHARDED: Final = frozenset({"assets"})
"""Registers whose mailbox may be divided into shards, each with a lane of its own."""
SHARDS_MAX: Final = 16
"""Into how many at most."""

GSP_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "10": "_A",
        "11": "_B",
        "12": "_C",
        "13": "_D",
        "14": "_E",
        "15": "_F",
        "16": "_G",
        "17": "_P",
        "18": "_N",
        "19": "_J",
        "20": "_H",
        "21": "_K",
        "22": "_L",
        "23": "_M",
    }
)
"""First two digits of an MPAN (the distributor) -> GSP group.
Distributors from 24 up are independent networks, which lie in any group."""

BM_UNIT_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "T": "connected to the transmission system",
        "E": "embedded in a distribution network",
        "I": "interconnector user",
        "2": "supplier, per GSP group",
        "C": "additional supplier unit",
        "V": "virtual lead party",
        "M": "miscellaneous",
    }
)
"""First character of a BM unit's id -> what kind of unit it is."""

COMPANY_PREFIXES: Final = frozenset(
    {
        "AC", "CE", "CS", "EN", "ES", "FC", "FE", "GE", "GN", "GS", "IC", "IP", "LP", "NA", "NC",
        "NF", "NI", "NL", "NO", "NP", "NR", "NZ", "OC", "OE", "PC", "RC", "RS", "SA", "SC", "SE",
        "SF", "SG", "SI", "SL", "SO", "SP", "SR", "SZ", "ZC",
    }
)  # fmt: skip
"""Two-letter prefixes that Companies House has issued numbers under; `R` with seven digits (old
Northern Irish companies) is the one of a single letter."""

POSTCODE_AREAS: Final = frozenset(
    {
        "AB", "AL", "B", "BA", "BB", "BD", "BF", "BH", "BL", "BN", "BR", "BS", "BT", "BX", "CA",
        "CB", "CF", "CH", "CM", "CO", "CR", "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL",
        "DN", "DT", "DY", "E", "EC", "EH", "EN", "EX", "FK", "FY", "G", "GL", "GU", "GY", "HA",
        "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT", "KW",
        "KY", "L", "LA", "LD", "LE", "LL", "LN", "LS", "LU", "M", "ME", "MK", "ML", "N", "NE", "NG",
        "NN", "NP", "NR", "NW", "OL", "OX", "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM",
        "S", "SA", "SE", "SG", "SK", "SL", "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY",
        "TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W", "WA", "WC", "WD", "WF", "WN",
        "WR", "WS", "WV", "YO", "ZE",
    }
)  # fmt: skip
"""Letters that a postcode may begin with.
Northern Ireland and the islands are among them because a user's office may be there."""

PLACEHOLDERS: Final = frozenset(
    {
        "-",
        "0",
        "blank",
        "confidential",
        "data not available",
        "default",
        "empty",
        "missing",
        "n/a",
        "nan",
        "nil",
        "no data",
        "none",
        "not applicable",
        "not available",
        "not given",
        "not known",
        "not provided",
        "null",
        "pending",
        "redacted",
        "tba",
        "tbc",
        "tbd",
        "to be advised",
        "to be confirmed",
        "to be determined",
        "undefined",
        "unknown",
        "unspecified",
        "withheld",
    }
)
"""What people write where they have nothing to write; compared without case, spaces and signs."""

PLACEHOLDER_KEYS: Final = frozenset(
    {
        "abc",
        "abc123",
        "asdf",
        "dummy",
        "example",
        "mac",
        "mac address",
        "make",
        "model",
        "other",
        "qwerty",
        "sample",
        "serial",
        "serial no",
        "serial number",
        "sn",
        "test",
        "test123",
        "testing",
        "various",
    }
)
"""What people write as a serial number that is none; never proof that two things are one."""
