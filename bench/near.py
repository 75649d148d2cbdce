"""How fast assets are found by where they stand, among many, by three kinds of asker.

`python -m bench.near`, with the servers that the settings name or with embedded ones; prints JSON.
The register is one of `flexspine seed`; a copy of it gets its askers: one with a few assets, a
system operator with ties to a tenth of the register, and an operator of the backbone, who sees all.
Queries go the whole way, from a party by the broker to the workers and back, each to another place.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from bench import seeding
from bench.contest import prepare, serving
from bench.latency import WARM_UP, Latencies, paced
from bench.load import Party, envelope
from bench.measure import tell
from bench.sites import site
from bench.testbed import NO_QUOTA, RUN, Testbed, open_testbed
from contracts.nearby import FindAssetsNear
from contracts.taxonomy import OPERATOR
from topology import names
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.mongo import MongoStore

COPIED: Final = ("users", "accounts", "keys", "assets", "places")
"""Collections that a question looks at; the others stay where they are."""
FEW: Final = 5
RADII_M: Final = (500, 2_000, 10_000, 50_000)
SIDE: Final = 0.1
"""Degrees of the squares that are asked for as polygons."""
LIMIT: Final = 50
SINCE: Final = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Askers:
    """Who asks: few and many are users of the bench."""

    few: str
    many: str


async def copied(testbed: Testbed, source: str) -> None:
    """What questions look at of a seeded register, with the indexes of production."""
    await testbed.client.drop_database(RUN)
    store = MongoStore(testbed.addresses.mongo_url, RUN, through=Driver.PYMONGO, timeout_s=600)
    await store.install()
    await store.close()
    for name in COPIED:
        into = {"$merge": {"into": {"db": RUN, "coll": name}}}
        await (await testbed.client[source][name].aggregate([into])).to_list()


async def with_askers(testbed: Testbed, users: Sequence[str]) -> Askers:
    """Give all but a few assets of one user to another, and ties to all of a second one's.

    Written past the register: what is measured is how they are found.
    """
    held = testbed.database(RUN)
    few, many, heir = users[-1], users[-2], users[0]
    kept = [row["_id"] async for row in held["assets"].find({"registrant": few}).limit(FEW)]
    for user, others in ((few, {"_id": {"$nin": kept}}), (many, {})):
        mine = [r["_id"] async for r in held["assets"].find({"registrant": user, **others}, {})]
        for start in range(0, len(mine), 10_000):
            part = {"_id": {"$in": mine[start : start + 10_000]}}
            await held["assets"].update_many(part, {"$set": {"registrant": heir}})
            viewers = sorted((OPERATOR, heir, *((many,) if user == many else ())))
            await held["places"].update_many(part, {"$set": {"viewers": viewers}})
            if user == many:
                await held["relations"].insert_many(
                    [_tied(asset, many) for asset in mine[start : start + 10_000]]
                )
    await held["users"].update_one({"_id": many}, {"$set": {"roles": ["so"]}})
    return Askers(few, many)


def _tied(asset: str, party: str) -> dict[str, Any]:
    tie = {"as": "so", "from": SINCE, "until": None, "by": OPERATOR, "at": SINCE}
    row = {"_id": f"{asset}/{party}", "revision": 1, "entity": asset, "party": party}
    return row | {"ties": [tie]}


def question(number: int, name: str) -> Mapping[str, Any]:
    """One of the questions: circles of several sizes, and every fifth a square."""
    latitude, longitude = site(f"{name}-{number}")
    if number % 5 == 0:
        west, south = longitude - SIDE, latitude - SIDE / 2
        east, north = longitude + SIDE, latitude + SIDE / 2
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"polygon": {"type": "Polygon", "coordinates": [ring]}, "limit": LIMIT}
    radius = RADII_M[number % len(RADII_M)]
    point = {"latitude": latitude, "longitude": longitude}
    return {"point": point, "radius_m": radius, "limit": LIMIT}


@dataclass(frozen=True, slots=True)
class Found:
    """What the questions of one asker gave."""

    taken: Latencies
    assets: Sequence[int]

    def as_json(self) -> dict[str, Any]:
        """The figures under the names under which they are published."""
        percents = {f"near_p{p}_ms": round(self.taken.percentile(p), 1) for p in (50, 95, 99)}
        return {
            "queries": len(self.assets),
            **percents,
            "near_max_ms": round(max(self.taken.each_ms), 1),
            "assets_mean": round(fmean(self.assets), 1),
            "queries_that_found_nothing": sum(not count for count in self.assets),
        }


async def ask(party: Party, name: str, count: int) -> Found:
    """Ask as a party does, at a steady pace."""
    kind = FindAssetsNear.message_type
    bodies = {}
    for number in range(WARM_UP + count):
        command_id = f"bench-near-{name}-{number}"
        asked = envelope(party.user, kind, question(number, name), command_id)
        bodies[command_id] = json.dumps(asked).encode()
    taken, answers = await paced(party, bodies, kind)
    found = [len(json.loads(answer)["data"]["assets"]) for answer in answers[WARM_UP:]]
    return Found(Latencies(taken.each_ms[WARM_UP:]), found)


def operator(testbed: Testbed) -> Party:
    """The operator's own account."""
    url = testbed.addresses.amqp_as(OPERATOR, testbed.vault.password(OPERATOR))
    return Party(OPERATOR, OPERATOR, names.COMMANDS, url)


async def measure(settings: Settings, assets: int, count: int, folder: Path | None) -> Any:
    """Seed what is missing, make the askers, and let each ask."""
    settings = settings.model_copy(update={"quota_per_minute": NO_QUOTA, "sandbox": False})
    async with open_testbed(settings, folder) as testbed:
        users = await seeding.parties(testbed)
        made = await seeding.seed(testbed, users, assets, tell)
        tell(f"{made.added:,} assets added in {made.seconds:.0f} s")
        await copied(testbed, seeding.register_name(assets))
        askers = await with_askers(testbed, users)
        await prepare(testbed, users)
        found = {}
        async with serving(testbed, RUN):
            for name, party in (
                ("few", testbed.party(askers.few)),
                ("many", testbed.party(askers.many)),
                ("operator", operator(testbed)),
            ):
                found[name] = (await ask(party, name, count)).as_json()
                tell(f"{name}: {found[name]}")
        await testbed.client.drop_database(RUN)
    return {"assets": assets, "near": found}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    words = "keep embedded servers' data here; a register that is there is measured as it is"
    parser.add_argument("--folder", type=Path, help=words)
    given = parser.parse_args()
    told = asyncio.run(measure(Settings.read(), given.assets, given.queries, given.folder))
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
