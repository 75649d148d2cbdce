"""The engine over the store in memory: rounds of reading, conflicts, refusals, and the fence."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from handlers.admission import Delivery
from tests.builders import PLATFORM, asset, command, user
from tests.decider import reply
from tests.memory.workshop import LANE, Workshop, open_workshop
from workers.engine import CONFLICTS_MAX
from workers.loading import Loaded, Loader
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit, Conflict, Fenced, Refused
from workers.vault import Sealed, Vault


class Contrary:
    """A store that is asked to fail: by how often, or by what a commit holds."""

    def __init__(self, store: MemoryStore, fails: Sequence[Exception] = (), at: str = "") -> None:
        """`fails` are raised one by one, then for ever by the last where `at` is in the commit."""
        self._store = store
        self._fails = list(fails)
        self._at = at.encode()
        self.commits: list[Commit] = []

    async def load(self, keys: Any) -> Any:
        return await self._store.load(keys)

    async def listed(self, collection: str, prefix: str) -> Any:
        return await self._store.listed(collection, prefix)

    async def holding(self, *asked: Any) -> Any:
        return await self._store.holding(*asked)

    async def holding_all(self, *asked: Any) -> Any:
        return await self._store.holding_all(*asked)

    async def around(self, *asked: Any) -> Any:
        return await self._store.around(*asked)

    async def tallied(self, *asked: Any) -> Any:
        return await self._store.tallied(*asked)

    async def commit(self, commit: Commit) -> None:
        self.commits.append(commit)
        documents = b"".join(d for rows in commit.inserts.values() for d in rows)
        if self._at and self._at in documents:
            raise self._fails[0]
        if self._fails and not self._at:
            raise self._fails.pop(0)
        await self._store.commit(commit)


@pytest.fixture
async def workshop() -> Workshop:
    """One with a registered platform whose id is PLATFORM's stand-in: the operator."""
    return await open_workshop()


def keep(trial: str, **data: Any) -> Delivery:
    return command("trial.keep.v1", {"id": trial} | data, sender="operator", id=f"keep-{trial}")


def kinds(outcomes: Sequence[Any]) -> list[str]:
    return [outcome.kind for outcome in outcomes]


async def test_many_commands_that_read_what_their_predecessors_wrote_are_all_decided(
    workshop: Workshop,
) -> None:
    """Each needs a look-up that only the one before makes known; that is nobody's fault."""
    registered = await workshop.run(command(data=asset(), sender="operator"))
    asset_id = reply(registered[0])[1]["id"]
    identities = [{"make": f"Make {n}"} if n % 2 else {"serial": f"SN-90{n}"} for n in range(20)]
    chain = [
        command("asset.update.v1", {"id": asset_id, "identity": i}, sender="operator", id=f"u{n}")
        for n, i in enumerate(identities)
    ]
    assert kinds(await workshop.run(*chain)) == ["accepted"] * 20


async def test_one_that_asks_for_ever_is_held_and_its_neighbours_are_decided(
    workshop: Workshop,
) -> None:
    endless = command("trial.chase.v1", {}, sender="operator", id="endless")
    assert kinds(await workshop.run(keep("a"), endless, keep("b"))) == [
        "accepted",
        "poisoned",
        "accepted",
    ]


async def test_conflict_is_folded_again(workshop: Workshop) -> None:
    store = Contrary(workshop.store, [Conflict("first"), Conflict("second")])
    workshop.engine.store = store
    assert kinds(await workshop.run(keep("a"), keep("b"))) == ["accepted", "accepted"]
    assert [commit.batch for commit in store.commits] == [1, 1, 1]


async def test_batch_that_loses_for_ever_is_decided_one_by_one(workshop: Workshop) -> None:
    workshop.engine.store = Contrary(workshop.store, [Conflict("again")] * CONFLICTS_MAX)
    assert kinds(await workshop.run(keep("a"), keep("b"))) == ["accepted", "accepted"]
    assert [row["_id"] for row in workshop.rows("commands")] == [
        f"{LANE}/000000000001",
        f"{LANE}/000000000002",
    ]


async def test_what_the_server_refuses_is_found_and_held(workshop: Workshop) -> None:
    batch = [keep(name) for name in "abcdefg"]
    workshop.engine.store = Contrary(
        workshop.store, [Refused("too large")], at="\x02id\x00\x07\x00\x00\x00keep-e\x00"
    )
    outcomes = await workshop.run(*batch)
    assert kinds(outcomes) == ["accepted"] * 4 + ["poisoned"] + ["accepted"] * 2
    assert [outcome.index for outcome in outcomes] == list(range(7))
    assert [row["_id"] for row in workshop.rows("trials")] == list("abcdfg")
    assert [row["reason"] for row in workshop.rows("dead_letters")] == ["unencodable"]


async def test_former_owner_of_a_lane_commits_nothing(workshop: Workshop) -> None:
    await workshop.run(keep("a"))
    assert await workshop.store.acquire(LANE, "tests", 1) is not None
    with pytest.raises(Fenced):
        await workshop.run(keep("b"))
    assert [row["_id"] for row in workshop.rows("trials")] == ["a"]


async def test_commits_count_the_batches_of_the_lane(workshop: Workshop) -> None:
    for name in "abc":
        await workshop.run(keep(name))
    assert [(row["_id"], row["batch"]) for row in workshop.rows("commands")] == [
        (f"{LANE}/{n:012d}", n) for n in (1, 2, 3)
    ]


async def test_letters_wait_in_the_outbox_in_order_and_unreadable(workshop: Workshop) -> None:
    outcomes = await workshop.run(keep("a"), keep("b"))
    rows = workshop.rows("outbox")
    letters = [letter for outcome in outcomes for letter in outcome.letters]
    assert [row["type"] for row in rows] == [letter.type for letter in letters]
    opened = [workshop.engine.vault.open_transit(row["body"], row["_id"].encode()) for row in rows]
    assert opened == [letter.body for letter in letters]
    assert not any(letter.body in row["body"] for row, letter in zip(rows, letters, strict=True))


async def test_nothing_personal_is_stored_in_clear(workshop: Workshop) -> None:
    person = user(
        kind="person",
        name="Xenia Example",
        contacts=[{"name": "Xenia Example", "email": "xenia@example.com"}],
        bank={"account_name": "Xenia Example", "account_number": "98765432"},
        account_key_hash="A" * 48,
        claims={"mpid": "XXYY"},
    )
    await workshop.run(
        command("user.register.v1", person, sender="operator", id="1"),
        command("user.register.v1", person | {"colour": "Xenia"}, sender="operator", id="2"),
        command("trial.crash.v1", {"words": "Xenia"}, sender="operator", id="3"),
    )
    stored = b"".join(d for c in workshop.store._documents.values() for d in c.values())
    for word in (b"Xenia", b"xenia", b"98765432", b"A" * 48, b"XXYY"):
        assert word not in stored


def test_ids_are_the_same_wherever_they_are_issued() -> None:
    async def issued() -> str:
        workshop = await open_workshop()
        (outcome,) = await workshop.run(command(sender="operator"))
        return str(reply(outcome)[1]["id"])

    assert asyncio.run(issued()) == asyncio.run(issued())
    assert PLATFORM not in asyncio.run(issued())


async def test_data_key_that_does_not_open_costs_the_commands_that_need_it(
    workshop: Workshop,
) -> None:
    await workshop.run(keep("a"))
    locked = Vault(bytes(32)).new_key("operator")
    workshop.store._documents["keys"]["operator"] = encode_row(locked)
    unknown = command("trial.unknown.v1", {}, sender="operator", id="needs-none")
    assert kinds(await workshop.run(keep("b"), unknown)) == ["poisoned", "refused"]


async def test_key_that_was_made_between_two_queries_is_looked_for_again(
    workshop: Workshop,
) -> None:
    """The document is found with its first load, its key was still absent then."""
    await workshop.run(command(data=asset(), sender="operator", id="first"))

    class Late(Contrary):
        """Its first answer is from before the key."""

        async def load(self, keys: Any) -> Any:
            found = dict(await super().load(keys))
            if "inbox" in keys:
                found["keys"] = {}
            return found

    subjects = [row["_id"] for row in workshop.rows("keys")]
    loaded = Loaded()
    wanted = [("inbox", ("operator", "first")), *(("keys", subject) for subject in subjects)]
    await Loader(Late(workshop.store), workshop.engine.vault).read(wanted, loaded)
    (found,) = loaded.documents["inbox"].values()
    assert isinstance(found, dict)
    assert found["reply"].value is not None


async def test_a_dead_letter_that_does_not_open_is_in_nobody_s_way(workshop: Workshop) -> None:
    """The same message again is counted, and the rest of its batch is decided."""
    crash = command("trial.crash.v1", {"words": "boom"}, sender="operator", id="crash")
    await workshop.run(crash)
    (first,) = workshop.rows("dead_contents")
    spoilt = Sealed(first["body"].key, first["body"].box[:-1] + b"?")
    workshop.store._documents["dead_contents"][first["_id"]] = encode_row({**first, "body": spoilt})
    assert kinds(await workshop.run(keep("a"), crash)) == ["accepted", "poisoned"]
    assert kinds(await workshop.run(crash)) == ["poisoned"]
    assert [row["times"] for row in workshop.rows("dead_letters")] == [3]
