"""The shipped verifier of assets against a backbone: it attests what a reference register says."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any, Final

import pytest

from tests.broker.test_verifier import FOLDER, accepted, verifier
from tests.given import ROOT
from tests.spine import Platform, Spine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

SAMPLE: Final = FOLDER / "capacity-2026-11-01.csv"
MAPPING: Final = ROOT / "examples" / "mappings" / "ecr.jsonata"
Given = dict[str, Any]
ASSETS: Final[tuple[tuple[Given, dict[str, str]], ...]] = (
    (
        {
            "asset_type": "SOL",
            "connection": {"mpan_export": "1000000000040"},
            "location": {"postcode": "CB7 9AA"},
            "capability": {"power_kw": 50000, "export_max_kw": 45000},
        },
        {"connection": "match", "location": "match", "capability": "match"},
    ),
    (
        {
            "asset_type": "BAT",
            "connection": {"mpan_export": "1000000000059"},
            "capability": {"power_kw": 12000},
        },
        {"connection": "match", "capability": "mismatch"},
    ),
    (
        {"asset_type": "SOL", "connection": {"mpan_export": "1000000000003"}},
        {"connection": "unknown"},
    ),
)
"""What is registered, and what the file says of each group."""


async def verified(url: str) -> list[Given]:
    """Run the program to its end, and give its lines."""
    words = (str(FOLDER / "assets.py"), url, str(MAPPING), str(SAMPLE))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.decode().splitlines()]


async def registered(platform: Platform, asset: Given, checked_by: str | None) -> str:
    issued = str((await accepted(platform, "asset.register.v1", asset))["id"])
    if checked_by is not None:
        tie = {"id": issued, "party": checked_by, "relation": "verifier"}
        await accepted(platform, "asset.relate.v1", tie)
    return issued


def by_asset(said: list[Given]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in said:
        found.setdefault(one["asset"], {})[one["scheme"]] = one["verdict"]
    return found


async def kept(spine: Spine) -> list[Given]:
    """What is on record of every asset, and of every attestation."""
    return [*await spine.raw("assets"), *await spine.raw("proofs"), *await spine.raw("history")]


async def test_assets_are_compared_with_the_register_group_by_group(working: Spine) -> None:
    """What matches in enough groups is confirmed; the same file again changes nothing."""
    operator = await working.operator()
    own, url = await verifier(working, operator)
    platform = await working.platform(name="Fenland Flex Ltd", roles=["fsp"])
    await accepted(operator, "user.confirm.v1", {"id": platform.user})
    ids = {await registered(platform, asset, own): said for asset, said in ASSETS}
    strange = await registered(platform, ASSETS[0][0], None)
    said = await verified(url)
    assert {one["outcome"] for one in said} == {"accepted"}
    assert by_asset(said) == ids
    rows = await working.raw("proofs", verifier=own)
    assert {(row["asset"], row["scheme"], row["verdict"]) for row in rows} == {
        (asset, scheme, verdict)
        for asset, found in ids.items()
        for scheme, verdict in found.items()
    }
    states = {one["_id"]: one["status"] for one in await working.raw("assets")}
    first, *others = ids
    assert states[first] == "confirmed"
    assert {states[one] for one in (*others, strange)} == {"provisional"}
    before = await kept(working)
    again = await verified(url)
    assert await kept(working) == before
    # What was confirmed by it is not looked at again.
    assert {one["asset"] for one in again} == set(others)
    sys.stdout.write(
        f"\n{len(said)} attestations of {len(ids)} assets; the second run changed nothing\n"
    )
