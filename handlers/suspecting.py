"""Level one: whether an asset that is being registered is in the register already.

Assets are found by tokens: a network address, the connection, the postcode, the spot on which they
stand; make and serial are claims, and exact. A token's row holds the ids of the assets that have it
with a digest of the device, since whose make and serial are others is another device, and with
power and name in coarse: of many that stand close by, those are read that may be it. Its own id is
a digest behind its kind: the archive keeps ids, and an MPAN there would outlast all.

An asset of a person has no rows: where it stands and how it is connected is nobody else's, and is
erased with its owner. Such assets are told apart by make and serial alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from contracts.assets import AssetDuplicateAttempted
from handlers.asset_groups import is_personal
from handlers.asset_rules import device_claim
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.matching import folding
from handlers.matching.comparing import compare
from handlers.matching.profiles import Point
from handlers.matching.reading import of_asset
from handlers.matching.tokens import kind_of
from handlers.matching.verdict import Comparison
from handlers.neighbours import DIGITS, TOKENS, Compared, Kept, candidates, likeliest
from handlers.nesting import is_portfolio
from handlers.polygons import place_of
from handlers.rules import attempted, finding, reject
from handlers.senders import Issuer
from handlers.visibility import named

CERTAIN: Final = 0.999
"""From this score on, with an identifier that is the same and nothing that differs, it is refused.

Of real registers in which rows of one place look alike, halves of one site had the same name, spot
and power: without an identifier nobody is refused, and a person decides.
"""
IDENTIFIERS: Final = frozenset({"mpan", "mac", "serial"})
"""Fields that say which connection or device it is."""
SPOT_DEGREES: Final = 0.005
"""North to south of a spot; about 550 m."""
REACH: Final = 0.2
"""So many spots away, about 110 m, another that may be the same is looked for: mostly in one or two
spots, where half a spot each way would be four."""
COMPARED_MAX: Final = 3
"""With so many a newcomer is compared, since each is read; level two finds who is left out of more
that stand close by."""
IDENTIFYING: Final = ("mac|", "mpan|")
"""Rows of an identifier: who shares one is looked at, whatever else differs."""
IN_COMMON: Final = 2
"""What is about the same counts as so many rows that are shared."""
POWER_STEP: Final = math.log(1.25)
"""Powers of one step, or of two beside each other, may be one that was rounded."""
CORNERS: Final = 16
"""After so many corners, more than those who share a row are apart, the same number comes again."""
FOUND_BY: Final = ("asset_type", "identity", "connection", "location")
"""What of an asset says in which rows it is, and as what."""


def _cells(point: Point) -> tuple[str, list[str]]:
    """The cell of a point, and those that a point within the reach may be in."""
    latitude, longitude = point
    north, around = latitude / SPOT_DEGREES, []
    own = _columns(math.floor(north), longitude)
    for row in {math.floor(north - REACH), math.floor(north + REACH)}:
        east = _columns(row, longitude)
        columns = {math.floor(east - REACH), math.floor(east + REACH)}
        around += [f"{row}:{column}" for column in columns]
    return f"{math.floor(north)}:{math.floor(own)}", around


def _columns(row: int, longitude: float) -> float:
    """How many cells of a row lie west of a place: they are as wide as they are high.

    By the row, so that all cells of it agree on their columns.
    """
    return longitude / SPOT_DEGREES * max(0.1, math.cos(math.radians(row * SPOT_DEGREES)))


def tokens_of(asset: Mapping[str, Any], identity: Issuer, *, around: bool = False) -> Sequence[str]:
    """Ids of the rows in which an asset is; with `around`, in which others like it may be."""
    device, connection = asset.get("identity") or {}, asset.get("connection") or {}
    written = (
        device.get("mac"),
        connection.get("mpan_import"),
        connection.get("mpan_export"),
        (asset.get("location") or {}).get("postcode"),
    )
    return _tokens(asset["asset_type"], written, place_of(asset), identity)[around]


@lru_cache(maxsize=4096)
def _tokens(
    asset_type: str, written: tuple[str | None, ...], place: Point | None, identity: Issuer
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both answers of `tokens_of`: each registration asks for them three times."""
    kind = kind_of(asset_type)
    schemes = ("mac", "mpan", "mpan", f"postcode|{kind}")
    told = {
        f"{scheme}|{found}"
        for scheme, value in zip(schemes, written, strict=True)
        if value is not None and (found := folding.key(value))
    }
    own, around = told, told
    if place is not None:
        cell, cells = _cells(place)
        own = told | {f"spot|{kind}|{cell}"}
        around = told | {f"spot|{kind}|{one}" for one in cells}
    ids = {
        one: f"{one.partition('|')[0]}|{identity.fingerprint('asset-token', one)}"
        for one in own | around
    }
    return tuple(ids[one] for one in sorted(own)), tuple(ids[one] for one in sorted(around))


def is_compared(asset: Document) -> bool:
    """Whether newcomers are compared with an asset as it stands."""
    is_out = asset["lifecycle"] == "retired" or "merged_into" in asset
    return not (is_out or is_personal(asset) or is_portfolio(asset["_id"]))


def suspect_reads(asset: Mapping[str, Any], identity: Issuer) -> Reads:
    """The rows in which others like this one may be."""
    yield from ((TOKENS, one) for one in tokens_of(asset, identity, around=True))


def suspects(asset: Document, view: View, identity: Issuer) -> list[tuple[str, Comparison]]:
    """Whom of the register a newcomer may be, and why; the likeliest first."""
    found_by = _kept(asset)
    if found_by is None:
        return []
    keys, own = tokens_of(asset, identity, around=True), _entry(found_by, identity)
    others = candidates(ASSETS, keys, own, view)
    if not others:
        return []
    profile = of_asset(asset)
    return likeliest((one, compare(profile, of_asset(other))) for one, other in others)


def _kept(asset: Document) -> Kept | None:
    """By what an asset is found; None where newcomers are not compared with it."""
    if not is_compared(asset):
        return None
    found_by = {name: asset[name] for name in FOUND_BY if name in asset}
    power = (asset.get("capability") or {}).get("power_kw")
    step = round(math.log(power) / POWER_STEP) if power else None
    return {**found_by, "name": folding.key(asset.get("name")), "power": step}


def _corner(asset: Document) -> tuple[int, int] | None:
    """In which corner of about 55 m a place is; which square it is a corner of is not in it."""
    place = place_of(asset)
    if place is None:
        return None
    latitude, longitude = place
    rows = latitude / SPOT_DEGREES
    columns = _columns(math.floor(rows), longitude)
    return math.floor(rows * 10) % CORNERS, math.floor(columns * 10) % CORNERS


def _entry(found_by: Kept, identity: Issuer) -> Kept:
    """The device, the name and about how much power: of most close by, no asset need be read."""
    device, name, power = device_claim(found_by), found_by["name"], found_by["power"]
    entry: dict[str, Any] = {}
    if device is not None:
        entry["device"] = identity.fingerprint(*device)[:DIGITS]
    if name:
        entry["name"] = identity.fingerprint("name", name)[:DIGITS]
    if power is not None:
        entry["power"] = power
    if (corner := _corner(found_by)) is not None:
        entry["corner"] = list(corner)
    return entry


def _apart(one: Kept, other: Kept) -> bool:
    """Whose make and serial are others is another device."""
    device = one.get("device")
    return device is not None and bool(other.get("device", device) != device)


def _rank(one: Kept, other: Kept, shared: Sequence[str]) -> int:
    """By the rows that they share, and by what is about the same.

    Who shares one row alone, and that says no more than about where, is something else close by.
    """
    is_identified = any(key.startswith(IDENTIFYING) for key in shared)
    rank = len(shared) + IN_COMMON * (is_identified + _in_common(one, other))
    return rank if rank > 1 else 0


def _in_common(one: Kept, other: Kept) -> int:
    """How many of name, power and corner are about the same."""
    power, corner, found = other.get("power"), other.get("corner"), 0
    if (name := one.get("name")) is not None and name == other.get("name"):
        found += 1
    if power is not None and (own := one.get("power")) is not None and abs(own - power) <= 1:
        found += 1
    if corner is not None and (here := one.get("corner")) is not None:
        found += all(_is_beside(*both) for both in zip(here, corner, strict=True))
    return found


def _is_beside(one: int, other: int) -> bool:
    return (one - other) % CORNERS in {0, 1, CORNERS - 1}


ASSETS: Final = Compared("assets", _kept, tokens_of, _entry, _apart, _rank, COMPARED_MAX)


def is_certain(judged: Comparison) -> bool:
    """Whether a newcomer is the incumbent beyond a person's doubt."""
    if judged.verdict != "same" or judged.score < CERTAIN:
        return False
    agreed = {reason.field for reason in judged.reasons if reason.agreement == "same"}
    differs = any(reason.agreement == "differs" for reason in judged.reasons)
    return bool(agreed & IDENTIFIERS) and not differs


def registered_already(
    found: Iterable[tuple[str, Comparison]], view: View, context: Context
) -> Rejected | None:
    """The answer to whoever registers what is there, which those with an interest in it are told.

    Whose it is, and under which id, is told to those only who are named on it.
    """
    same = [one for one, judged in found if is_certain(judged)]
    view.require(("assets", one) for one in same)
    held = [asset for one in same if (asset := view.get("assets", one)) is not None]
    if not held:
        return None
    known = next((one for one in held if _may_know(one, context)), None)
    if context.dry_run and known is None:
        # A check is no oracle of what strangers have registered.
        return None
    rejected = reject(
        finding(
            "asset.duplicate",
            "",
            expected="an asset that is not registered yet, as far as its place, connection and "
            "power say",
            got=f"the same as {known['_id']}" if known is not None else "",
            advice="Use the existing asset."
            if known is not None
            else "Ask its owner to relate you to it; give make and serial where it is another one.",
        )
    )
    holders = [{"holder": one["_id"], "named": dict(named(one))} for one in held]
    return attempted(rejected, holders, AssetDuplicateAttempted, context.sender.roles, context)


def _may_know(asset: Document, context: Context) -> bool:
    return context.sender.is_operator or context.sender.user in named(asset).values()
