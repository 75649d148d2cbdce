"""The fields that a mapping may give: those of a registration, and what only a comparison reads."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Final

from contracts.asset_groups import Capability, Connection, Identity, Location
from contracts.assets import RegisterAsset
from contracts.groups import Address
from contracts.messages import Contract
from contracts.users import RegisterUser

REGISTERED: Final[Mapping[str, type[Contract]]] = {"user": RegisterUser, "asset": RegisterAsset}
GROUPS: Final[Mapping[str, type[Contract]]] = {
    "address": Address,
    "location": Location,
    "capability": Capability,
    "connection": Connection,
    "identity": Identity,
}
"""Groups of which each field is looked at; claims may have schemes of their own."""
COMPARED: Final[Mapping[str, frozenset[str]]] = {
    "user": frozenset({"given_name", "family_name", "born_on", "website", "also_known_as"}),
    "asset": frozenset({"registrant", "units"}),
    "address": frozenset({"point", "grid"}),
    "location": frozenset({"country"}),
}
"""What a registration has not and a comparison reads (`handlers/matching/reading.py`)."""


def unknown(kind: str, document: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """The first field that nothing knows, and the names that are known there, nearest first."""
    for place, name, fields in _given(kind, document):
        if name not in fields:
            return f"{place}{name}", sorted(fields, key=lambda one: (-_likeness(name, one), one))
    return None


def _given(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Each name with the group before it, and the names that are known there."""
    for name, value in document.items():
        yield "", name, _known(kind)
        if name in GROUPS and isinstance(value, Mapping):
            yield from ((f"{name}.", inner, _known(name)) for inner in value)


@cache
def _known(place: str) -> frozenset[str]:
    contract = REGISTERED.get(place) or GROUPS[place]
    return frozenset(contract.model_fields) | COMPARED.get(place, frozenset())


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other).ratio()
