"""What a portfolio's sums are made of: each asset's share, put in and taken out exactly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal, Inexact
from decimal import Context as Arithmetic
from typing import Any, Final

from contracts.portfolios import PortfolioProgressed
from handlers.belonging import FLAGS, METER, PLACEMENTS, PORTFOLIOS, TALLIES, WAYS, flag_id, pending
from handlers.decision import Document
from handlers.post import Post
from handlers.visibility import named

SUMMED: Final = (
    "power_kw", "power_up_kw", "power_down_kw", "export_max_kw", "import_max_kw", "energy_kwh",
    "ramp_kw_per_min",
)  # fmt: skip
"""Fields of the capability that add up; times do not."""
EXACT: Final = Arithmetic(prec=60, rounding=ROUND_DOWN, traps=[Inexact])
"""More digits than any sum has: what is before the point and what is behind it are kept apart,
and each fits a Decimal128, whose 34 digits one number for both could outgrow."""
ONE: Final = Decimal(1)
NONE: Final = Decimal(0)
ALIKE_MAX: Final = 100
"""How many assets behind one meter are kept by name; of more, the number."""


@dataclass(frozen=True, slots=True)
class Share:
    """As what an asset is counted: its amounts, the keys of its meters, and in which portfolios."""

    values: Mapping[str, Decimal] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    within: Mapping[str, int] = field(default_factory=dict)
    """Portfolio -> by how many ways the asset is in it."""

    @classmethod
    def of(cls, placement: Document | None) -> "Share":
        """As what the asset is counted by now."""
        stored = (placement or {}).get("counted") or {}
        return cls(
            stored.get("values", {}), tuple(stored.get("keys", ())), stored.get("within", {})
        )

    def in_(self, portfolio: str) -> tuple[Mapping[str, Decimal] | None, frozenset[str]]:
        """What it adds to a portfolio, None where it is not in it, and which keys count there."""
        if portfolio not in self.within:
            return None, frozenset()
        return self.values, frozenset(self.keys)


def amounts(asset: Document) -> dict[str, Decimal]:
    """What an asset says that it can do, as far as it adds up."""
    said = asset.get("capability") or {}
    given = ((name, said.get(name)) for name in SUMMED)
    return {name: Decimal(value) for name, value in given if value is not None}


def touched_by(asset: str, old: Share, new: Share) -> Iterator[tuple[str, str]]:
    """Sums and flags that counting an asset anew may change."""
    for portfolio in old.within.keys() | new.within.keys():
        yield PORTFOLIOS, portfolio
        yield FLAGS, flag_id(portfolio, asset)
        for key in {*old.keys, *new.keys}:
            yield FLAGS, flag_id(portfolio, key)


@dataclass(slots=True)
class Ledger:
    """What one decision changes of sums, flags and placements."""

    post: Post

    def count(self, asset: str, new: Share, person: str | None) -> bool:
        """Count an asset as it is now, where it is now; say whether that makes a difference."""
        placement = self.post.stored(PLACEMENTS, asset)
        old = Share.of(placement)
        if placement is None or (new == old and placement.get("person") == person):
            return False
        for portfolio in sorted(old.within.keys() | new.within.keys()):
            self._recount(portfolio, asset, old, new)
        counted = {"values": new.values, "keys": list(new.keys), "within": dict(new.within)}
        # By its owner's erasure is found what was said of the meter of a person.
        self.post.put(PLACEMENTS, asset, {"counted": counted, "person": person})
        return True

    def _recount(self, portfolio: str, asset: str, old: Share, new: Share) -> None:
        (before, keys_before), (after, keys_after) = old.in_(portfolio), new.in_(portfolio)
        sums = self.post.stored(PORTFOLIOS, portfolio) or {}
        was, is_now = old.within.get(portfolio, 0), new.within.get(portfolio, 0)
        alike = sum(self._met(portfolio, asset, key, -1) for key in keys_before - keys_after)
        alike += sum(self._met(portfolio, asset, key, 1) for key in keys_after - keys_before)
        fields = {
            "count": sums.get("count", 0) + (after is not None) - (before is not None),
            "totals": _totals(sums.get("totals", {}), before or {}, after or {}),
            "doubled": sums.get("doubled", 0) + (is_now > 1) - (was > 1),
            "alike": sums.get("alike", 0) + alike,
        }
        if was != is_now:
            self._doubled(portfolio, asset, is_now)
        if any(sums.get(name) != value for name, value in fields.items()):
            self.post.put(PORTFOLIOS, portfolio, fields)

    def _doubled(self, portfolio: str, asset: str, ways: int) -> None:
        key = flag_id(portfolio, asset)
        if ways > 1:
            flag = {"kind": WAYS, "assets": [asset], "count": ways, "flagged": portfolio}
            self.post.put(FLAGS, key, flag)
        elif self.post.stored(FLAGS, key) is not None:
            self.post.drop(FLAGS, key)

    def _met(self, portfolio: str, asset: str, meter: str, step: int) -> int:
        """One more, or one fewer, behind a meter; say how many more are alike then."""
        key = flag_id(portfolio, meter)
        was = self.post.stored(FLAGS, key) or {"assets": [], "count": 0}
        count, kept = was["count"] + step, [one for one in was["assets"] if one != asset]
        if step > 0 and len(kept) < ALIKE_MAX:
            kept = sorted([*kept, asset])
        if count:
            flagged = portfolio if count > 1 else None
            flag = {"kind": METER, "assets": kept, "count": count, "flagged": flagged}
            self.post.put(FLAGS, key, flag)
        else:
            self.post.drop(FLAGS, key)
        return _alike(count) - _alike(was["count"])

    def settle(self, portfolio: str, changes: int) -> PortfolioProgressed:
        """These changes of a portfolio's members are in the sums; that is told."""
        sums = self.post.stored(PORTFOLIOS, portfolio) or {}
        settled = {"settled": sums.get("settled", 0) + changes}
        tally = self.post.view.get(TALLIES, portfolio)
        waiting = pending(tally, settled)
        as_of = (tally or {}).get("revision", 0) if not waiting else sums.get("as_of", 0)
        self.post.put(PORTFOLIOS, portfolio, {**settled, "as_of": as_of})
        after = self.post.stored(PORTFOLIOS, portfolio) or {}
        return PortfolioProgressed(
            id=portfolio,
            revision=after["revision"],
            as_of=as_of,
            pending=waiting,
            count=after.get("count", 0),
            parties=named(self.post.view.get("assets", portfolio) or {}) or None,
        )


def _alike(count: int) -> int:
    return count if count > 1 else 0


def _totals(
    totals: Mapping[str, Any], before: Mapping[str, Decimal], after: Mapping[str, Decimal]
) -> dict[str, Any]:
    """Totals with one asset's amounts exchanged; what nobody says any more has no total."""
    found = dict(totals)
    for name in before.keys() | after.keys():
        was = found.get(name, {"whole": NONE, "part": NONE, "of": 0})
        of = was["of"] + (name in after) - (name in before)
        less, more = before.get(name, NONE), after.get(name, NONE)
        if of:
            whole = EXACT.add(EXACT.subtract(was["whole"], less // ONE), more // ONE)
            part = EXACT.add(EXACT.subtract(was["part"], less % ONE), more % ONE)
            found[name] = {"whole": whole, "part": part, "of": of}
        else:
            found.pop(name, None)
    return found


def total_of(stored: Mapping[str, Any]) -> Decimal:
    """What is before the point of a sum together with what is behind it."""
    return EXACT.add(stored["whole"], stored["part"])
