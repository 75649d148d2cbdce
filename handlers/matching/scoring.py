"""From what each field says to a score and a verdict."""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from handlers.matching.verdict import Agreement, Comparison, Reason, Verdict

SAME_MIN: Final = 0.9
"""From here on two records are one."""
UNSURE_MIN: Final = 0.1
"""From here on a person decides."""
_BITS_MAX: Final = 40.0


class Evidence(NamedTuple):
    """What one field says, before anybody asks for it."""

    field: str
    agreement: Agreement
    weight: float


UNKNOWN: Final = "unknown"


def told(field: str, weight: float, *, same: bool = False) -> Evidence:
    """Evidence of a weight; `same` where nothing of the two differs."""
    agreement: Agreement = "same" if same else "near" if weight >= 0 else "differs"
    return Evidence(field, agreement, weight)


@lru_cache(maxsize=64)
def unknown(field: str) -> Evidence:
    """A field that not both have given."""
    return Evidence(field, UNKNOWN, 0.0)


def score(evidence: Iterable[Evidence], prior: float) -> float:
    """The probability that both are one, from the bits of each field and those of before."""
    bits = prior
    for one in evidence:
        bits += one[2]
    return 1 / (1 + math.exp2(-max(-_BITS_MAX, min(_BITS_MAX, bits))))


def band(found: float) -> Verdict:
    """The verdict that a score alone comes to."""
    return "same" if found >= SAME_MIN else "unsure" if found >= UNSURE_MIN else "different"


def compared(evidence: Iterable[Evidence], found: float, verdict: Verdict) -> Comparison:
    """The verdict with its reasons, the strongest first; a field that not both gave is none."""
    given = [(-abs(bits), field, said, bits) for field, said, bits in evidence if said != UNKNOWN]
    given.sort()
    reasons = tuple([Reason(field, said, round(bits, 2)) for _, field, said, bits in given])
    return Comparison(verdict, round(found, 4), reasons)
