"""Which documents make a page: what is read where nobody knows their ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor
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

    @property
    def is_first(self) -> bool:
        """Whether it is the first page of a value, as long as pages are."""
        return self.all_of is None and not self.after and self.limit == PAGE

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document's field holds what is asked for, wherever its id may be."""
        if self.all_of is None:
            return bool(document.get(self.field) == self.value)
        return not self.all_of or set(self.all_of) <= set(document.get(self.field) or ())


@dataclass(frozen=True, slots=True)
class Tally:
    """How many documents there are whose list `field` holds `all_of`, for each value of `by`.

    Rows have `count`, the `first` and the `last` id, and what one of them says in `said`. For
    questions alone: what a batch has changed is not laid over it.
    """

    field: str
    all_of: tuple[str, ...]
    by: tuple[str, ...]
    said: tuple[str, ...]
    limit: int

    def id_of(self, row: Mapping[str, Any]) -> str:
        """The id of a row: no document has one like it."""
        return "/".join(("tally", *(str(row[name]) for name in self.by)))


BANDS_PER_M: Final = 100
"""Distances are told apart to a centimetre; of those that are alike the ids say the order."""


@dataclass(frozen=True, slots=True)
class Around:
    """A page of the documents by their distance from a point, the nearest first, then by id.

    Each comes with `distance_m`. For questions alone: what a batch has changed is not laid over it.
    """

    field: str
    """The field that holds the point; indexed together with `held`."""
    held: str
    """Name of a list that holds `value`."""
    value: str
    longitude: float
    latitude: float
    radius_m: float
    limit: int
    band: int = -1
    """Behind which place the page begins: a distance in bands, and an id."""
    after: str = ""


def band_of(distance_m: float) -> int:
    """The band of a distance."""
    return floor(distance_m * BANDS_PER_M)
