"""Where something is: postcode, property number, point and grid reference."""

import math
import re
from decimal import Decimal
from functools import partial
from typing import Annotated, Final

from pydantic.json_schema import JsonSchemaValue
from stdnum.util import clean
from typing_extensions import TypeAliasType

from contracts.messages import Contract
from contracts.taxonomy import POSTCODE_AREAS
from contracts.values.rule import Parsed, Rule, published, text_of, upper

_INWARD: Final = "[0-9][ABD-HJLNP-UW-Z]{2}"
_POSTCODE: Final = re.compile(
    r"(?P<outward>(?P<area>[A-Z]{1,2})(?:[1-9]?[0-9]|[0-9][ABCDEFGHJKMNPRSTUVWXY]))"
    rf"\s*(?P<inward>{_INWARD})"
)
_GIRO: Final = re.compile(r"GIR\s*0AA")
_FORCES: Final = re.compile(r"BFPO\s*(?P<number>[1-9][0-9]{0,3})")
_NORMAL: Final = rf"^([A-Z]{{1,2}}[0-9][0-9A-Z]? {_INWARD}|GIR 0AA|BFPO [1-9][0-9]{{0,3}})$"
_EASTING_MAX: Final = 800_000
_NORTHING_MAX: Final = 1_400_000

UPRN_FORMAT: Final = Rule(
    "uprn.format",
    "A unique property reference number has up to twelve digits.",
    expected="1 to 12 digits, not all zero",
    advice="Look the number up in FindMyAddress; leave the field out where there is none.",
)
POSTCODE_FORMAT: Final = Rule(
    "postcode.format",
    "This is not a full British postcode.",
    expected="outward and inward code, such as SW1A 1AA",
    advice="Compare with the postal address: letter O and digit 0 are easily confused.",
)
POSTCODE_AREA: Final = Rule(
    "postcode.area",
    "No postcode begins with these letters.",
    expected=f"one of the {len(POSTCODE_AREAS)} postcode areas, such as AB or SW",
    advice="Compare with the postal address: letter O and digit 0 are easily confused.",
)
POINT_TYPE: Final = Rule(
    "point.type",
    "A coordinate is not a finite number.",
    expected="a JSON number",
    advice="Send the number without quotes.",
)
LATITUDE_RANGE: Final = Rule(
    "latitude.range",
    "The latitude is not on the globe.",
    expected="-90 to 90 degrees (WGS84)",
    advice="Send degrees north in WGS84; northings in metres go into a grid reference.",
)
LONGITUDE_RANGE: Final = Rule(
    "longitude.range",
    "The longitude is not on the globe.",
    expected="-180 to 180 degrees (WGS84)",
    advice="Send degrees east in WGS84; eastings in metres go into a grid reference.",
)
GRID_MISSING: Final = Rule(
    "grid.missing",
    "A coordinate of 0 means that nobody knew it.",
    expected="a position on the National Grid (EPSG:27700)",
    advice="Leave the grid reference out, or give the real position.",
)
GRID_RANGE: Final = Rule(
    "grid.range",
    "The position is outside the National Grid.",
    expected=f"eastings up to {_EASTING_MAX} m, northings up to {_NORTHING_MAX} m (EPSG:27700)",
    advice="Send metres in EPSG:27700, easting first; degrees go into a point.",
)


def _uprn(value: object) -> str:
    text = clean(text_of(value), " ")
    if not re.fullmatch("[0-9]{1,12}", text) or not text.strip("0"):
        raise UPRN_FORMAT.broken()
    return text.lstrip("0")


def _postcode(value: object) -> str:
    text = upper(text_of(value).strip())
    if _GIRO.fullmatch(text):
        return "GIR 0AA"
    if match := _FORCES.fullmatch(text):
        return f"BFPO {match['number']}"
    match = _POSTCODE.fullmatch(text)
    if match is None:
        raise POSTCODE_FORMAT.broken()
    if match["area"] not in POSTCODE_AREAS:
        raise POSTCODE_AREA.broken()
    return f"{match['outward']} {match['inward']}"


def _number(value: object) -> float:
    """Take a finite number; True is an int in Python and no coordinate."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise POINT_TYPE.broken()
    try:
        number = float(value)
    except (OverflowError, ValueError):
        raise POINT_TYPE.broken() from None
    if not math.isfinite(number):
        raise POINT_TYPE.broken()
    return number + 0.0  # -0.0 is written as 0.0


def _degrees(limit: int, beyond: Rule, value: object) -> float:
    number = _number(value)
    if abs(number) > limit:
        raise beyond.broken()
    return number


def _metres(limit: int, value: object) -> float:
    number = _number(value)
    if number == 0:
        raise GRID_MISSING.broken()
    if not 0 < number <= limit:
        raise GRID_RANGE.broken()
    return number


def _ranged(description: str, example: float, **limits: float) -> JsonSchemaValue:
    return {"type": "number", "description": description, "examples": [example], **limits}


Uprn = TypeAliasType(
    "Uprn",
    Annotated[
        str,
        Parsed(
            _uprn,
            published(
                "Unique property reference number: up to 12 digits; leading zeros are dropped.",
                "100023336956",
            ),
            {"pattern": "^[1-9][0-9]{0,11}$"},
        ),
    ],
)
"""A unique property reference number, without leading zeros."""

Postcode = TypeAliasType(
    "Postcode",
    Annotated[
        str,
        Parsed(
            _postcode,
            published(
                "British postcode, any case, the space at its place or left out.",
                "SW1A 1AA",
                "BFPO 57",
            ),
            {"pattern": _NORMAL},
        ),
    ],
)
"""A British postcode: upper case, one space."""

Latitude = TypeAliasType(
    "Latitude",
    Annotated[
        float,
        Parsed(
            partial(_degrees, 90, LATITUDE_RANGE),
            _ranged("Degrees north, WGS84.", 52.134977, minimum=-90, maximum=90),
            {},
        ),
    ],
)
"""Degrees north, WGS84."""

Longitude = TypeAliasType(
    "Longitude",
    Annotated[
        float,
        Parsed(
            partial(_degrees, 180, LONGITUDE_RANGE),
            _ranged("Degrees east, WGS84.", -1.437895, minimum=-180, maximum=180),
            {},
        ),
    ],
)
"""Degrees east, WGS84."""

Easting = TypeAliasType(
    "Easting",
    Annotated[
        float,
        Parsed(
            partial(_metres, _EASTING_MAX),
            _ranged("Metres east, EPSG:27700.", 530000, exclusiveMinimum=0, maximum=_EASTING_MAX),
            {},
        ),
    ],
)
"""Metres east on the National Grid."""

Northing = TypeAliasType(
    "Northing",
    Annotated[
        float,
        Parsed(
            partial(_metres, _NORTHING_MAX),
            _ranged("Metres north, EPSG:27700.", 180000, exclusiveMinimum=0, maximum=_NORTHING_MAX),
            {},
        ),
    ],
)
"""Metres north on the National Grid."""


class Point(Contract):
    """A place on the globe, WGS84, in degrees."""

    latitude: Latitude
    longitude: Longitude


class Grid(Contract):
    """A place on the National Grid, EPSG:27700, in metres."""

    easting_m: Easting
    northing_m: Northing
