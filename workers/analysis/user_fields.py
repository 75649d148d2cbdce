"""What Splink compares two organisations by, and what it takes for granted before it has learned.

Of persons nothing is exported, and contacts are not compared: as at a registration.
"""

from collections.abc import Mapping
from typing import Final

from workers.analysis.fields import Compared, Level, Rule, absent

EXPORTED: Final = ("name", "address", "claims")
"""What of an organisation is exported: all that the scorer looks at."""
COLUMNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("name", "letters", "house", "street", "postcode", "town"), "VARCHAR"),
    **dict.fromkeys(("telling", "numbers", "schemes"), "VARCHAR[]"),
}
"""What `handlers.matching.organisation_columns` makes of it, beside the blocks."""
_ALIKE: Final = "jaro_winkler_similarity(name_l, name_r)"
_SLIP: Final = (
    "abs(length(letters_l) - length(letters_r)) <= 1"
    " and damerau_levenshtein(letters_l, letters_r) <= 1"
)
_WITHIN: Final = "list_has_all(telling_l, telling_r) or list_has_all(telling_r, telling_l)"
_POSTCODE: Final = "coalesce(postcode_l = postcode_r, false)"
_TOWN: Final = "coalesce(town_l = town_r, false)"
_DOOR: Final = (
    "coalesce(house_l = house_r and (starts_with(street_l, street_r)"
    " or starts_with(street_r, street_l)"
    " or jaro_winkler_similarity(street_l, street_r) >= 0.9), false)"
)
_NEITHER: Final = f"(({absent('postcode')}) and ({absent('town')}))"
_OUTWARD: Final = (
    "length(postcode_l) > 3 and length(postcode_r) > 3"
    " and left(postcode_l, length(postcode_l) - 3) = left(postcode_r, length(postcode_r) - 3)"
)
FIELDS: Final = (
    Compared(
        "name",
        absent("name"),
        (
            Level("same", "letters_l = letters_r", 0.4, 0.000001),
            Level("slip", _SLIP, 0.2, 0.000002),
            Level("telling", "telling_l = telling_r", 0.15, 0.00001),
            Level("typed", f"{_ALIKE} >= 0.92", 0.08, 0.00002),
            Level("within", _WITHIN, 0.07, 0.0001),
            Level("alike", f"{_ALIKE} >= 0.8 or list_has_any(telling_l, telling_r)", 0.05, 0.002),
            Level("other", "ELSE", 0.05, 0.997867),
        ),
    ),
    # House, postcode and town in one: who shares the first shares the others.
    Compared(
        "place",
        f"({absent('house')}) and {_NEITHER}",
        (
            Level("door", f"{_DOOR} and ({_POSTCODE} or {_TOWN} or {_NEITHER})", 0.45, 0.000002),
            Level("postcode", _POSTCODE, 0.2, 0.00002),
            Level("house", _DOOR, 0.1, 0.0001),
            Level("beside", f"{_TOWN} or coalesce({_OUTWARD}, false)", 0.13, 0.005),
            Level("far", "ELSE", 0.12, 0.994878),
        ),
    ),
    Compared(
        "number",
        f"({absent('schemes')}) or not list_has_any(schemes_l, schemes_r)",
        (
            Level("same", "list_has_any(numbers_l, numbers_r)", 0.998, 0.000001),
            Level("other", "ELSE", 0.002, 0.999999),
        ),
        learns=False,
    ),
)
RULES: Final = (
    Rule("l.postcode = r.postcode", "place"),
    Rule("l.name = r.name", "name"),
    Rule("l.telling = r.telling", "name"),
)
