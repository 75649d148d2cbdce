"""The model of a register: what is assumed, and what of the lessons without labels is believed."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from workers.analysis.fields import Compared
from workers.analysis.registers import Register

LOOKED_AT: Final = "l.blocks = r.blocks"
"""Pairs that are looked at: with `blocks` taken apart, those that share one."""


def settings_of(register: Register, records: int) -> dict[str, Any]:
    """Splink's settings before the training, for a register with so many records."""
    return {
        "link_type": "dedupe_only",
        "linker_uid": "flexspine",
        "unique_id_column_name": "number",
        "probability_two_random_records_match": min(0.5, 2 * register.twice / max(records, 2)),
        "em_convergence": 0.001,
        "max_iterations": 25,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": LOOKED_AT, "arrays_to_explode": ["blocks"]}
        ],
        "comparisons": [_comparison(one) for one in register.fields],
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


def with_chances(
    register: Register, settings: Mapping[str, Any], sampled: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings with what pairs at random have taught: how alike two things are."""
    found = deepcopy(dict(settings))
    for field, own, theirs in zip(register.fields, *map(_levels, (found, sampled)), strict=True):
        learned = [level.get("u_probability") for level in theirs]
        shares = _shares(learned, [one.of_two for one in field.levels])
        for level, share in zip(own, shares, strict=True):
            level["u_probability"] = share
    return found


def combined(
    register: Register,
    settings: Mapping[str, Any],
    lessons: Sequence[Mapping[str, Any] | None],
) -> tuple[dict[str, Any], list[str]]:
    """The settings with what the lessons have taught on average; and which fields keep theirs.

    Where hardly anything is twice, a lesson takes neighbours for one thing, which agree in little
    else, or teaches that being alike speaks against being one: then what was assumed is kept.
    """
    found, kept = deepcopy(dict(settings)), []
    taught = [
        (rule.leaves_out, _levels(lesson))
        for rule, lesson in zip(register.rules, lessons, strict=True)
        if lesson is not None
    ]
    for nth, (field, levels) in enumerate(zip(register.fields, _levels(found), strict=True)):
        if not field.learns:
            continue
        own = [of[nth] for left_out, of in taught if left_out != field.name]
        assumed = [one.of_one for one in field.levels]
        shares = _shares(_average(own, levels), assumed)
        least = max(levels[0]["u_probability"], assumed[0] * BELIEVED)
        if not own or shares[0] <= least or shares[-1] >= levels[-1]["u_probability"]:
            kept.append(field.name)
            continue
        if _is_alone(register, field):
            shares = _bounded(shares, assumed)
        for level, share in zip(levels, shares, strict=True):
            level["m_probability"] = share
    return found, kept


def _is_alone(register: Register, field: Compared) -> bool:
    """Whether no other field is in a lesson on this one: it may call one whatever it likes."""
    learned = {one.name for one in register.fields if one.learns}
    rules = [rule for rule in register.rules if rule.leaves_out != field.name]
    return all(learned - {rule.leaves_out} <= {field.name} for rule in rules)


def _bounded(shares: Sequence[float], assumed: Sequence[float]) -> list[float]:
    """The shares of such a field: none is far from what was assumed, whatever it was taught.

    What those at a bound leave over is spread on the others by what was learned of them, and these
    are held within the bounds again. All shares together grow with `scale`: so it is halved between
    where they are too small and where they are too great.
    """
    bounds = [(given * BELIEVED, given / BELIEVED) for given in assumed]
    under, over = 0.0, max(most / one for one, (_, most) in zip(shares, bounds, strict=True))
    for _ in range(HALVINGS):
        scale = (under + over) / 2
        is_less = sum(_held(shares, bounds, scale)) < 1
        under, over = (scale, over) if is_less else (under, scale)
    return _held(shares, bounds, under)


def _held(
    shares: Sequence[float], bounds: Sequence[tuple[float, float]], scale: float
) -> list[float]:
    pairs = zip(shares, bounds, strict=True)
    return [min(max(one * scale, least), most) for one, (least, most) in pairs]


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


BELIEVED: Final = 1 / 3
"""Of what was taken for granted so much must be learned again, or something else was learned."""
HALVINGS: Final = 100
"""So many times, a number between two others is as near as a fraction of 64 bits can say it."""
LEAST: Final = 0.0000001
"""The smallest share: no agreement is proof by itself."""
