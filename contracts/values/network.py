"""Codes by which networks and markets know a connection, a device, a unit and a party."""

import re
from typing import Annotated, Final

from stdnum.eu import eic
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.util import clean
from typing_extensions import TypeAliasType

from contracts.taxonomy import BM_UNIT_KINDS, GSP_GROUPS
from contracts.values.rule import Parsed, Rule, published, text_of, upper

_MPAN_LENGTH: Final = 13
_MPAN_WEIGHTS: Final = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_MPAN_DISTRIBUTOR_MIN: Final = "10"
"""Everything from 10 up is valid: 10-23 the fourteen areas, 24 and up independent networks."""
_BM_UNIT: Final = rf"[{''.join(BM_UNIT_KINDS)}]_[A-Z0-9_-]{{1,9}}"

MPAN_FORMAT: Final = Rule(
    "mpan.format",
    "An MPAN has nothing but digits.",
    expected="13 digits",
    advice="Send the digits of the MPAN core; leave the field out where there is none.",
)
MPAN_LENGTH: Final = Rule(
    "mpan.length",
    "An MPAN core has 13 digits.",
    expected="13 digits",
    advice="Send the core, the bottom line of the supply number, as text with its leading digits.",
)
MPAN_CHECK_DIGIT: Final = Rule(
    "mpan.check-digit",
    "The last digit of the MPAN does not fit the other twelve.",
    expected="the check digit of the first 12 digits as the 13th",
    advice="Compare the number with the bill or the meter: a digit was mistyped or swapped.",
)
MPAN_PREFIX: Final = Rule(
    "mpan.prefix",
    "No distributor has the first two digits of this MPAN.",
    expected="first two digits 10 to 23, or 24 and up for an independent network",
    advice="Compare the number with the bill or the meter.",
)
MPID_FORMAT: Final = Rule(
    "mpid.format",
    "A market participant id has four characters.",
    expected="4 letters or digits",
    advice="Take the id from the market domain data.",
)
BM_UNIT_PREFIX: Final = Rule(
    "bm-unit.prefix",
    "The id does not begin like the id of a BM unit.",
    expected="one of " + " ".join(f"{kind}_" for kind in BM_UNIT_KINDS),
    advice="Give Elexon's id of the unit, not the National Grid one, with its prefix.",
)
BM_UNIT_FORMAT: Final = Rule(
    "bm-unit.format",
    "This is not the id of a BM unit.",
    expected="a prefix such as T_ and 1 to 9 letters, digits, hyphens or underscores",
    advice="Take the id from Elexon's register of BM units.",
)
EIC_FORMAT: Final = Rule(
    "eic.format",
    "An EIC has 16 letters, digits or hyphens, and does not end in a hyphen.",
    expected="16 characters",
    advice="Take the code from the issuing office's list.",
)
EIC_CHECK_DIGIT: Final = Rule(
    "eic.check-digit",
    "The last character of the EIC does not fit the other fifteen.",
    expected="the check character of the first 15 characters as the 16th",
    advice="Compare the code with the issuing office's list: a character was mistyped or swapped.",
)
GSP_GROUP_UNKNOWN: Final = Rule(
    "gsp-group.unknown",
    "This is not a GSP group.",
    expected=f"one of {', '.join(sorted(GSP_GROUPS.values()))}",
    advice="Give the group with its underscore, or leave it out: the MPAN tells it.",
)
MAC_ADDRESS_FORMAT: Final = Rule(
    "mac-address.format",
    "This is not a MAC address.",
    expected="12 hexadecimal digits, such as 00:1A:2B:3C:4D:5E",
    advice="Take the address from the device's label; a serial number has a field of its own.",
)


def gsp_group(mpan: str) -> str | None:
    """GSP group of a parsed MPAN (`_A` to `_P`); None on an independent network."""
    return GSP_GROUPS.get(mpan[:2])


def _mpan(value: object) -> str:
    text = "".join(text_of(value).split())
    if not re.fullmatch("[0-9]+", text):
        raise MPAN_FORMAT.broken()
    if len(text) != _MPAN_LENGTH:
        raise MPAN_LENGTH.broken()
    total = sum(int(digit) * weight for digit, weight in zip(text, _MPAN_WEIGHTS, strict=False))
    if total % 11 % 10 != int(text[-1]):
        raise MPAN_CHECK_DIGIT.broken()
    if text[:2] < _MPAN_DISTRIBUTOR_MIN:
        raise MPAN_PREFIX.broken()
    return text


def _mpid(value: object) -> str:
    text = upper(text_of(value).strip())
    if not re.fullmatch("[A-Z0-9]{4}", text):
        raise MPID_FORMAT.broken()
    return text


def _bm_unit(value: object) -> str:
    text = upper(text_of(value).strip())
    if text[:1] not in BM_UNIT_KINDS or text[1:2] != "_":
        raise BM_UNIT_PREFIX.broken()
    if not re.fullmatch(_BM_UNIT, text):
        raise BM_UNIT_FORMAT.broken()
    return text


def _eic(value: object) -> str:
    text = upper(clean(text_of(value), " ").strip())
    try:
        return eic.validate(text)
    except InvalidChecksum:
        raise EIC_CHECK_DIGIT.broken() from None
    except ValidationError:
        raise EIC_FORMAT.broken() from None


def _gsp_group(value: object) -> str:
    text = text_of(value)
    if text not in GSP_GROUPS.values():
        raise GSP_GROUP_UNKNOWN.broken()
    return text


def _mac_address(value: object) -> str:
    digits = upper(clean(text_of(value), " :-."))
    if not re.fullmatch("[0-9A-F]{12}", digits):
        raise MAC_ADDRESS_FORMAT.broken()
    return ":".join(digits[start : start + 2] for start in range(0, len(digits), 2))


Mpan = TypeAliasType(
    "Mpan",
    Annotated[
        str,
        Parsed(
            _mpan,
            published(
                "MPAN core of a connection: 13 digits with check digit; spaces are removed.",
                "1312345678907",
                "2000000000015",
                given=r"^\s*([0-9]\s*){13}$",
            ),
            {"pattern": "^[1-9][0-9]{12}$"},
        ),
    ],
)
"""The MPAN core: 13 digits."""

Mpid = TypeAliasType(
    "Mpid",
    Annotated[
        str,
        Parsed(
            _mpid,
            published(
                "Market participant id: 4 letters or digits.",
                "EELC",
                given=r"^\s*[A-Za-z0-9]{4}\s*$",
            ),
            {"pattern": "^[A-Z0-9]{4}$"},
        ),
    ],
)
"""The id of a market participant: four characters, upper case."""

BmUnit = TypeAliasType(
    "BmUnit",
    Annotated[
        str,
        Parsed(
            _bm_unit,
            published(
                "Elexon's id of a BM unit: prefix, underscore and up to 9 characters.",
                "T_DRAXX-1",
                given=r"^\s*[A-Za-z2]_[A-Za-z0-9_-]{1,9}\s*$",
            ),
            {"pattern": f"^{_BM_UNIT}$"},
        ),
    ],
)
"""The id of a BM unit, upper case."""

Eic = TypeAliasType(
    "Eic",
    Annotated[
        str,
        Parsed(
            _eic,
            published(
                "Energy Identification Code: 16 characters with check character.",
                "10X1001A1001A38Y",
            ),
            {"pattern": "^[A-Z0-9-]{15}[A-Z0-9]$"},
        ),
    ],
)
"""An Energy Identification Code, upper case."""

GspGroup = TypeAliasType(
    "GspGroup",
    Annotated[
        str,
        Parsed(
            _gsp_group,
            published("GSP group, underscore and letter.", "_A", enum=sorted(GSP_GROUPS.values())),
            {},
        ),
    ],
)
"""A GSP group: `_A` to `_P`."""

MacAddress = TypeAliasType(
    "MacAddress",
    Annotated[
        str,
        Parsed(
            _mac_address,
            published(
                "MAC address (EUI-48); hyphens, dots or nothing instead of colons are accepted.",
                "00:1A:2B:3C:4D:5E",
            ),
            {"pattern": "^[0-9A-F]{2}(:[0-9A-F]{2}){5}$"},
        ),
    ],
)
"""A MAC address: upper case, with colons."""
