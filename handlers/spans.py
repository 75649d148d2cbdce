"""Which documents make a page: what a decision reads where it does not know their ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

PAGE: Final = 200
"""How many documents a page has at most."""


@dataclass(frozen=True, slots=True)
class Span:
    """A page of the documents whose indexed `field` holds `value`, in the order of their ids."""

    field: str
    value: str
    after: str = ""
    """The id behind which the page begins."""
    limit: int = PAGE
    """How many documents the page has at most."""
    all_of: tuple[str, ...] | None = None
    """In place of a value, where the field is a list: all that it holds."""

    @classmethod
    def of_list(cls, field: str, all_of: Iterable[str], after: str, limit: int = PAGE) -> "Span":
        """A page of the documents whose indexed list holds all of these; of none, of every one.

        What is held by few stands first, since the store looks along one of the first ones.
        For reading: a list that was asked for does not come with them, since it may be long.
        """
        return cls(field, "", after, limit, tuple(all_of))

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document's field holds what is asked for, wherever its id may be."""
        if self.all_of is None:
            return bool(document.get(self.field) == self.value)
        return not self.all_of or set(self.all_of) <= set(document.get(self.field) or ())
