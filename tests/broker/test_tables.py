"""A registry's table is sent with every issue: what differs is changed, what does not is not."""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.broker.test_send import place_of, sent
from tests.given import ROOT
from tests.spine import Spine, eventually
from topology import names
from workers.cli.client import listen
from workers.cli.input import lines_of
from workers.cli.lines import Line
from workers.cli.place import Place
from workers.cli.sending import Settled
from workers.cli.spool import Spool

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

FOLDER = ROOT / "examples" / "mappings"
ROW = {
    "Ref ID": "",
    "Site Name": "Fen Farm",
    "Technology Type": "Solar Photovoltaics",
    "Storage Type": "",
    "Installed Capacity (MWelec)": "35",
    "Development Status (short)": "Awaiting Construction",
    "Operational": "",
    "X-coordinate": "554000",
    "Y-coordinate": "280000",
    "County": "Cambs",
}
MANY = 400
Row = Mapping[str, str]


def row(number: int, **changed: str) -> Row:
    return ROW | {"Ref ID": str(number)} | {n.replace("_", " "): v for n, v in changed.items()}


class Registry:
    """A registry of its own name, which publishes issues of one table."""

    def __init__(self, spine: Spine, folder: Path, name: str) -> None:
        self.place: Place = place_of(spine, folder)
        self.folder = folder
        text = (FOLDER / "repd-projects.toml").read_text("utf-8")
        self.mapping = folder / "projects.toml"
        self.mapping.write_text(text.replace("(projects)", f"({name})"), "utf-8")
        (folder / "repd-projects.jsonata").write_text(
            (FOLDER / "repd-projects.jsonata").read_text("utf-8"), "utf-8"
        )

    def issue(self, rows: Sequence[Row]) -> Sequence[Line]:
        """Lines as `flexspine send --mapping` reads them."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(ROW))
        writer.writeheader()
        writer.writerows(rows)
        file = self.folder / "issue.csv"
        file.write_text(text.getvalue(), "utf-8")
        with Spool(self.place.settings.home) as spool:
            return lines_of(str(file), str(self.mapping), spool)


def told(settled: Sequence[Settled]) -> dict[tuple[str, str], int]:
    """(type, code or outcome) -> lines, without the sender's registration."""
    return dict(Counter((one.type, one.code or one.result) for one in settled if one.line.number))


def ids(settled: Sequence[Settled]) -> dict[str, str]:
    """Reference -> id, of registrations."""
    found = {}
    for one in settled:
        data = (one.line.envelope or {})["data"]
        if one.reply is not None and "reference" in data:
            found[data["reference"]] = json.loads(one.reply)["data"]["id"]
    return found


async def revisions(spine: Spine, known: Mapping[str, str]) -> dict[str, int]:
    """Reference -> revision: an event goes with each."""
    stored = {one["_id"]: one["revision"] for one in await spine.raw("assets")}
    return {reference: stored[asset] for reference, asset in known.items()}


async def test_the_next_issue_changes_what_differs_and_nothing_else(
    working: Spine, tmp_path: Path
) -> None:
    registry, heard = Registry(working, tmp_path, "twice"), list[bytes]()
    first = await sent(registry.place, registry.issue([row(n) for n in range(1, 7)]))
    assert told(first) == {("asset.register.v1", "accepted"): 6}
    known = ids(first)

    async def hear(body: bytes) -> None:
        heard.append(body)

    url, queues = registry.place.url(names.OPERATOR), [names.domain_queue(names.OPERATOR)]
    watching = asyncio.create_task(listen(url, names.OPERATOR, queues, hear))
    later = await sent(
        registry.place,
        registry.issue(
            [
                row(1),
                row(2, **{"Installed Capacity (MWelec)": "35.00"}),
                row(3, **{"Installed Capacity (MWelec)": "36"}),
                row(4, County=""),
                row(5, Operational="31/03/2021", **{"Development Status (short)": "Operational"}),
                row(7),
            ]
        ),
    )
    assert told(later) == {
        ("asset.register.v1", "accepted"): 1,
        ("asset.commission.v1", "accepted"): 1,
        ("asset.update.v1", "accepted"): 5,
    }
    known |= ids(later)
    expected = {
        ("asset.updated.v1", known["repd:3"]): ["capability.power_kw"],
        ("asset.updated.v1", known["repd:4"]): ["location.county"],
        ("asset.commissioned.v1", known["repd:5"]): ["commissioned_on"],
        ("asset.registered.v1", known["repd:7"]): None,
    }

    def seen() -> dict[tuple[str, str], Any]:
        facts = [json.loads(body) for body in heard]
        mine = [one for one in facts if one["subject"] in set(known.values())]
        # These made-up rows stand at one place, so that each may be another once more.
        apart = {"asset.registered.v1", "asset.duplicate-suspected.v1"}
        made = [one for one in mine if one["type"] not in apart]
        new = [one for one in mine if one["subject"] == known["repd:7"]]
        made += [one for one in new if one["type"] == "asset.registered.v1"]
        return {(one["type"], one["subject"]): one["data"].get("changed") for one in made}

    async def arrived() -> bool:
        return seen().keys() >= expected.keys()

    await eventually(arrived)
    watching.cancel()
    await asyncio.wait([watching])
    assert seen() == expected
    assert await revisions(working, known) == {
        "repd:1": 1, "repd:2": 1, "repd:3": 2, "repd:4": 2, "repd:5": 2, "repd:6": 1, "repd:7": 1,
    }  # fmt: skip


async def test_the_same_issue_again_gets_the_same_answers(working: Spine, tmp_path: Path) -> None:
    registry = Registry(working, tmp_path, "again")
    for rows in ([row(1), row(2)], [row(1, County="Kent"), row(2)]):
        first = await sent(registry.place, registry.issue(rows))
        again = await sent(registry.place, registry.issue(rows))
        assert [one.reply for one in again] == [one.reply for one in first]


async def test_a_first_issue_that_was_broken_off_goes_on(working: Spine, tmp_path: Path) -> None:
    """Nothing is registered twice, nothing is refused, and the next issue is compared with all."""
    registry, begun = Registry(working, tmp_path, "broken off"), asyncio.Event()
    rows = [row(n) for n in range(MANY)]
    lines = registry.issue(rows)
    sending = asyncio.create_task(
        sent(registry.place, lines, seen=lambda n: begun.set() if n == MANY // 4 else None)
    )
    await begun.wait()
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    settled = await sent(registry.place, registry.issue(rows))
    assert told(settled) == {("asset.register.v1", "accepted"): MANY}
    known = ids(settled)
    assert len(set(known.values())) == MANY
    changed = [row(0, County="Kent"), *rows[1:]]
    later = await sent(registry.place, registry.issue(changed))
    assert told(later) == {("asset.update.v1", "accepted"): MANY}
    counted = Counter((await revisions(working, known)).values())
    assert counted == {1: MANY - 1, 2: 1}


async def test_what_was_broken_off_goes_on_with_the_next_issue(
    working: Spine, tmp_path: Path
) -> None:
    """What the first had registered is known; the rest is registered, and nothing is refused."""
    registry = Registry(working, tmp_path, "next")
    # As far as it came: these rows and no more.
    await sent(registry.place, registry.issue([row(1), row(2)])[:2])
    later = await sent(registry.place, registry.issue([row(1, County="Kent"), row(2), row(3)]))
    assert told(later) == {
        ("asset.update.v1", "accepted"): 1,
        ("asset.register.v1", "accepted"): 2,
    }
