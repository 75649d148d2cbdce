"""Who sends, as the broker vouches for it, and who issues ids and fingerprints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.taxonomy import BACKBONE, FRONT_DESK, OPERATOR

_ITSELF: Final = {one: frozenset({one}) for one in (OPERATOR, FRONT_DESK)}
RESERVED: Final[Mapping[str, frozenset[str]]] = {**_ITSELF, BACKBONE: frozenset()}
"""Identities that a fresh register knows, with their roles; they have no document."""


class Issuer(Protocol):
    """Issues ids and fingerprints: keyed, so that nobody outside can compute them.

    Hashable, so that what follows from one can be kept.
    """

    def __hash__(self) -> int:
        """By identity: one per process."""

    def id_number(self, *parts: str) -> int:
        """60 bits that depend on `parts` alone."""

    def fingerprint(self, scheme: str, value: str) -> str:
        """The claim document's id for a value, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The user that the broker vouches for."""

    user: str
    roles: frozenset[str]
    status: str
    survivor: str | None = None
    """Of an alias the user that it is by now."""

    @property
    def is_operator(self) -> bool:
        """Whether it runs the backbone: who is granted the role and not confirmed does not yet."""
        return OPERATOR in self.roles and self.status == "confirmed"
