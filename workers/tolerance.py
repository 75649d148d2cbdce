"""Decoders of AMQP properties that no sender's bytes can break.

The driver ends the whole connection for a property that it cannot read, such as a timestamp of the
year 292 million or a header name that is not UTF-8. The broker passes both on, so one message of
one user would stop a mailbox for all. What cannot be read becomes absent or is marked, and
admission refuses the message that it came with (ADR 0010).
"""

from typing import Any, Final

from pamqp import decode

from handlers.admission import UNREADABLE_HEADERS

UNREADABLE: Final = (ValueError, OverflowError, OSError, RecursionError)
_LENGTH_BYTES: Final = 4
_TIMESTAMP_BYTES: Final = 8


def install() -> None:
    """Put them into the driver's table of decoders; once, before the first connection."""
    decode.METHODS.update(shortstr=short_text, timestamp=timestamp, table=table)


def short_text(value: bytes) -> tuple[int, str]:
    """A short string; bytes that are not UTF-8 become replacement characters."""
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


def timestamp(value: bytes) -> tuple[int, Any]:
    """A moment, or None where it is none that a clock can show."""
    try:
        return decode.timestamp(value)
    except UNREADABLE:
        return _TIMESTAMP_BYTES, None


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """Headers, or the mark that they cannot be read."""
    try:
        consumed, headers = decode.field_table(value)
    except UNREADABLE:
        size = int.from_bytes(value[:_LENGTH_BYTES])
        return _LENGTH_BYTES + size, {UNREADABLE_HEADERS: True}
    return consumed, dict(headers)
