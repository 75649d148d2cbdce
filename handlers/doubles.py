"""What of the assets that are put into a portfolio may be there already: flagged, not refused."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from contracts.portfolios import Duplicate
from handlers.belonging import FLAGS, MEMBERS, PLACEMENTS, flag_id, is_member, meters_of, placed_in
from handlers.decision import Context, Document, View
from handlers.edges import edge
from handlers.nesting import NESTS, below

NAMED_MAX: Final = 10
"""How many assets a duplicate names."""


def _meters(members: Iterable[str], view: View, context: Context) -> dict[str, list[str]]:
    """By the key of each meter the assets behind it."""
    found: dict[str, list[str]] = defaultdict(list)
    assets = (view.get("assets", one) for one in members)
    for asset, key in meters_of((one for one in assets if one is not None), context):
        found[key].append(asset)
    return found


def doubles_read(
    portfolio: str, members: Sequence[str], view: View, context: Context
) -> Iterator[tuple[str, Any]]:
    """What is known of the meters of the new members, then who of those behind them is a member."""
    keys = [flag_id(portfolio, key) for key in _meters(members, view, context)]
    yield from ((FLAGS, key) for key in keys)
    view.require((FLAGS, key) for key in keys)
    for key in keys:
        for asset in _behind(view.get(FLAGS, key)):
            yield MEMBERS, edge(portfolio, asset)


def _behind(flag: Document | None) -> list[str]:
    return list((flag or {}).get("assets", ()))[:NAMED_MAX]


def doubles(
    portfolio: str, members: Sequence[str], view: View, context: Context
) -> Iterator[Duplicate]:
    """Which of the new members the portfolio has by another way, or behind another one's meter."""
    inside = below(view.get(NESTS, portfolio))
    for member in members:
        ways = sum(sum(inside.get(one, ())) for one in placed_in(view.get(PLACEMENTS, member)))
        if ways:
            yield Duplicate(kind="ways", assets=(member,), count=ways + 1)
    for key, assets in _meters(members, view, context).items():
        flag = view.get(FLAGS, flag_id(portfolio, key)) or {"count": 0}
        known = [one for one in _behind(flag) if one not in assets]
        count = len(assets) + flag["count"] - len(_counted(assets, flag))
        if count > 1:
            direct = [one for one in known if is_member(view.get(MEMBERS, edge(portfolio, one)))]
            named = tuple([*assets, *direct][:NAMED_MAX])
            yield Duplicate(kind="meter", assets=named, count=count)


def _counted(assets: Iterable[str], flag: Document) -> set[str]:
    """Those of the assets that are counted in the portfolio already, by another way."""
    return set(assets) & set(flag.get("assets", ()))
