"""One wrong value for each code of a value, wherever a contract takes such a value."""

from collections.abc import Mapping
from typing import Any, Final

from tests.codes.fields import FIRST, KEY, Field

WRONG: Final[Mapping[str, Any]] = {
    "account-name.format": "USR-0000-0000-0001-G/Not Small",
    "account-number.format": "12",
    "asset-id.check-digit": "BAT-0000-0000-0001-W",
    "asset-id.format": "BAT",
    "asset-id.type": "USR-0000-0000-0001-G",
    "asset-type.unknown": "xyz",
    "company-number.format": "12345678901",
    "company-number.prefix": "ZZ123456",
    "date.format": "31/12/2026",
    "date.range": "1066-10-14",
    "details.form": 5,
    "details.size": {"a": "x" * 9000},
    "eic.check-digit": "10X1001A1001A451",
    "eic.format": "10X",
    "email.format": "nobody",
    "grid.missing": 0,
    "grid.range": 9_999_999,
    "gsp-group.unknown": "_Z",
    "iban.check-digit": "GB00WEST12345698765432",
    "iban.format": "GB",
    "latitude.range": 91,
    "lei.check-digit": "213800WSGIIZCXF1P573",
    "lei.format": "213800",
    "longitude.range": 181,
    "mac-address.format": "12:34",
    "mpan.check-digit": "2000000000016",
    "mpan.format": "200000000001A",
    "mpan.length": "20000000000",
    "mpan.prefix": "0500000000003",
    "mpid.format": "E",
    "phone.format": "one two three",
    "point.type": "here",
    "postcode.area": "ZZ1 1AA",
    "postcode.format": "SW1",
    "quantity.negative": -1,
    "quantity.precision": 1.2345678901234567,
    "quantity.range": 10**15,
    "quantity.type": "5 kW",
    "record-id.check-digit": "BAT-0000-0000-0001-W",
    "record-id.format": "BAT",
    "sort-code.format": "12-34",
    "text.control": "one\u0007two",
    "text.empty": " ",
    "text.length": "x" * 501,
    "timestamp.format": "yesterday",
    "timestamp.offset": "2026-03-01T12:00:00",
    "timestamp.range": "1066-10-14T09:00:00Z",
    "uprn.format": "12 Example Street",
    "user-id.check-digit": "USR-0000-0000-0001-H",
    "user-id.format": "USR",
    "value.text": 5,
    "vat-number.check-digit": "123456789",
    "vat-number.format": "12",
}


def with_wrong(data: Mapping[str, Any], field: Field, code: str) -> dict[str, Any]:
    """The data with a wrong value in this field; what is not there on the way is made."""
    found: dict[str, Any] = _put(dict(data), field.steps, WRONG[code])
    return found


def _put(there: Any, steps: tuple[str, ...], value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if step == KEY:
        return {"DFS": _put({}, tuple(rest), value)} if rest else {value: "now"}
    if step == FIRST or step.isdigit():
        position = 0 if step == FIRST else int(step)
        entries = list(there or ())
        entries += [None] * (position + 1 - len(entries))
        entries[position] = _put(entries[position], tuple(rest), value)
        return entries
    return {**(there or {}), step: _put((there or {}).get(step), tuple(rest), value)}
