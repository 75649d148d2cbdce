"""The shipped verifier against a backbone: it finds, compares, attests, and may be run again."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from tests.spine import Platform, Spine, eventually, user

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

FOLDER: Final = Path(__file__).parents[2] / "examples" / "verifier"
SAMPLE: Final = FOLDER / "companies-2026-11-01.csv"
KEY: Final = "key-of-the-verifier"
MANY: Final = 60
Given = dict[str, Any]

PARTIES: Final[tuple[tuple[str, str | None, str | None], ...]] = (
    ("Fenland Flex Ltd", "99000001", "match"),
    ("St Johns Storage Limited", "990005", "match"),
    ("North & South Power (UK) Ltd", "99000007", "match"),
    ("North & South Power Ltd", None, None),
    ("Lamplight Energy Ltd", "99000006", "mismatch"),
    ("Thornbury Partners LLP", "OC990008", "mismatch"),
    ("Nowhere Power Ltd", "99000099", "unknown"),
)
"""Name, number, and what the file says of it; nothing where there is nothing to attest."""
COMPLETE: Final = "Fenland Flex Ltd"
REST: Final[Given] = {
    "address": {"postcode": "PE15 9AA"},
    "contacts": [{"name": "Bo Desk", "email": "bo@example.com"}],
    "bank": {"account_name": COMPLETE, "sort_code": "20-20-15", "account_number": "31926819"},
}
"""What the complete one tells besides, so that its match confirms it."""


async def accepted(party: Platform, kind: str, data: Given) -> Given:
    reply = await party.ask(kind, data)
    assert reply.type == kind.replace(".v1", ".accepted.v1"), reply.envelope
    return reply.data


async def verifier(spine: Spine, operator: Platform) -> tuple[str, str]:
    """A confirmed user with the role; its id, and the address with its key."""
    given = user(KEY, name="Checks and Sons Ltd", roles=["verifier"])
    issued = str((await accepted(operator, "user.register.v1", given))["id"])
    await accepted(operator, "user.confirm.v1", {"id": issued})
    await eventually(lambda: spine.has_account(issued))
    return issued, spine.addresses.amqp_as(issued, KEY)


async def registered(operator: Platform, name: str, number: str | None) -> str:
    claims = {"company_number": number} if number is not None else {}
    rest = REST if name == COMPLETE else {}
    given = user(name=name, roles=["fsp"], claims=claims, **rest)
    return str((await accepted(operator, "user.register.v1", given))["id"])


async def verified(url: str, file: Path, *words: str) -> list[Given]:
    """Run the program to its end, and give its lines."""
    program = str(FOLDER / "verifier.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, url, str(file), *words, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.decode().splitlines()]


async def kept(spine: Spine) -> list[Given]:
    """What is on record of everybody, and of every attestation."""
    return [*await spine.raw("users"), *await spine.raw("evidence"), *await spine.raw("history")]


async def test_whoever_is_provisional_is_compared_with_the_file(working: Spine) -> None:
    """The seven parties, each with its verdict; the same file again changes nothing.

    Of those who match the one whose record is complete is confirmed, and not looked at again.
    """
    operator = await working.operator()
    own, url = await verifier(working, operator)
    ids = {await registered(operator, name, n): verdict for name, n, verdict in PARTIES}
    said = [one for one in await verified(url, SAMPLE) if one["user"] in ids]
    numbers = {one["user"]: one for one in said if one["scheme"] == "company_number"}
    assert {one: numbers[one]["verdict"] for one, verdict in ids.items() if verdict} == {
        one: verdict for one, verdict in ids.items() if verdict
    }
    assert {numbers[one]["outcome"] for one, verdict in ids.items() if verdict} == {"accepted"}
    rows = [row for row in await working.raw("evidence", verifier=own) if row["user"] in ids]
    assert {row["user"]: row["verdict"] for row in rows if row["scheme"] == "company_number"} == {
        one: verdict for one, verdict in ids.items() if verdict
    }
    before = await kept(working)
    again = [one for one in await verified(url, SAMPLE) if one["user"] in ids]
    assert await kept(working) == before
    users = [row for row in await working.raw("users") if row["_id"] in ids]
    (confirmed,) = [row for row in users if row["status"] == "confirmed"]
    assert confirmed["name"] == COMPLETE
    assert {one["user"] for one in again} == ids.keys() - {confirmed["_id"]}
    told = Counter(one["verdict"] for one in numbers.values())
    sys.stdout.write(f"\nverdicts of the first run: {dict(told)}; the second changed nothing\n")


async def test_it_goes_on_after_a_lost_connection(lone: Spine, tmp_path: Path) -> None:
    """Cut off while its first question waits, and whenever it is seen: all are attested, once."""
    names = {f"9955{n:04d}": f"Cut Off {n} Ltd" for n in range(MANY)}
    async with lone.running():
        operator = await lone.operator()
        own, url = await verifier(lone, operator)
        ids = {await registered(operator, name, number) for number, name in names.items()}
    header = "CompanyName, CompanyNumber,RegAddress.PostCode,CompanyStatus"
    rows = [f"{name.upper()},{number},,Active" for number, name in names.items()]
    file = tmp_path / "companies-2026-11-02.csv"
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    running = asyncio.create_task(verified(url, file))
    cut = await lone.inspector.kill_connections(own)
    async with lone.running():
        cutting = asyncio.create_task(cut_again(lone, own))
        said = await running
        cutting.cancel()
        mine = [one for one in said if one["user"] in ids]
        assert Counter(one["user"] for one in mine) == dict.fromkeys(ids, 1)
        assert {(one["verdict"], one["outcome"]) for one in mine} == {("match", "accepted")}
        evidence = await lone.raw("evidence", verifier=own)
    assert {row["user"] for row in evidence} == ids
    assert {row["revision"] for row in evidence} == {1}
    sys.stdout.write(f"\n{len(mine)} attested, each once; cut off {cut} times before the first\n")


async def cut_again(spine: Spine, account: str) -> None:
    """Close every connection of an account as soon as the broker lists it."""
    while True:
        await spine.inspector.kill_connections(account)
