"""What is compared of a user and of an asset: folded once, so that a comparison is cheap."""

from dataclasses import dataclass, field

Point = tuple[float, float]
"""Latitude and longitude in degrees, WGS84."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody is to be found; what is empty is not known."""

    house: str = ""
    """The number of the house, with its letter."""
    street: tuple[str, ...] = ()
    """The words that say which street: neither its kind nor its direction."""
    side: str = ""
    """`n`, `s`, `e`, `w` where a direction belongs to the street."""
    town: tuple[str, ...] = ()
    region: str = ""
    postcode: str = ""
    country: str = ""
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as it is compared."""

    name: tuple[str, ...]
    also: tuple[tuple[str, ...], ...] = ()
    """Further names, such as the one it trades under."""
    address: Address = field(default_factory=Address)
    phones: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()
    """Identifiers as (scheme, value): company number, VAT number, LEI, EIC, MPID."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as it is compared."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    born: str = ""
    """Eight digits, year first."""
    address: Address = field(default_factory=Address)
    phones: frozenset[str] = frozenset()
    mails: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset as it is compared."""

    kind: str
    """Its type, three letters; empty where nobody knows."""
    name: tuple[str, ...] = ()
    """The words that say which it is, without those for parts and kinds."""
    parts: frozenset[str] = frozenset()
    """Of its name the words and numbers that tell the parts of one site apart."""
    full: tuple[str, ...] = ()
    """All words of its name."""
    power_kw: float = 0.0
    """0 where it is not known."""
    energy_kwh: float = 0.0
    fuel: str = ""
    address: Address = field(default_factory=Address)
    mpans: frozenset[str] = frozenset()
    make: str = ""
    model: str = ""
    serial: str = ""
    mac: str = ""
    owner: tuple[str, ...] = ()
    """Its owner's id, or the words of the owner's name where a table names it."""
    year: int = 0
    """In which it was commissioned, 0 where it is not known."""
    references: frozenset[tuple[str, str]] = frozenset()
    """What its registrant, and others, call it in their own lists: (who, value)."""
    units: tuple["Asset", ...] = ()
    """What it is made of, where that is known."""


Profile = Organisation | Person | Asset
