"""Documents as bytes: what comes back, what cannot be held, and who is told."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.decision import Secret
from workers.store import codec
from workers.store.codec import Unencodable, decode, encode, unencodable
from workers.store.protocol import InboxKey
from workers.vault import Sealed


def in_clear(secret: Secret) -> Sealed:
    """Seal without a key, so that what would be encrypted can be looked at."""
    return Sealed("USR-1", codec.secret_bytes(secret))


def revealed(document: dict[str, Any]) -> Any:
    return codec.unsealed(document, lambda sealed: codec.secret_value(sealed.box))


def nested(levels: int) -> dict[str, Any]:
    """Give a document of so many levels, itself included."""
    inner: dict[str, Any] = {"_id": "a"}
    for _level in range(levels - 1):
        inner = {"x": inner}
    return inner


decimals = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda value: (
        len(value.as_tuple().digits) <= codec.DIGITS_MAX
        and -6176 <= int(value.as_tuple().exponent) <= 6111
    )
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary()
    | decimals,
    lambda inner: st.lists(inner) | st.dictionaries(texts.filter(lambda t: "\0" not in t), inner),
    max_leaves=20,
)


@given(values)
def test_every_value_comes_back(value: object) -> None:
    document = {"_id": "a", "value": value, "secret": Secret(value)}
    assert revealed(decode(encode(document, in_clear))) == {**document, "secret": value}
    assert unencodable(document) == []


@given(decimals)
def test_decimals_keep_their_digits(value: Decimal) -> None:
    back = decode(encode({"_id": "a", "v": value}, in_clear))["v"]
    assert str(back) == str(value)


@pytest.mark.parametrize("text", ["Infinity", "-Infinity", "1E+6144", "-0E+6144", "9" * 34])
def test_rare_decimals_come_back(text: str) -> None:
    assert decode(encode({"_id": "a", "v": Decimal(text)}, in_clear))["v"] == Decimal(text)


def test_times_are_utc_to_the_millisecond() -> None:
    at = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    back = decode(encode({"_id": "a", "at": at}, in_clear))["at"]
    assert back == at.replace(microsecond=123000)
    assert back.tzinfo is UTC


def test_an_inbox_key_becomes_a_sub_document_and_reads_back() -> None:
    back = decode(encode({"_id": InboxKey("USR-1", "7"), "x": 1}, in_clear))
    assert back == {"_id": {"user": "USR-1", "id": "7"}, "x": 1}
    assert codec.key_of(back["_id"]) == InboxKey("USR-1", "7")


@pytest.mark.parametrize("wrong", [7, None, {"user": "USR-1"}, {"user": "a", "id": "b", "c": "d"}])
def test_another_kind_of_id_is_no_key(wrong: object) -> None:
    with pytest.raises(TypeError, match="Expected `_id`"):
        codec.key_of(wrong)


def test_secrets_leave_as_boxes_and_name_their_subject() -> None:
    document = {"_id": "a", "bank": Secret({"iban": "GB33"}), "deep": [{"name": Secret("Ada")}]}
    back = decode(encode(document, in_clear))
    assert isinstance(back["bank"], Sealed)
    assert isinstance(back["deep"][0]["name"], Sealed)
    assert list(codec.subjects(back)) == ["USR-1", "USR-1"]
    assert revealed(back) == {"_id": "a", "bank": {"iban": "GB33"}, "deep": [{"name": "Ada"}]}


def test_a_sealed_value_is_stored_again_as_it_is() -> None:
    sealed = Sealed("USR-1", b"box")
    assert decode(encode({"_id": "a", "v": sealed}, in_clear))["v"] == sealed


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param(2**63, "v", id="integer-over-64-bit"),
        pytest.param(-(2**63) - 1, "v", id="integer-under-64-bit"),
        pytest.param("\ud800", "v", id="lone-surrogate"),
        pytest.param(Decimal("0." + "1" * 35), "v", id="decimal-of-35-digits"),
        pytest.param(Decimal("1E+9999"), "v", id="decimal-too-large"),
        pytest.param({"a\0b": 1}, "v.a\0b", id="nul-in-a-name"),
        pytest.param({"\ud800": 1}, "v.\\ud800", id="surrogate-in-a-name"),
        pytest.param({1: 1}, "v.1", id="name-that-is-no-text"),
        pytest.param({1, 2}, "v", id="set"),
        pytest.param(date(2026, 1, 1), "v", id="date"),
        pytest.param(uuid.UUID(int=1), "v", id="uuid"),
        pytest.param([0, {"x": [2**64]}], "v.1.x.0", id="deep-inside"),
        pytest.param(Secret({"x": "\ud800"}), "v.x", id="in-a-secret"),
        pytest.param(Secret(nested(100)), "v" + ".x" * 99, id="deep-secret"),
    ],
)
def test_what_bson_cannot_hold_is_named_by_its_path(value: object, path: str) -> None:
    document = {"_id": "a", "good": 1, "v": value}
    assert [found for found, _value in unencodable(document)] == [path]
    with pytest.raises(Unencodable) as caught:
        encode(document, in_clear)
    assert [found for found, _value in caught.value.fields] == [path]


def test_a_secret_in_a_secret_is_a_bug_of_the_handler() -> None:
    with pytest.raises(TypeError, match="seal only the outer one"):
        encode({"_id": "a", "v": Secret({"x": Secret(1)})}, in_clear)


def test_every_field_at_fault_is_named_without_its_value() -> None:
    document = {"_id": "a", "one": 2**64, "two": "secret\ud800"}
    with pytest.raises(Unencodable, match=r"one \(int\), two \(str\)") as caught:
        encode(document, in_clear)
    assert caught.value.fields == [("one", 2**64), ("two", "secret\ud800")]
    assert "secret" not in str(caught.value)


def test_a_name_with_a_dollar_is_refused_at_the_top_only() -> None:
    """Such a document could be inserted and never again be replaced."""
    assert unencodable({"_id": "a", "$set": 1}) == [("$set", "$set")]
    assert unencodable({"_id": "a", "v": {"$set": 1}}) == []


def test_nesting_ends_at_a_hundred_levels() -> None:
    assert decode(encode(nested(100), in_clear)) == nested(100)
    with pytest.raises(Unencodable) as caught:
        encode(nested(101), in_clear)
    assert caught.value.fields == [(".".join("x" * 100), {"_id": "a"})]
    with pytest.raises(Unencodable):
        encode(nested(5000), in_clear)


def test_wide_documents_are_not_taken_for_deep_ones() -> None:
    wide = {"_id": "a", "list": [{"x": {}} for _n in range(500)]}
    assert decode(encode(wide, in_clear)) == wide


def test_a_document_over_the_size_limit_is_named_as_a_whole() -> None:
    document = {"_id": "a", "v": "x" * 1000, "s": Secret("y"), "n": Decimal(1)}
    assert unencodable(document, 1200) == []
    [(path, size)] = unencodable(document, 500)
    assert path == ""
    assert size > 1000
    with pytest.raises(Unencodable, match="the whole"):
        encode(document, in_clear, size_max=500)


def test_a_secret_shows_in_no_print() -> None:
    assert "GB33" not in repr(Secret("GB33"))
    assert "GB33" not in f"{Secret('GB33')}"
