"""What stands where a value was not given, and must not be taken for one."""

from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator

from contracts.taxonomy import PLACEHOLDER_KEYS, PLACEHOLDERS

_ASCENDING: Final = "1234567890"
_DESCENDING: Final = "9876543210"
_RUN_LENGTH_MIN: Final = 3


def _fold(text: str) -> str:
    """Letters and digits alone, without case: N/A, n.a. and NA are one word."""
    folded = text.casefold()
    if folded.isalnum():
        return folded
    return "".join([character for character in folded if character.isalnum()])


_FOLDED: Final = frozenset(map(_fold, PLACEHOLDERS))
_FOLDED_KEYS: Final = frozenset(map(_fold, PLACEHOLDER_KEYS))


def is_placeholder(text: str) -> bool:
    """Whether somebody wrote this for want of a value: `Data not available`, `TBC`, `000`."""
    return _is_empty(_fold(text))


def is_placeholder_key(text: str) -> bool:
    """Whether this proves nothing about identity, even where it is a lawful value.

    Stricter than `is_placeholder`: serials such as `1234`, `12345678`, `XXXX` and `test` as well.
    """
    folded = _fold(text)
    return (
        _is_empty(folded)
        or folded in _FOLDED_KEYS
        or folded.count(folded[0]) == len(folded)
        or (len(folded) >= _RUN_LENGTH_MIN and folded.isdigit() and _is_run(folded))
    )


def _is_empty(folded: str) -> bool:
    return not folded.strip("0") or folded in _FOLDED


def _is_run(folded: str) -> bool:
    """Digits counted up from 0 or 1, or down to 1 or 0."""
    return (
        _ASCENDING.startswith(folded)
        or f"0{_ASCENDING}".startswith(folded)
        or _DESCENDING.endswith(folded)
        or _DESCENDING.removesuffix("0").endswith(folded)
    )


def not_given(value: object) -> object:
    """None for a placeholder, anything else as it came; goes before an optional identifier."""
    return None if isinstance(value, str) and is_placeholder(value) else value


T = TypeVar("T")
OrNotGiven = Annotated[T | None, BeforeValidator(not_given)]
"""`OrNotGiven[Mpan]`: an MPAN, or None where a placeholder or nothing came."""
