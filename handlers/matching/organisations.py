"""Whether two organisations are one."""

from functools import lru_cache
from typing import Final

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extractOne

from handlers.matching.addresses import address_evidence
from handlers.matching.likeness import overlap, whole_likeness
from handlers.matching.profiles import Organisation
from handlers.matching.scoring import Evidence, band, compared, score, told, unknown
from handlers.matching.verdict import Comparison
from handlers.matching.weights import (
    DOMAIN_DIFFERS,
    DOMAIN_SAME,
    KEY_DIFFERS,
    KEY_SAME,
    KEY_SLIPS,
    KEY_TYPED,
    NAME_LEAST,
    NAME_OTHER,
    NAME_RANGE,
    ORGANISATION_PRIOR,
    PHONE_DIFFERS,
    PHONE_SAME,
    PHONE_TYPED,
)
from handlers.matching.words import JOINING, TELLING, TRADE_ENDS, TRADES

_TYPED_LENGTH_MIN: Final = 7
_WHOLE_ABOVE: Final = 0.9
"""Share of the words from which on nobody needs to look at the letters."""


@lru_cache(maxsize=65_536)
def weigh(word: str) -> float:
    """What a word of an organisation's name tells; kept, since the same ones come again."""
    if word in JOINING:
        return 0.02
    if word in TRADES or word.endswith(TRADE_ENDS):
        return 0.25
    if len(word) >= _TYPED_LENGTH_MIN:
        # A trade that is mistyped is a trade, and no name.
        for known, weight in ((JOINING, 0.05), (TRADES, 0.25)):
            if extractOne(word, known, scorer=Levenshtein.distance, score_cutoff=1) is not None:
                return weight
    return 1.0


def name_evidence(left: tuple[str, ...], right: tuple[str, ...]) -> Evidence:
    """What two names say."""
    if not left or not right:
        return unknown("name")
    if left == right:
        return Evidence("name", "same", NAME_LEAST + NAME_RANGE)
    share = overlap(left, right, weigh).share
    if share < _WHOLE_ABOVE:
        share = max(share, whole_likeness(left, right))
    return told("name", NAME_LEAST + NAME_RANGE * share, same=share == 1.0)


def _names(left: Organisation, right: Organisation) -> Evidence:
    found = name_evidence(left.name, right.name)
    for one in (left.name, *left.also):
        for other in (right.name, *right.also) if left.also or right.also else ():
            found = max(found, name_evidence(one, other), key=lambda e: e.weight)
    return found


def _phones(left: Organisation, right: Organisation) -> Evidence:
    if not left.phones or not right.phones:
        return unknown("phone")
    if left.phones & right.phones or any(
        a.endswith(b) or b.endswith(a) for a in left.phones for b in right.phones
    ):
        return Evidence("phone", "same", PHONE_SAME)
    typed = any(Levenshtein.distance(a, b) == 1 for a in left.phones for b in right.phones)
    return told("phone", PHONE_TYPED if typed else PHONE_DIFFERS)


def _domains(left: Organisation, right: Organisation) -> Evidence:
    if not left.domains or not right.domains:
        return unknown("domain")
    if left.domains & right.domains:
        return Evidence("domain", "same", DOMAIN_SAME)
    return told("domain", DOMAIN_DIFFERS)


def key_evidence(
    left: frozenset[tuple[str, str]], right: frozenset[tuple[str, str]]
) -> list[Evidence]:
    """What the identifiers say, each scheme by itself."""
    found: list[Evidence] = []
    theirs = dict(right)
    for scheme, value in sorted(left):
        if scheme in theirs:
            field = scheme.replace("_", "-")
            if value == theirs[scheme]:
                found.append(Evidence(field, "same", KEY_SAME))
            else:
                slips = Levenshtein.distance(value, theirs[scheme])
                bits = KEY_TYPED if slips <= KEY_SLIPS else KEY_DIFFERS
                found.append(Evidence(field, "differs", bits))
    return found


def _is_one(left: Organisation, right: Organisation, name: Evidence, keys: list[Evidence]) -> bool:
    """Whether nothing forbids to call two one: another number, Foo and Foo UK, or another name."""
    if keys:
        return all(one.weight > 0 for one in keys)
    return name.weight >= NAME_OTHER and not TELLING & (set(left.name) ^ set(right.name))


def compare_organisations(left: Organisation, right: Organisation) -> Comparison:
    """The verdict on two organisations."""
    name = _names(left, right)
    keys = key_evidence(left.keys, right.keys)
    evidence = [
        name,
        address_evidence(left.address, right.address),
        _phones(left, right),
        _domains(left, right),
        *keys,
    ]
    found = score(evidence, ORGANISATION_PRIOR)
    verdict = band(found)
    if verdict == "same" and not _is_one(left, right, name, keys):
        verdict = "unsure"
    return compared(evidence, found, verdict)
