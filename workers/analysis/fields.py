"""What Splink compares two assets by, and what it takes for granted before it has learned."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple


class Level(NamedTuple):
    """How alike two values are; of several levels the first that holds is taken."""

    name: str
    condition: str
    of_one: float
    """Share of pairs of one thing that are so alike, before anything is learned."""
    of_two: float
    """The same of pairs of two things."""


class Compared(NamedTuple):
    """A comparison with its levels, the most alike first; none holds where one value is absent."""

    name: str
    absent: str
    levels: Sequence[Level]
    learns: bool = True
    """Whether the register may teach it: of one device nobody has two serials."""


_KM: Final = (
    "sqrt(pow((latitude_l - latitude_r) * 111.32, 2)"
    " + pow((longitude_l - longitude_r) * 111.32 * cos(radians(latitude_l)), 2))"
)
_POWER: Final = "least(power_kw_l, power_kw_r) / greatest(power_kw_l, power_kw_r)"
_ALIKE: Final = "jaro_winkler_similarity(name_l, name_r)"
_ALIKE_CODES: Final = (
    "left(postcode_l, length(postcode_l) - 2) = left(postcode_r, length(postcode_r) - 2)"
)


def _absent(*columns: str) -> str:
    return " or ".join(f"{one}_{side} is null" for one in columns for side in "lr")


FIELDS: Final = (
    Compared(
        "type",
        _absent("kind"),
        (Level("same", "kind_l = kind_r", 0.97, 0.3), Level("other", "ELSE", 0.03, 0.7)),
    ),
    Compared(
        "name",
        _absent("name"),
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
        f"({_absent('latitude', 'longitude')}) and ({_absent('postcode')})",
        (
            Level("100 m", f"{_KM} <= 0.1", 0.6, 0.00001),
            Level("postcode", f"{_KM} <= 0.5 or postcode_l = postcode_r", 0.25, 0.0005),
            Level("beside", f"{_KM} <= 2 or {_ALIKE_CODES}", 0.1, 0.004),
            Level("far", "ELSE", 0.05, 0.99549),
        ),
    ),
    Compared(
        "power",
        _absent("power_kw"),
        (
            Level("same", f"{_POWER} >= 0.995", 0.6, 0.02),
            Level("rounded", f"{_POWER} >= 0.9", 0.25, 0.05),
            Level("alike", f"{_POWER} >= 0.6", 0.1, 0.2),
            Level("other", "ELSE", 0.05, 0.73),
        ),
    ),
    Compared(
        "mpan",
        _absent("mpans"),
        (
            Level("shared", "list_has_any(mpans_l, mpans_r)", 0.9, 0.00001),
            Level("other", "ELSE", 0.1, 0.99999),
        ),
    ),
    Compared(
        "device",
        _absent("device"),
        (
            Level("same", "device_l = device_r", 0.98, 0.000001),
            Level("other", "ELSE", 0.02, 0.999999),
        ),
        learns=False,
    ),
    Compared(
        "year",
        _absent("year"),
        (
            Level("same", "year_l = year_r", 0.7, 0.08),
            Level("next", "abs(year_l - year_r) <= 1", 0.15, 0.14),
            Level("other", "ELSE", 0.15, 0.78),
        ),
    ),
    Compared(
        "owner",
        _absent("owner"),
        (Level("same", "owner_l = owner_r", 0.5, 0.01), Level("other", "ELSE", 0.5, 0.99)),
    ),
)


class Rule(NamedTuple):
    """Pairs that are learned from; the field that they have in common is left out of the lesson."""

    of: str
    leaves_out: str


RULES: Final = (
    Rule("l.postcode = r.postcode", "place"),
    Rule("l.name = r.name", "name"),
    Rule(
        "round(l.latitude, 2) = round(r.latitude, 2)"
        " and round(l.longitude, 2) = round(r.longitude, 2)",
        "place",
    ),
)
LOOKED_AT: Final = "l.blocks = r.blocks"
"""Pairs that are looked at: with `blocks` taken apart, those that share one."""
TWICE: Final = 0.02
"""Of so many assets another registration is expected, before anything is learned."""


def settings_of(records: int) -> dict[str, Any]:
    """Splink's settings before the training, for a register of that size."""
    return {
        "link_type": "dedupe_only",
        "linker_uid": "flexspine",
        "unique_id_column_name": "number",
        "probability_two_random_records_match": min(0.5, 2 * TWICE / max(records, 2)),
        "em_convergence": 0.001,
        "max_iterations": 25,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": LOOKED_AT, "arrays_to_explode": ["blocks"]}
        ],
        "comparisons": [_comparison(one) for one in FIELDS],
    }


def _comparison(compared: Compared) -> dict[str, Any]:
    absent = {
        "sql_condition": compared.absent,
        "label_for_charts": "absent",
        "is_null_level": True,
    }
    levels = [
        {
            "sql_condition": one.condition,
            "label_for_charts": one.name,
            "m_probability": one.of_one,
            "u_probability": one.of_two,
        }
        for one in compared.levels
    ]
    return {"output_column_name": compared.name, "comparison_levels": [absent, *levels]}


def with_chances(settings: Mapping[str, Any], sampled: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what pairs at random have taught: how alike two things are."""
    found = deepcopy(dict(settings))
    for field, own, theirs in zip(FIELDS, *map(_levels, (found, sampled)), strict=True):
        learned = [level.get("u_probability") for level in theirs]
        shares = _shares(learned, [one.of_two for one in field.levels])
        for level, share in zip(own, shares, strict=True):
            level["u_probability"] = share
    return found


def combined(
    settings: Mapping[str, Any], lessons: Sequence[Mapping[str, Any] | None]
) -> tuple[dict[str, Any], list[str]]:
    """The settings with what the lessons have taught on average; and which fields keep theirs.

    Where hardly anything is twice, a lesson takes neighbours for one thing, which agree in little
    else, or teaches that being alike speaks against being one: then what was assumed is kept.
    """
    found, kept = deepcopy(dict(settings)), []
    taught = [
        (rule.leaves_out, _levels(lesson))
        for rule, lesson in zip(RULES, lessons, strict=True)
        if lesson is not None
    ]
    for nth, (field, levels) in enumerate(zip(FIELDS, _levels(found), strict=True)):
        if not field.learns:
            continue
        own = [of[nth] for left_out, of in taught if left_out != field.name]
        shares = _shares(_average(own, levels), [one.of_one for one in field.levels])
        least = max(levels[0]["u_probability"], field.levels[0].of_one * BELIEVED)
        if not own or shares[0] <= least or shares[-1] >= levels[-1]["u_probability"]:
            kept.append(field.name)
            continue
        for level, share in zip(levels, shares, strict=True):
            level["m_probability"] = share
    return found, kept


def _levels(settings: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Of each field its levels, without that for what is absent."""
    return [
        [level for level in one["comparison_levels"] if not level.get("is_null_level")]
        for one in settings["comparisons"]
    ]


def _average(
    lessons: Sequence[Sequence[Mapping[str, Any]]], levels: Sequence[Any]
) -> list[float | None]:
    """Of each level the mean of what the lessons say of it; None where none has seen it."""
    found: list[float | None] = []
    for nth in range(len(levels)):
        shares = (lesson[nth].get("m_probability") for lesson in lessons)
        said = [share for share in shares if share is not None]
        found.append(sum(said) / len(said) if said else None)
    return found


def _shares(learned: Sequence[float | None], before: Sequence[float]) -> list[float]:
    """The learned shares; of what was not seen that from before, and never quite nothing."""
    filled = [
        max(LEAST, own if own is not None else given)
        for own, given in zip(learned, before, strict=True)
    ]
    return [one / sum(filled) for one in filled]


BELIEVED: Final = 0.33
"""Of what was taken for granted so much must be learned again, or something else was learned."""
LEAST: Final = 0.0000001
"""The smallest share: no agreement is proof by itself."""
