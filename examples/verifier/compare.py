"""What a file of companies says of a registration: a pure comparison, with nothing of a broker."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["match", "mismatch", "unknown"]

NUMBER, NAME, POSTCODE, STATUS = (
    "CompanyNumber", "CompanyName", "RegAddress.PostCode", "CompanyStatus",
)  # fmt: skip
"""Columns as in the bulk file of the public company register; others are not looked at."""
OVER = ("dissolved", "removed", "converted", "closed")
"""First words of the statuses of a company that there is no more."""
FORMS = {
    "ltd": "limited",
    "plc": "public limited company",
    "llp": "limited liability partnership",
    "cyf": "cyfyngedig",
    "ccc": "cwmni cyfyngedig cyhoeddus",
}
"""Short for long, where both are the same legal form. `UK` and `Co` are part of a name: with and
without them there may be two companies."""
LENGTH = 8


class Unusable(Exception):
    """The file is no file of companies; the text says what was expected."""


@dataclass(frozen=True)
class Company:
    """One row of the file."""

    number: str
    name: str
    postcode: str
    status: str


def companies(lines: Iterable[str]) -> dict[str, Company]:
    """Read the file, by number; the register's own header has spaces before some names."""
    reader = csv.DictReader(lines, skipinitialspace=True)
    columns = {name.strip().removeprefix("\ufeff"): name for name in reader.fieldnames or ()}
    if missing := [name for name in (NUMBER, NAME, POSTCODE, STATUS) if name not in columns]:
        raise Unusable(f"expected columns {', '.join(missing)}, got {', '.join(columns)}")
    found = {}
    for row in reader:
        number, name, postcode, status = (
            (row[columns[column]] or "").strip() for column in (NUMBER, NAME, POSTCODE, STATUS)
        )
        if key := folded_number(number):
            found[key] = Company(key, name, postcode, status)
    return found


def verdicts(user: Mapping[str, Any], file: Mapping[str, Company]) -> dict[str, Verdict]:
    """Scheme -> verdict, of what `user.get` shows of a user."""
    number = (user.get("claims") or {}).get("company_number")
    postcode = (user.get("address") or {}).get("postcode")
    company = file.get(folded_number(number))
    if company is None:
        return {"company_number": "unknown"}
    said: dict[str, Verdict] = {"company_number": _named(user.get("name") or "", company)}
    if postcode and said["company_number"] == "match":
        # The register has the registered office alone: another address is no contradiction.
        is_there = folded_postcode(postcode) == folded_postcode(company.postcode)
        said["address"] = "match" if is_there else "unknown"
    return said


def _named(name: str, company: Company) -> Verdict:
    if company.status.casefold().startswith(OVER):
        return "mismatch"
    return "match" if folded_name(name) == folded_name(company.name) else "mismatch"


def folded_number(number: str | None) -> str:
    """Capitals, no spaces, and the leading zeros that a spreadsheet has lost; empty for none."""
    match = re.fullmatch(r"([A-Z]{0,2})([0-9]+)([A-Z]*)", re.sub(r"\s", "", number or "").upper())
    if match is None:
        return ""
    prefix, digits, suffix = match.groups()
    return prefix + digits.zfill(LENGTH - len(prefix) - len(suffix)) + suffix


def folded_name(name: str) -> str:
    """Without what people write differently and registries do not tell apart."""
    text = unicodedata.normalize("NFKC", name).casefold().replace("&", " and ")
    # A full stop or an apostrophe stands within a word: E.ON, St. John's.
    text = re.sub(r"[.'’`]", "", text)
    words = re.sub(r"[^\w]+", " ", text).split()
    return " ".join(FORMS.get(word, word) for word in words)


def folded_postcode(postcode: str) -> str:
    """Capitals without spaces."""
    return re.sub(r"\s", "", postcode).upper()
