"""What an asset's owner has said of a party: beside the ties of the two; the last word counts."""

from collections.abc import Mapping
from typing import Any

from handlers.decision import Document

Consent = Mapping[str, Any]


def consents_of(row: Document | None) -> list[Consent]:
    """All that was consented and taken back between an asset and a party, in its order."""
    return list((row or {}).get("consents", ()))


def consent_of(row: Document | None, service: str | None) -> Consent | None:
    """The last word on a party and a service; what was said of all services counts for each."""
    said = [one for one in consents_of(row) if one["service"] in {service, None}]
    return said[-1] if said else None


def is_withdrawn(row: Document | None, service: str | None) -> bool:
    """Whether the owner has taken back what a party would do for a service."""
    last = consent_of(row, service)
    return last is not None and last["state"] == "withdrawn"


def is_unwanted(row: Document | None) -> bool:
    """Whether the owner has taken back all of its consent: then who registered is nobody."""
    said = consents_of(row)
    return bool(said) and said[-1]["state"] == "withdrawn" and said[-1]["service"] is None
