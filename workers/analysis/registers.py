"""The registers that can be analysed, and all in which one differs from the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.duplicates import CaseKind
from handlers import namesakes, suspecting
from handlers.matching import asset_columns, organisation_columns
from handlers.matching.reading import known_as, of_asset
from workers.analysis import asset_fields, user_fields
from workers.analysis.fields import Compared, Rule


@dataclass(frozen=True, slots=True)
class Register:
    """One of them: which records are compared, by what, and what is taken for granted of it."""

    name: CaseKind
    """Of its collection."""
    is_compared: Callable[[Mapping[str, Any]], bool]
    """Whether a record as it stands is compared with others; the rest is left out."""
    exported: Sequence[str]
    """What of a record is exported: all that the scorer looks at."""
    profile: Callable[[Mapping[str, Any]], Any]
    """What the scorer makes of that."""
    row: Callable[[Any], Mapping[str, Any]]
    """What Splink sees of a profile, with its blocks."""
    columns: Mapping[str, str]
    """The types in DuckDB of what a row holds beside the blocks."""
    fields: Sequence[Compared]
    rules: Sequence[Rule]
    twice: float
    """Of so many records another registration is expected, before anything is learned."""
    least: float
    """Splink's probability from which on a pair is a candidate."""
    score_min: float
    """The scorer's score from which on a case is opened, where nobody chooses another."""


ASSETS: Final = Register(
    name="assets",
    is_compared=suspecting.is_compared,
    exported=asset_fields.EXPORTED,
    profile=of_asset,
    row=asset_columns.columns_of,
    columns=asset_fields.COLUMNS,
    fields=asset_fields.FIELDS,
    rules=asset_fields.RULES,
    twice=0.02,
    least=0.001,
    score_min=0.0,
)
USERS: Final = Register(
    name="users",
    is_compared=namesakes.is_compared,
    exported=user_fields.EXPORTED,
    profile=known_as,
    row=organisation_columns.columns_of,
    columns=user_fields.COLUMNS,
    fields=user_fields.FIELDS,
    rules=user_fields.RULES,
    twice=0.02,
    # Many say their name alone, of which Splink knows less than the scorer: that looks at more.
    least=0.0001,
    score_min=0.8,
)
REGISTERS: Final[Mapping[CaseKind, Register]] = {one.name: one for one in (ASSETS, USERS)}
