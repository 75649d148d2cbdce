"""The suite that every store passes; a subclass says which store, and how time passes in it."""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from handlers.decision import Secret
from handlers.spans import Around, Tally, band_of
from workers.store import codec
from workers.store.memory import MemoryStore
from workers.store.mongo import MongoStore
from workers.store.protocol import (
    Commit,
    Conflict,
    Drop,
    Fenced,
    Guard,
    InboxKey,
    Key,
    Lease,
    Refused,
    Replace,
)
from workers.vault import Sealed, Vault

Store = MemoryStore | MongoStore
RACERS = 20


def unsealable(secret: Secret) -> Sealed:
    raise AssertionError(secret)


def document(key: Key, revision: int = 1, **fields: Any) -> dict[str, Any]:
    return {"_id": key, "revision": revision, **fields}


def encoded(key: Key, revision: int = 1, **fields: Any) -> bytes:
    return codec.encode(document(key, revision, **fields), unsealable)


def at(longitude: float, latitude: float) -> dict[str, Any]:
    """A point as the store keeps it."""
    return {"type": "Point", "coordinates": [longitude, latitude]}


class Lane:
    """A lane that knows its fence, as the engine's does."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.store = store
        self.lease = lease
        self.batch = lease.batch

    async def commit(self, **changes: Mapping[str, Any]) -> None:
        await self.store.commit(self.next(**changes))
        self.batch += 1

    def next(self, **changes: Mapping[str, Any]) -> Commit:
        return Commit(self.lease.lane, self.lease.epoch, self.batch + 1, **changes)

    async def commit_in_the_end(self, **changes: Mapping[str, Any]) -> None:
        """Try again where only a neighbour's write was in the way."""
        for _attempt in range(100):
            try:
                return await self.commit(**changes)
            except Conflict:
                continue
        raise AssertionError("no attempt got through")


class StoreSuite:
    """The behaviours that the engine, the lanes and the relay rely on."""

    @pytest.fixture
    def name(self) -> Callable[[str], str]:
        """Make ids that no other test uses."""
        mine = uuid.uuid4().hex[:12]
        return lambda what: f"{what}-{mine}"

    @pytest.fixture
    async def lane(self, store: Store, name: Callable[[str], str]) -> Lane:
        return await self.a_lane(store, name("lane"))

    async def a_lane(self, store: Store, lane: str, owner: str = "w1", ttl_s: float = 60) -> Lane:
        lease = await store.acquire(lane, owner, ttl_s)
        assert lease is not None
        return Lane(store, lease)

    async def pass_time(self, seconds: float) -> None:
        raise NotImplementedError

    async def one(self, store: Store, key: Key, collection: str = "assets") -> Any:
        return (await store.load({collection: [key]}))[collection].get(key)

    # Loading

    async def test_absent_documents_are_left_out(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a, b, other = name("a"), name("b"), name("other")
        await lane.commit(inserts={"assets": [encoded(a), encoded(b)], "users": [encoded(other)]})
        found = await store.load({"assets": [a, name("none"), b], "users": [a], "tokens": []})
        assert found == {
            "assets": {a: document(a), b: document(b)},
            "users": {},
            "tokens": {},
        }

    async def test_one_id_of_several_collections_is_a_document_of_each(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        key, largest = name("a"), name("b")
        filler = b"x" * (codec.SIZE_MAX - len(encoded(largest, filler=b"")))
        of_users = [encoded(key, name="user"), encoded(largest, filler=filler)]
        await lane.commit(inserts={"assets": [encoded(key, name="asset")], "users": of_users})
        await lane.commit(inserts={"assets": [encoded(largest, filler=filler)]})
        # Far more than one query of MongoDB can name.
        many = [f"{key}-{n:0200}" for n in range(100_000)]
        # Two of the largest are more than one answer holds.
        both = [largest, key]
        found = await store.load(
            {"tokens": [key], "users": [*both, *many], "assets": [*many, *both], "keys": []}
        )
        assert found == {
            "tokens": {},
            "users": {
                key: document(key, name="user"),
                largest: document(largest, filler=filler),
            },
            "assets": {
                key: document(key, name="asset"),
                largest: document(largest, filler=filler),
            },
            "keys": {},
        }

    async def test_one_field_of_each_document_that_is_there(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a, b = name("a"), name("b")
        await lane.commit(inserts={"assets": [encoded(a, home="_A.BAT.7"), encoded(b)]})
        found = await store.valued("assets", [a, b, name("none")], "home")
        assert found == {a: "_A.BAT.7", b: None}
        assert await store.valued("assets", [], "home") == {}

    async def test_an_inbox_key_finds_its_row_and_no_other(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        mine, other = InboxKey(name("USR"), "1"), InboxKey(name("USR"), "2")
        await lane.commit(inserts={"inbox": [encoded(mine, digest=b"\x00\xff")]})
        found = await store.load({"users": [mine.user], "inbox": [mine, other]})
        stored = {"user": mine.user, "id": "1"}
        row = {"_id": stored, "revision": 1, "digest": b"\x00\xff"}
        assert found == {"users": {}, "inbox": {mine: row}}
        assert await store.load({"inbox": [other, mine]}) == {"inbox": {mine: row}}

    async def test_values_come_back_as_they_were(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        key = name("a")
        values: dict[str, Any] = {
            "power_kw": Decimal("12.50"),
            "tiny": Decimal("-1E-6176"),
            "long": Decimal("1234567890.123456789012345678901234"),
            "at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
            "text": "Zürich\x00 ‰",
            "large": 2**63 - 1,
            "ratio": 0.1,
            "yes": True,
            "nothing": None,
            "list": [1, [Decimal("0.0")], {"x": b""}],
        }
        await lane.commit(inserts={"assets": [encoded(key, **values)]})
        back = await self.one(store, key)
        assert back == document(key, **values)
        assert str(back["power_kw"]) == "12.50"
        assert back["at"].tzinfo is UTC

    async def test_secrets_are_ciphertext_until_their_key_opens_them(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        vault, subject = Vault(bytes(32)), name("USR")
        ring = vault.keyring([vault.new_key(subject)])
        bank = {"iban": "GB33BUKB20201555555555", "since": datetime(2026, 1, 1, tzinfo=UTC)}
        row = codec.encode(
            document(subject, bank=Secret(bank), deep={"name": Secret("Ada")}),
            lambda secret: ring.seal(subject, codec.secret_bytes(secret), b"users"),
        )
        assert b"GB33" not in row
        await lane.commit(inserts={"users": [row]})
        back = await self.one(store, subject, "users")
        assert isinstance(back["bank"], Sealed)
        assert set(codec.subjects(back)) == {subject}
        opened = codec.unsealed(back, lambda box: codec.secret_value(ring.open(box, b"users")))
        assert opened == document(subject, bank=bank, deep={"name": "Ada"})

    # One commit, all or nothing

    async def test_a_commit_inserts_replaces_and_drops(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a, b, c = name("a"), name("b"), name("c")
        await lane.commit(inserts={"assets": [encoded(a), encoded(b)]})
        await lane.commit(
            inserts={"assets": [encoded(c)]},
            replaces={"assets": [Replace(a, 1, encoded(a, 2, name="new"))]},
            drops={"assets": [Drop(b, 1)]},
        )
        found = await store.load({"assets": [a, b, c]})
        assert found == {"assets": {a: document(a, 2, name="new"), c: document(c)}}

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param(lambda a: {"inserts": {"assets": [encoded(a)]}}, id="duplicate-id"),
            pytest.param(
                lambda a: {"replaces": {"assets": [Replace(a, 7, encoded(a, 8))]}},
                id="replace-at-another-revision",
            ),
            pytest.param(
                lambda a: {"replaces": {"assets": [Replace(a + "x", 1, encoded(a + "x", 2))]}},
                id="replace-of-nothing",
            ),
            pytest.param(lambda a: {"drops": {"assets": [Drop(a, 7)]}}, id="drop-at-another"),
            pytest.param(lambda a: {"drops": {"assets": [Drop(a + "x")]}}, id="drop-of-nothing"),
            pytest.param(lambda a: {"guards": {"assets": [Guard(a, 7)]}}, id="guard-at-another"),
            pytest.param(lambda a: {"guards": {"assets": [Guard(a + "x")]}}, id="guard-of-nothing"),
        ],
    )
    async def test_a_missed_predicate_leaves_nothing_behind(
        self,
        store: Store,
        lane: Lane,
        name: Callable[[str], str],
        wrong: Callable[[str], Mapping[str, Mapping[str, Any]]],
    ) -> None:
        a, event = name("a"), name("event")
        await lane.commit(inserts={"assets": [encoded(a)]})
        changes: dict[str, dict[str, Any]] = {"inserts": {"outbox": [encoded(event, partition=0)]}}
        for kind, by_collection in wrong(a).items():
            changes.setdefault(kind, {}).update(by_collection)
        with pytest.raises(Conflict):
            await lane.commit(**changes)
        assert await self.one(store, a) == document(a)
        assert await self.one(store, event, "outbox") is None
        # The fence has not moved either: the same batch number may try again.
        await lane.commit(inserts={"outbox": [encoded(event, partition=0)]})

    async def test_two_new_documents_of_one_id_are_a_conflict(
        self, lane: Lane, name: Callable[[str], str]
    ) -> None:
        with pytest.raises(Conflict):
            await lane.commit(inserts={"claims": [encoded(name("c")), encoded(name("c"))]})

    async def test_a_document_over_the_limit_is_refused_and_not_taken_for_an_outage(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a, big = name("a"), name("big")
        text = "x" * (codec.SIZE_MAX + 1000)
        row = codec.encode(document(big, text=text), unsealable, size_max=2 * codec.SIZE_MAX)
        with pytest.raises(Refused):
            await lane.commit(inserts={"users": [encoded(a)], "assets": [row]})
        assert await self.one(store, a, "users") is None

    async def test_a_row_without_revision_is_replaced_where_it_is_there(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        key, absent = name("key"), name("absent")
        await lane.commit(inserts={"keys": [codec.encode_row({"_id": key, "wrapped": b"1"})]})
        ended = codec.encode_row({"_id": key, "destroyed": True})
        await lane.commit(replaces={"keys": [Replace(key, None, ended)]})
        assert await self.one(store, key, "keys") == {"_id": key, "destroyed": True}
        nothing = codec.encode_row({"_id": absent})
        with pytest.raises(Conflict):
            await lane.commit(replaces={"keys": [Replace(absent, None, nothing)]})

    async def test_a_replacement_keeps_its_id(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a = name("a")
        await lane.commit(inserts={"assets": [encoded(a)]})
        with pytest.raises(Refused):
            await lane.commit(replaces={"assets": [Replace(a, 1, encoded(name("b"), 2))]})
        assert await self.one(store, a) == document(a)

    async def test_a_drop_without_revision_spends_a_token_once(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        one, two = await self.a_lane(store, name("l1")), await self.a_lane(store, name("l2"))
        token = name("token")
        await one.commit(inserts={"tokens": [encoded(token)]})
        spent = {"tokens": [Drop(token)]}
        outcomes = await asyncio.gather(
            one.commit(drops=spent), two.commit(drops=spent), return_exceptions=True
        )
        assert Counter(map(type, outcomes)) == {type(None): 1, Conflict: 1}

    # Guards

    async def test_a_guard_leaves_the_document_as_it_was(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a = name("a")
        await lane.commit(inserts={"assets": [encoded(a)]})
        await lane.commit(guards={"assets": [Guard(a, 1)]})
        await lane.commit(guards={"assets": [Guard(a)]})
        assert await self.one(store, a) == document(a)
        await lane.commit(replaces={"assets": [Replace(a, 1, encoded(a, 2))]})

    async def test_guards_keep_two_lanes_from_closing_a_portfolio_cycle(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        """Each puts one portfolio into the other, having seen that it was not the other way."""
        lanes = [await self.a_lane(store, name("l1")), await self.a_lane(store, name("l2"))]
        for attempt in range(10):
            a, b = name(f"a{attempt}"), name(f"b{attempt}")
            await lanes[0].commit(inserts={"portfolios": [encoded(a), encoded(b)]})
            outcomes = await asyncio.gather(
                *(
                    lane.commit(
                        replaces={
                            "portfolios": [Replace(outer, 1, encoded(outer, 2, holds=inner))]
                        },
                        guards={"portfolios": [Guard(inner, 1)]},
                    )
                    for lane, outer, inner in ((lanes[0], a, b), (lanes[1], b, a))
                ),
                return_exceptions=True,
            )
            assert {type(outcome) for outcome in outcomes} <= {type(None), Conflict}
            found = (await store.load({"portfolios": [a, b]}))["portfolios"]
            assert sum("holds" in portfolio for portfolio in found.values()) <= 1

    # Concurrency

    async def test_racing_commits_win_each_revision_once(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        counter = name("counter")
        lanes = [await self.a_lane(store, name(f"l{n}")) for n in range(RACERS)]
        await lanes[0].commit(inserts={"assets": [encoded(counter, 0, log=[])]})

        async def increment(lane: Lane) -> list[int]:
            lost = []
            for attempt in itertools.count():
                assert attempt < 50 * RACERS
                was = await self.one(store, counter)
                revision = was["revision"] + 1
                log = [*was["log"], lane.lease.lane]
                new = encoded(counter, revision, log=log)
                try:
                    await lane.commit(
                        replaces={"assets": [Replace(counter, was["revision"], new)]},
                        inserts={"history": [encoded(f"{counter}-{revision}", entity=counter)]},
                    )
                except Conflict:
                    lost.append(revision)
                else:
                    break
            return lost

        await asyncio.gather(*map(increment, lanes))
        last = await self.one(store, counter)
        assert last["revision"] == RACERS
        assert sorted(last["log"]) == sorted(lane.lease.lane for lane in lanes)
        rows = [f"{counter}-{n}" for n in range(1, RACERS + 1)]
        assert set((await store.load({"history": rows}))["history"]) == set(rows)

    async def test_of_racing_writers_of_one_revision_one_wins(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        a = name("a")
        lanes = [await self.a_lane(store, name(f"l{n}")) for n in range(RACERS)]
        await lanes[0].commit(inserts={"assets": [encoded(a)]})
        outcomes = await asyncio.gather(
            *(
                lane.commit(replaces={"assets": [Replace(a, 1, encoded(a, 2, by=n))]})
                for n, lane in enumerate(lanes)
            ),
            return_exceptions=True,
        )
        assert Counter(map(type, outcomes)) == {type(None): 1, Conflict: RACERS - 1}
        winner = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert [(await self.one(store, a))["by"]] == winner

    # Fence and lease

    async def test_batches_count_up_and_none_is_committed_twice(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        first = lane.next(inserts={"assets": [encoded(name("a"))]})
        await store.commit(first)
        again = Commit(first.lane, first.epoch, first.batch)
        ahead = Commit(first.lane, first.epoch, first.batch + 2)
        for wrong in (first, again, ahead):
            with pytest.raises(Fenced):
                await store.commit(wrong)
        await store.commit(Commit(first.lane, first.epoch, first.batch + 1))

    async def test_a_lane_that_nobody_acquired_is_fenced(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        with pytest.raises(Fenced):
            await store.commit(Commit(name("nobody"), 1, 1))

    async def test_a_live_lease_keeps_others_out(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        lease = await store.acquire(name("lane"), "w1", 60)
        assert lease == Lease(name("lane"), "w1", 1, 0)
        assert await store.acquire(name("lane"), "w2", 60) is None
        assert await store.renew(lease, 60)
        assert await store.acquire(name("lane"), "w2", 60) is None

    async def test_a_restarted_owner_gets_a_new_epoch_and_fences_its_former_self(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        former = await self.a_lane(store, name("lane"))
        await former.commit(inserts={"assets": [encoded(name("a"))]})
        lease = await store.acquire(name("lane"), "w1", 60)
        assert lease == Lease(name("lane"), "w1", 2, 1)
        with pytest.raises(Fenced):
            await former.commit(inserts={"assets": [encoded(name("b"))]})
        assert await self.one(store, name("b")) is None
        assert not await store.renew(former.lease, 60)

    async def test_an_expired_lease_is_taken_over(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        former = await self.a_lane(store, name("lane"), "w1", ttl_s=0.2)
        await former.commit(inserts={"assets": [encoded(name("a"))]})
        assert await store.acquire(name("lane"), "$w2", 60) is None
        lease = None
        for _attempt in range(50):
            await self.pass_time(0.05)
            lease = await store.acquire(name("lane"), "$w2", 60)
            if lease is not None:
                break
        assert lease == Lease(name("lane"), "$w2", 2, 1)
        assert not await store.renew(former.lease, 60)
        with pytest.raises(Fenced):
            await former.commit(inserts={"assets": [encoded(name("b"))]})
        await Lane(store, lease).commit(inserts={"assets": [encoded(name("b"))]})

    async def test_an_expired_lease_that_nobody_took_goes_on(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        lane = await self.a_lane(store, name("lane"), ttl_s=0)
        await lane.commit(inserts={"assets": [encoded(name("a"))]})
        assert await store.renew(lane.lease, 60)
        assert await store.acquire(name("lane"), "w2", 60) is None

    async def test_a_released_lane_is_free_and_remembers_its_fence(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        lane = await self.a_lane(store, name("lane"))
        await lane.commit(inserts={"assets": [encoded(name("a"))]})
        await store.release(lane.lease)
        assert not await store.renew(lane.lease, 60)
        assert await store.acquire(name("lane"), "w2", 60) == Lease(name("lane"), "w2", 2, 1)
        # A late release of the former owner takes nothing from the new one.
        await store.release(lane.lease)
        assert await store.acquire(name("lane"), "w3", 60) is None

    async def test_a_lane_goes_on_behind_what_another_store_has_counted(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        await store.begin(name("lane"), 7, 41)
        with pytest.raises(Conflict):
            await store.begin(name("lane"), 9, 99)
        lease = await store.acquire(name("lane"), "new", 60)
        assert lease == Lease(name("lane"), "new", 8, 41)
        await Lane(store, lease).commit(inserts={"users": [encoded(name("moved"))]})

    async def test_owners_that_meet_at_a_new_lane_get_one_lease(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        asked = [store.acquire(name("lane"), f"w{n}", 60) for n in range(RACERS)]
        leases = [lease for lease in await asyncio.gather(*asked) if lease is not None]
        assert [lease.epoch for lease in leases] == [1]

    async def test_renewing_disturbs_no_commit(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        async def renew() -> None:
            for _turn in range(20):
                assert await store.renew(lane.lease, 60)

        async def work() -> None:
            for n in range(20):
                await lane.commit_in_the_end(inserts={"assets": [encoded(name(f"a{n}"))]})

        await asyncio.gather(renew(), work())
        assert lane.batch == 20

    async def test_who_is_present_is_counted_until_it_leaves_or_is_silent(
        self, store: Store, name: Callable[[str], str]
    ) -> None:
        others = await store.attend(name("w1"), 60) - 1
        assert await store.attend(name("w1"), 60) == others + 1
        assert await store.attend(name("w2"), 0.2) == others + 2
        assert await store.attend(name("w3"), 60) == others + 3
        await store.leave(name("w3"))
        await store.leave(name("never"))
        await self.pass_time(0.3)
        assert await store.attend(name("w1"), 60) == others + 1

    async def test_rows_of_a_lane_are_listed_in_their_order(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        rows = [f"{name('lane')}/{number}" for number in ("002", "001", "010")]
        other = f"{name('lane')}.other/001"
        for row in (*rows, other):
            await lane.commit(inserts={"assets": [encoded(row)]})
        assert await store.listed("assets", f"{name('lane')}/") == sorted(rows)
        assert await store.listed("assets", f"{name('nobody')}/") == []

    async def test_documents_that_hold_a_value_come_by_value_and_then_by_id(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        first, second = sorted((name("a"), name("b")))
        rows = {
            f"{holder}/{number}": holder
            for holder in (second, first, name("other"))
            for number in (2, 1, 3)
        }
        inserts = [encoded(row, entity=holder) for row, holder in rows.items()]
        await lane.commit(inserts={"relations": inserts})
        ordered = sorted(row for row, holder in rows.items() if holder != name("other"))

        async def found(limit: int, after: str = "") -> list[str]:
            held = await store.holding("relations", "entity", [second, first], limit, after)
            return [str(document["_id"]) for document in held]

        assert await found(10) == ordered
        assert await found(4) == ordered[:4]
        assert await found(10, ordered[2]) == ordered[3:]
        assert await store.holding("relations", "entity", [], 10) == []
        (whole,) = await store.holding("relations", "entity", [first], 1)
        assert whole == document(ordered[0], entity=first)

    async def test_documents_that_hold_all_of_several_values_come_by_id(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        a, b, c = name("term a"), f"${name('b')}", name("term c")
        held = {"5": [a, b, c], "2": [c, b, a], "4": [b], "1": [a, b], "3": [a, c], "6": []}
        inserts = [encoded(f"{name('d')}/{n}", terms=terms) for n, terms in held.items()]
        await lane.commit(inserts={"directory": inserts})

        async def found(values: list[str], limit: int = 9, after: str = "") -> str:
            behind = f"{name('d')}/{after}" if after else ""
            asked = ("directory", "terms", values, limit, behind)
            rows = await store.holding_all(*asked)
            return "".join(str(row["_id"]).rpartition("/")[2] for row in rows)

        assert await found([a]) == "1235"
        assert await found([b, a]) == "125"
        assert await found([a, b]) == "125"
        assert await found([a, b, c]) == "25"
        assert await found([a, b], 2) == "12"
        assert await found([a, b], 2, "2") == "5"
        assert await found([a, name("nobody's")]) == await found([name("nobody's")]) == ""
        (row,) = await store.holding_all("directory", "terms", [c, a, b], 1)
        assert row == document(f"{name('d')}/2")

    async def test_without_a_value_every_document_comes_by_id(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        ids = [f"{name('u')}/{number}" for number in "213"]
        await lane.commit(inserts={"users": [encoded(key) for key in ids]})
        rows = await store.holding_all("users", "", [], 2, f"{name('u')}/1")
        assert [row["_id"] for row in rows] == [f"{name('u')}/2", f"{name('u')}/3"]

    async def test_documents_are_counted_by_what_they_say(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        """Most first; with the ends of the ids, and what one of each says."""
        term, other = f"${name('a')}", name("b")
        rows = {"1": ("x", "open"), "2": ("x", "open"), "3": ("y", "open"), "4": ("x", None)}
        inserts = [
            encoded(f"{name('l')}/{n}", terms=[term, other], kind=kind, state=state, top="here")
            for n, (kind, state) in rows.items()
        ]
        await lane.commit(inserts={"dead_letters": inserts})

        async def found(terms: tuple[str, ...], limit: int = 9) -> list[tuple[Any, ...]]:
            tally = Tally("terms", terms, ("kind", "state"), ("top",), limit)
            counted = await store.tallied("dead_letters", tally)
            assert [row["_id"] for row in counted] == [tally.id_of(row) for row in counted]
            return [
                (row["kind"], row["state"], row["count"], row["first"][-1], row["last"][-1])
                for row in counted
            ]

        whole = [("x", "open", 2, "1", "2"), ("x", None, 1, "4", "4"), ("y", "open", 1, "3", "3")]
        assert await found((term,)) == await found((other, term)) == whole
        assert await found((term,), 1) == whole[:1]
        assert await found((term, name("nobody's"))) == []

    async def test_documents_come_by_their_distance_and_then_by_id(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        """Whatever the page: also where many stand at one place, and one beside it."""
        mine, others = name("viewer"), name("another")
        places = dict.fromkeys(range(9), (-1.0, 52.0))
        places |= {9: (-1.0, 52.001), 10: (-1.0, 51.999), 11: (-0.999, 52.0), 12: (-1.0, 52.2)}
        inserts = [
            encoded(f"{name('p')}/{n:02d}", viewers=[others, mine], point=at(*place))
            for n, place in places.items()
        ]
        hidden = encoded(f"{name('p')}/13", viewers=[others], point=at(-1.0, 52.0))
        unplaced = encoded(f"{name('p')}/14", viewers=[mine])
        await lane.commit(inserts={"places": [*inserts, hidden, unplaced]})

        async def found(limit: int, radius_m: float = 5000) -> list[tuple[int, float]]:
            place, got = (-1, ""), []
            while True:
                asked = Around("point", "viewers", mine, -1.0, 52.0, radius_m, limit, *place)
                rows = await store.around("places", asked)
                got += [(int(str(row["_id"])[-2:]), row["distance_m"]) for row in rows]
                if len(rows) < limit:
                    return got
                place = (band_of(rows[-1]["distance_m"]), str(rows[-1]["_id"]))

        whole = await found(50)
        assert [number for number, _ in whole] == [*range(9), 11, 9, 10]
        assert [far for _, far in whole] == pytest.approx(
            [0.0] * 9 + [68.535, 111.319, 111.319], abs=0.01
        )
        for limit in range(1, 14):
            assert [n for n, _ in await found(limit)] == [n for n, _ in whole]
        assert [n for n, _ in await found(3, 100)] == [*range(9), 11]
        assert [n for n, _ in await found(20, 50_000)][-1] == 12
        nobody = Around("point", "viewers", name("nobody"), -1.0, 52.0, 5000, 5)
        assert await store.around("places", nobody) == []
        (row,) = await store.around("places", Around("point", "viewers", mine, -1.0, 52.0, 1, 1))
        assert row == document(f"{name('p')}/00", point=at(-1.0, 52.0), distance_m=0.0)

    # Outbox

    async def test_the_outbox_gives_its_partitions_in_order(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        mine, also, other = (uuid.uuid4().int % 2**31 for _ in range(3))
        wheres = [mine, other, also, mine, also, mine]
        rows = [(f"{n:03}-{name('e')}", partition) for n, partition in enumerate(wheres)]
        for key, partition in (rows[4], rows[0], rows[5], rows[2], rows[1], rows[3]):
            await lane.commit(inserts={"outbox": [encoded(key, partition=partition)]})
        ordered = [key for key, partition in rows if partition != other]
        everything = await store.pending([mine, also], 100)
        assert [record["_id"] for record in everything] == ordered
        assert everything[0] == document(ordered[0], partition=mine)
        assert [record["_id"] for record in await store.pending([also, mine], 3)] == ordered[:3]
        assert await store.pending([], 3) == []

    async def test_what_was_sent_is_forgotten(
        self, store: Store, lane: Lane, name: Callable[[str], str]
    ) -> None:
        partition = uuid.uuid4().int % 2**31
        keys = [name("e1"), name("e2"), name("e3")]
        rows = [encoded(key, partition=partition) for key in keys]
        await lane.commit(inserts={"outbox": rows})
        await store.forget(keys[:2])
        await store.forget([keys[0], name("never")])
        await store.forget([])
        assert [record["_id"] for record in await store.pending([partition], 9)] == keys[2:]
