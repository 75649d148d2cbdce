"""Which portfolio is below which: all ways between two, by their length, so that a step is exact.

Of each portfolio one document says what is above it and what is below. A command writes those of
all portfolios that a new way goes through, so that two that would make a circle together, in one
batch or in two lanes, write the same documents, and the second one is decided anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from contracts.envelope import Finding
from handlers.decision import Document, Put, View
from handlers.rules import finding

NESTS: Final = "nests"
"""Collection: of a portfolio, how many ways of each length lead to those above and below it."""
DEPTH_MAX: Final = 8
"""How many portfolios a way from the top down may have."""
ABOVE_MAX: Final = 100
BELOW_MAX: Final = 1000
PREFIX: Final = "PFL-"

Ways = list[int]
"""How many ways there are: at each place those with as many steps as the place says."""
ITSELF: Final[Ways] = [1]
"""One way of no steps."""


def is_portfolio(asset: str) -> bool:
    """By its id, which says its type for ever."""
    return asset.startswith(PREFIX)


def above(nest: Document | None) -> Mapping[str, Ways]:
    """What is above a portfolio, with the ways there."""
    found: Mapping[str, Ways] = (nest or {}).get("above", {})
    return found


def below(nest: Document | None) -> Mapping[str, Ways]:
    """What is below a portfolio, with the ways there."""
    found: Mapping[str, Ways] = (nest or {}).get("below", {})
    return found


@dataclass(slots=True)
class Nesting:
    """The portfolios around those of one decision, as the decision leaves them."""

    view: View
    _made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(self, portfolio: str, nested: Iterable[str]) -> None:
        """Have everything at hand that lies above the one and below the others."""
        nested = tuple(nested)
        self.view.require((NESTS, one) for one in (portfolio, *nested))
        upper = above(self.view.get(NESTS, portfolio))
        lower = {d for one in nested for d in below(self.view.get(NESTS, one))}
        self.view.require((NESTS, one) for one in (*upper, *lower))

    def of(self, portfolio: str) -> Document:
        """What is above and below a portfolio by now."""
        found = self._made.get(portfolio) or self.view.get(NESTS, portfolio)
        return found or {"_id": portfolio, "above": {}, "below": {}}

    def put(self, portfolio: str, nested: str) -> None:
        """One is in the other now, and below whatever that is below."""
        self._change(portfolio, nested, 1)

    def take(self, portfolio: str, nested: str) -> None:
        """One is in the other no more; other ways between them stay."""
        self._change(portfolio, nested, -1)

    def _change(self, portfolio: str, nested: str, sign: int) -> None:
        tops = {portfolio: ITSELF, **above(self.of(portfolio))}
        bottoms = {nested: ITSELF, **below(self.of(nested))}
        for top, upper in tops.items():
            for bottom, lower in bottoms.items():
                more = [sign * n for n in _through(upper, lower)]
                self._add(top, "below", bottom, more)
                self._add(bottom, "above", top, more)

    def _add(self, one: str, side: str, other: str, more: Ways) -> None:
        if one not in self._made:
            was = self.of(one)
            copied = {"above": dict(above(was)), "below": dict(below(was))}
            self._made[one] = {**was, **copied, "revision": was.get("revision", 0) + 1}
        ways = [
            a + b for a, b in zip_longest(self._made[one][side].get(other, ()), more, fillvalue=0)
        ]
        if any(ways):
            self._made[one][side][other] = ways
        else:
            self._made[one][side].pop(other, None)

    @property
    def writes(self) -> tuple[Put, ...]:
        """The documents of all portfolios that a way was made or taken between."""
        made = sorted(self._made.items())
        return tuple(Put(NESTS, document, self.view.get(NESTS, one)) for one, document in made)


def _through(upper: Ways, lower: Ways) -> Ways:
    """Ways that go along one of the upper, one step, and one of the lower."""
    found = [0] * (len(upper) + len(lower))
    for i, a in enumerate(upper):
        for j, b in enumerate(lower):
            found[i + j + 1] += a * b
    return found


def _longest(sides: Mapping[str, Ways]) -> int:
    return max((steps for ways in sides.values() for steps, n in enumerate(ways) if n), default=0)


def unfit(nesting: Nesting, portfolio: str, nested: str, where: str) -> Iterator[Finding]:
    """What speaks against putting one portfolio into another."""
    upper, lower = above(nesting.of(portfolio)), below(nesting.of(nested))
    if nested == portfolio or nested in upper:
        yield finding(
            "portfolio.cycle",
            where,
            expected="a portfolio that is neither this one nor above it",
            got=nested,
            advice="Leave it out: what is above cannot be below as well.",
        )
        return
    steps = _longest(upper) + 1 + _longest(lower)
    if steps >= DEPTH_MAX:
        yield finding(
            "portfolio.depth",
            where,
            expected=f"at most {DEPTH_MAX} portfolios below each other",
            got=steps + 1,
            advice="Put its members in instead, or nest it higher up.",
        )
    yield from _wide(nesting, portfolio, nested, where)


def _wide(nesting: Nesting, portfolio: str, nested: str, where: str) -> Iterator[Finding]:
    tops = {portfolio, *above(nesting.of(portfolio))}
    bottoms = {nested, *below(nesting.of(nested))}
    up = max(len(above(nesting.of(one)).keys() | tops) for one in bottoms)
    down = max(len(below(nesting.of(one)).keys() | bottoms) for one in tops)
    if up > ABOVE_MAX or down > BELOW_MAX:
        yield finding(
            "portfolio.too-wide",
            where,
            expected=f"at most {ABOVE_MAX} portfolios above one and {BELOW_MAX} below",
            got=f"{up} above, {down} below",
            advice="Put assets together in fewer portfolios.",
        )
