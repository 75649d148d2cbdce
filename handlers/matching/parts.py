"""What two assets are to each other: one, part of one, both of one site, or two."""

from typing import Final, NamedTuple

from handlers.matching.likeness import Overlap, share_of
from handlers.matching.profiles import Asset
from handlers.matching.scoring import band
from handlers.matching.verdict import Verdict

COUNTED_TYPES: Final = frozenset({"EVC", "EVH", "HPA", "HVC", "HWT", "STH", "HEM"})
"""Types of which many stand at one place under one name: neither of the two says which it is."""
WHOLE_TYPES: Final = frozenset({"SIT", "PFL"})
"""Types that are made of others."""
_PART_MAX: Final = 0.8
"""Below this share of the power the smaller one is not the whole."""
_WHOLE_MIN: Final = 0.9
"""From this share on both may be the whole."""
_UNIT_MIN: Final = 0.97
"""From this share on the power of one is that of a unit of the other."""


class Seen(NamedTuple):
    """What the verdict needs to know beside the bits."""

    names: Overlap
    named: bool
    """Whether both bear one name, leaving parts aside."""
    together: bool
    """Whether both stand on one site, as far as anybody can tell."""
    at_once: bool
    """Whether both are told to stand at the same spot, and are of one type."""
    apart: bool
    """Whether identifiers of the device itself say that there are two."""
    proven: bool
    """Whether identifiers of the device itself say that there is one."""
    said: bool
    """Whether anything but the place speaks for one: its name, its power or its connection."""
    power: float
    """The smaller power as a share of the greater, 0 where it is not known."""


def verdict_on(left: Asset, right: Asset, seen: Seen, found: float) -> Verdict:
    """The verdict that a score comes to by what was seen beside the bits."""
    if seen.proven and not seen.apart:
        return "same" if band(found) == "same" else "unsure"
    part = _is_part(left, right, seen)
    if seen.apart:
        return "part_of" if seen.together and (seen.named or seen.at_once) else "different"
    if band(found) == "same":
        if part:
            return "part_of"
        counted = left.kind in COUNTED_TYPES and right.kind in COUNTED_TYPES
        doubtful = counted or _is_smaller(seen) or not seen.said
        return "unsure" if doubtful else "same"
    if part and (band(found) == "unsure" or (seen.together and seen.named) or seen.at_once):
        return "part_of"
    return band(found)


def _is_part(left: Asset, right: Asset, seen: Seen) -> bool:
    """Whether one is rather a part of the other, or both are of one site."""
    if not seen.together and not seen.named:
        return False
    if (left.kind in WHOLE_TYPES) != (right.kind in WHOLE_TYPES):
        return True
    if seen.named and left.parts != right.parts and not _is_all_of_it(left, right, seen):
        return True
    if seen.names.left and seen.names.right and not seen.named and not _has_unit(left, right):
        return False
    return _has_unit(left, right) or (_is_smaller(seen) and not _is_retold(left, right))


def _is_all_of_it(left: Asset, right: Asset, seen: Seen) -> bool:
    """Whether a part that one name alone tells is of no account: both have the same power."""
    one_sided = left.parts <= right.parts or right.parts <= left.parts
    return one_sided and seen.power >= _WHOLE_MIN


def _is_smaller(seen: Seen) -> bool:
    return 0 < seen.power < _PART_MAX


def _is_retold(left: Asset, right: Asset) -> bool:
    """Whether both have one name to the letter and no units: the power may have been corrected."""
    return bool(left.full) and left.full == right.full and not left.units and not right.units


def _has_unit(left: Asset, right: Asset) -> bool:
    """Whether one is as large as one of the several units of the other, and not as the whole."""
    for one, other in ((left, right), (right, left)):
        if len(other.units) > 1 and share_of(one.power_kw, whole_kw(other)) < _UNIT_MIN:
            return any(share_of(one.power_kw, u.power_kw) >= _UNIT_MIN for u in other.units)
    return False


def whole_kw(asset: Asset) -> float:
    """Its power, or that of its units together where it is told too small."""
    return max(asset.power_kw, sum([unit.power_kw for unit in asset.units]))
