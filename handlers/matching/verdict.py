"""What a comparison of two registrations says, and why."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["same", "part_of", "unsure", "different"]
"""`part_of`: one belongs to the other, or both to one site; `unsure`: for a person."""

Agreement = Literal["same", "near", "differs", "unknown"]
"""Of one field: alike, close enough to speak for it, against it, or not given by both."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one field says. It carries no value, since whoever decides a case reads the records."""

    field: str
    """In the field's own words: `name`, `place`, `power`, `type`, `company-number`."""
    agreement: Agreement
    weight: float
    """Evidence in bits: how much likelier this is of one thing than of two; below 0 against it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict on two records."""

    verdict: Verdict
    score: float
    """Calibrated probability that the two are one, from 0 to 1."""
    reasons: tuple[Reason, ...]
    """The strongest first."""
