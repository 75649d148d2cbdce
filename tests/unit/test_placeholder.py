"""Placeholders: what is not a value, and what is a value and proves nothing."""

import pytest
from pydantic import TypeAdapter

from contracts import values

PLACEHOLDER_CASES = [
    "Data not available", "DATA  NOT AVAILABLE", "Redacted", "TBC", "n/a", "N.A.", "NA", "None",
    "Unknown", "To be confirmed", "-", "--", "0", "000", "0.0", "", "  ",
]  # fmt: skip


@pytest.mark.parametrize("text", PLACEHOLDER_CASES)
def test_placeholder_is_not_given(text: str) -> None:
    assert values.not_given(text) is None
    assert TypeAdapter(values.OrNotGiven[values.Mpan]).validate_python(text) is None
    assert values.is_placeholder_key(text)


@pytest.mark.parametrize("value", ["1312345678907", "Nash", "1234", "東京", 0, None, False])
def test_anything_else_is_left_as_it_came(value: object) -> None:
    assert values.not_given(value) is value


@pytest.mark.parametrize("text", ["1234", "12345678", "0123", "4321", "XXXX", "Test", "1", "S/N"])
def test_placeholder_key_proves_nothing(text: str) -> None:
    assert values.is_placeholder_key(text)


@pytest.mark.parametrize("text", ["1312345678907", "SN-48151623", "2345", "AB12", "12"])
def test_real_serial_is_a_key(text: str) -> None:
    assert not values.is_placeholder_key(text)
