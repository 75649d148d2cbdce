"""Whole files played on a register in memory: the shipped scenario, faults, and real rows."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.given import ROOT, data
from workers.cli.lines import Line, read_lines
from workers.cli.main import build
from workers.cli.mappings import TableMapping
from workers.local import open_register

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SCENARIO = ROOT / "examples" / "first-steps.jsonl"
REFUSED = {
    "362": "postcode.format",
    "397": "postcode.format",
    "421": "postcode.format",
    "471": "mpan.length",
    "666": "postcode.format",
    "716": "postcode.format",
    "844": "postcode.format",
}
"""source_row -> rule; a malformed postcode, and one MPAN of 14 digits."""


async def played(lines: Iterable[Line], seed: str = "test") -> list[dict[str, Any]]:
    register = await open_register(seed, lambda: NOW)
    return [json.loads(body) async for body in register.play(lines)]


def written(*envelopes: Any) -> bytes:
    return b"".join(json.dumps(envelope).encode() + b"\n" for envelope in envelopes)


def line(sender: str, kind: str, content: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    source = f"urn:flexspine:user:{sender}"
    return {"specversion": "1.0", "source": source, "type": kind, "data": content} | more


def outcomes(replies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {
        reply["correlationid"]: reply["data"].get("code", "accepted")
        for reply in replies
        if "correlationid" in reply
    }


PERSON = {
    "kind": "person",
    "name": "Ann Example",
    "roles": ["owner"],
    "contacts": [{"name": "Ann Example", "email": "ann@mail.example"}],
}


async def test_the_scenario_plays() -> None:
    replies = await played(read_lines(SCENARIO.read_bytes()))
    codes = Counter(outcomes(replies).values())
    assert codes == {
        "accepted": 13,
        "user.duplicate": 1,
        "user.unreachable": 1,
        "user.on-behalf-missing": 1,
        "mpan.check-digit": 1,
        "asset.duplicate": 1,
        "asset.stale": 1,
        "asset.not-found": 1,
    }
    kinds = Counter(reply["type"] for reply in replies)
    assert kinds["user.registered.v1"] == 5
    assert kinds["asset.registered.v1"] == 2
    assert kinds["asset.updated.v1"] == 1


async def test_a_portfolio_is_filled_and_read_as_the_page_for_platforms_says() -> None:
    replies = await played(read_lines((ROOT / "examples" / "portfolio.jsonl").read_bytes()))
    assert set(outcomes(replies).values()) == {"accepted"}
    answered = {reply["type"]: reply["data"] for reply in replies}
    assert answered["portfolio.add.accepted.v1"]["pending"] == 2
    assert answered["portfolio.progressed.v1"]["pending"] == 0
    assert answered["subscription.set.accepted.v1"]["kinds"] == {
        "asset.updated.v1": "digest",
        "portfolio.changed.v1": "off",
    }
    assert answered["asset.get.accepted.v1"]["members"]["power_kw"] == {"total": 11, "of": 2}


async def test_a_command_s_events_come_before_its_reply() -> None:
    replies = await played(read_lines(written(line("operator", "user.register.v1", PERSON))))
    assert [reply["type"] for reply in replies] == [
        "user.registered.v1",
        "user.register.accepted.v1",
    ]


async def test_the_run_goes_on_after_a_malformed_line() -> None:
    content = b"{\n" + written(line("operator", "user.register.v1", PERSON)) + b"[]\n"
    replies = await played(read_lines(content))
    assert [reply["type"] for reply in replies] == [
        "message.rejected.v1",
        "user.registered.v1",
        "user.register.accepted.v1",
        "message.rejected.v1",
    ]
    assert [replies[0]["subject"], replies[-1]["subject"]] == ["line 1", "line 3"]


async def test_an_unknown_type_and_a_stranger_are_refused_by_name() -> None:
    lines = written(
        line("operator", "asset.levitate.v1", {}, id="levitate"),
        line("USR-0000-0000-0001-G", "user.register.v1", PERSON, id="stranger"),
    )
    assert outcomes(await played(read_lines(lines))) == {
        "levitate": "message.unknown-type",
        "stranger": "sender.unknown",
    }


def test_run_refuses_an_unknown_type_with_the_nearest_name_and_goes_on() -> None:
    lines = written(
        line("operator", "user.regster.v1", PERSON, id="typo"),
        line("operator", "user.register.v1", PERSON, id="right"),
    )
    words = ["run", "-", "--now", "2026-05-01T12:00:00Z"]
    done = CliRunner().invoke(build(), words, input=lines)
    replies = [json.loads(body) for body in done.stdout.splitlines()]
    assert outcomes(replies[:1] + replies[-1:]) == {
        "typo": "message.unknown-type",
        "right": "accepted",
    }
    assert "such as user.register.v1" in replies[0]["data"]["message"]


async def test_an_issued_id_names_the_next_sender_and_what_it_asks_for() -> None:
    person = PERSON | {"account_key_hash": "$key"}
    lines = written(
        line("operator", "user.register.v1", person, id="ann"),
        line("$reply:ann", "user.get.v1", {"id": "$reply:ann"}, id="self"),
        line("$reply:nobody", "user.get.v1", {"id": "$reply:ann"}, id="lost"),
    )
    replies = await played(read_lines(lines))
    assert outcomes(replies) == {"ann": "accepted", "self": "accepted", "lost": "line.reference"}
    (shown,) = (reply for reply in replies if reply["type"] == "user.get.accepted.v1")
    assert shown["data"]["name"] == "Ann Example"


def test_the_same_seed_and_clock_give_the_same_bytes() -> None:
    words = ["run", str(SCENARIO), "--now", "2026-05-01T12:00:00Z", "--seed"]
    one, again, other = (CliRunner().invoke(build(), [*words, seed]) for seed in ("a", "a", "b"))
    assert one.exit_code == 0
    assert one.stdout_bytes == again.stdout_bytes
    assert one.stdout_bytes != other.stdout_bytes


def test_standard_input_is_a_file_too() -> None:
    words = ["--now", "2026-05-01T12:00:00Z", "--seed", "a"]
    from_file = CliRunner().invoke(build(), ["run", str(SCENARIO), *words])
    from_input = CliRunner().invoke(build(), ["run", "-", *words], input=SCENARIO.read_bytes())
    assert from_input.stdout_bytes == from_file.stdout_bytes


def test_what_others_publish_can_be_listed() -> None:
    listed = CliRunner().invoke(build(), ["schema", "--json"])
    assert "asset.register.check.v1" in json.loads(listed.stdout)
    assert CliRunner().invoke(build(), ["schema", "asset.levitate.v1"]).exit_code == 2
    assert "mailbox.assets.0" in CliRunner().invoke(build(), ["topology", "plan", "--json"]).stdout


@dataclass(frozen=True)
class Ecr:
    """The whole register of one network operator, mapped and played once."""

    rows: Sequence[Mapping[str, str]]
    lines: Sequence[Line]
    replies: Mapping[str, Mapping[str, Any]]

    def asset(self, row: int) -> Mapping[str, Any]:
        envelope = self.lines[row - len(self.rows)].envelope
        assert envelope is not None
        return envelope

    def reply(self, row: int) -> Mapping[str, Any]:
        return self.replies[self.asset(row)["id"]]


@pytest.fixture(scope="module")
async def ecr() -> Ecr:
    content = data("ecr_ukpn_epn/ecr_ukpn_epn.csv").read_bytes()
    lines = TableMapping.open("ecr").lines(content)
    replies = {reply.get("correlationid"): reply for reply in await played(lines)}
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return Ecr(rows, lines, {name: reply for name, reply in replies.items() if name})


def test_all_real_rows_but_seven_are_assets(ecr: Ecr) -> None:
    refused = {}
    for number, row in enumerate(ecr.rows):
        if "findings" in (answer := ecr.reply(number)["data"]):
            refused[row["source_row"]] = {finding["rule"] for finding in answer["findings"]}
    assert len(ecr.rows) == 691
    assert {row: REFUSED[row] in rules for row, rules in refused.items()} == dict.fromkeys(
        REFUSED, True
    )
    assert len({ecr.reply(n)["data"].get("id") for n in range(len(ecr.rows))} - {None}) == 684


def test_generators_behind_one_mpan_are_assets_of_their_own(ecr: Ecr) -> None:
    behind: dict[str, list[str]] = {}
    for number, row in enumerate(ecr.rows):
        mpan = row["Export MPAN / MSID"]
        if mpan.isdigit():
            behind.setdefault(mpan, []).append(ecr.reply(number)["data"].get("id"))
    shared = {mpan: ids for mpan, ids in behind.items() if len(ids) > 1}
    assert len(shared) == 9
    assert len({asset for ids in shared.values() for asset in ids}) == 18


def test_every_megawatt_is_exactly_its_kilowatts(ecr: Ecr) -> None:
    columns = (
        "Already connected Registered Capacity (MW)",
        "Accepted to Connect Registered Capacity (MW)",
    )
    for number, row in enumerate(ecr.rows):
        given = row[columns[0]] or row[columns[1]]
        if given:
            power = ecr.asset(number)["data"]["capability"]["power_kw"]
            assert Decimal(repr(power)) == Decimal(given) * 1000


def test_a_customer_without_a_name_is_no_owner(ecr: Ecr) -> None:
    nameless = {"Redacted", "Data not availible"}
    for number, row in enumerate(ecr.rows):
        owned = "owner" in ecr.asset(number)["data"]
        assert owned == (row["Customer Name"] not in nameless)


X, Y = (
    "Location (X-coordinate):_Eastings (where data is held)",
    "Location (y-coordinate):_Northings (where data is held)",
)
FAULTS: Sequence[tuple[dict[str, str], str]] = (
    ({"Export MPAN / MSID": "1000000000041"}, "mpan.check-digit"),
    ({"Export MPAN / MSID": "100000000004"}, "mpan.length"),
    ({"Export MPAN / MSID": "10000000000AB"}, "mpan.format"),
    ({"Import MPAN / MSID": "1000000000041"}, "mpan.check-digit"),
    ({"Postcode": "XX1 1XX"}, "postcode.area"),
    ({"Postcode": "CB7"}, "postcode.format"),
    ({"Longitude": "52.1", "Latitude": "0.2"}, "location.outside"),
    ({"Latitude": "north"}, "point.type"),
    ({"Latitude": "952.1"}, "latitude.range"),
    ({"Longitude": ""}, "field.missing"),
    ({X: "5540000"}, "grid.range"),
    ({Y: "0"}, "grid.missing"),
    ({"Already connected Registered Capacity (MW)": "-4"}, "quantity.negative"),
    ({"Already connected Registered Capacity (MW)": "four"}, "quantity.type"),
    ({"Already connected Registered Capacity (MW)": "4000000"}, "quantity.range"),
    ({"Date Connected": "2016-13-01"}, "date.format"),
    ({"Date Connected": "1016-10-01"}, "date.range"),
    ({"Energy Source 1": "Cold fusion", "Energy Conversion Technology 1": ""},
     "asset-type.unknown"),
    ({"Connection Status": "Rumoured"}, "field.choice"),
    ({"Colour (RAL)": "9010"}, "field.unknown"),
)  # fmt: skip


async def test_injected_faults_are_refused_by_the_register_s_own_rules() -> None:
    path = data("ecr_ukpn_epn/ecr_ukpn_epn.csv")
    with path.open(newline="", encoding="utf-8-sig") as file:
        good = next(row for row in csv.DictReader(file) if row["Connection Status"] == "Connected")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*good, "Colour (RAL)"], restval="")
    writer.writeheader()
    writer.writerows([good, *(good | fault for fault, _ in FAULTS)])
    lines = TableMapping.open("ecr").lines(text.getvalue().encode())
    codes = {reply.get("correlationid"): reply["data"] for reply in await played(lines)}
    untouched, *broken = [codes[_id(asset)] for asset in lines[-len(FAULTS) - 1 :]]
    assert "findings" not in untouched
    found = [{finding["rule"] for finding in answer["findings"]} for answer in broken]
    assert [rule for (_, rule), rules in zip(FAULTS, found, strict=True) if rule not in rules] == []
    assert broken[-1]["findings"][0]["field"] == "data.Colour (RAL)"


def _id(asset: Line) -> str:
    assert asset.envelope is not None
    return str(asset.envelope["id"])
