"""Profiles out of documents of the register, and of rows that a mapping has put into their form."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from handlers.documents import said_by
from handlers.matching.folding import (
    company_number,
    company_words,
    digits_of,
    domain,
    folded,
    joined,
    key,
    phone,
    words,
)
from handlers.matching.profiles import Address, Asset, Organisation, Person, Point, Profile
from handlers.matching.words import COMPASS, JOINING, KINDS, LEGAL_FORMS, PARTS, STREETS
from handlers.osgb import wgs84

_ORDINAL: Final = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_HOUSE: Final = re.compile(r"^\d+[a-z]?$")
_LAST_NUMBER: Final = re.compile(r"^([a-z]{3,})(\d{1,2}[a-z]?)$")
_UNIT_NUMBER: Final = re.compile(r"^[a-z]{1,2}(\d{1,2})$|^(?:\d{1,2})[a-z]$")
_CODE: Final = re.compile(r"^(?=.*[a-z])(?=.*\d.*\d.*\d)[a-z0-9]+$")
"""Letters and three digits or more: a number of some list, which names nothing."""
_BORN_DIGITS: Final = 8
_YEARS: Final = range(1850, 2100)
_COMPANY_NUMBER: Final = "company_number"
_FUELS: Final = (
    ("nuclear", "nuclear"), ("lignite", "coal"), ("coal", "coal"), ("gas", "gas"), ("oil", "oil"),
    ("diesel", "oil"), ("peat", "peat"), ("waste", "waste"), ("bio", "bio"), ("hydro", "hydro"),
    ("wind", "wind"), ("solar", "sun"), ("photovolt", "sun"),
)  # fmt: skip
"""Part of the registrant's word for a source -> what it comes to; the first that fits."""


def known_as(document: Mapping[str, Any]) -> Organisation:
    """An organisation by its name, address and identifiers alone, and by none of its contacts."""
    name = company_words(said_by(document.get("name")))
    return Organisation(name, address=_address(_group(document, "address")), keys=_keys(document))


def _keys(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (scheme, company_number(value) if scheme == _COMPANY_NUMBER else key(value))
        for scheme, value in _group(document, "claims").items()
        if key(value)
    )


def of_user(document: Mapping[str, Any]) -> Organisation | Person:
    """The profile of a user's document, whether its groups are sealed or not."""
    name = said_by(document.get("name"))
    keys = _keys(document)
    contacts = [one for one in said_by(document.get("contacts")) or () if one]
    phones = frozenset(filter(None, (phone(one.get("phone")) for one in contacts)))
    mails = [one["email"] for one in contacts if one.get("email")]
    address = _address(_group(document, "address"))
    if document.get("kind") == "person":
        given, family = _person(document, name)
        return Person(
            given=given,
            family=family,
            born=_born(said_by(document.get("born_on"))),
            address=address,
            phones=phones,
            mails=frozenset(one.strip().casefold() for one in mails),
            keys=keys,
        )
    pages = [*mails, said_by(document.get("website"))]
    also = said_by(document.get("also_known_as")) or ()
    return Organisation(
        name=company_words(name),
        also=tuple(filter(None, (company_words(one) for one in also))),
        address=address,
        phones=phones,
        domains=frozenset(filter(None, map(domain, pages))),
        keys=keys,
    )


def of_asset(document: Mapping[str, Any]) -> Asset:
    """The profile of an asset's document, whether its groups are sealed or not."""
    identity, connection = _group(document, "identity"), _group(document, "connection")
    capability = _group(document, "capability")
    technologies = document.get("technologies") or ()
    full = words(said_by(document.get("name")))
    name, parts = _named(full)
    owner = said_by(document.get("owner"))
    return Asset(
        kind=document.get("asset_type") or "",
        name=name,
        parts=parts,
        full=full,
        power_kw=_number(capability.get("power_kw")),
        energy_kwh=_number(capability.get("energy_kwh")),
        fuel=_fuel(technologies),
        address=_place(_group(document, "location")),
        mpans=frozenset(filter(None, (key(connection.get(m)) for m in _MPANS))),
        make=joined(words(identity.get("make"))),
        model=joined(words(identity.get("model"))),
        serial=key(identity.get("serial")),
        mac=key(identity.get("mac")),
        owner=company_words(owner),
        year=_year(document.get("commissioned_on")),
        references=_references(document),
        units=tuple(of_asset(one) for one in document.get("units") or ()),
    )


_MPANS: Final = ("mpan_import", "mpan_export")


def of_document(document: Mapping[str, Any]) -> Profile:
    """The profile of whichever of the two it is; only a user has a kind."""
    return of_user(document) if "kind" in document else of_asset(document)


def _group(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said_by(document.get(name))
    return found if isinstance(found, Mapping) else {}


def _person(document: Mapping[str, Any], name: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Given names and family name: as they are told, else the last word is the family's."""
    given, family = document.get("given_name"), document.get("family_name")
    if given is not None or family is not None:
        return words(said_by(given)), words(said_by(family))
    found = words(name)
    return found[:-1], found[-1:]


def _born(value: Any) -> str:
    digits = digits_of(value)
    return digits if len(digits) == _BORN_DIGITS else ""


def _address(group: Mapping[str, Any]) -> Address:
    return _found_at(group, f"{group.get('line_1') or ''} {group.get('line_2') or ''}")


def _place(group: Mapping[str, Any]) -> Address:
    return _found_at(group, group.get("address") or "")


def _found_at(group: Mapping[str, Any], line: str) -> Address:
    house, street, side = _street(line)
    return Address(
        house=house,
        street=street,
        side=side,
        town=words(group.get("town")),
        region=joined(words(group.get("county"))),
        postcode=key(group.get("postcode")),
        country=joined(words(group.get("country"))),
        point=_point(group),
    )


def _street(text: str) -> tuple[str, tuple[str, ...], str]:
    """The house, the words of the street, and the direction that belongs to it."""
    house = side = ""
    street: list[str] = []
    for one in folded(text).split():
        if not house and not street and _HOUSE.match(one):
            house = one
        elif one in COMPASS:
            side = side or COMPASS[one]
        elif one not in STREETS:
            ordinal = _ORDINAL.match(one)
            street.append(ordinal[1] if ordinal else one)
    return house, tuple(street), side


def _point(group: Mapping[str, Any]) -> Point | None:
    """The point, or that of the grid reference; 0, 0 is how a table says that nobody knows."""
    if (point := group.get("point")) is not None:
        latitude, longitude = _number(point.get("latitude")), _number(point.get("longitude"))
        return (latitude, longitude) if latitude or longitude else None
    if (grid := group.get("grid")) is not None:
        easting, northing = _number(grid.get("easting_m")), _number(grid.get("northing_m"))
        return wgs84(easting, northing) if easting and northing else None
    return None


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def _year(value: Any) -> int:
    text = str(value or "")[:4]
    return int(text) if text.isdigit() and int(text) in _YEARS else 0


def _references(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    reference = key(document.get("reference"))
    return frozenset({(str(document.get("registrant") or ""), reference)} if reference else ())


def _fuel(technologies: Iterable[Any]) -> str:
    """What the first technology burns or takes, where the registrant's words say so."""
    for one in technologies:
        text = folded(str(one.get("source") or ""))
        for part, fuel in _FUELS:
            if part in text:
                return fuel
        return ""
    return ""


def _named(full: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """What of an asset's name says which it is, and what says which part of it."""
    name: list[str] = []
    parts: set[str] = set()
    for one in full:
        if one in PARTS or len(one) == 1 or one.isdigit():
            parts.add(_NUMERALS.get(one, one.lstrip("0") or one))
        elif (numbered := _UNIT_NUMBER.match(one)) is not None:
            parts.add((numbered[1] or one[:-1]).lstrip("0"))
        elif _CODE.match(one):
            continue
        elif (numbered := _LAST_NUMBER.match(one)) is not None:
            name.append(numbered[1])
            parts.add(numbered[2].lstrip("0"))
        elif one not in KINDS and one not in JOINING and one not in LEGAL_FORMS:
            name.append(one)
    rest = tuple(one for one in full if one in KINDS) if not name else ()
    return tuple(name) or rest, frozenset(parts)


_NUMERALS: Final = {
    "i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8",
    "ix": "9", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "first": "1",
    "second": "2", "third": "3", "northern": "north", "southern": "south", "eastern": "east",
    "western": "west", "ext": "extension",
}  # fmt: skip
