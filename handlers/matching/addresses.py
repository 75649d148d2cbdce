"""Whether two addresses are one place."""

from typing import Final

from rapidfuzz.distance import Levenshtein

from handlers.matching.likeness import alike, kilometres, overlap
from handlers.matching.profiles import Address
from handlers.matching.scoring import Evidence, told, unknown
from handlers.matching.weights import (
    ADDRESS_SAME,
    HOUSE_DIFFERS,
    HOUSE_NEAR,
    HOUSE_SAME,
    OFFICES_APART,
    OFFICES_KM,
    POSTCODE,
    POSTCODE_BESIDE,
    SIDE_DIFFERS,
    STREET_ALONE,
    STREET_DIFFERS,
    STREET_SAME,
    TOWN,
    stepped,
    within,
)

_BLOCK: Final = 20
"""How far apart the numbers of houses are that one business may fill."""


def _street(left: Address, right: Address) -> float | None:
    """Bits of house and street; None where one of the two has none."""
    if not left.street or not right.street:
        return None
    share = overlap(left.street, right.street, alike).share
    if left.side and right.side and left.side != right.side:
        share -= SIDE_DIFFERS
    if left.house and right.house:
        if left.house == right.house:
            return stepped(HOUSE_SAME, share)
        if share < STREET_SAME:
            return STREET_DIFFERS
        return HOUSE_NEAR if _neighbours(left.house, right.house) else HOUSE_DIFFERS
    return stepped(STREET_ALONE, share)


def _neighbours(left: str, right: str) -> bool:
    """Whether two numbers are of one block, or one of them may be mistyped."""
    if Levenshtein.distance(left, right) == 1:
        return True
    one, other = _number(left), _number(right)
    return abs(one - other) <= _BLOCK


def _number(house: str) -> int:
    digits = house.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits.isdigit() else 0


def _code(left: Address, right: Address, *, beside: bool) -> float:
    """Bits of the postcodes; a wrong one beside the same street is a mistake."""
    if not left.postcode or not right.postcode:
        return 0.0
    same, differs = POSTCODE_BESIDE if beside else POSTCODE
    return same if left.postcode == right.postcode else differs


def _town(left: Address, right: Address) -> float:
    if not left.town or not right.town:
        return 0.0
    return stepped(TOWN, overlap(left.town, right.town, alike).share)


def _distance(left: Address, right: Address) -> float:
    """Bits of the points of two offices: far apart says less than close by."""
    if left.point is None or right.point is None:
        return 0.0
    return within(OFFICES_KM, kilometres(left.point, right.point), OFFICES_APART)


def address_evidence(left: Address, right: Address) -> Evidence:
    """What the places of two users say."""
    street = _street(left, right)
    same = street is not None and street >= ADDRESS_SAME
    bits = _code(left, right, beside=same) + _town(left, right) + _distance(left, right)
    if street is None and bits == 0.0:
        return unknown("place")
    return told("place", bits + (street or 0.0), same=same)
