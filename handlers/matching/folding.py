"""What of a value counts: letters, digits and words, without what people write differently."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from contracts.values import is_placeholder, is_placeholder_key
from handlers.matching.words import ARTICLES, LEGAL_FORMS

_UNDECOMPOSED: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "’": "'"})
_DOTTED: Final = re.compile(r"\b(?:\w\. ?){2,}(?=\W|$)|\b(?:\w\.)+\w\b")
_SIGNS: Final = re.compile(r"[^\w]+|_+")
_DIGITS: Final = re.compile(r"\D+")
PHONE_DIGITS_MIN: Final = 6
COMPANY_LENGTH: Final = 8


def folded(text: str) -> str:
    """Without case, accents and signs: one word is parted from the next by one space.

    Letters with dots are one word: `N. V.` and `NV` are the same, and so are `R.W.E.` and `RWE`.
    """
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(one for one in plain if not unicodedata.combining(one))
    text = text.casefold().translate(_UNDECOMPOSED).replace("&", " and ").replace("'", "")
    if "." in text:
        text = _DOTTED.sub(lambda found: re.sub(r"[. ]", "", found[0]) + " ", text)
    return _SIGNS.sub(" ", text).strip()


def words(text: object) -> tuple[str, ...]:
    """The folded words of a text; of a placeholder none."""
    if not isinstance(text, str) or is_placeholder(text):
        return ()
    return tuple(folded(text).split())


def company_words(name: object) -> tuple[str, ...]:
    """The words of a name without its article and its legal form, wherever these stand.

    A name that is made of these alone keeps them.
    """
    found = _spelt(words(name))
    kept = tuple(one for one in found if one not in LEGAL_FORMS and one not in ARTICLES)
    return kept or found


def _spelt(found: tuple[str, ...]) -> tuple[str, ...]:
    """Words of which single letters in a row are one: `n v`, `b v`."""
    if all(len(one) > 1 for one in found):
        return found
    kept: list[str] = []
    run = ""
    for one in (*found, ""):
        if len(one) == 1:
            run += one
            continue
        kept += [part for part in (run, one) if part]
        run = ""
    return tuple(kept)


def key(value: object) -> str:
    """An identifier as it is compared, empty where it proves nothing: `1234`, `N/A`, `TBC`."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    text = str(value)
    if is_placeholder_key(text):
        return ""
    upper = text.upper()
    return upper if upper.isalnum() else "".join([one for one in upper if one.isalnum()])


def company_number(value: object) -> str:
    """A company number with the leading zeros that spreadsheets lose."""
    found = key(value)
    prefix = found[: len(found) - len(found.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
    digits = found[len(prefix) :]
    return prefix + digits.zfill(COMPANY_LENGTH - len(prefix)) if digits.isdigit() else found


def phone(value: object) -> str:
    """The digits of a number without those of country and trunk; empty where there are too few."""
    if not isinstance(value, str):
        return ""
    digits = _DIGITS.sub("", value)
    if value.strip().startswith("+44") or digits.startswith("0044"):
        digits = digits.removeprefix("00").removeprefix("44")
    digits = digits.lstrip("0")
    if len(digits) < PHONE_DIGITS_MIN or is_placeholder_key(digits):
        return ""
    return digits


def domain(value: object) -> str:
    """The host of a web page or of a mail address, without `www`."""
    if not isinstance(value, str) or "." not in value:
        return ""
    host = value.strip().casefold().rpartition("@")[2].partition("://")
    name = (host[2] or host[0]).partition("/")[0].removeprefix("www.")
    return "" if name in OPEN_DOMAINS else name


OPEN_DOMAINS: Final = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "yahoo.com",
        "yahoo.co.uk", "icloud.com", "live.com", "aol.com", "btinternet.com", "example.com",
    }
)  # fmt: skip
"""Where anybody may have an address."""


def digits_of(value: object) -> str:
    """Digits alone, empty where they are a placeholder."""
    return _DIGITS.sub("", key(value))


def joined(parts: Iterable[str]) -> str:
    """Words without what parts them."""
    return "".join(parts)
