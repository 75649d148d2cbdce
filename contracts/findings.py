"""How pydantic's validation error becomes findings: the rule, the field, and the way out."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from contracts.envelope import Finding

GOT_LENGTH_MAX: Final = 120
FINDINGS_MAX: Final = 50

STANDARD_RULES: Final[dict[str, tuple[str, str]]] = {
    "missing": (
        "field.missing",
        "Give this field; the contract's JSON Schema lists what it takes.",
    ),
    "extra_forbidden": ("field.unknown", "Leave the field out or correct its name."),
    "literal_error": ("field.choice", "Give one of the listed values."),
    "union_tag_invalid": ("field.choice", "Give one of the listed values."),
    "string_too_short": ("field.length", "Give a longer text."),
    "string_too_long": ("field.length", "Give a shorter text."),
    "too_long": ("field.length", "Give fewer entries."),
    "too_short": ("field.length", "Give more entries."),
    "string_pattern_mismatch": (
        "field.format",
        "Write the value in the form that the contract shows.",
    ),
    "greater_than": ("field.range", "Give a value within the range."),
    "greater_than_equal": ("field.range", "Give a value within the range."),
    "less_than": ("field.range", "Give a value within the range."),
    "less_than_equal": ("field.range", "Give a value within the range."),
    "finite_number": ("field.range", "Give a finite number."),
}
"""Pydantic's error type -> (rule, advice); rules of our own values carry theirs in the error."""

FALLBACK: Final = ("field.type", "Give a value of the type that the contract's JSON Schema names.")


def findings_of(error: ValidationError, root: str = "") -> tuple[Finding, ...]:
    """All that pydantic found, unknown fields last, at most FINDINGS_MAX."""
    details = [one for one in error.errors(include_url=False) if not _is_long_enough(one)]
    details.sort(key=lambda detail: detail["type"] == "extra_forbidden")
    return tuple(_finding(detail, root) for detail in details[:FINDINGS_MAX])


def _is_long_enough(detail: ErrorDetails) -> bool:
    """Of a list pydantic counts the entries that fit alone; each of the others is said itself."""
    given = detail["input"]
    is_counted = detail["type"] == "too_short" and isinstance(given, list | tuple)
    return is_counted and len(given) >= detail["ctx"]["min_length"]


def _finding(detail: ErrorDetails, root: str) -> Finding:
    context = detail.get("ctx", {})
    path = shorten(".".join(str(part) for part in (root, *detail["loc"]) if part != ""))
    if "advice" in context:
        rule, expected, advice = detail["type"], str(context["expected"]), str(context["advice"])
    else:
        rule, advice = STANDARD_RULES.get(detail["type"], FALLBACK)
        expected = _expected(detail)
    got = "" if detail["type"] == "missing" else shorten(detail["input"])
    return Finding(rule=rule, field=path, expected=expected, got=got, advice=advice)


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "a field that the contract names"
    if detail["type"] == "missing":
        return "a value"
    return detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def shorten(value: Any) -> str:
    """What came, as JSON where it can be, at most GOT_LENGTH_MAX characters, always encodable."""
    try:
        text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    except ValueError:
        text = repr(value)
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= GOT_LENGTH_MAX else text[: GOT_LENGTH_MAX - 1] + "…"


def unstorable(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of what JSON allows and no store or peer can hold.

    That is integers over 64 bit, and lone surrogates. The path is written out for what is found
    alone: a name of 100,000 letters over 10,000 values would make a gigabyte of paths.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            if _is_broken_text(name):
                yield ".".join(path), name
            yield from unstorable(inner, (*path, shorten(name)))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from unstorable(inner, (*path, str(position)))
    elif (isinstance(value, int) and not -(2**63) <= value < 2**63) or _is_broken_text(value):
        yield ".".join(path), value


def unstorable_findings(pairs: Sequence[tuple[str, Any]]) -> tuple[Finding, ...]:
    """One finding for each value that cannot be stored."""
    return tuple(
        Finding(
            rule="value.unstorable",
            field=shorten(path),
            expected="a number within 64 bit or 34 digits, and text that is valid Unicode",
            got=shorten(value),
            advice="Give a smaller number, or text without unpaired surrogates.",
        )
        for path, value in pairs[:FINDINGS_MAX]
    )


def _is_broken_text(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)
