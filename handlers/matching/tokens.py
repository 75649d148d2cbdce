"""By what the candidates of a profile are found: whoever shares a token is compared with it."""

import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Final, NamedTuple

from handlers.matching.assets import ALIKE_TYPES, OPEN_TYPES
from handlers.matching.organisations import weigh
from handlers.matching.profiles import Address, Asset, Organisation, Person, Point, Profile

_BEGINS: Final = 4
"""Letters of a word that people seldom get wrong."""
_WORDS_MAX: Final = 3
_SPOT_DEGREES: Final = 0.005
"""North to south; about 550 m."""
_WIDE_DEGREES: Final = 0.1
_WORD_LENGTH_MIN: Final = 3


class Token(NamedTuple):
    """One of them; that of a person is kept as the fingerprint of both only."""

    scheme: str
    value: str


def tokens(profile: Profile) -> tuple[Token, ...]:
    """Those that few records share, since they are made of several fields or name one thing."""
    return tuple(sorted(set(_narrow(profile))))


def wide_tokens(profile: Profile) -> tuple[Token, ...]:
    """Those, and such as find what is written quite differently; some are shared by many."""
    return tuple(sorted({*_narrow(profile), *_wide(profile)}))


@singledispatch
def _narrow(profile: Profile) -> Iterator[Token]:
    raise TypeError(f"expected a profile, got {type(profile).__name__}")


@singledispatch
def _wide(profile: Profile) -> Iterator[Token]:
    raise TypeError(f"expected a profile, got {type(profile).__name__}")


def telling(words: tuple[str, ...]) -> list[str]:
    """The words of a name that tell which, or all where none does."""
    return [one for one in words if weigh(one) == 1.0] or list(words)


@_narrow.register
def _of_organisation(profile: Organisation) -> Iterator[Token]:
    yield from (Token(scheme, value) for scheme, value in profile.keys)
    yield from (Token("phone", one) for one in profile.phones)
    yield from (Token("domain", one) for one in profile.domains)
    words = telling(profile.name)[:_WORDS_MAX]
    address = profile.address
    where = address.postcode or "".join(address.town)
    if where:
        yield from (Token("word-place", f"{one[:_BEGINS]}|{where}") for one in words)
    elif words:
        yield Token("words", "|".join(sorted(one[:_BEGINS] for one in words)))
    yield from _street(address)


@_wide.register
def _of_organisation_wide(profile: Organisation) -> Iterator[Token]:
    for name in (profile.name, *profile.also):
        yield from (Token("word", one) for one in name if len(one) >= _WORD_LENGTH_MIN)
        yield Token("letters", "".join(name)[:6])
    yield from (Token("street-word", one) for one in profile.address.street)


@_narrow.register
def _of_person(profile: Person) -> Iterator[Token]:
    yield from (Token(scheme, value) for scheme, value in profile.keys)
    yield from (Token("phone", one) for one in profile.phones)
    yield from (Token("email", one) for one in profile.mails)
    family, given = "".join(profile.family), "".join(profile.given)
    if profile.born:
        yield Token("born-name", f"{profile.born}|{family[:2]}")
        yield Token("born-name", f"{profile.born}|{given[:2]}")
    if profile.address.postcode and family:
        yield Token("name-postcode", f"{family[:_BEGINS]}|{profile.address.postcode}")
    if given and family:
        yield Token("names", f"{given}|{family}")
    yield from _street(profile.address)


@_wide.register
def _of_person_wide(profile: Person) -> Iterator[Token]:
    if profile.born:
        yield Token("born", profile.born)
    for name in ("".join(profile.family), "".join(profile.given)):
        if name:
            yield Token("name", name)
    if profile.address.town:
        yield Token("town", "".join(profile.address.town))
    if profile.address.postcode:
        yield Token("postcode", profile.address.postcode)


@_narrow.register
def _of_asset(profile: Asset) -> Iterator[Token]:
    kind = kind_of(profile.kind)
    address = profile.address
    if profile.serial:
        yield Token("serial", profile.serial)
    if profile.mac:
        yield Token("mac", profile.mac)
    yield from (Token("mpan", one) for one in profile.mpans)
    if address.postcode:
        yield Token("type-postcode", f"{kind}|{address.postcode}")
    if address.point is not None:
        for cell in _corners(address.point, _SPOT_DEGREES):
            yield Token("type-spot", f"{kind}|{cell}")
    for one in profile.name[:_WORDS_MAX]:
        if len(one) >= _WORD_LENGTH_MIN:
            yield Token("type-word", f"{kind}|{one[:6]}")


@_wide.register
def _of_asset_wide(profile: Asset) -> Iterator[Token]:
    for one in (profile, *profile.units):
        yield from (Token("word", word) for word in one.name if len(word) >= _WORD_LENGTH_MIN)
    if profile.address.point is not None:
        for cell in _corners(profile.address.point, _WIDE_DEGREES):
            yield Token("area", cell)
    if profile.owner and profile.power_kw:
        yield Token("owner-power", f"{'|'.join(profile.owner)}|{profile.power_kw:.3g}")


def kind_of(kind: str) -> str:
    """The type, or the first of those that are taken for one another."""
    for group in ALIKE_TYPES:
        if kind in group:
            return min(group)
    return "" if kind in OPEN_TYPES else kind


def _street(address: Address) -> Iterator[Token]:
    if address.house and address.street:
        words = sorted(one[:_BEGINS] for one in address.street[:2])
        yield Token("street", f"{address.house}|{'|'.join(words)}")


def _corners(point: Point, degrees: float) -> Iterator[str]:
    """The corners of the cell of a point: points less than a cell apart have one in common."""
    row = math.floor(point[0] / degrees)
    # As wide as it is high; by the row, so that all corners of it agree on their columns.
    for north in (row, row + 1):
        wide = degrees / max(0.1, math.cos(math.radians(north * degrees)))
        column = math.floor(point[1] / wide)
        yield f"{north}:{column}"
        yield f"{north}:{column + 1}"
