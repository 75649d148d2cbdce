"""Real organisations come in by registration, and are found in the directory afterwards."""

import csv
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from handlers.admission import Delivery
from tests.given import data
from topology import names
from workers.backbone import now_utc
from workers.cli.lines import Line
from workers.cli.mappings import TableMapping
from workers.local import LocalRegister, open_register

CHICAGO = "orgs_chicago/chicago_orgs_with_true_ids.csv"
REPD = "repd_2021/repd_2021-q{}.csv.gz"
REPD_NAME = "Operator (or Applicant)"


async def loaded(
    register: LocalRegister, mapping: str, content: bytes
) -> tuple[Counter[str], list[Line]]:
    """Outcomes of the registrations of a table: `accepted`, or the rules of each finding."""
    lines = TableMapping.open(mapping).lines(content)
    told: Counter[str] = Counter()
    for line in lines:
        # Events come first, the reply last.
        reply = json.loads((await register.say(line))[-1])
        if line.label != "sender":
            rules = {finding["rule"] for finding in reply["data"].get("findings", ())}
            told[" + ".join(sorted(rules)) or "accepted"] += 1
    return told, lines


async def listed(register: LocalRegister, **asked: Any) -> list[dict[str, Any]]:
    """All entries of all pages, as an operator sees them."""
    return [entry async for page in _pages(register, asked) for entry in page]


async def _pages(register: LocalRegister, asked: dict[str, Any]) -> Any:
    cursor: dict[str, str] = {}
    while True:
        kind, one = "directory.search.v1", str(uuid4())
        body = {
            "specversion": "1.0", "id": one, "source": "urn:flexspine:user:operator",
            "type": kind, "time": now_utc().isoformat(), "data": {"limit": 100, **asked, **cursor},
        }  # fmt: skip
        delivery = Delivery(json.dumps(body).encode(), kind, names.OPERATOR)
        (letter,) = await register.deliver(delivery)
        answer = json.loads(letter.body)["data"]
        yield answer["entries"]
        if "cursor" not in answer:
            return
        cursor = {"cursor": answer["cursor"]}


def column(content: bytes, name: str) -> Iterator[str]:
    table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return (row[name] for row in table)


@pytest.mark.timeout(300)
async def test_the_sites_of_chicago_are_registered_each_distinct_name_once() -> None:
    content = data(CHICAGO).read_bytes()
    register = await open_register("chicago", now_utc)
    told, lines = await loaded(register, "chicago", content)
    sys.stdout.write(f"orgs_chicago: {dict(told)}\n")
    distinct = set(column(content, "Site name"))
    assert sum(told.values()) == len(lines) - 1 == len(distinct) == 2474
    # Names that differ by case or spaces make one reference, which stands for one user.
    assert told == {"accepted": 2466, "link.taken": 8}
    entries = await listed(register)
    assert len(entries) == len({entry["id"] for entry in entries}) == 2466 + 1
    # All that have the word have it in one case or another, and as the beginning of a word.
    having = {name.strip() for name in distinct if "ymca" in name.casefold()}
    assert {entry["name"] for entry in await listed(register, text="ymca")} == having
    assert len(having) > 50


def operators() -> tuple[bytes, int]:
    """A row for each distinct operator of both issues, the first that names it; how many."""
    rows: dict[str, dict[str, str]] = {}
    for quarter in (1, 2):
        content = gzip.decompress(data(REPD.format(quarter)).read_bytes()).decode("utf-8-sig")
        for row in csv.DictReader(io.StringIO(content, newline="")):
            rows.setdefault(row[REPD_NAME], row)
    text = io.StringIO()
    table = csv.DictWriter(text, next(iter(rows.values())).keys())
    table.writeheader()
    table.writerows(rows.values())
    return text.getvalue().encode(), sum(bool(name.strip()) for name in rows)


@pytest.mark.timeout(300)
async def test_the_operators_of_the_planning_database_are_registered() -> None:
    """Refused are half a postcode or two, a name at a postcode once more, a reference once more."""
    content, distinct = operators()
    register = await open_register("repd", now_utc)
    told, _ = await loaded(register, "repd", content)
    sys.stdout.write(f"repd_2021: {dict(told)}\n")
    assert sum(told.values()) == distinct
    rules = {"postcode.format", "user.duplicate", "link.taken"}
    assert told.keys() == {"accepted", *rules}
    assert told["accepted"] > 0.9 * distinct
    entries = await listed(register, role="owner")
    assert len(entries) == len({entry["id"] for entry in entries}) == told["accepted"]
    same = await listed(register, text="orsted")
    assert {"Ørsted", "Orsted (formerly Dong Energy)"} <= {entry["name"] for entry in same}
