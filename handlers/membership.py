"""Going through what is in a portfolio, at any depth: each asset once, where it is first met."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.asset_lists import ListAssets
from handlers.asset_rules import asset_not_found
from handlers.belonging import MEMBERS, PLACEMENTS, placed_in
from handlers.decision import Context, Reads, Rejected, View
from handlers.edges import edge
from handlers.nesting import NESTS, below
from handlers.portfolio_rules import no_portfolio
from handlers.spans import PAGE, Span
from handlers.visibility import seen, standing_reads

Place = tuple[str, str]
"""A portfolio, and an asset that is directly in it."""
PORTFOLIO: Final = "portfolio"
"""The field that names it."""
PORTFOLIOS_AT_ONCE: Final = 20
"""How many portfolios one page goes through: each is a page of members of its own."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Where one is in a portfolio: all that it is made of, by id, and behind which member."""

    portfolios: Sequence[str]
    """Those that are still to be gone through, the one that one is in first."""
    inside: frozenset[str]
    """All of them."""
    after: str
    """`<portfolio>/<asset>` behind which to go on; empty at the beginning."""
    asset_type: str

    @classmethod
    def of(cls, portfolio: str, after: str, query: ListAssets, view: View) -> "Walk":
        """What is left of a portfolio behind a place."""
        nested = below(view.get(NESTS, portfolio)) if query.nested else ()
        inside = frozenset({portfolio, *nested})
        left = sorted(one for one in inside if one >= after.partition("/")[0])
        return cls(left, inside, after, query.asset_type or "")

    @property
    def spans(self) -> list[tuple[str, Span]]:
        """The members of the next portfolios; ids begin with the type, so that it is a stretch."""
        some = self.portfolios[:PORTFOLIOS_AT_ONCE]
        return [(one, Span("within", one, self._behind(one))) for one in some]

    def _behind(self, portfolio: str) -> str:
        is_whole = not self.asset_type and not self.after.startswith(portfolio)
        return "" if is_whole else max(self.after, edge(portfolio, self.asset_type))

    def page(self, view: View) -> tuple[list[Place], str]:
        """Portfolios with their members, as many as a page has, and behind which place it ends."""
        spans = self.spans
        view.require((MEMBERS, span) for _, span in spans)
        found: list[Place] = []
        for portfolio, span in spans:
            rows, _ = view.page(MEMBERS, span)
            members = [row["asset"] for row in rows]
            fitting = [one for one in members if one.startswith(self.asset_type)]
            found += [(portfolio, one) for one in fitting[: PAGE - len(found)]]
            if len(found) == PAGE:
                return found, edge(*found[-1])
        rest = self.portfolios[PORTFOLIOS_AT_ONCE:]
        return found, rest[0] if rest else ""

    def first_met(self, page: Sequence[Place], view: View) -> Iterator[Place]:
        """Of the members of a page those that are in none of the portfolios before theirs.

        So an asset that is held by several ways comes once, whatever page one is on.
        """
        for within, asset in page:
            held_by = self.inside.intersection(placed_in(view.get(PLACEMENTS, asset)))
            if min(held_by, default="") == within:
                yield within, asset


def membership_reads(portfolio: str, context: Context) -> Reads:
    """What says whether one may go through a portfolio, and which are below it."""
    yield from standing_reads("assets", portfolio, context.sender.user)
    yield NESTS, portfolio


def closed(portfolio: str, view: View, context: Context) -> Rejected | None:
    """Who may not read what is in it is told the same as of one that there is not."""
    found = seen("assets", portfolio, view, context)
    if found is None or not found[1].may("read", "members"):
        return asset_not_found(portfolio, PORTFOLIO)
    return no_portfolio(portfolio, PORTFOLIO)
