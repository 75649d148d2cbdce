"""Whether two persons are one."""

from collections.abc import Sequence
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from handlers.matching.addresses import address_evidence
from handlers.matching.organisations import key_evidence
from handlers.matching.profiles import Person
from handlers.matching.scoring import Evidence, band, compared, score, told, unknown
from handlers.matching.verdict import Comparison
from handlers.matching.weights import (
    BORN_DIFFERS,
    BORN_SAME,
    BORN_SLIPS,
    BORN_TYPED,
    CONTACT_DIFFERS,
    FAMILY_SAME,
    GIVEN_SAME,
    MAIL_SAME,
    PERSON_KEY_DIFFERS,
    PERSON_KEY_TYPED,
    PERSON_NAME,
    PERSON_PRIOR,
    PERSON_TYPED,
    PHONE_SAME,
    stepped,
)

_INITIAL: Final = 0.8
_LIKE_MIN: Final = 0.7
_CROSSED: Final = 0.2
"""How much better the names must agree the other way round."""
_KEY_TYPED: Final = 0.7


def _likeness(left: Sequence[str], right: Sequence[str]) -> float:
    one, other = "".join(left), "".join(right)
    if one == other:
        return 1.0
    if 1 in {len(one), len(other)}:
        return _INITIAL if one[:1] == other[:1] else 0.0
    return JaroWinkler.similarity(one, other, score_cutoff=_LIKE_MIN)


def _name_bits(alike: float, most: float) -> float:
    """From what a name of this rarity says to the bits against it where it is another."""
    if alike >= PERSON_TYPED:
        return most * (0.4 + 0.6 * (alike - PERSON_TYPED) / (1 - PERSON_TYPED))
    return stepped(PERSON_NAME, alike)


def _names(left: Person, right: Person) -> Evidence:
    """Given and family name; the two may have changed places."""
    straight = _likeness(left.given, right.given), _likeness(left.family, right.family)
    crossed = _likeness(left.given, right.family), _likeness(left.family, right.given)
    given, family = crossed if sum(crossed) > sum(straight) + _CROSSED else straight
    bits = 0.0
    if (left.given and right.given) or given:
        bits += _name_bits(given, GIVEN_SAME)
    if (left.family and right.family) or family:
        bits += _name_bits(family, FAMILY_SAME)
    if not (left.given or left.family) or not (right.given or right.family):
        return unknown("name")
    return told("name", bits, same=given == family == 1.0)


def _born(left: Person, right: Person) -> Evidence:
    if not left.born or not right.born:
        return unknown("born")
    if left.born == right.born:
        return Evidence("born", "same", BORN_SAME)
    if DamerauLevenshtein.distance(left.born, right.born) <= BORN_SLIPS:
        return told("born", BORN_TYPED)
    return told("born", BORN_DIFFERS)


def _shared(field: str, left: frozenset[str], right: frozenset[str], bits: float) -> Evidence:
    if not left or not right:
        return unknown(field)
    return Evidence(field, "same", bits) if left & right else told(field, CONTACT_DIFFERS)


def _mistyped(evidence: Evidence, left: Person, right: Person) -> Evidence:
    """An identifier that differs by a slip of the finger speaks for a person, not against it."""
    if evidence.weight > 0:
        return evidence
    scheme = evidence.field.replace("-", "_")
    one, other = dict(left.keys)[scheme], dict(right.keys)[scheme]
    slip = DamerauLevenshtein.normalized_similarity(one, other) >= _KEY_TYPED
    return told(evidence.field, PERSON_KEY_TYPED if slip else PERSON_KEY_DIFFERS)


def compare_people(left: Person, right: Person) -> Comparison:
    """The verdict on two persons."""
    evidence = [
        _names(left, right),
        _born(left, right),
        address_evidence(left.address, right.address),
        _shared("phone", left.phones, right.phones, PHONE_SAME),
        _shared("email", left.mails, right.mails, MAIL_SAME),
        *(_mistyped(one, left, right) for one in key_evidence(left.keys, right.keys)),
    ]
    found = score(evidence, PERSON_PRIOR)
    return compared(evidence, found, band(found))
