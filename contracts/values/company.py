"""Numbers by which registries and banks know an organisation."""

import re
from typing import Annotated, Final

from stdnum import iban, lei
from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError
from stdnum.gb import vat
from stdnum.util import clean
from typing_extensions import TypeAliasType

from contracts.taxonomy import COMPANY_PREFIXES
from contracts.values.rule import Parsed, Rule, published, text_of, upper

_COMPANY_LENGTH: Final = 8
_COMPANY: Final = re.compile(r"([A-Z]{0,2})([0-9]{1,8})([A-Z]{0,3})")
_SUFFIXED: Final = frozenset({"IP", "NI", "NO", "NP", "OC", "RS", "SL", "SO", "SP"})
"""Prefixes under which numbers may end in letters: societies, mostly."""

COMPANY_NUMBER_FORMAT: Final = Rule(
    "company-number.format",
    "This is not a number of Companies House.",
    expected="8 digits, or a prefix such as SC or OC and 6 digits",
    advice="Take the number from the Companies House register; lost leading zeros are put back.",
)
COMPANY_NUMBER_PREFIX: Final = Rule(
    "company-number.prefix",
    "Companies House issues no numbers with this prefix.",
    expected="no prefix, or one such as SC, NI, OC, SO, NC, LP, SL, FC",
    advice="Take the number from the Companies House register.",
)
VAT_NUMBER_FORMAT: Final = Rule(
    "vat-number.format",
    "This is not a British VAT number.",
    expected="GB and 9 digits, or 12 digits for a branch",
    advice="Take the number from the certificate of registration for VAT.",
)
VAT_NUMBER_CHECK_DIGIT: Final = Rule(
    "vat-number.check-digit",
    "The check digits of the VAT number do not fit the others.",
    expected="the check digits mod 97 of the first 7 digits as the 8th and 9th",
    advice="Compare the number with the certificate: a digit was mistyped or swapped.",
)
LEI_FORMAT: Final = Rule(
    "lei.format",
    "A legal entity identifier has 18 letters or digits and two check digits.",
    expected="20 characters, the last two digits",
    advice="Look the identifier up in the Global LEI Index.",
)
LEI_CHECK_DIGIT: Final = Rule(
    "lei.check-digit",
    "The check digits of the legal entity identifier do not fit the rest.",
    expected="the check digits ISO 7064 MOD 97-10 of the first 18 characters at the end",
    advice="Look the identifier up in the Global LEI Index: a character was mistyped or swapped.",
)
IBAN_FORMAT: Final = Rule(
    "iban.format",
    "This is not an international bank account number of its country.",
    expected="country, 2 check digits and the country's own account number",
    advice="Take the number from the bank statement.",
)
IBAN_CHECK_DIGIT: Final = Rule(
    "iban.check-digit",
    "The check digits of the bank account number do not fit the rest.",
    expected="the check digits ISO 7064 MOD 97-10 as the 3rd and 4th character",
    advice="Compare the number with the bank statement: a character was mistyped or swapped.",
)
SORT_CODE_FORMAT: Final = Rule(
    "sort-code.format",
    "A sort code has six digits.",
    expected="6 digits, with or without hyphens",
    advice="Take the sort code from the bank statement, with its leading zeros.",
)
ACCOUNT_NUMBER_FORMAT: Final = Rule(
    "account-number.format",
    "A British bank account number has eight digits.",
    expected="8 digits",
    advice="Ask the bank how it writes a shorter number in eight digits.",
)


def _company_number(value: object) -> str:
    match = _COMPANY.fullmatch(upper(clean(text_of(value), " ")))
    if match is None:
        raise COMPANY_NUMBER_FORMAT.broken()
    prefix, digits, suffix = match.groups()
    if prefix not in COMPANY_PREFIXES | {"", "R"}:
        raise COMPANY_NUMBER_PREFIX.broken()
    number = prefix + digits.zfill(_COMPANY_LENGTH - len(prefix) - len(suffix)) + suffix
    if (
        len(number) != _COMPANY_LENGTH
        or (suffix and prefix not in _SUFFIXED)
        or not digits.strip("0")
    ):
        raise COMPANY_NUMBER_FORMAT.broken()
    return number


def _vat_number(value: object) -> str:
    try:
        digits = vat.validate(text_of(value))
    except InvalidChecksum:
        raise VAT_NUMBER_CHECK_DIGIT.broken() from None
    except ValidationError:
        raise VAT_NUMBER_FORMAT.broken() from None
    if not digits[:9].strip("0"):
        raise VAT_NUMBER_FORMAT.broken()
    return f"GB{digits}"


def _lei(value: object) -> str:
    text = upper(clean(text_of(value), " -"))
    if not re.fullmatch("[0-9A-Z]{18}[0-9]{2}", text):
        raise LEI_FORMAT.broken()
    if not lei.is_valid(text):
        raise LEI_CHECK_DIGIT.broken()
    return text


def _iban(value: object) -> str:
    text = upper(clean(text_of(value), " -"))
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[0-9A-Z]{1,30}", text):
        raise IBAN_FORMAT.broken()
    try:
        return iban.validate(text)
    except InvalidChecksum:
        raise IBAN_CHECK_DIGIT.broken() from None
    except (InvalidComponent, ValidationError):
        raise IBAN_FORMAT.broken() from None


def _sort_code(value: object) -> str:
    text = clean(text_of(value), " -")
    if not re.fullmatch("[0-9]{6}", text):
        raise SORT_CODE_FORMAT.broken()
    return text


def _account_number(value: object) -> str:
    text = clean(text_of(value), " ")
    if not re.fullmatch("[0-9]{8}", text):
        raise ACCOUNT_NUMBER_FORMAT.broken()
    return text


CompanyNumber = TypeAliasType(
    "CompanyNumber",
    Annotated[
        str,
        Parsed(
            _company_number,
            published(
                "Number of Companies House: 8 characters; lost leading zeros are put back.",
                "01234567",
                "SC123456",
            ),
            {"pattern": "^[0-9A-Z]{2}[0-9]{3}[0-9A-Z]{3}$"},
        ),
    ],
)
"""A number of Companies House, 8 characters, upper case."""

VatNumber = TypeAliasType(
    "VatNumber",
    Annotated[
        str,
        Parsed(
            _vat_number,
            published(
                "British VAT number; GB, spaces and hyphens may be left out.",
                "GB980780684",
            ),
            {"pattern": "^GB([0-9]{9}([0-9]{3})?|(GD|HA)[0-9]{3}|(GD|HA)8888[0-9]{5})$"},
        ),
    ],
)
"""A British VAT number: `GB123456789`."""

Lei = TypeAliasType(
    "Lei",
    Annotated[
        str,
        Parsed(
            _lei,
            published("Legal entity identifier: 20 characters.", "213800WSGIIZCXF1P572"),
            {"pattern": "^[0-9A-Z]{18}[0-9]{2}$"},
        ),
    ],
)
"""A legal entity identifier (ISO 17442), upper case."""

Iban = TypeAliasType(
    "Iban",
    Annotated[
        str,
        Parsed(
            _iban,
            published("International bank account number.", "GB82WEST12345698765432"),
            {"pattern": "^[A-Z]{2}[0-9]{2}[0-9A-Z]{1,30}$"},
        ),
    ],
)
"""An international bank account number, without spaces."""

SortCode = TypeAliasType(
    "SortCode",
    Annotated[
        str,
        Parsed(
            _sort_code,
            published("Sort code of a British bank: 6 digits.", "123456", "12-34-56"),
            {"pattern": "^[0-9]{6}$", "examples": ["123456"]},
        ),
    ],
)
"""A sort code: six digits."""

AccountNumber = TypeAliasType(
    "AccountNumber",
    Annotated[
        str,
        Parsed(
            _account_number,
            published("Account number at a British bank: 8 digits.", "12345678"),
            {"pattern": "^[0-9]{8}$"},
        ),
    ],
)
"""An account number: eight digits."""
