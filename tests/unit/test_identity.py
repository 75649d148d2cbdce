"""Ids: what the backbone issues is accepted however it is typed, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts import taxonomy, values

ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "UserId": TypeAdapter(values.UserId),
    "AssetId": TypeAdapter(values.AssetId),
}


@given(st.sampled_from(["USR", *taxonomy.ASSET_TYPES]), st.integers(0, 2**60 - 1))
def test_issued_id_is_accepted_and_one_mistyped_character_is_not(prefix: str, number: int) -> None:
    issued = values.compose_id(prefix, number)
    if issued is None:
        return
    name = "UserId" if prefix == "USR" else "AssetId"
    assert ADAPTERS[name].validate_python(issued.lower().replace("-", "")) == issued
    other = "7" if issued[5] != "7" else "8"
    with pytest.raises(ValidationError) as caught:
        ADAPTERS[name].validate_python(issued[:5] + other + issued[6:])
    assert caught.value.errors()[0]["type"].endswith("-id.check-digit")


def test_id_is_drawn_again_where_the_check_character_is_no_digit() -> None:
    """Of 36 check characters 32 are Crockford digits, so that about one id in nine is redrawn."""
    composed = [values.compose_id("BAT", number) for number in range(360)]
    assert 20 < composed.count(None) < 60
    assert all(issued is None or issued[-1] not in "ILOU" for issued in composed)
    for prefix, number in (("bat", 1), ("BAT", -1), ("BAT", 2**60)):
        with pytest.raises(ValueError, match="expected a prefix"):
            values.compose_id(prefix, number)


def test_no_asset_type_looks_like_a_user() -> None:
    assert taxonomy.USER_PREFIX not in taxonomy.ASSET_TYPES
    assert all(len(code) == 3 and code.isupper() for code in taxonomy.ASSET_TYPES)
