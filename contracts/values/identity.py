"""Ids that the backbone issues."""

import re
from functools import lru_cache
from typing import Annotated, Final

from stdnum.iso7064 import mod_37_36
from typing_extensions import TypeAliasType

from contracts.taxonomy import ASSET_TYPES, RESERVED_USERS, USER_PREFIX
from contracts.values.rule import Parsed, Rule, published, text_of

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits of Crockford's base 32: no I, L, O (taken for 1 and 0) and no U."""
IDS_MAX: Final = 4096
"""How many ids are remembered: one command asks for the same one several times."""
_BODY_LENGTH: Final = 12
_BODY_BITS: Final = 5 * _BODY_LENGTH
_MISREAD: Final = str.maketrans("OIL", "011")
_GIVEN: Final = r"^\s*[A-Za-z]{3}([ -]?[0-9A-Za-z]){13}\s*$"
_OWN_NAME: Final = r"[a-z0-9-]{1,20}"
_TYPE: Final = f"(?!{USER_PREFIX})[A-Z]{{3}}"
"""Which of them there are is data: see `taxonomy.define.v1`."""

_COPY: Final = "Copy the id as the backbone gave it."

USER_ID_FORMAT: Final = Rule(
    "user-id.format",
    "This is not the id of a user.",
    expected="USR-XXXX-XXXX-XXXX-C, digits and letters without U",
    advice=_COPY,
)
USER_ID_CHECK_DIGIT: Final = Rule(
    "user-id.check-digit",
    "The last character does not fit the rest of the user's id.",
    expected="the check character ISO 7064 MOD 37,36 over prefix and body",
    advice=f"{_COPY} Somewhere a character was mistyped.",
)
ASSET_ID_FORMAT: Final = Rule(
    "asset-id.format",
    "This is not the id of an asset.",
    expected="an asset type and XXXX-XXXX-XXXX-C, digits and letters without U",
    advice=_COPY,
)
ASSET_ID_TYPE: Final = Rule(
    "asset-id.type",
    "The id does not begin with an asset type.",
    expected="three capital letters of an asset type, such as BAT",
    advice="Give the id of an asset; the id of a user begins with USR and goes elsewhere.",
)
ASSET_ID_CHECK_DIGIT: Final = Rule(
    "asset-id.check-digit",
    "The last character does not fit the rest of the asset's id.",
    expected="the check character ISO 7064 MOD 37,36 over prefix and body",
    advice=f"{_COPY} Somewhere a character was mistyped.",
)
ASSET_TYPE_UNKNOWN: Final = Rule(
    "asset-type.unknown",
    "This is not an asset type.",
    expected="three capital letters",
    advice="Use those of the list that `taxonomy.list.v1` gives; OTH where none fits.",
)
RECORD_ID_FORMAT: Final = Rule(
    "record-id.format",
    "This is not the id of a user or of an asset.",
    expected="three capital letters, three groups of four and a check character",
    advice="Copy the id as the backbone gave it.",
)
RECORD_ID_CHECK_DIGIT: Final = Rule(
    "record-id.check-digit",
    "The last character does not fit the rest of the id.",
    expected="an id as the backbone issued it",
    advice="Copy the id as the backbone gave it; a character was mistyped.",
)
ACCOUNT_NAME_FORMAT: Final = Rule(
    "account-name.format",
    "This is not the name of a user's account.",
    expected="a user's id, alone or with a slash and 1 to 20 of a-z 0-9 - behind it",
    advice="Give the user's id itself, `<id>/bulk`, or `<id>/` and a name of your own.",
)


@lru_cache(IDS_MAX)
def compose_id(prefix: str, number: int) -> str | None:
    """Write a number of 60 bits as an id: `compose_id("BAT", 7)` -> `BAT-0000-0000-0007-…`.

    None where the check character is no Crockford digit: the caller draws another number.
    """
    if not re.fullmatch("[A-Z]{3}", prefix) or not 0 <= number < 1 << _BODY_BITS:
        raise ValueError(
            f"expected a prefix of three capital letters and a number of {_BODY_BITS} bits, "
            f"got {prefix!r} and {number}"
        )
    shifts = range(_BODY_BITS - 5, -1, -5)
    body = "".join(CROCKFORD[number >> shift & 31] for shift in shifts)
    check = mod_37_36.calc_check_digit(prefix + body)
    return _written(prefix, body, check) if check in CROCKFORD else None


def _written(prefix: str, body: str, check: str) -> str:
    return f"{prefix}-{body[:4]}-{body[4:8]}-{body[8:]}-{check}"


def _take_apart(text: str, malformed: Rule) -> tuple[str, str, str]:
    """Prefix, body and check character; misread letters are folded in the body, where none is."""
    if not re.fullmatch(_GIVEN, text):
        raise malformed.broken()
    characters = "".join(character for character in text if character.isalnum()).upper()
    prefix, body, check = characters[:3], characters[3:-1].translate(_MISREAD), characters[-1]
    if not set(body) <= set(CROCKFORD):
        raise malformed.broken()
    return prefix, body, check


def _is_checked(prefix: str, body: str, check: str) -> bool:
    return check in CROCKFORD and mod_37_36.is_valid(prefix + body + check)


def user_of(account: str) -> str:
    """Give the user of an account: what stands before the first slash (ADR 0006)."""
    return account.partition("/")[0]


def _user_id(value: object) -> str:
    return _parsed_user_id(text_of(value))


@lru_cache(IDS_MAX)
def _parsed_user_id(text: str) -> str:
    prefix, body, check = _take_apart(text, USER_ID_FORMAT)
    if prefix != USER_PREFIX:
        raise USER_ID_FORMAT.broken()
    if not _is_checked(prefix, body, check):
        raise USER_ID_CHECK_DIGIT.broken()
    return _written(prefix, body, check)


def _account_name(value: object) -> str:
    user, slash, own = text_of(value).strip().partition("/")
    if slash and not re.fullmatch(_OWN_NAME, own):
        raise ACCOUNT_NAME_FORMAT.broken()
    return f"{_user_id(user)}{slash}{own}"


def _any_user_id(value: object) -> str:
    text = text_of(value).strip()
    return text if text in RESERVED_USERS else _user_id(text)


def _asset_id(value: object) -> str:
    return _parsed_asset_id(text_of(value))


@lru_cache(IDS_MAX)
def _parsed_asset_id(text: str) -> str:
    prefix, body, check = _take_apart(text, ASSET_ID_FORMAT)
    if prefix == USER_PREFIX:
        raise ASSET_ID_TYPE.broken()
    if not _is_checked(prefix, body, check):
        raise ASSET_ID_CHECK_DIGIT.broken()
    return _written(prefix, body, check)


def _record_id(value: object) -> str:
    prefix, body, check = _take_apart(text_of(value), RECORD_ID_FORMAT)
    if not _is_checked(prefix, body, check):
        raise RECORD_ID_CHECK_DIGIT.broken()
    return _written(prefix, body, check)


def _asset_type(value: object) -> str:
    text = text_of(value)
    if not re.fullmatch(_TYPE, text):
        raise ASSET_TYPE_UNKNOWN.broken()
    return text


_BODY_PATTERN: Final = rf"(-[{CROCKFORD}]{{4}}){{3}}-[{CROCKFORD}]"
_FORGIVING: Final = "Lower case and missing hyphens are accepted; O is read as 0, I and L as 1."

UserId = TypeAliasType(
    "UserId",
    Annotated[
        str,
        Parsed(
            _user_id,
            published(
                f"Id of a user, issued by the backbone. {_FORGIVING}",
                "USR-0000-0000-0001-G",
                given=_GIVEN,
            ),
            {"pattern": rf"^USR{_BODY_PATTERN}$"},
        ),
    ],
)
"""A user's id: `USR-XXXX-XXXX-XXXX-C`."""

AccountName = TypeAliasType(
    "AccountName",
    Annotated[
        str,
        Parsed(
            _account_name,
            published(
                "Name of a user's broker account: the user's id, or with a slash and 1 to 20 of "
                f"a-z 0-9 - behind it. {_FORGIVING}",
                "USR-0000-0000-0001-G/bulk",
                given=rf"{_GIVEN[:-4]}(/{_OWN_NAME})?\s*$",
            ),
            {"pattern": rf"^USR{_BODY_PATTERN}(/{_OWN_NAME})?$"},
        ),
    ],
)
"""A broker account's name: the user is what stands before the slash."""

AnyUserId = TypeAliasType(
    "AnyUserId",
    Annotated[
        str,
        Parsed(
            _any_user_id,
            published(
                f"Id of a user, or one of {', '.join(sorted(RESERVED_USERS))}. {_FORGIVING}",
                "USR-0000-0000-0001-G",
                "operator",
            ),
            {"pattern": rf"^(USR{_BODY_PATTERN}|{'|'.join(sorted(RESERVED_USERS))})$"},
        ),
    ],
)
"""A user's id, or the name of a user that every register knows."""

AssetId = TypeAliasType(
    "AssetId",
    Annotated[
        str,
        Parsed(
            _asset_id,
            published(
                f"Id of an asset or portfolio; begins with its type. {_FORGIVING}",
                "BAT-0000-0000-0001-V",
                given=_GIVEN,
            ),
            {"pattern": rf"^{_TYPE}{_BODY_PATTERN}$"},
        ),
    ],
)
"""An asset's id: `<asset type>-XXXX-XXXX-XXXX-C`."""

RecordId = TypeAliasType(
    "RecordId",
    Annotated[
        str,
        Parsed(
            _record_id,
            published(
                f"Id of a user or an asset. {_FORGIVING}",
                "USR-0000-0000-0001-G",
                "BAT-0000-0000-0001-V",
                given=_GIVEN,
            ),
            {"pattern": rf"^[A-Z]{{3}}{_BODY_PATTERN}$"},
        ),
    ],
)
"""The id of a user or of an asset, whichever."""

AssetType = TypeAliasType(
    "AssetType",
    Annotated[
        str,
        Parsed(
            _asset_type,
            published(
                "; ".join(f"{code} {words}" for code, words in ASSET_TYPES.items())
                + "; and what `taxonomy.list.v1` names besides.",
                "BAT",
                given=f"^{_TYPE}$",
            ),
            {},
        ),
    ],
)
"""What kind of thing an asset is: three capital letters."""
