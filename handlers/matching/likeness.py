"""How alike two names, places and numbers are."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import ratio

from handlers.matching.folding import joined
from handlers.matching.profiles import Point

Weigh = Callable[[str], float]
"""How much a word of a name tells, from 0 to 1."""

_AGAINST: Final = 1.5
_BESIDE: Final = 0.35
_KM_PER_DEGREE: Final = 111.32
_TYPED_MIN: Final = 0.78
_TYPED_LENGTH_MIN: Final = 4
_BEGUN_LENGTH_MIN: Final = 3
_BEGUN: Final = 0.9
_WHOLE_MIN: Final = 88.0
_LETTERS: Final = 0.9
_LETTERS_MAX: Final = 6
_LETTERS_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """The words of two names: how much they share, and how much either has to itself."""

    shared: float
    left: float
    right: float

    @property
    def share(self) -> float:
        """From 0 to 1; what both have to themselves counts against it, what one adds less so."""
        against = min(self.left, self.right)
        beside = max(self.left, self.right) - against
        whole = self.shared + _AGAINST * against + _BESIDE * beside
        return self.shared / whole if whole else 0.0


def alike(_: str) -> float:
    """Each word tells as much as the other."""
    return 1.0


def overlap(left: Collection[str], right: Collection[str], weigh: Weigh) -> Overlap:
    """Which words two names share, typed differently or shortened as they may be."""
    ours, theirs = dict.fromkeys(left), dict.fromkeys(right)
    both = 0.0
    only_left = []
    for one in ours:
        if one in theirs:
            both += weigh(one)
        else:
            only_left.append(one)
    only_right = [one for one in theirs if one not in ours]
    if only_left and only_right:
        both += _paired(only_left, only_right, weigh)
    return Overlap(both, sum(map(weigh, only_left)), sum(map(weigh, only_right)))


def _paired(left: list[str], right: list[str], weigh: Weigh) -> float:
    """What words that are nearly the same add; they are taken out of both.

    Words that begin differently are not looked at: it would cost most of a comparison.
    """
    found = 0.0
    for one in list(left):
        best, most = "", 0.0
        for other in right:
            if one[0] == other[0] and (likeness := word_likeness(one, other)) > most:
                best, most = other, likeness
        if most:
            found += most * min(weigh(one), weigh(best))
            left.remove(one)
            right.remove(best)
    return found


def word_likeness(left: str, right: str) -> float:
    """1 for the same word, 0 for two; between for a mistyped and for a shortened one."""
    if left == right:
        return 1.0
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    if len(short) >= _BEGUN_LENGTH_MIN and long.startswith(short):
        return _BEGUN if short.isalpha() and long.isalpha() else 0.0
    if len(short) < _TYPED_LENGTH_MIN or short.isdigit() or long.isdigit():
        return 0.0
    return Levenshtein.normalized_similarity(left, right, score_cutoff=_TYPED_MIN)


def whole_likeness(left: Collection[str], right: Collection[str]) -> float:
    """Of two names written without spaces, and of letters that stand for words: 0 or 0.88 to 1."""
    one, other = joined(left), joined(right)
    if one == other:
        return 1.0
    if stands_for(left, right) or stands_for(right, left):
        return _LETTERS
    if min(len(one), len(other)) < _LETTERS_MAX:
        return 0.0
    return ratio(one, other, score_cutoff=_WHOLE_MIN) / 100


def stands_for(short: Collection[str], long: Collection[str]) -> bool:
    """Whether one is made of the first letters of the other: IBM."""
    if len(short) != 1 or len(long) < _LETTERS_MIN:
        return False
    return next(iter(short)) == "".join([one[0] for one in long])


def is_shortened(short: str, long: str) -> bool:
    """Whether a code is what is left of a word: GLNDO of Glendoe."""
    if len(short) < _TYPED_LENGTH_MIN or short[:1] != long[:1]:
        return False
    rest = iter(long)
    return all(one in rest for one in short)


def kilometres(left: Point, right: Point) -> float:
    """Between two points, right to a percent where they are within a few hundred."""
    north = (left[0] - right[0]) * _KM_PER_DEGREE
    east = (left[1] - right[1]) * _KM_PER_DEGREE * math.cos(math.radians(left[0]))
    return math.hypot(north, east)


def share_of(left: float, right: float) -> float:
    """The smaller of two quantities as a share of the greater; 0 where one is not known."""
    return min(left, right) / max(left, right) if left > 0 and right > 0 else 0.0
