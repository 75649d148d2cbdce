"""Moments and days."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from typing_extensions import TypeAliasType

from contracts.values.rule import Parsed, Rule, published, text_of

_TIMESTAMP: Final = re.compile(
    r"(?P<moment>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,12}))?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR_MIN: Final = 1880
_YEAR_MAX: Final = 2199
"""From before the first public power station to after the last lease; beyond is a typing error."""

TIMESTAMP_FORMAT: Final = Rule(
    "timestamp.format",
    "This is not a moment.",
    expected="date, T, time and offset (RFC 3339), such as 2025-03-30T01:30:00Z",
    advice="Send RFC 3339 with seconds; 24:00 and leap seconds are not accepted.",
)
TIMESTAMP_OFFSET: Final = Rule(
    "timestamp.offset",
    "The moment has no offset from UTC.",
    expected="Z, or an offset such as +01:00, at the end",
    advice="Add the offset: without it nobody knows whether summer time is meant.",
)
TIMESTAMP_RANGE: Final = Rule(
    "timestamp.range",
    "The moment lies too far away.",
    expected=f"a year from {_YEAR_MIN} to {_YEAR_MAX}",
    advice="Check the year.",
)
DATE_FORMAT: Final = Rule(
    "date.format",
    "This is not a day.",
    expected="a day of the calendar as YYYY-MM-DD",
    advice="Send the day alone, year first, in full digits.",
)
DATE_RANGE: Final = Rule(
    "date.range",
    "The day lies too far away.",
    expected=f"a year from {_YEAR_MIN} to {_YEAR_MAX}",
    advice="Check the year.",
)


def _timestamp(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else _read(text_of(value))
    if moment.utcoffset() is None:
        raise TIMESTAMP_OFFSET.broken()
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise TIMESTAMP_RANGE.broken() from None
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        raise TIMESTAMP_RANGE.broken()
    # The store keeps milliseconds: what is decided on must be what is read back.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _read(text: str) -> datetime:
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise TIMESTAMP_FORMAT.broken()
    fraction = (match["fraction"] or "").ljust(6, "0")[:6]
    offset = (match["offset"] or "").upper()
    try:
        return datetime.fromisoformat(f"{match['moment'].upper()}.{fraction}{offset}")
    except ValueError:
        raise TIMESTAMP_FORMAT.broken() from None


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _date(value: object) -> str:
    text = text_of(value).strip()
    if not _DATE.fullmatch(text):
        raise DATE_FORMAT.broken()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        # 0000-00-00 is how databases spell a day that nobody gave.
        raise DATE_FORMAT.broken() from None
    if not _YEAR_MIN <= day.year <= _YEAR_MAX:
        raise DATE_RANGE.broken()
    return text


Timestamp = TypeAliasType(
    "Timestamp",
    Annotated[
        datetime,
        Parsed(
            _timestamp,
            published(
                "Moment as RFC 3339 with offset; kept in UTC, cut to milliseconds.",
                "2025-03-30T01:30:00.000Z",
                format="date-time",
            ),
            {},
            dump=_written,
        ),
    ],
)
"""A moment: aware, UTC, milliseconds."""

Date = TypeAliasType(
    "Date",
    Annotated[
        str,
        Parsed(
            _date,
            published("Day of the calendar, YYYY-MM-DD.", "2025-03-30", format="date"),
            {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        ),
    ],
)
"""A day of the calendar, kept as text: a day has no time zone that could move it to another."""
