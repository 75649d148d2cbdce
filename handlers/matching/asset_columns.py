"""An asset as a row of the table that a whole register is analysed in."""

from collections.abc import Iterator
from typing import Any, Final

from handlers.matching.profiles import Asset
from handlers.matching.tokens import Token, kind_of, tokens

_PLACES: Final = frozenset({"type-postcode", "type-spot"})
"""Tokens of which there are too many assets where many of a type stand close to each other."""
_WORDS: Final = frozenset({"type-word"})
_BEGINS: Final = 6
"""Letters of the first word that are asked for in a place."""


def columns_of(profile: Asset) -> dict[str, Any]:
    """What two assets are compared by in that table; None where it is not known."""
    address = profile.address
    latitude, longitude = address.point or (None, None)
    return {
        "kind": kind_of(profile.kind) or None,
        "name": " ".join(profile.name) or None,
        "postcode": address.postcode or None,
        "latitude": latitude,
        "longitude": longitude,
        "power_kw": profile.power_kw or None,
        "mpans": sorted(profile.mpans) or None,
        "device": profile.serial or profile.mac or None,
        "year": profile.year or None,
        "owner": " ".join(profile.owner) or None,
        "blocks": list(blocks(profile)),
    }


def blocks(profile: Asset) -> tuple[str, ...]:
    """Two that share one of these are looked at, unless too many share it.

    The narrow tokens; and for where many of a type stand in one place or have a common name, these
    with the power in two figures or the beginning of the name, which few of them share.
    """
    found = tokens(profile)
    return tuple(sorted({*map("|".join, found), *_finer(profile, found)}))


def _finer(profile: Asset, found: tuple[Token, ...]) -> Iterator[str]:
    power = f"{profile.power_kw:.2g}" if profile.power_kw else ""
    begins = profile.name[0][:_BEGINS] if profile.name else ""
    for scheme, value in found:
        if power and scheme in _PLACES | _WORDS:
            yield f"{scheme}-power|{value}|{power}"
        if begins and scheme in _PLACES:
            yield f"{scheme}-name|{value}|{begins}"
