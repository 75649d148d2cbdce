"""What Splink compares two assets by, and what it takes for granted before it has learned."""

from collections.abc import Mapping
from typing import Final

from workers.analysis.fields import Compared, Level, Rule, absent

EXPORTED: Final = (
    *("asset_type", "name", "identity", "connection", "location", "capability", "technologies"),
    *("owner", "commissioned_on", "registrant"),
)
"""What of an asset is exported: all that the scorer looks at."""
COLUMNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("kind", "name", "postcode", "device", "owner"), "VARCHAR"),
    **dict.fromkeys(("latitude", "longitude", "power_kw"), "DOUBLE"),
    "mpans": "VARCHAR[]",
    "year": "INTEGER",
}
"""What `handlers.matching.asset_columns` makes of it, beside the blocks."""
_KM: Final = (
    "sqrt(pow((latitude_l - latitude_r) * 111.32, 2)"
    " + pow((longitude_l - longitude_r) * 111.32 * cos(radians(latitude_l)), 2))"
)
_POWER: Final = "least(power_kw_l, power_kw_r) / greatest(power_kw_l, power_kw_r)"
_ALIKE: Final = "jaro_winkler_similarity(name_l, name_r)"
_ALIKE_CODES: Final = (
    "length(postcode_l) > 2 and length(postcode_r) > 2"
    " and left(postcode_l, length(postcode_l) - 2) = left(postcode_r, length(postcode_r) - 2)"
)
FIELDS: Final = (
    Compared(
        "type",
        absent("kind"),
        (Level("same", "kind_l = kind_r", 0.97, 0.3), Level("other", "ELSE", 0.03, 0.7)),
    ),
    Compared(
        "name",
        absent("name"),
        (
            Level("same", "name_l = name_r", 0.6, 0.001),
            Level("typed", f"{_ALIKE} >= 0.92", 0.2, 0.002),
            Level("alike", f"{_ALIKE} >= 0.8", 0.1, 0.02),
            Level("other", "ELSE", 0.1, 0.977),
        ),
    ),
    # Point and postcode in one: neighbours share both, so that apart they would count twice.
    Compared(
        "place",
        f"({absent('latitude', 'longitude')}) and ({absent('postcode')})",
        (
            Level("100 m", f"{_KM} <= 0.1", 0.6, 0.00001),
            Level("postcode", f"{_KM} <= 0.5 or postcode_l = postcode_r", 0.25, 0.0005),
            Level("beside", f"{_KM} <= 2 or {_ALIKE_CODES}", 0.1, 0.004),
            Level("far", "ELSE", 0.05, 0.99549),
        ),
    ),
    Compared(
        "power",
        absent("power_kw"),
        (
            Level("same", f"{_POWER} >= 0.995", 0.6, 0.02),
            Level("rounded", f"{_POWER} >= 0.9", 0.25, 0.05),
            Level("alike", f"{_POWER} >= 0.6", 0.1, 0.2),
            Level("other", "ELSE", 0.05, 0.73),
        ),
    ),
    Compared(
        "mpan",
        absent("mpans"),
        (
            Level("shared", "list_has_any(mpans_l, mpans_r)", 0.9, 0.00001),
            Level("other", "ELSE", 0.1, 0.99999),
        ),
    ),
    Compared(
        "device",
        absent("device"),
        (
            Level("same", "device_l = device_r", 0.98, 0.000001),
            Level("other", "ELSE", 0.02, 0.999999),
        ),
        learns=False,
    ),
    Compared(
        "year",
        absent("year"),
        (
            Level("same", "year_l = year_r", 0.7, 0.08),
            Level("next", "abs(year_l - year_r) <= 1", 0.15, 0.14),
            Level("other", "ELSE", 0.15, 0.78),
        ),
    ),
    Compared(
        "owner",
        absent("owner"),
        (Level("same", "owner_l = owner_r", 0.5, 0.01), Level("other", "ELSE", 0.5, 0.99)),
    ),
)


RULES: Final = (
    Rule("l.postcode = r.postcode", "place"),
    Rule("l.name = r.name", "name"),
    Rule(
        "round(l.latitude, 2) = round(r.latitude, 2)"
        " and round(l.longitude, 2) = round(r.longitude, 2)",
        "place",
    ),
)
