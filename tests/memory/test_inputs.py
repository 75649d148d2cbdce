"""Real tables of assets come in, and their next issue changes what has changed and nothing else."""

import csv
import gzip
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import pytest

from tests.given import data
from workers.backbone import now_utc
from workers.cli.knowing import Known, ids_of, questions, reference_of
from workers.cli.lines import Line, Rendered, render
from workers.cli.mappings import TableMapping
from workers.cli.spool import Spool
from workers.local import LocalRegister, open_register

REPD: Final = "repd_2021/repd_2021-q{}.csv.gz"
NCR: Final = "ncr_full/ncr_full_3968.csv.gz"
REGISTER, UPDATE = "asset.register.v1", "asset.update.v1"
Row = Mapping[str, str]


@dataclass
class Told:
    """What became of a table."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(type, rules) -> lines."""
    rules: dict[str, str] = field(default_factory=dict)
    """Reference, or label where there is none -> the rules that a line of it broke."""
    events: dict[str, set[str]] = field(default_factory=dict)
    """Event type -> references of the assets that have one."""

    def __str__(self) -> str:
        answers = ", ".join(f"{n} {t} {r}" for (t, r), n in sorted(self.answers.items()))
        return f"{answers}; events: { {kind: len(ids) for kind, ids in self.events.items()} }"


@dataclass
class Publisher:
    """Sends issues of one table, as `flexspine send` does it, to a register in memory."""

    register: LocalRegister
    spool: Spool
    names: dict[str, str] = field(default_factory=dict)
    """Id -> reference."""

    async def send(self, lines: list[Line]) -> Told:
        told = Told()
        sender, table = lines[0], lines[1:]
        await self.register.say(sender)
        first = render(table[0], self.register.answers, lambda _s, _c: "", now_utc())
        assert isinstance(first, Rendered)
        known = Known(self.spool, first.sender, table)
        answers = [ids_of((await self.register.say(one))[-1]) for one in questions(table)]
        assert None not in answers
        known.turn({n: i for one in answers for n, i in (one or {}).items()}, sure=True)
        for row in known.rows:
            for line in row.sent:
                accepted = self._note(told, row.line, line, await self.register.say(line))
                known.take(line, accepted=accepted)
        known.keep()
        return told

    def _note(self, told: Told, row: Line, line: Line, said: list[bytes]) -> bool:
        *facts, reply = [json.loads(body) for body in said]
        rules = sorted({finding["rule"] for finding in reply["data"].get("findings", ())})
        name = reference_of(row) or row.label
        told.answers[(line.envelope or {}).get("type", ""), " + ".join(rules) or "accepted"] += 1
        if rules:
            told.rules[name] = " + ".join(rules)
        elif (line.envelope or {}).get("type") == REGISTER:
            self.names[reply["data"]["id"]] = name
        for fact in facts:
            told.events.setdefault(fact["type"], set()).add(self.names[fact["data"]["id"]])
        return not rules


def unpacked(name: str) -> bytes:
    return gzip.decompress(data(name).read_bytes())


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def shown(words: str) -> None:
    sys.stdout.write(f"\n{words}\n")


# The comparison of two issues knows nothing of the mapping: it reads the columns itself.

TEXTS: Final = ("Site Name", "Technology Type", "Storage Type", "Address", "County")
NUMBERS: Final = ("Installed Capacity (MWelec)", "X-coordinate", "Y-coordinate")
TURBINES: Final = ("Turbine Capacity (MW)", "No. of Turbines")
BURNING: Final = (
    "Anaerobic Digestion", "Biomass (dedicated)", "Biomass (co-firing)", "EfW Incineration",
    "Advanced Conversion Technologies", "Sewage Sludge Digestion", "Landfill Gas",
)  # fmt: skip
"""What is another type of asset where it gives heat besides."""
SHORT: Final = "Development Status (short)"
VERBS: Final = ("updated", "commissioned", "registered")
REFUSED: Final = {
    "field.choice": 31,  # Decommissioned.
    "postcode.format": 12,
    "asset.unidentifiable": 8,
    "asset-type.unknown": 6,
}
OPERATIONAL: Final = "Operational"
NEVER_TO_BE: Final = "Decommissioned"


def number(text: str) -> object:
    """As it counts: 35 and 35.00 are one number."""
    try:
        return Decimal(text.strip().replace(",", "") or "NaN").normalize()
    except InvalidOperation:
        return text


def compared(row: Row) -> dict[str, Any]:
    """What a row says for which the register has a field."""
    status = row[SHORT].strip()
    outward, *inward = row["Post Code"].split()[:2] or [""]
    begun = len(outward) < len("CB79A") and len("".join(inward)) < len("9AA")
    said: dict[str, Any] = {column: " ".join(row[column].split()) for column in TEXTS}
    said |= {column: str(number(row[column])) for column in NUMBERS}
    said["postcode"] = "" if begun else "".join(row["Post Code"].split()).upper()
    said["lifecycle"] = status if status in {OPERATIONAL, NEVER_TO_BE} else "planned"
    said["since"] = row[OPERATIONAL].strip() if status == OPERATIONAL else ""
    wind = row["Technology Type"].startswith("Wind")
    # Neither issue knows how many there are where it says 0.
    sizes = {column: str(number(row[column])) for column in TURBINES}
    said |= {
        column: size if wind and size not in {"0", "NaN"} else "" for column, size in sizes.items()
    }
    said["heat"] = row["CHP Enabled"].lower() == "yes" and row["Technology Type"] in BURNING
    mounting = row["Mounting Type for Solar"].strip().lower()
    solar = row["Technology Type"].startswith("Solar") and mounting in {
        "ground",
        "roof",
        "floating",
    }
    said["mounting"] = mounting if solar else ""
    return said


def by_reference(rows: Iterable[Row]) -> dict[str, Row]:
    return {f"repd:{row['Ref ID']}": row for row in rows}


def differing(first: Mapping[str, Row], second: Mapping[str, Row]) -> Iterator[str]:
    for name in first.keys() & second.keys():
        if compared(first[name]) != compared(second[name]):
            yield name


@pytest.mark.timeout(1500)
async def test_the_planning_database_s_next_issue_changes_what_has_changed(tmp_path: Path) -> None:
    """Counted twice: by the register's events, and by comparing the columns of the two files."""
    contents = [unpacked(REPD.format(quarter)) for quarter in (1, 2)]
    first, second = (by_reference(rows_of(content)) for content in contents)
    mapping = TableMapping.open("repd-projects")
    with Spool(tmp_path) as spool:
        publisher = Publisher(await open_register("repd", now_utc), spool)
        told, later = [await publisher.send(mapping.lines(content)) for content in contents]
    shown(f"first issue: {told}")
    shown(f"second issue: {later}")
    changed, in_both = set(differing(first, second)), first.keys() & second.keys()
    known, again = first.keys() - told.rules.keys(), later.rules.keys()
    assert (len(first), len(second), len(in_both)) == (6292, 6461, 6263)
    assert told.events["asset.registered.v1"] == known
    assert Counter(told.rules.values()) == REFUSED
    # One project burns for heat as well by now: another type, which no change can say.
    assert {n: later.rules[n] for n in changed & known & again} == {"repd:8183": "link.taken"}
    commissioned = {n for n in in_both if first[n][SHORT] != second[n][SHORT] == OPERATIONAL}
    evented = later.events["asset.updated.v1"] | later.events["asset.commissioned.v1"]
    shown(f"{len(in_both)} in both, {len(changed)} differ, {len(evented)} of them have events")
    assert evented == (changed & known) - again
    assert later.events["asset.commissioned.v1"] == commissioned & known
    assert later.events["asset.registered.v1"] == second.keys() - known - again
    assert [len(later.events[f"asset.{verb}.v1"]) for verb in VERBS] == [116, 8, 204]
    assert len(changed) == 133


@pytest.mark.timeout(1500)
async def test_the_charge_points_are_registered_but_for_the_broken_ones(tmp_path: Path) -> None:
    content = unpacked(NCR)
    rows = rows_of(content)
    lines = TableMapping.open("ncr").lines(content)
    with Spool(tmp_path) as spool:
        told = await Publisher(await open_register("ncr", now_utc), spool).send(lines)
    shown(f"charge points: {told}")
    assert len(rows) == 3968
    assert told.rules == dict(_expected(rows))
    assert Counter(told.rules.values()) == {
        "location.outside": 183,
        "postcode.format": 31,
        "postcode.area": 1,
        **HALVES,
    }
    assert told.answers[REGISTER, "accepted"] == len(told.events["asset.registered.v1"]) == 3749


INWARD: Final = "[ABD-HJLNP-UW-Z]{2}"
"""Letters with which a postcode ends; C, I, K, M, O and V look like others."""
SOUTH: Final = 49.8
HALVES: Final = {
    "details.invalid": 2,
    "field.choice + field.missing + postcode.format + text.empty + uprn.format": 1,
    "field.choice + field.missing + postcode.format": 1,
}
"""What is wrong with the two first halves of rows, which have no connectors, and the two second."""


def _expected(rows: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Reference or label -> rules, by what stands in the columns."""
    second = iter(list(HALVES)[1:])
    for n, row in enumerate(rows, start=1):
        identifier = row["chargeDeviceID"]
        name = (
            f"ncr:{identifier}" if identifier.strip() else f"row {n} (chargeDeviceID {identifier})"
        )
        postcode = " ".join(row["postcode"].upper().replace("NULL", "").split())
        shape = re.fullmatch(rf"([A-Z]{{1,2}})[0-9][0-9A-Z]? ?[0-9]{INWARD}", postcode)
        if not identifier.strip(" ."):
            yield name, next(second)
        elif not row["connector1Type"]:
            yield name, "details.invalid"
        elif postcode and shape is None:
            yield name, "postcode.format"
        elif shape is not None and shape[1] == "ES":
            yield name, "postcode.area"
        elif postcode.startswith("BT") or float(row["latitude"]) < SOUTH:
            yield name, "location.outside"
