"""Two users in the store: each under its own key, brought back, rebuilt, and erased together."""

from collections import Counter
from random import Random
from typing import Any, Final

import pytest

from handlers.admission import Delivery
from tests.boxes import readable
from tests.builders import NOW, asset, user
from tests.memory.crowd import Crowd
from tests.memory.test_rebuild import rebuilt
from topology import names
from workers.comparing import compare
from workers.local import open_register
from workers.store.codec import decode
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Conflict

WORDS: Final = ("Zebedee", "Marmalade", "Barnaby", "our 7", "our 8", "nickname")
ASSETS: Final = 300
CUSTOMERS: Final = 60
PERSON: Final = user(kind="person", roles=["owner"])


@pytest.fixture
async def crowd() -> Crowd:
    now = [NOW]
    register = await open_register("merging", lambda: now[0])
    return Crowd(register, Random(1), now, 20)  # noqa: S311  nothing is left to chance here


async def done(crowd: Crowd, sender: str, kind: str, data: Any, **more: Any) -> Any:
    found = await crowd._send(sender, (kind, data), **more)
    assert found is not None, kind
    return found


async def platform(crowd: Crowd) -> str:
    found = await done(crowd, "operator", "user.register.v1", user())
    return str(found["id"])


async def person(crowd: Crowd, sender: str, name: str, reference: str) -> str:
    data = PERSON | {"name": name, "address": {"town": "Marmalade"}}
    found = await done(crowd, sender, "user.register.v1", data, onbehalfof=reference)
    return str(found["id"])


async def pair(crowd: Crowd) -> tuple[str, str]:
    sender = await platform(crowd)
    survivor = await person(crowd, sender, "Zebedee", "our 7")
    other = await person(crowd, sender, "Barnaby", "our 8")
    name = {"id": other, "scheme": "own", "value": "nickname"}
    await done(crowd, "operator", "user.link-id.v1", name)
    return survivor, other


def found(crowd: Crowd) -> set[str]:
    """The words that somebody with the database and the master key can read."""
    stored = {n: r for n, r in crowd.register.store._documents.items() if n != "outbox"}
    rows = {name: list(map(decode, held.values())) for name, held in stored.items()}
    plain = b"".join(row for held in stored.values() for row in held.values())
    text = plain + b"".join(readable(crowd.register.vault, rows).values())
    return {word for word in WORDS if word.encode() in text}


async def shown(crowd: Crowd) -> None:
    """Rebuild, and assert that nothing differs."""
    report, target = await rebuilt(crowd)
    assert [str(one) for one in report.differences] == []
    unlike = [one async for one in compare(crowd.register.store, target, crowd.register.vault)]
    assert [str(one) for one in unlike] == []


async def test_a_merge_and_its_split_are_rebuilt_under_both_keys(crowd: Crowd) -> None:
    survivor, other = await pair(crowd)
    both = {"id": survivor, "other": other}
    await done(crowd, "operator", "duplicates.merge.v1", both)
    await shown(crowd)
    await done(crowd, "operator", "duplicates.split.v1", both)
    await done(crowd, "operator", "duplicates.merge.v1", both)
    await shown(crowd)


async def test_with_the_survivor_goes_all_of_its_aliases(crowd: Crowd) -> None:
    survivor, other = await pair(crowd)
    assert found(crowd) == set(WORDS)
    await done(crowd, "operator", "duplicates.merge.v1", {"id": survivor, "other": other})
    assert found(crowd) == set(WORDS)
    await done(crowd, "operator", "user.retire.v1", {"id": survivor})
    wish = {"id": survivor, "confirm_id": survivor}
    await done(crowd, "operator", "user.erase.v1", wish)
    assert found(crowd) == set()
    keys = {str(key): decode(row) for key, row in crowd.register.store._documents["keys"].items()}
    assert {survivor, other} == {key for key, row in keys.items() if "destroyed_at" in row}
    erasures = map(decode, crowd.register.store._documents["erasures"].values())
    assert {(row["_id"], row["state"]) for row in erasures} == {(survivor, "done"), (other, "done")}
    await shown(crowd)


@pytest.mark.parametrize(
    ("which", "left"),
    [(0, {"Barnaby", "Marmalade", "our 8", "nickname"}), (1, {"Zebedee", "Marmalade", "our 7"})],
)
async def test_who_was_split_is_erased_alone(crowd: Crowd, which: int, left: set[str]) -> None:
    """What came to the survivor and went back is the other's, in the archive too."""
    both = await pair(crowd)
    wish = dict(zip(("id", "other"), both, strict=True))
    await done(crowd, "operator", "duplicates.merge.v1", wish)
    await done(crowd, "operator", "duplicates.split.v1", wish)
    await done(crowd, "operator", "user.retire.v1", {"id": both[which]})
    erased = {"id": both[which], "confirm_id": both[which]}
    await done(crowd, "operator", "user.erase.v1", erased)
    assert found(crowd) == left
    await shown(crowd)


class Losing:
    """A store in which of all commits every third loses against somebody faster, at first."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.commits = 0
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, commit: Commit) -> None:
        self.commits += 1
        if self.commits % 3 == 0:
            self.lost += 1
            raise Conflict("somebody was first")
        await self._store.commit(commit)


async def portions(crowd: Crowd, letters: Any) -> list[str]:
    """What becomes of the facts; behind every portion another process takes the lane."""
    notices, kinds = crowd.register.engines[names.NOTICES], list[str]()
    store = crowd.register.store
    for letter in letters:
        if letter.kind != "domain":
            continue
        fact = Delivery(body=letter.body, type=letter.type, account=names.RELAY_ACCOUNT)
        outcomes = await notices.run([fact])
        while True:
            kinds += [one.kind for one in outcomes]
            lease = await store.acquire(names.NOTICES, "run", 1e9)
            assert lease is not None
            notices.resume(lease)
            if "continued" not in {one.kind for one in outcomes}:
                break
            outcomes = await notices.run([])
    return kinds


def owners(crowd: Crowd) -> Counter[str]:
    rows = map(decode, crowd.register.store._documents["assets"].values())
    return Counter(str(row["owner"]) for row in rows)


def sealed_under(crowd: Crowd) -> set[str]:
    rows = map(decode, crowd.register.store._documents["assets"].values())
    return {row["location"].key for row in rows}


async def test_three_hundred_assets_go_over_and_come_back_in_portions(crowd: Crowd) -> None:
    """Whoever loses a commit, or the lane, goes on where the last portion was committed."""
    sender = await platform(crowd)
    survivor, other = [
        await person(crowd, sender, name, reference)
        for name, reference in (("Zebedee", "our 7"), ("Barnaby", "our 8"))
    ]
    place = {"point": {"latitude": 51.5, "longitude": -0.1}}
    wishes = [
        asset(owner=other, location=place, identity={"make": "Acme", "serial": f"SN-{number}"})
        for number in range(ASSETS)
    ]
    for start in range(0, ASSETS, 50):
        batch = [("asset.register.v1", wish) for wish in wishes[start : start + 50]]
        assert await crowd._send(sender, *batch) is not None
    notices = crowd.register.engines[names.NOTICES]
    notices.store = losing = Losing(crowd.register.store)
    both = {"id": survivor, "other": other}
    for kind, owner in (("merge", survivor), ("split", other)):
        given = crowd._message("operator", f"duplicates.{kind}.v1", both)
        queue = crowd.register.entries[given.type].queue
        (outcome,) = await crowd.register.engines[queue].run([given])
        kinds = await portions(crowd, outcome.letters)
        assert kinds.count("continued") >= ASSETS // 50
        assert set(kinds) <= {"continued", "handled", "idle"}
        assert owners(crowd) == {owner: ASSETS}
        assert sealed_under(crowd) == {owner}
    assert losing.lost > ASSETS // 50
    relations = map(decode, crowd.register.store._documents["relations"].values())
    assert [row for row in relations if row["entity"].startswith("BAT")] == []
    await shown(crowd)


def held(crowd: Crowd, party: str) -> Counter[tuple[str, bool]]:
    """What a party is or was, and whether that holds, by how often."""
    rows = map(decode, crowd.register.store._documents["relations"].values())
    mine = [row for row in rows if row["party"] == party]
    return Counter((one["as"], one["until"] is None) for row in mine for one in row["ties"])


async def test_a_platform_with_many_customers_goes_over_and_comes_back(crowd: Crowd) -> None:
    """Persons for whom it acts, and assets of theirs that it has registered and represents."""
    survivor, other = await platform(crowd), await platform(crowd)
    for number in range(CUSTOMERS):
        who = await person(crowd, other, f"Barnaby {number}", f"customer {number}")
        wish = asset(owner=who, identity={"make": "Acme", "serial": f"SN-{number}"})
        thing = (await done(crowd, other, "asset.register.v1", wish))["id"]
        tie = {"id": thing, "party": other, "relation": "fsp", "service": "DC"}
        await done(crowd, other, "asset.relate.v1", tie)
    before = held(crowd, other)
    assert before == {("delegate", True): CUSTOMERS, ("fsp", True): CUSTOMERS}
    both = {"id": survivor, "other": other}
    await done(crowd, "operator", "duplicates.merge.v1", both)
    registrant = {("registrant", True): 2 * CUSTOMERS}
    assert held(crowd, survivor) == {**before, **registrant}
    assert held(crowd, other) == {("delegate", False): CUSTOMERS, ("fsp", False): CUSTOMERS}
    await done(crowd, survivor, "asset.update.v1", {"id": thing, "name": "Shed"})
    await done(crowd, "operator", "duplicates.split.v1", both)
    assert held(crowd, other) == before
    assert held(crowd, survivor) == {}
    letters = crowd.register.store._documents.get("dead_letters", {})
    assert letters == {}
    await shown(crowd)
