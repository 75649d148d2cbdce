"""How it is said what Splink compares two records of a register by, and what it learns from."""

from collections.abc import Sequence
from typing import NamedTuple


class Level(NamedTuple):
    """How alike two values are; of several levels the first that holds is taken."""

    name: str
    condition: str
    of_one: float
    """Share of pairs of one thing that are so alike, before anything is learned."""
    of_two: float
    """The same of pairs of two things."""


class Compared(NamedTuple):
    """A comparison with its levels, the most alike first; none holds where one value is absent."""

    name: str
    absent: str
    levels: Sequence[Level]
    learns: bool = True
    """Whether the register may teach it: of one device nobody has two serials."""


class Rule(NamedTuple):
    """Pairs that are learned from; the field that they have in common is left out of the lesson."""

    of: str
    leaves_out: str


def absent(*columns: str) -> str:
    """Where not both records have a value in each of these columns."""
    return " or ".join(f"{one}_{side} is null" for one in columns for side in "lr")
