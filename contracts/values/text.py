"""Words, and the ways to reach somebody."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final

from stdnum.util import clean
from typing_extensions import TypeAliasType

from contracts.values.rule import Parsed, Rule, published, text_of

NAME_LENGTH_MAX: Final = 200
LINE_LENGTH_MAX: Final = 500
EMAIL_LENGTH_MAX: Final = 254
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of what changes a line without being seen: controls, direction marks, ..."""
_EMAIL: Final = re.compile(
    r"(?P<local>[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
_LOCAL_LENGTH_MAX: Final = 64
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_GB: Final = re.compile(r"\+44[1-9][0-9]{8,9}")

TEXT_EMPTY: Final = Rule(
    "text.empty",
    "The text is empty.",
    expected="at least one visible character",
    advice="Give the text, or leave the field out where it is optional.",
)
TEXT_CONTROL: Final = Rule(
    "text.control",
    "The text contains characters that cannot be seen.",
    expected="one line without line breaks, control or direction characters",
    advice="Remove them; they often come along when text is copied from a document.",
)
EMAIL_FORMAT: Final = Rule(
    "email.format",
    "This is not an e-mail address.",
    expected="local-part@domain, in ASCII",
    advice="Give one address without a name or angle brackets.",
)
PHONE_FORMAT: Final = Rule(
    "phone.format",
    "This is not a telephone number.",
    expected="+, country code and number, or a British number beginning with 0",
    advice="Write the number as one would dial it from abroad, such as +44 20 7946 0000.",
)
TEXT_LENGTH: Final = "text.length"


@dataclass(frozen=True, slots=True)
class OneLine:
    """Parses one line of text up to a number of characters."""

    length_max: int

    @property
    def length_rule(self) -> Rule:
        """The text as it came and as it is kept must both fit, so that the schema is true."""
        return Rule(
            TEXT_LENGTH,
            "The text is too long.",
            expected=f"at most {self.length_max} characters",
            advice="Shorten the text.",
        )

    def parse(self, value: object) -> str:
        """NFC, no spaces around, single spaces inside; a tab is a space that a table left."""
        given = text_of(value)
        if len(given) > self.length_max:
            raise self.length_rule.broken()
        text = given.replace("\t", " ").strip(" ")
        # Nearly all texts are of this kind, and need no look at each character.
        if not (text.isascii() and text.isprintable()):
            text = unicodedata.normalize("NFC", text)
            if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
                raise TEXT_CONTROL.broken()
        text = " ".join(text.split())
        if not text:
            raise TEXT_EMPTY.broken()
        if len(text) > self.length_max:
            raise self.length_rule.broken()
        return text


def _email(value: object) -> str:
    text = text_of(value).strip()
    match = _EMAIL.fullmatch(text) if len(text) <= EMAIL_LENGTH_MAX else None
    if match is None or len(match["local"]) > _LOCAL_LENGTH_MAX:
        raise EMAIL_FORMAT.broken()
    return f"{match['local']}@{match['domain'].lower()}"


def _phone(value: object) -> str:
    text = clean(text_of(value).replace("(0)", ""), " -.()/")
    if text.startswith("00"):
        text = f"+{text[2:]}"
    elif text.startswith("0"):
        text = f"+44{text[1:]}"
    wanted = _PHONE_GB if text.startswith("+44") else _PHONE
    if not wanted.fullmatch(text):
        raise PHONE_FORMAT.broken()
    return text


def _line(description: str, example: str, length_max: int) -> Parsed:
    schema = published(description, example, minLength=1, maxLength=length_max)
    return Parsed(OneLine(length_max).parse, schema, {})


Name = TypeAliasType(
    "Name",
    Annotated[
        str,
        _line(
            f"Name on one line, up to {NAME_LENGTH_MAX} characters; kept in Unicode NFC.",
            "Example Power Ltd",
            NAME_LENGTH_MAX,
        ),
    ],
)
"""A name: one line, at most 200 characters."""

Line = TypeAliasType(
    "Line",
    Annotated[
        str,
        _line(
            f"Text on one line, up to {LINE_LENGTH_MAX} characters; kept in Unicode NFC.",
            "1 Example Street",
            LINE_LENGTH_MAX,
        ),
    ],
)
"""A line of an address or a remark: at most 500 characters."""

Email = TypeAliasType(
    "Email",
    Annotated[
        str,
        Parsed(
            _email,
            published("E-mail address; the domain is kept in lower case.", "desk@example.com"),
            {"format": "email", "maxLength": EMAIL_LENGTH_MAX},
        ),
    ],
)
"""An e-mail address, its domain in lower case."""

Phone = TypeAliasType(
    "Phone",
    Annotated[
        str,
        Parsed(
            _phone,
            published(
                "Telephone number; kept in E.164. A leading 0 is read as British.",
                "+442079460000",
                "020 7946 0000",
            ),
            {"pattern": r"^\+[1-9][0-9]{6,14}$", "examples": ["+442079460000"]},
        ),
    ],
)
"""A telephone number in E.164."""
