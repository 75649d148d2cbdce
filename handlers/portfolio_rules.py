"""What must hold of a portfolio and of what is put into it."""

from collections.abc import Iterator
from typing import Final

from contracts.envelope import Finding
from handlers.asset_rules import PORTFOLIO, asset_unknown
from handlers.belonging import MEMBERS, PLACEMENTS, placed_in
from handlers.decision import Context, Document, Rejected, View
from handlers.edges import edge
from handlers.nesting import is_portfolio
from handlers.rules import finding, reject
from handlers.tying import TIES_MAX, ties_of
from handlers.visibility import Standing, seen

PORTFOLIOS_MAX: Final = 50
"""In how many portfolios an asset may be."""


def no_portfolio(asset: str, field: str = "id") -> Rejected | None:
    """Whether an asset can have members, by its id."""
    if is_portfolio(asset):
        return None
    return reject(
        finding(
            "portfolio.type",
            field,
            expected=f"the id of a portfolio, which begins with {PORTFOLIO}",
            got=asset,
            advice="Register a portfolio, and put the asset into that.",
        )
    )


def unwritable(portfolio: Document, standing: Standing) -> Rejected | None:
    """Whether what one is to a portfolio lets one put something into it."""
    if not standing.may("write", "members"):
        return not_yours()
    return reject(_retired(portfolio["_id"], "id")) if portfolio["lifecycle"] == "retired" else None


def not_yours() -> Rejected:
    """The answer for a portfolio that one may see, and not its members."""
    return reject(
        finding(
            "portfolio.not-yours",
            "id",
            expected="a portfolio whose members your relation to it may change, or read",
            advice="Ask the portfolio's owner or registrant.",
        )
    )


def member_unfit(
    portfolio: str, member: str, where: str, known: tuple[View, Context]
) -> Iterator[Finding]:
    """What speaks against one new member, whatever else is put in with it."""
    view, context = known
    found = seen("assets", member, view, context)
    if found is None:
        yield asset_unknown(member, where)
        return
    asset, standing = found
    if not standing.may("write", "portfolios"):
        yield _member_not_yours(member, where)
        return
    if asset["lifecycle"] == "retired":
        yield _retired(member, where)
    if len(placed_in(view.get(PLACEMENTS, member))) >= PORTFOLIOS_MAX:
        yield finding(
            "portfolio.crowded",
            where,
            expected=f"an asset that is in fewer than {PORTFOLIOS_MAX} portfolios",
            got=member,
            advice="Take it out of another portfolio first.",
        )
    if len(ties_of(view.get(MEMBERS, edge(portfolio, member)))) >= TIES_MAX:
        yield finding(
            "tie.too-many",
            where,
            expected=f"an asset that was in the portfolio fewer than {TIES_MAX} times",
            got=member,
            advice="Leave it in, instead of taking it out and putting it in anew.",
        )


def _member_not_yours(member: str, where: str) -> Finding:
    return finding(
        "portfolio.member-not-yours",
        where,
        expected="an asset that your relation to it lets you put into a portfolio",
        got=member,
        advice="Ask the asset's owner to relate you to it as aggregator or FSP.",
    )


def _retired(asset: str, where: str) -> Finding:
    return finding(
        "portfolio.retired",
        where,
        expected="an asset or portfolio that is not retired",
        got=asset,
        advice="Leave it out; what is retired can do nothing any more.",
    )
