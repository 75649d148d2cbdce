"""How well the verdicts on a table agree with what is known of it."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Final, Literal

from handlers.matching.clusters import clusters
from handlers.matching.comparing import compare
from handlers.matching.profiles import Profile
from handlers.matching.tokens import wide_tokens
from handlers.matching.verdict import Comparison, Verdict

Pair = tuple[str, str]
"""Ids of a record of the left table and of one of the right; of one table the smaller first."""
TOKEN_LIMIT: Final = 1000
"""Of a token that more records share nobody is a candidate."""
EVEN: Final = 0.5
"""From this score on an unsure pair is taken for one if others join the two."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of pairs: those that are one, and those of which one is a part."""

    same: frozenset[Pair]
    part_of: frozenset[Pair] = frozenset()
    left: frozenset[str] = frozenset()
    """Records of the left table of which anything is known."""
    right: frozenset[str] = frozenset()

    def judges(self, pair: Pair) -> bool:
        """Whether a row of the pair carries a truth, so that a wrong verdict would be seen."""
        return pair[0] in self.left or pair[1] in self.right


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair with the verdict on it and what is known of it."""

    pair: Pair
    comparison: Comparison
    verdict: Verdict
    """That of the comparison, unless other pairs have changed it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What comes of all verdicts."""

    compared: int
    pairs_same: int
    """Called the same, of rows that carry a truth."""
    right: int
    """Of these rightly so."""
    known: int
    """Pairs that are one."""
    unsure: int
    """Called unsure, of rows that carry a truth."""
    unsure_right: int
    """Of these pairs that are one."""
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    """All verdicts, but `different` of those alone that were compared."""
    part_known: int = 0
    part_verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    """Verdicts on the pairs of which one is a part of the other."""

    @property
    def precision(self) -> float:
        return self.right / self.pairs_same if self.pairs_same else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.known if self.known else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.pairs_same + self.known) if self.right else 0.0

    @property
    def recall_with_unsure(self) -> float:
        return (self.right + self.unsure_right) / self.known if self.known else 0.0


def clustered(clusters: Mapping[str, Hashable]) -> Truth:
    """The truth of a table whose records say to which cluster each belongs."""
    members: dict[Hashable, list[str]] = defaultdict(list)
    for record, cluster in clusters.items():
        members[cluster].append(record)
    same = frozenset(pair for found in members.values() for pair in combinations(sorted(found), 2))
    return Truth(same, left=frozenset(clusters), right=frozenset(clusters))


def paired(same: Iterable[Pair], part_of: Iterable[Pair]) -> Truth:
    """The truth of pairs that are named one by one."""
    one, part = frozenset(same), frozenset(part_of)
    known = one | part
    left, right = frozenset(a for a, _ in known), frozenset(b for _, b in known)
    return Truth(one, part, left, right)


def candidates(
    left: Mapping[str, Profile], right: Mapping[str, Profile] | None, limit: int = TOKEN_LIMIT
) -> list[Pair]:
    """Pairs that share a token, sorted; of one table with itself where there is no other."""
    ours = _by_token(left)
    theirs = _by_token(right) if right is not None else ours
    found: set[Pair] = set()
    for token, records in ours.items():
        others = theirs.get(token, ())
        if max(len(records), len(others)) <= limit:
            found.update(combinations(records, 2) if right is None else product(records, others))
    return sorted(found)


def _by_token(profiles: Mapping[str, Profile]) -> dict[Hashable, list[str]]:
    found: dict[Hashable, list[str]] = defaultdict(list)
    for record in sorted(profiles):
        for token in wide_tokens(profiles[record]):
            found[token].append(record)
    return found


def judge(
    pairs: Iterable[Pair], left: Mapping[str, Profile], right: Mapping[str, Profile] | None
) -> Iterator[Judged]:
    """The verdict on each pair by itself."""
    others = left if right is None else right
    for one, other in pairs:
        found = compare(left[one], others[other])
        yield Judged((one, other), found, found.verdict)


def chained(judged: Sequence[Judged]) -> list[Judged]:
    """Unsure pairs of even odds are one where a chain of pairs that are one joins them."""
    joined = clusters(one.pair for one in judged if one.verdict == "same")
    return [
        Judged(one.pair, one.comparison, "same")
        if one.verdict == "unsure"
        and one.comparison.score >= EVEN
        and joined.get(one.pair[0]) is not None
        and joined.get(one.pair[0]) == joined.get(one.pair[1])
        else one
        for one in judged
    ]


def assigned(judged: Sequence[Judged]) -> list[Judged]:
    """Each record is one with one other at most: with that of the highest score."""
    taken: tuple[set[str], set[str]] = (set(), set())
    kept: set[Pair] = set()
    ordered = sorted(judged, key=lambda one: (-one.comparison.score, one.pair))
    for one in (found for found in ordered if found.verdict == "same"):
        if one.pair[0] not in taken[0] and one.pair[1] not in taken[1]:
            taken[0].add(one.pair[0])
            taken[1].add(one.pair[1])
            kept.add(one.pair)
    return [
        Judged(one.pair, one.comparison, "unsure")
        if one.verdict == "same" and one.pair not in kept
        else one
        for one in judged
    ]


def figures(judged: Sequence[Judged], truth: Truth) -> Figures:
    """Counts of what was called what, against what is known."""
    seen = {one.pair: one.verdict for one in judged}
    counted = [one for one in judged if truth.judges(one.pair)]
    same = [one.pair for one in counted if one.verdict == "same"]
    unsure = [one.pair for one in counted if one.verdict == "unsure"]
    return Figures(
        compared=len(judged),
        pairs_same=len(same),
        right=sum(pair in truth.same for pair in same),
        known=len(truth.same),
        unsure=len(unsure),
        unsure_right=sum(pair in truth.same for pair in unsure),
        verdicts=Counter(one.verdict for one in judged),
        part_known=len(truth.part_of),
        part_verdicts=Counter(seen.get(pair, "different") for pair in truth.part_of),
    )


Error = Literal["wrongly same", "missed"]


def worst(judged: Sequence[Judged], truth: Truth, most: int) -> list[tuple[Error, Judged]]:
    """The errors of which the verdict was surest, half of either kind as far as there are."""
    wrong = [o for o in judged if o.verdict == "same" and truth.judges(o.pair)]
    false = sorted(
        (one for one in wrong if one.pair not in truth.same),
        key=lambda one: (-one.comparison.score, one.pair),
    )
    missed = sorted(
        (o for o in judged if o.verdict in {"different", "part_of"} and o.pair in truth.same),
        key=lambda one: (one.comparison.score, one.pair),
    )
    half = max(most // 2, most - len(missed))
    found: list[tuple[Error, Judged]] = [("wrongly same", one) for one in false[:half]]
    return found + [("missed", one) for one in missed[: most - len(found)]]
