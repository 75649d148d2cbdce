"""Places on a whole backbone: boundaries that are too large for a message, and who is near."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.broker.test_send import codes, place_of, sent
from tests.given import data
from tests.spine import Spine
from topology.catalog import build
from workers.cli.lines import read_lines
from workers.cli.parts import parted

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]
FILE = "geo_gb/dno_license_areas_20200506_epsg27700.geojson.gz"


def loading() -> bytes:
    """The command that loads the licence areas, 3.7 MB of it."""
    collection = json.loads(gzip.decompress(data(FILE).read_bytes()))
    envelope: dict[str, Any] = {
        "source": "urn:flexspine:user:operator",
        "type": "area.load.v1",
        "data": {
            "kind": "gsp-group",
            "edition": "2020-05-06",
            "crs": "EPSG:27700",
            "code_property": "Name",
            "boundaries": collection,
        },
    }
    return json.dumps(envelope).encode()


async def test_boundaries_come_as_an_object_and_each_asset_gets_its_area(
    working: Spine, tmp_path: Path
) -> None:
    platform = await working.platform(name="Near Ltd")
    other = await working.platform(name="Elsewhere Ltd")

    async def registered(serial: str, latitude: float, longitude: float) -> str:
        point = {"latitude": latitude, "longitude": longitude}
        body = {
            "asset_type": "BAT",
            "identity": {"make": "Acme", "serial": serial},
            "location": {"point": point},
        }
        answer = await platform.ask("asset.register.v1", body)
        assert answer.type == "asset.register.accepted.v1", answer
        return str(answer.data["id"])

    before = await registered("one", 52.2, 0.12)
    lines = list(read_lines(loading()))
    limit = working.settings.body_bytes_max
    settled = await sent(place_of(working, tmp_path), parted(lines, build(), limit), 60)
    assert codes(settled) == {("accepted", ""): len(settled)}
    assert len(settled) > 10
    after = await registered("two", 52.21, 0.12)
    for _ in range(600):
        rows = {row["_id"]: row["areas"] for row in await working.raw("places")}
        if rows[before]:
            break
        await asyncio.sleep(0.1)
    assert rows == {before: ["gsp-group/_A"], after: ["gsp-group/_A"]}
    assert (await platform.ask("asset.get.v1", {"id": before})).data["areas"] == ["gsp-group/_A"]

    round_it = {"point": {"latitude": 52.2, "longitude": 0.12}, "radius_m": 5000}
    found = (await platform.ask("asset.near.v1", round_it)).data["assets"]
    assert [(one["id"], one["distance_m"]) for one in found] == [(before, 0), (after, 1113)]
    inside = (await platform.ask("asset.near.v1", {"area": "gsp-group/_A"})).data["assets"]
    assert {one["id"] for one in inside} == {before, after}
    assert (await other.ask("asset.near.v1", round_it)).data["assets"] == []
    assert not [
        one for one in await working.raw("object_chunks") if b"Feature" in str(one).encode()
    ]
