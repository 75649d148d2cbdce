"""How the field groups of a user are kept: which are sealed, and the record as rules see it."""

from collections.abc import Mapping
from typing import Any, Final

from handlers.decision import Document, Secret
from handlers.documents import said_by

SEALED: Final = frozenset({"contacts", "bank", "insurance"})
"""Groups that are sealed whoever the user is."""
PERSONAL: Final = frozenset({"name", "address", "claims", "accreditation", "profile"})
"""Groups that are personal data where the user is a person, and are sealed then."""
GIVEN: Final = (
    "name", "address", "claims", "contacts", "bank", "insurance", "accreditation", "profile",
)  # fmt: skip
"""Groups that a user says of itself, in the order in which they are kept."""


def opened(user: Document) -> dict[str, Any]:
    """The record as rules and patches see it; of an erased group nothing is there."""
    values = {g: user[g] for g in GIVEN if g in user}
    plain = {g: said_by(v) for g, v in values.items()}
    return {n: v for n, v in user.items() if n not in values} | {
        g: v for g, v in plain.items() if v is not None
    }


def sealed(user: Mapping[str, Any]) -> dict[str, Any]:
    """The record as it is stored: what is sensitive under the user's own key."""
    secret = SEALED | PERSONAL if user["kind"] == "person" else SEALED
    return {n: Secret(v) if n in secret else v for n, v in user.items()}
