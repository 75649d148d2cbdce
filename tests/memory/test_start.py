"""A start that cannot be: one sentence that says what to do, and nothing half done."""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from topology import catalog
from topology.sharding import build as build_plan
from workers import opening
from workers.addresses import Addresses
from workers.app import Workers
from workers.backbone import MASTER_CHECK, Backbone, StartError, check_master_key, check_shards
from workers.cli.applying import check_plan
from workers.settings import Settings, SettingsError
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.mongo import MongoStore
from workers.store.protocol import Commit, StateStore, Unavailable
from workers.vault import Vault

MINE, ANOTHER = bytes(32), bytes(range(32))
NOWHERE = Addresses("amqp://admin:hunter2@127.0.0.1:1/", "http://127.0.0.1:1", "mongodb://nowhere")


async def test_absent_broker_is_one_sentence_without_its_login(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A task group around the start would make it an exception group, which nobody catches."""
    monkeypatch.setattr(opening, "START_S", 0.2)
    settings = Settings.read(master_key=SecretStr(MINE.hex()), folder=tmp_path)
    store = cast("MongoStore", MemoryStore())
    backbone = Backbone(settings, NOWHERE, Vault(MINE), store, catalog.build())
    with pytest.raises(StartError, match=r"the broker at amqp://127\.0\.0\.1:1/ to let flex-relay"):
        await Workers(backbone).run()


async def test_first_start_writes_the_check_and_each_later_one_opens_it() -> None:
    store = MemoryStore()
    await check_master_key(store, Vault(MINE))
    before = dict(store._documents["keys"])
    await check_master_key(store, Vault(MINE))
    assert (list(before), store._documents["keys"]) == ([MASTER_CHECK], before)


async def test_documents_without_the_check_are_of_a_restore_that_was_broken_off() -> None:
    store = MemoryStore()
    store._documents["assets"] = {"BAT-1": encode_row({"_id": "BAT-1", "revision": 1})}
    with pytest.raises(StartError, match=r"keys/master-check.*was broken off"):
        await check_master_key(store, Vault(MINE))
    assert not store._documents.get("keys")


async def test_another_master_key_stops_the_start() -> None:
    store = MemoryStore()
    await check_master_key(store, Vault(MINE))
    with pytest.raises(StartError, match="FLEXSPINE_MASTER_KEY"):
        await check_master_key(store, Vault(ANOTHER))


async def test_starts_at_the_same_time_write_one_check_between_them() -> None:
    class Slow(MemoryStore):
        """Lets the others go on before each answer, as a network does."""

        async def load(self, keys: Any) -> Mapping[str, Any]:
            found = await super().load(keys)
            await asyncio.sleep(0)
            return found

        async def acquire(self, *given: Any) -> Any:
            lease = await super().acquire(*given)
            await asyncio.sleep(0)
            return lease

    store = Slow()
    async with asyncio.TaskGroup() as starts:
        for _ in range(3):
            starts.create_task(check_master_key(store, Vault(MINE)))
    assert list(store._documents["keys"]) == [MASTER_CHECK]


def test_servers_of_others_want_the_master_key(tmp_path: Path) -> None:
    """Else each machine would make one of its own without a word."""
    urls = {
        "amqp_url": "amqp://broker/",
        "management_url": "http://broker:15672",
        "mongo_url": "mongodb://database/?replicaSet=rs0",
    }
    with pytest.raises(SettingsError, match="FLEXSPINE_MASTER_KEY"):
        Settings.read(folder=tmp_path, **urls)
    Settings.read(folder=tmp_path, master_key=SecretStr(MINE.hex()), **urls)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("collector:4318", "collector:4318"),
        ("grpc://collector:4317/v1/traces", "grpc://collector:4317/v1/traces"),
        ("http://collector:4318", "http://collector:4318"),
        ("http://collector:many/v1/traces", "http://collector:many/v1/traces"),
        ("http:///v1/traces", "http:///v1/traces"),
        ("https://me:hunter2@collector/?key=hunter2", "collector/"),
        ("http://me:12/hunter2@collector:4318/v1/traces", "collector:4318/v1/traces"),
        ("http://me:1/2?hunter2@collector:4318/v1/traces", "one with @ behind ?"),
        ("http://me:1/2#hunter2@collector:4318/v1/traces", "collector:4318/v1/traces"),
    ],
)
def test_an_address_that_no_collector_has_is_said(url: str, shown: str) -> None:
    with pytest.raises(SettingsError, match=r"FLEXSPINE_SPANS_URL: .*expected") as said:
        Settings.read(spans_url=url)
    assert f"got '{shown}';" in str(said.value)
    assert "hunter2" not in str(said.value)


def test_an_address_of_a_collector_may_have_a_login() -> None:
    url = "https://me:hunter2@collector.example/otlp/v1/traces?tenant=a"
    assert Settings.read(spans_url=url).spans_url == url


@pytest.mark.parametrize(("shards_max", "may"), [(1, False), (3, False), (4, True), (16, True)])
async def test_a_setting_that_leaves_shards_without_an_owner_stops_the_start(
    shards_max: int,
    may: bool,  # noqa: FBT001  a column of the table
) -> None:
    """Also while cells are still on their way to such a shard."""
    store = MemoryStore()
    await check_shards(store, 1)
    lease = await store.acquire("tests", "tests", 60)
    assert lease is not None
    row = {"_id": "assets", "revision": 1, "placed": [{"cells": "*.*.*", "shard": 0}]}
    row |= {"becoming": [{"cells": "*.*.*", "shard": 3}]}
    await store.commit(Commit("tests", lease.epoch, 1, inserts={"shards": [encode_row(row)]}))
    with nullcontext() if may else pytest.raises(StartError, match="FLEXSPINE_SHARDS_MAX of 4"):
        await check_shards(store, shards_max)


class Bound:
    """A broker to which a topology with so many shards was applied."""

    def __init__(self, shards_max: int) -> None:
        """Hold the bindings of its plan."""
        self.bindings = build_plan(catalog.build(), shards_max).bindings

    async def bindings_of(self, queue: str) -> tuple[Mapping[str, Any], ...]:
        """In the words of the management API."""
        return tuple(
            {"source": one.exchange, "destination": queue, "routing_key": one.key}
            for one in self.bindings
            if one.queue == queue
        )


class Away:
    """A database that does not answer."""

    async def load(self, keys: object) -> Mapping[str, Any]:
        """Fail as the driver does."""
        raise Unavailable(f"ServerSelectionTimeoutError: {keys}")


async def placed(*shards: int, becoming: int | None = None) -> MemoryStore:
    """A register whose cells these shards have, and which may be on their way to another."""
    store = MemoryStore()
    lease = await store.acquire("tests", "tests", 60)
    assert lease is not None
    rules = [{"cells": f"*.*.{number}", "shard": shard} for number, shard in enumerate(shards)]
    row: dict[str, Any] = {"_id": "assets", "revision": 1, "placed": rules}
    if becoming is not None:
        row["becoming"] = [{"cells": "*.*.*", "shard": becoming}]
    await store.commit(Commit("tests", lease.epoch, 1, inserts={"shards": [encode_row(row)]}))
    return store


@pytest.mark.parametrize(("shards", "becoming"), [((0, 1), None), ((0,), 1), ((0, 1), 0)])
async def test_a_topology_without_a_directory_is_refused_until_the_first_shard_has_all(
    shards: tuple[int, ...], becoming: int | None
) -> None:
    """In the words of the workers, whatever the broker holds."""
    store = await placed(*shards, becoming=becoming)
    plan = build_plan(catalog.build())
    with pytest.raises(StartError) as worker:
        await check_shards(store, 1)
    with pytest.raises(StartError, match="are decided in that many shards, got 1") as refused:
        await check_plan(store, 1, plan, Bound(4))
    assert str(refused.value) == str(worker.value)
    await check_plan(await placed(0, 0), 1, plan, Bound(4))
    await check_plan(MemoryStore(), 1, plan, Bound(4))


async def test_without_a_database_no_directory_is_taken_away() -> None:
    """What takes none away is made all the same: the first topology of all, and more shards."""
    away, entries = cast("StateStore", Away()), catalog.build()
    with pytest.raises(StartError, match=r"bindings of directory\.assets, directory\.assets\.bulk"):
        await check_plan(away, 1, build_plan(entries), Bound(4))
    await check_plan(away, 1, build_plan(entries), Bound(1))
    await check_plan(away, 4, build_plan(entries, 4), Bound(1))
    await check_plan(away, 4, build_plan(entries, 4), Bound(4))
