"""How fast users are found among many, and whether many slow the registration of one more.

`python -m bench.directory`, with the servers that the settings name or with embedded ones; prints
JSON. Users come into a register through fold and store, without the broker, and so do those whose
registration is timed: what the broker adds does not depend on how many users there are. Queries go
the whole way, from a party by the broker to the workers and back.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from pymongo import UpdateOne

from bench import seeding
from bench.contest import prepare, serving
from bench.crowd import Somebody, queries, registration
from bench.latency import WARM_UP, Latencies, paced
from bench.load import envelope
from bench.measure import tell
from bench.testbed import BASE, NO_QUOTA, PREFIX, RUN, Testbed, open_testbed
from contracts.directory import RebuildDirectory, SearchDirectory
from contracts.taxonomy import OPERATOR
from handlers.admission import Delivery
from handlers.case import Outcome
from topology import names
from workers.cli.measuring import Unmeasured
from workers.settings import Settings

MAILBOX: Final = names.mailbox(names.register("user"))
RENEW_EVERY: Final = 50
"""Batches after which the lease is renewed."""
LATER: Final = 10_000_000
"""Number of the first user whose registration is timed; above all that are seeded."""


def register_name(users: int) -> str:
    """The database of a register with that many users."""
    return f"{PREFIX}users-{users}"


async def seed(testbed: Testbed, platform: str, users: int) -> tuple[float, float]:
    """Make a register of that many users: seconds for the registrations, and for a rebuild.

    What users say of areas and services, and that most are confirmed, is written past the register,
    so that the rebuild has every entry to write.
    """
    database = register_name(users)
    await testbed.copy(BASE, database)
    size = testbed.settings.batch_size_max
    async with seeding.seeding_engine(testbed, database, MAILBOX, MAILBOX) as (engine, store):

        async def run(batch: Sequence[Delivery], turn: int) -> Sequence[Outcome]:
            if turn % RENEW_EVERY == 0:
                await store.renew(engine.lease, seeding.LEASE_S)
            outcomes = await engine.run(batch)
            _all_accepted(outcomes)
            return outcomes

        began = time.monotonic()
        for turn, start in enumerate(range(1, users + 1, size)):
            numbers = range(start, min(start + size, users + 1))
            await run([registration(number, platform) for number in numbers], turn)
        registered = time.monotonic()
        await _profiles(testbed, database, users)
        # Who is confirmed looks among its own persons too.
        confirmed = {"$set": {"status": "confirmed"}}
        await testbed.database(database)["users"].update_one({"_id": platform}, confirmed)
        profiled = time.monotonic()
        after: str | None = ""
        turn = 0
        while after is not None:
            (outcome,) = await run([_rebuild(turn, after)], turn)
            reply = next(letter for letter in outcome.letters if letter.kind == "reply")
            after, turn = json.loads(reply.body)["data"].get("after"), turn + 1
    return registered - began, time.monotonic() - profiled


def _all_accepted(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.kind != "accepted":
            said = [letter.body.decode()[:500] for letter in outcome.letters]
            raise Unmeasured(f"expected every command to be accepted, got {outcome.kind}: {said}")


def _rebuild(turn: int, after: str) -> Delivery:
    kind = RebuildDirectory.message_type
    body = envelope(OPERATOR, kind, {"after": after} if after else {}, f"bench-rebuild-{turn}")
    return Delivery(body=json.dumps(body).encode(), type=kind, account=OPERATOR)


async def _profiles(testbed: Testbed, database: str, users: int) -> None:
    held = testbed.database(database)
    commands = [f"bench-user-{number:09d}" for number in range(1, users + 1)]
    by_command = {
        row["command"]: row["entity"]
        async for row in held["history"].find({"revision": 1}, {"command": 1, "entity": 1})
    }
    changes = (
        UpdateOne({"_id": by_command[command]}, {"$set": _later(Somebody.of(number))})
        for number, command in enumerate(commands, 1)
    )
    while portion := list(islice(changes, 1000)):
        await held["users"].bulk_write(portion)


def _later(one: Somebody) -> Mapping[str, Any]:
    """What a user becomes after its registration."""
    status = "confirmed" if one.is_confirmed else "provisional"
    return {"status": status, "profile": {"areas": list(one.areas), "services": list(one.services)}}


@dataclass(slots=True)
class Found:
    """What the queries of one register gave."""

    taken: Latencies
    entries: Sequence[int]

    def as_json(self) -> dict[str, Any]:
        """The figures under the names under which they are published."""
        percents = {f"search_p{p}_ms": round(self.taken.percentile(p), 1) for p in (50, 95, 99)}
        return {
            "queries": len(self.entries),
            **percents,
            "search_max_ms": round(max(self.taken.each_ms), 1),
            "entries_mean": round(fmean(self.entries), 1),
            "queries_that_found_nobody": sum(not count for count in self.entries),
        }


async def search(testbed: Testbed, parties: Sequence[str], users: int, count: int) -> Found:
    """Ask as a party does, at a steady pace, of workers that serve the register."""
    await prepare(testbed, parties)
    party, kind = testbed.party(parties[0]), SearchDirectory.message_type
    bodies = {}
    for number, asked in enumerate(queries(WARM_UP + count, users)):
        name = f"bench-search-{number}"
        bodies[name] = json.dumps(envelope(party.user, kind, asked, name)).encode()
    async with serving(testbed, register_name(users)):
        taken, answers = await paced(party, bodies, kind)
    entries = [len(json.loads(answer)["data"]["entries"]) for answer in answers[WARM_UP:]]
    return Found(Latencies(taken.each_ms[WARM_UP:]), entries)


async def register(testbed: Testbed, platform: str, database: str, first: int, count: int) -> float:
    """Registrations a second; the first batch makes what is made once, and is not counted."""
    size = testbed.settings.batch_size_max
    async with seeding.seeding_engine(testbed, database, MAILBOX, MAILBOX) as (engine, _):
        made = [registration(first + n, platform) for n in range(size + count)]
        await engine.run(made[:size])
        began = time.perf_counter()
        for start in range(size, len(made), size):
            _all_accepted(await engine.run(made[start : start + size]))
        return count / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    small: int = 1_000
    large: int = 100_000
    queries: int = 1_000
    registrations: int = 2_000
    """In each round; the small register is a fresh copy every time."""
    rounds: int = 7


@dataclass(slots=True)
class Figures:
    """Everything that one run gave."""

    scale: Scale
    seeded: dict[int, tuple[float, float]] = field(default_factory=dict)
    found: dict[int, Found] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What is published."""
        small, large = (median(self.rates[s]) for s in (self.scale.small, self.scale.large))
        return {
            "search": {str(size): found.as_json() for size, found in self.found.items()},
            "rebuilt_per_second": {
                str(size): round(size / seconds[1]) for size, seconds in self.seeded.items()
            },
            "registered_per_second": {
                str(size): [round(rate) for rate in rates] for size, rates in self.rates.items()
            },
            "registered_per_second_median": {
                str(size): round(median(rates)) for size, rates in self.rates.items()
            },
            "ratio_small_to_large": round(small / large, 3),
            "rounds": self.scale.rounds,
        }


async def measure(settings: Settings, scale: Scale, folder: Path | None = None) -> Figures:
    """Both registers in turn; a few senders do what many do otherwise, so that none has a quota."""
    figures = Figures(scale)
    settings = settings.model_copy(update={"quota_per_minute": NO_QUOTA})
    async with open_testbed(settings, folder) as testbed:
        parties = await seeding.parties(testbed)
        there = await testbed.client.list_database_names()
        for size in (scale.small, scale.large):
            if register_name(size) in there:
                continue
            figures.seeded[size] = taken = await seed(testbed, parties[0], size)
            tell(f"{size:,} users: registered in {taken[0]:.0f} s, rebuilt in {taken[1]:.0f} s")
        for size in (scale.small, scale.large):
            figures.found[size] = found = await search(testbed, parties, size, scale.queries)
            tell(f"{size:,} users: {found.as_json()}")
        for turn in range(scale.rounds):
            first = LATER + turn * LATER
            await testbed.copy(register_name(scale.small), RUN)
            for size, database in ((scale.small, RUN), (scale.large, register_name(scale.large))):
                rate = await register(testbed, parties[0], database, first, scale.registrations)
                figures.rates.setdefault(size, []).append(rate)
                tell(f"round {turn + 1} of {scale.rounds}: {size:,} users: {rate:,.0f}/s")
    return figures


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("small", 1_000), ("large", 100_000), ("queries", 1_000),
                          ("registrations", 2_000), ("rounds", 7)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    words = "keep embedded servers' data here; registers that are there are measured as they are"
    parser.add_argument("--folder", type=Path, help=words)
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    told = asyncio.run(measure(Settings.read(), Scale(**given), folder)).as_json()
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
