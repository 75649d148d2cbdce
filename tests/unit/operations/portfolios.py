"""Portfolios: what is put into them and taken out, and what is in them."""

from typing import Any, Final

from handlers.belonging import MEMBER, MEMBERS, PLACEMENTS, member_row, placement_row
from handlers.decision import Document
from handlers.nesting import ABOVE_MAX, DEPTH_MAX, NESTS
from handlers.portfolio_rules import PORTFOLIOS_MAX
from handlers.tying import TIES_MAX
from tests.builders import NOW, OWNER, STRANGER, issued
from tests.portfolios import portfolio_id
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.table import (
    CURSOR,
    EVERY_SENDER,
    QUERY,
    Operation,
    Otherwise,
    Said,
    tied,
)

TOP: Final = portfolio_id(1)
OTHER: Final = portfolio_id(2)
SOLE: Final = {"id": TOP, "members": [BATTERY]}
PLACED: Final = {"location": {"postcode": "SW1A 1AA"}}


def portfolio(name: str = TOP, **changes: Any) -> tuple[str, Document]:
    """A portfolio that the platform has registered for the owner."""
    return battery(name, **{"asset_type": "PFL", "identity": {}, **PLACED, **changes})


def within(*portfolios: str) -> tuple[str, Document]:
    """In which portfolios the battery is."""
    return PLACEMENTS, placement_row(BATTERY, portfolios, None)


def ways(count: int, steps: int) -> dict[str, list[int]]:
    """So many portfolios, each so many steps away."""
    return {issued("PFL", 500_000 + 100 * n): [0] * steps + [1] for n in range(count)}


def left(times: int) -> tuple[str, Document]:
    """The battery was in the portfolio so many times, and is not."""
    tie = {"as": MEMBER, "from": NOW, "until": NOW}
    return MEMBERS, member_row(TOP, BATTERY, [tie] * times, None)


def nest(name: str, **around: Any) -> tuple[str, Document]:
    """What is above and below a portfolio."""
    return NESTS, {"_id": name, "revision": 1, "above": {}, "below": {}, **around}


DEEP: Final = [nest(one) for one in ways(1, DEPTH_MAX)]
INTO_ITSELF: Final = {"members": [TOP]}
NESTED: Final = {"members": [OTHER]}
AS_FSP: Final = Otherwise(given=[tied(TOP, STRANGER, "fsp")], sender=STRANGER)
AS_OWNER: Final = [battery(registrant=STRANGER), portfolio(registrant=STRANGER)]
UNKNOWN: Final = Otherwise({"id": portfolio_id(9)})
NO_PORTFOLIO: Final = Otherwise({"id": BATTERY})
HIDDEN: Final = Otherwise(sender=STRANGER)

ADD: Final = Operation(
    "portfolio.add.v1",
    SOLE,
    {
        "asset.not-found": UNKNOWN,
        "portfolio.type": NO_PORTFOLIO,
        "portfolio.not-yours": AS_FSP,
        "portfolio.member-not-yours": Otherwise(
            given=[
                battery(owner=STRANGER),
                portfolio(owner=STRANGER),
                tied(TOP, OWNER, "aggregator"),
                tied(BATTERY, OWNER, "so"),
            ],
            sender=OWNER,
        ),
        "portfolio.retired": Otherwise(given=[portfolio(lifecycle="retired")]),
        "portfolio.cycle": Otherwise(INTO_ITSELF),
        "portfolio.depth": Otherwise(
            NESTED,
            given=[portfolio(OTHER), nest(OTHER, below=ways(1, DEPTH_MAX)), *DEEP],
        ),
        "portfolio.too-wide": Otherwise(
            NESTED,
            given=[
                portfolio(OTHER),
                nest(TOP, above=ways(ABOVE_MAX, 1)),
                *(nest(one) for one in ways(ABOVE_MAX, 1)),
            ],
        ),
        "portfolio.crowded": Otherwise(
            given=[within(*(portfolio_id(20 + n) for n in range(PORTFOLIOS_MAX)))]
        ),
        "tie.too-many": Otherwise(given=[left(TIES_MAX)]),
    },
    given=[battery(), portfolio()],
    unknown="asset.not-found",
    hidden=HIDDEN,
    may_not="portfolio.not-yours",
    events=("portfolio.changed.v1", "portfolio.counting.v1", "portfolio.joined.v1"),
)
REMOVE: Final = Operation(
    "portfolio.remove.v1",
    SOLE,
    {
        "asset.not-found": UNKNOWN,
        "portfolio.type": NO_PORTFOLIO,
        "portfolio.not-yours": AS_FSP,
    },
    given=[battery(), portfolio()],
    first=[Said("portfolio.add.v1", SOLE)],
    unknown="asset.not-found",
    hidden=HIDDEN,
    may_not="portfolio.not-yours",
    events=("portfolio.changed.v1", "portfolio.counting.v1", "portfolio.left.v1"),
)


def listing(kind: str) -> Operation:
    """Who may read the members of a portfolio reads their pages."""
    return Operation(
        kind,
        {"id": TOP},
        {
            "asset.not-found": UNKNOWN,
            "portfolio.type": NO_PORTFOLIO,
            **CURSOR,
        },
        given=[battery(), portfolio()],
        unknown="asset.not-found",
        hidden=HIDDEN,
        may_not=EVERY_SENDER,
        again=QUERY,
    )


OPERATIONS: Final = (
    ADD,
    REMOVE,
    listing("portfolio.members.v1"),
    listing("portfolio.duplicates.v1"),
)
