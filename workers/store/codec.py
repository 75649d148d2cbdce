"""Documents as BSON bytes and back: the types that travel, the sealed values, what cannot."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128
from bson.errors import BSONError

from handlers.decision import Secret
from workers.store.protocol import InboxKey, Key
from workers.vault import Sealed

# MongoDB's own limits: 16 MiB for a document, 100 levels of nesting, 34 digits.
SIZE_MAX: Final = 16 * 1024 * 1024
DEPTH_MAX: Final = 100
DIGITS_MAX: Final = 34

Seal = Callable[[Secret], Sealed]

_WORD: Final = 2**64 - 1
_COEFFICIENT: Final = 2**113 - 1
_EXPONENT: Final = 2**14 - 1
_BIAS: Final = 6176
_EXPONENT_MAX: Final = 6111
# Wide enough that no Decimal128 is rounded or clamped on its way out.
_EXACT: Final = Context(prec=DIGITS_MAX, Emin=-99_999, Emax=99_999)


class Unencodable(ValueError):
    """A document that BSON or MongoDB cannot hold; `fields` are its paths and values."""

    def __init__(self, fields: list[tuple[str, Any]]) -> None:
        """Name the fields and the kinds of their values, never the values themselves."""
        self.fields = fields
        named = ", ".join(f"{path or 'the whole'} ({type(got).__name__})" for path, got in fields)
        super().__init__(
            f"Expected values that a stored document can hold, got others at: {named}. "
            f"Reject the command and name the fields."
        )


def encode(document: Mapping[str, Any], seal: Seal, *, size_max: int = SIZE_MAX) -> bytes:
    """Turn a document into BSON, its secrets sealed; raise Unencodable with the fields."""
    if isinstance(document.get("_id"), InboxKey):
        document = {**document, "_id": stored_key(document["_id"])}
    token = _SEAL.set(seal)
    try:
        encoded = bson.encode(document, codec_options=_WRITING)
    except _NOT_BSON as error:
        fields = unencodable(document, size_max)
        raise Unencodable(fields or [("", type(error).__name__)]) from error
    finally:
        _SEAL.reset(token)
    if len(encoded) > size_max or _maybe_deep(encoded):
        fields = unencodable(document, size_max)
        if fields or len(encoded) > size_max:
            raise Unencodable(fields or [("", len(encoded))])
    return encoded


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Turn a row that the shell made itself into BSON; it is known to fit and holds no Secret.

    Its size is still the server's to refuse: an archive of many commands may be too large.
    """
    return bson.encode(row, codec_options=_MEASURING)


class Sealing(dict[str, Any]):
    """A document in which something is sealed: only these need to be looked through."""


def decode(encoded: bytes) -> dict[str, Any]:
    """Read a document back; sealed values stay sealed."""
    document: dict[str, Any] = bson.decode(encoded, _READING)
    if b"_box\x00" in encoded:
        return Sealing((name, _with_sealed(value)) for name, value in document.items())
    return document


def secret_bytes(secret: Secret) -> bytes:
    """Give the plaintext of a secret, to be sealed."""
    return encode({"v": secret.value}, _unsealable)


def secret_value(plaintext: bytes) -> Any:
    """Read the value of a secret from its opened plaintext."""
    return decode(plaintext)["v"]


def subjects(value: Any) -> Iterator[str]:
    """List whose keys are needed to open the sealed values in a document."""
    if isinstance(value, Sealed):
        yield value.key
    elif isinstance(value, dict):
        for part in value.values():
            if type(part) is not str:
                yield from subjects(part)
    elif isinstance(value, list):
        for part in value:
            # Most of what is stored is text: not to be asked three questions, as often as it is.
            if type(part) is not str:
                yield from subjects(part)


def unsealed(value: Any, unseal: Callable[[Sealed], Any]) -> Any:
    """Copy a document with each sealed value replaced by what `unseal` makes of it."""
    if isinstance(value, Sealed):
        return unseal(value)
    if isinstance(value, dict):
        return {n: p if type(p) is str else unsealed(p, unseal) for n, p in value.items()}
    if isinstance(value, list):
        return [part if type(part) is str else unsealed(part, unseal) for part in value]
    return value


def stored_key(key: Key) -> str | dict[str, str]:
    """Give a key the form that `_id` has in the store; a tuple would become an array."""
    return key._asdict() if isinstance(key, InboxKey) else key


def key_of(document_id: object) -> Key:
    """Read a key back from a stored `_id`."""
    match document_id:
        case str() | InboxKey():
            return document_id
        case {"user": str(user), "id": str(name), **rest} if not rest:
            return InboxKey(user, name)
    message = (
        f"Expected `_id` to be a string or an inbox key of user and id, got "
        f"{type(document_id).__name__}: give the document such an `_id`."
    )
    raise TypeError(message)


def unencodable(document: Mapping[str, Any], size_max: int = SIZE_MAX) -> list[tuple[str, Any]]:
    """List the fields that a document cannot hold, by dotted path; an empty one is its size."""
    found = list(_unfit(document, "", 1))
    if found:
        return found
    size = len(bson.encode(document, codec_options=_MEASURING))
    return [("", size)] if size > size_max else []


def _unfit(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list | tuple):
        if depth > DEPTH_MAX:
            # One finding is enough: what lies deeper is at fault for the same reason.
            yield path, value
        elif isinstance(value, Mapping):
            for name, part in value.items():
                if not _is_name(name, top=depth == 1):
                    yield _joined(path, name), name
                yield from _unfit(part, _joined(path, name), depth + 1)
        else:
            for index, part in enumerate(value):
                yield from _unfit(part, _joined(path, index), depth + 1)
    elif isinstance(value, Secret):
        # Its value is BSON of its own, {"v": …}; the path is the secret's in the document.
        yield from _unfit(value.value, path, 2)
    elif not _fits(value):
        yield path, value


def _joined(path: str, name: object) -> str:
    # A path travels in a finding, so it must itself be text that can be encoded.
    part = str(name).encode(errors="backslashreplace").decode()
    return f"{path}.{part}" if path else part


def _is_name(name: object, *, top: bool) -> bool:
    # A document with a top-level `$` name can be inserted but never replaced.
    if not isinstance(name, str) or "\x00" in name or (top and name.startswith("$")):
        return False
    return _is_text(name)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits(value: Any) -> bool:
    match value:
        case bool() | float() | bytes() | datetime() | Sealed() | None:
            return True
        case str():
            return _is_text(value)
        case int():
            return -(2**63) <= value < 2**63
        case Decimal():
            try:
                _packed(value)
            except _NOT_BSON:
                return False
            return True
        case _:
            return False


def _maybe_deep(encoded: bytes) -> bool:
    # Each level costs a type byte, 3 or 4: a cheap count spares nearly all documents the walk.
    return encoded.count(3) + encoded.count(4) >= DEPTH_MAX


def _packed(value: Decimal) -> Decimal128:
    """Pack a number three times faster than the driver does; leave it the rare ones."""
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, str) or len(digits) > DIGITS_MAX:
        return Decimal128(value)
    if not -_BIAS <= exponent <= _EXPONENT_MAX:
        return Decimal128(value)
    coefficient = 0
    for digit in digits:
        coefficient = coefficient * 10 + digit
    bits = sign << 127 | (exponent + _BIAS) << 113 | coefficient
    # The stub leaves out the pair of words, which skips parsing; from_bid takes twice as long.
    return Decimal128((bits >> 64, bits & _WORD))  # type: ignore[arg-type]


def _unpacked(packed: Decimal128) -> Decimal:
    bits = int.from_bytes(packed.bid, "little")
    if bits >> 125 & 3 == 3:  # noqa: PLR2004 (both bits set: infinity, NaN, foreign encodings)
        return packed.to_decimal()
    exponent = (bits >> 113 & _EXPONENT) - _BIAS
    number = _EXACT.scaleb(Decimal(bits & _COEFFICIENT), exponent)
    return number.copy_negate() if bits >> 127 else number


def _with_sealed(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"_key", "_box"}:
            return Sealed(value["_key"], value["_box"])
        return {name: _with_sealed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_sealed(part) for part in value]
    return value


def _unsealable(secret: Secret) -> Sealed:
    message = f"Expected a plain value inside a secret, got {secret!r}: seal only the outer one."
    raise TypeError(message)


class _Numbers(TypeDecoder):
    """Reads Decimal128 as Decimal."""

    bson_type = Decimal128

    def transform_bson(self, value: Decimal128) -> Decimal:
        """Convert on reading."""
        return _unpacked(value)


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _packed(value)
    if isinstance(value, Secret):
        value = _SEAL.get()(value)
    return {"_key": value.key, "_box": value.box} if isinstance(value, Sealed) else value


def _measured(value: Any) -> Any:
    # A box is its plaintext and less than a hundred bytes: near enough for a limit.
    if isinstance(value, Secret):
        value = value.value
    if isinstance(value, Decimal):
        return _packed(value)
    return {"_key": value.key, "_box": value.box} if isinstance(value, Sealed) else value


_NOT_BSON: Final = (
    BSONError,
    OverflowError,
    DecimalException,
    ValueError,  # UnicodeError too
    RecursionError,
)
_READING: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_Numbers()])
)
_SEAL: Final[ContextVar[Seal]] = ContextVar("seal")
"""What seals the secrets of the document that is being encoded."""
# Made once: making options for each document costs a third of the encoding.
_WRITING: CodecOptions[dict[str, Any]] = CodecOptions(
    type_registry=TypeRegistry(fallback_encoder=_written)
)
_MEASURING: CodecOptions[dict[str, Any]] = CodecOptions(
    type_registry=TypeRegistry(fallback_encoder=_measured)
)
