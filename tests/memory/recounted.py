"""What portfolios must say, worked out anew from their members alone, the slow and plain way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from handlers.ledger import SUMMED
from handlers.nesting import is_portfolio

Documents = Iterable[Mapping[str, Any]]


def children(members: Documents) -> Mapping[str, list[str]]:
    """Portfolio -> its direct members."""
    found: dict[str, list[str]] = {}
    for row in members:
        if row["ties"] and row["ties"][-1]["until"] is None:
            found.setdefault(row["portfolio"], []).append(row["asset"])
    return found


def ways(top: str, inside: Mapping[str, list[str]], path: tuple[str, ...] = ()) -> Counter[str]:
    """What lies below a portfolio, with the number of ways; a circle fails."""
    assert top not in path, f"a circle: {(*path, top)}"
    found: Counter[str] = Counter()
    for one in inside.get(top, ()):
        found[one] += 1
        found += ways(one, inside, (*path, top))
    return found


def sums(top: str, members: Documents, assets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a portfolio's assets can do, each counted once."""
    below = ways(top, children(members))
    leaves = {one: n for one, n in below.items() if not is_portfolio(one)}
    counted = {one: assets[one] for one in leaves if assets[one]["lifecycle"] != "retired"}
    meters = Counter(meter for asset in counted.values() for meter in _meters(asset))
    return {
        "count": len(counted),
        "totals": {
            name: {"total": _sum(amounts), "of": len(amounts)}
            for name in SUMMED
            if (amounts := _amounts(counted.values(), name))
        },
        "doubled": sum(leaves[one] > 1 for one in counted),
        "alike": sum(n for n in meters.values() if n > 1),
    }


def _amounts(assets: Documents, name: str) -> list[Decimal]:
    said = [(asset.get("capability") or {}).get(name) for asset in assets]
    return [Decimal(one) for one in said if one is not None]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(prec=200):
        return sum(amounts, Decimal(0))


def _meters(asset: Mapping[str, Any]) -> set[tuple[str, str]]:
    connection = asset.get("connection") or {}
    said = (connection.get("mpan_import"), connection.get("mpan_export"))
    return {(asset["asset_type"], mpan) for mpan in said if mpan is not None}
