"""Which documents make a page: what a decision reads where it does not know their ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PAGE: Final = 200
"""How many documents a page has at most."""


@dataclass(frozen=True, slots=True)
class Span:
    """A page of the documents whose indexed `field` holds `value`, in the order of their ids."""

    field: str
    """Empty for every document of the collection."""
    value: str
    after: str = ""
    """The id behind which the page begins."""
    limit: int = PAGE
    """How many documents the page has at most."""
    also: tuple[str, ...] | None = None
    """Of a field that is a list: what it holds besides; the store walks along `value`, so that is
    to be the rarest of them."""

    @classmethod
    def of_all(cls, after: str) -> "Span":
        """A page of a whole collection."""
        return cls("", "", after, also=())

    @property
    def values(self) -> tuple[str, ...]:
        """All that a list must hold."""
        return (self.value, *(self.also or ())) if self.field else ()

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document's field holds what is asked for, wherever its id may be."""
        if self.also is None:
            return bool(document.get(self.field) == self.value)
        return set(self.values) <= set(document.get(self.field) or ())
