"""Whether two assets are one, or one of them is part of the other, or both of one site."""

from typing import Final

from handlers.matching import weights
from handlers.matching.likeness import (
    Overlap,
    alike,
    is_shortened,
    kilometres,
    overlap,
    share_of,
    whole_likeness,
)
from handlers.matching.parts import Seen, verdict_on, whole_kw
from handlers.matching.profiles import Asset
from handlers.matching.scoring import Evidence, band, compared, score, told, unknown
from handlers.matching.verdict import Comparison
from handlers.matching.weights import stepped, within

ALIKE_TYPES: Final = (
    frozenset({"GEN", "CHP", "BIO"}),
    frozenset({"HYD", "TID"}),
    frozenset({"HPA", "HVC", "HWT", "STH"}),
)
"""Types that one registrant takes for the other."""
OPEN_TYPES: Final = frozenset({"", "OTH"})
"""Types that may be anything."""
_NAME_SAME: Final = weights.ASSET_NAME_LEAST + weights.ASSET_NAME_RANGE
_CODE_MAX: Final = 6
"""How long the codes are that markets give to units."""
_CODE_BEGINS: Final = 3
_SITE_KM: Final = ((50.0, 0.1), (1_000.0, 0.4), (50_000.0, 1.5))
"""Power in kW up to which a site is so large, in km; where the power is not known, the second."""
_SITE_KM_MOST: Final = 3.0


def _type(left: Asset, right: Asset) -> Evidence:
    if left.kind in OPEN_TYPES or right.kind in OPEN_TYPES:
        return unknown("type")
    if left.kind == right.kind:
        return Evidence("type", "same", weights.TYPE_SAME)
    if any(left.kind in group and right.kind in group for group in ALIKE_TYPES):
        return told("type", 0.0)
    return told("type", weights.TYPE_DIFFERS)


def _names(left: Asset, right: Asset) -> tuple[Evidence, Overlap]:
    """What the names say, leaving aside which part they name; those of units are names too."""
    best, found = _two_names(left.name, right.name)
    for one, other in ((left, right), (right, left)):
        for unit in one.units:
            evidence, shared = _two_names(unit.name, other.name)
            if evidence.agreement != "unknown" and (
                best.agreement == "unknown" or evidence.weight > best.weight
            ):
                best, found = evidence, shared
    return best, found


def _two_names(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[Evidence, Overlap]:
    if not left or not right:
        return unknown("name"), Overlap(0.0, 0.0, 0.0)
    if left == right:
        return Evidence("name", "same", _NAME_SAME), Overlap(1.0, 0.0, 0.0)
    found = overlap(left, right, alike)
    share = found.share
    if share < weights.NAMED and (whole := whole_likeness(left, right)):
        share = max(share, whole)
        found = Overlap(whole, 0.0, 0.0)
    if share < weights.CODE and (code := _code_likeness(left, right)) > share:
        share = code
        found = Overlap(code, 0.0, 0.0) if code >= weights.CODE else found
    return told("name", weights.ASSET_NAME_LEAST + weights.ASSET_NAME_RANGE * share), found


def _code_likeness(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Whether one is known by a code made of the other's name: that is no other name."""
    for one, other in ((left, right), (right, left)):
        if len(one) == 1 and len(one[0]) <= _CODE_MAX:
            if is_shortened(one[0], "".join(other)):
                return weights.CODE
            if one[0][:_CODE_BEGINS] == other[0][:_CODE_BEGINS]:
                return weights.CODE_BEGUN
    return 0.0


def _site_km(left: Asset, right: Asset) -> float:
    power = max(left.power_kw, right.power_kw) or 51.0
    return next((reach for most, reach in _SITE_KM if power <= most), _SITE_KM_MOST)


def _place(left: Asset, right: Asset) -> tuple[Evidence, bool]:
    """What the places say, and whether they are one site."""
    one, other = left.address, right.address
    same_code = bool(one.postcode) and one.postcode == other.postcode
    if one.point is not None and other.point is not None:
        away = kilometres(one.point, other.point) / _site_km(left, right)
        bits = within(weights.AWAY, away, weights.AWAY_FAR)
        if same_code:
            bits = max(bits, weights.SITE_POSTCODE_BESIDE)
        return told("place", bits, same=away == 0.0), same_code or away <= weights.SITE_AWAY
    if one.country and other.country and one.country != other.country:
        return told("place", weights.SITE_COUNTRY), False
    if one.postcode and other.postcode:
        same, near, differs = weights.SITE_POSTCODE
        alike_end = one.postcode[:-3] == other.postcode[:-3]
        bits = same if same_code else near if alike_end else differs
        return told("place", bits, same=same_code), same_code
    if one.town and other.town:
        share = overlap(one.town, other.town, alike).share
        return told("place", stepped(weights.SITE_TOWN, share)), False
    return unknown("place"), False


def _power(left: Asset, right: Asset) -> tuple[Evidence, float]:
    share = share_of(whole_kw(left), whole_kw(right))
    if not share:
        return unknown("power"), 0.0
    bits = stepped(weights.POWER, share)
    return told("power", bits, same=share == 1.0), share


def _years(left: Asset, right: Asset) -> Evidence:
    if not left.year or not right.year:
        return unknown("date")
    apart = abs(left.year - right.year)
    return told("date", within(weights.YEARS, apart, weights.YEARS_APART), same=not apart)


def _fuels(left: Asset, right: Asset) -> Evidence:
    if not left.fuel or not right.fuel:
        return unknown("fuel")
    same = left.fuel == right.fuel
    return told("fuel", weights.FUEL[0 if same else 1], same=same)


def _owners(left: Asset, right: Asset) -> Evidence:
    """Who owns it: it may be sold, so that another owner says little."""
    if not left.owner or not right.owner:
        return unknown("owner")
    if left.owner == right.owner:
        return Evidence("owner", "same", weights.OWNER_SAME)
    share = overlap(left.owner, right.owner, alike).share
    return told("owner", stepped(weights.OWNER, share))


def _mpans(left: Asset, right: Asset) -> Evidence:
    """A connection: several may stand behind one, and one asset has one on either side."""
    if not left.mpans or not right.mpans:
        return unknown("mpan")
    same = bool(left.mpans & right.mpans)
    return told("mpan", weights.MPAN_SAME if same else weights.MPAN_DIFFERS, same=same)


def _device(left: Asset, right: Asset) -> list[Evidence]:
    """What is stamped on the device."""
    found = []
    if left.serial and right.serial:
        same_make = not left.make or not right.make or left.make == right.make
        if left.serial == right.serial and same_make:
            found.append(Evidence("serial", "same", weights.DEVICE_SAME))
        else:
            found.append(told("serial", weights.DEVICE_DIFFERS))
    if left.mac and right.mac:
        same = left.mac == right.mac
        bits = weights.DEVICE_SAME if same else weights.DEVICE_DIFFERS
        found.append(told("mac", bits, same=same))
    if left.model and right.model:
        same = left.model == right.model
        found.append(told("model", weights.MODEL[0 if same else 1], same=same))
    return found


def _own_lists(left: Asset, right: Asset) -> Evidence:
    """Whoever keeps two in its own list knows that there are two."""
    theirs = dict(right.references)
    for asserter, value in left.references:
        if asserter in theirs:
            same = theirs[asserter] == value
            return told("reference", weights.REFERENCE[0 if same else 1], same=same)
    return unknown("reference")


def compare_assets(left: Asset, right: Asset) -> Comparison:
    """The verdict on two assets."""
    kind = _type(left, right)
    name, names = _names(left, right)
    place, together = _place(left, right)
    power, share = _power(left, right)
    mpan, device, listed = _mpans(left, right), _device(left, right), _own_lists(left, right)
    evidence = [
        kind, name, place, power, mpan, listed, *device,
        _years(left, right), _fuels(left, right), _owners(left, right),
    ]  # fmt: skip
    if (part := _parts(left, right)) is not None:
        evidence.append(part)
    stamped = [one.weight for one in device if one.field != "model"]
    seen = Seen(
        names=names,
        named=names.share >= weights.NAMED,
        together=together or mpan.weight > 0,
        at_once=place.weight >= weights.SPOT and kind.weight >= 0,
        apart=min((*stamped, listed.weight), default=0.0) < 0,
        proven=max(stamped, default=0.0) > 0,
        said=_says_which(left, right, [name, power, mpan]),
        power=share,
    )
    found = score(evidence, weights.ASSET_PRIOR)
    # A shared connection may make a case, and never the verdict: two generators stand behind one.
    verdict = verdict_on(left, right, seen, found)
    if verdict == "same" and mpan.weight > 0 and not seen.proven:
        verdict = band(score(evidence, weights.ASSET_PRIOR - mpan.weight))
    return compared(evidence, found, verdict)


def _parts(left: Asset, right: Asset) -> Evidence | None:
    """The words and numbers in their names by which parts of one site differ."""
    if left.parts == right.parts:
        return Evidence("part", "same", weights.PART_SAME) if left.parts else None
    if left.parts and right.parts and not left.parts & right.parts:
        return told("part", weights.PART_DIFFERS)
    return told("part", weights.PART_ONE_SIDED)


def _says_which(left: Asset, right: Asset, evidence: list[Evidence]) -> bool:
    """Whether more than the place says that two are one, and none may be a unit of the other."""
    name, power, mpan = evidence
    if power.agreement == "unknown" and max(len(left.units), len(right.units)) > 1:
        return False
    return name.weight > 0 or mpan.weight > 0 or power.weight >= weights.POWER_ALONE
