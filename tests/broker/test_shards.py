"""One register in several shards, behind one address: nobody who sends notices."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import typer

from tests.servers import TestServers
from tests.spine import ENTRIES, MASTER, Platform, Spine, asset, eventually, open_spine
from topology import names
from topology.management import Management
from topology.sharding import build
from workers.backbone import apply_topology
from workers.cli import asking, sharding
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place

pytestmark = [pytest.mark.connected]

REGISTER: Final = "asset.register.v1"
UPDATE: Final = "asset.update.v1"
SPLIT: Final = "shard.split.v1"
MERGE: Final = "shard.merge.v1"
LIST: Final = "shard.list.v1"
SHARDS: Final = 4
ALL: Final = tuple(range(SHARDS))
DIRECT: Final = (names.COMMANDS, names.mailbox("assets"), REGISTER)
BY_DIRECTORY: Final = (names.COMMANDS, names.directory("assets"), REGISTER)
LANES: Final = [names.mailbox("assets", shard) for shard in ALL]


@pytest.fixture
async def sharded(servers: TestServers, tmp_path: Path) -> AsyncIterator[Spine]:
    """A backbone with four shards for the assets, its workers not running yet."""
    async with open_spine(servers, "shards", tmp_path, shards_max=SHARDS) as opened:
        yield opened


async def changed(operator: Platform, kind: str, **data: Any) -> None:
    """Change the map and wait until the move is done."""
    reply = await operator.ask(kind, {"id": "assets", **data})
    assert reply.type == kind.replace(".v1", ".accepted.v1"), reply.envelope

    async def done() -> bool:
        listed = await operator.ask(LIST, {"id": "assets"})
        return listed.data.get("becoming") is None

    await eventually(done)


async def registered(sender: Platform, count: int) -> list[str]:
    """Assets of this sender."""
    ids = [await sender.send(REGISTER, asset()) for _ in range(count)]
    await sender.answered(ids)
    return [(await sender.answer(one)).data["id"] for one in ids]


async def updated(sender: Platform, entities: Sequence[str], values: Sequence[int]) -> list[str]:
    """One update after the other of each asset, without waiting for any answer."""
    return [
        await sender.send(UPDATE, {"id": entity, "capability": {"power_kw": value}})
        for value in values
        for entity in entities
    ]


async def decided_by(spine: Spine) -> Mapping[str, int]:
    """Lane -> how many commands it has decided."""
    found = dict.fromkeys(LANES, 0)
    for row in await spine.raw("commands"):
        if row["lane"] in found:
            found[row["lane"]] += len(row["entries"])
    return found


def in_order(operator: Platform, entity: str) -> list[int]:
    """The revisions of an asset's events, without the repeats."""
    told = [
        r.data["revision"]
        for r in operator.received
        if r.type in {"asset.registered.v1", "asset.updated.v1"} and r.data["id"] == entity
    ]
    return list(dict.fromkeys(told))


async def test_commands_are_decided_by_the_shards_and_answered_as_ever(sharded: Spine) -> None:
    async with sharded.running():
        operator, sender = await sharded.operator(), await sharded.platform()
        first = await registered(sender, 8)
        assert (await decided_by(sharded))[LANES[0]] == 8
        await changed(operator, SPLIT, shard=0, into=ALL)
        entities = first + await registered(sender, 40)
        ids = await updated(sender, entities, range(1, 4))
        await sender.answered(ids)
        spread = await decided_by(sharded)
        assert all(spread.values()), spread
        await eventually(lambda: told(operator, entities))
    homes = {row["_id"]: row["home"] for row in await sharded.raw("assets")}
    assert {home.split(".")[1] for home in homes.values()} == {"BAT"}
    assert {len({a.body for a in sender.answers(one)}) for one in ids} == {1}


async def told(operator: Platform, entities: Sequence[str]) -> bool:
    return all(in_order(operator, entity) == [1, 2, 3, 4] for entity in entities)


async def test_order_holds_while_cells_move(sharded: Spine) -> None:
    """Updates of each asset stream in while its cell goes to another shard, and back."""
    async with sharded.running():
        operator, sender = await sharded.operator(), await sharded.platform()
        entities = await registered(sender, 24)

        async def stream() -> list[str]:
            return await updated(sender, entities, range(1, 31))

        streaming = asyncio.create_task(stream())
        await changed(operator, SPLIT, shard=0, into=ALL)
        await changed(operator, MERGE, shards=[1, 2, 3], into=0)
        ids = await streaming
        await sender.answered(ids, 60)
        replies = [(await sender.answer(one)).data["revision"] for one in ids]
        per_entity = [replies[n :: len(entities)] for n in range(len(entities))]
        assert per_entity == [list(range(2, 32))] * len(entities)

        async def all_told() -> bool:
            return all(in_order(operator, e) == list(range(1, 32)) for e in entities)

        await eventually(all_told)


async def test_the_quota_is_one_for_all_shards(sharded: Spine) -> None:
    async with sharded.running():
        operator, sender = await sharded.operator(), await sharded.platform()
        await changed(operator, SPLIT, shard=0, into=ALL)
    async with sharded.running(quota_per_minute=20):
        asked = [sender.envelope(REGISTER, asset()) for _ in range(40)]
        for one in asked:
            await sender.publish(json.dumps(one).encode(), REGISTER)
        await sender.answered([one["id"] for one in asked])
        codes = [(await sender.answer(one["id"])).data.get("code") for one in asked]
    # The minute may end within the forty.
    minutes = Counter(one["time"][:16] for one in asked)
    over = sum(max(0, count - 20) for count in minutes.values())
    assert Counter(codes) == Counter({None: 40 - over, "message.quota": over})
    assert all((await decided_by(sharded)).values())


async def test_a_wish_for_copies_is_refused_as_without_a_directory(sharded: Spine) -> None:
    async with sharded.running():
        sender = await sharded.platform()
        copied = json.dumps(sender.envelope(REGISTER, asset())).encode()
        await sender.publish(copied, REGISTER, headers={"CC": [UPDATE]})
        await sender.answer(await sender.send(REGISTER, asset()))

        async def dead() -> bool:
            return await sharded.count("dead_letters", reason="identity") == 1

        await eventually(dead)
    assert await sharded.count("assets") == 1


async def test_a_bulk_load_comes_to_the_shards_by_its_own_line(sharded: Spine) -> None:
    """And its user's ordinary commands are decided meanwhile."""
    async with sharded.running():
        operator, sender = await sharded.operator(), await sharded.platform()
        await changed(operator, SPLIT, shard=0, into=ALL)
        account = names.bulk_account(sender.user)
        await eventually(lambda: sharded.has_account(account))
        loader = await sharded.connect(account, sender.password, listen=False)
        loader.commands = await loader.channel.get_exchange(names.BULK, ensure=False)
        bodies = [json.dumps(sender.envelope(REGISTER, asset())).encode() for _ in range(60)]
        await asyncio.gather(*[loader.publish(body, REGISTER) for body in bodies])
        await sender.answer(await sender.send(REGISTER, asset()))
        await sender.answered([json.loads(body)["id"] for body in bodies])
        await changed(operator, MERGE, shards=[1, 2, 3], into=0)
    assert await sharded.count("assets") == 61


async def test_one_shard_becomes_several_and_nothing_is_overtaken(
    servers: TestServers, tmp_path: Path
) -> None:
    """Some updates wait in the only mailbox when the topology is applied, the rest come after."""
    async with open_spine(servers, "grown", tmp_path) as spine:
        async with spine.running():
            operator, sender = await spine.operator(), await spine.platform()
            (entity,) = await registered(sender, 1)
        ids = await updated(sender, [entity], range(1, 11))
        login = (servers.administrator, servers.password)
        await apply_topology(spine.addresses, spine.vault, build(ENTRIES, SHARDS), *login)
        ids += await updated(sender, [entity], range(11, 21))
        assert await spine.waiting(names.directory("assets")) == 10
        async with spine.running(shards_max=SHARDS):
            await changed(operator, SPLIT, shard=0, into=[1, 2, 3])
            ids += await updated(sender, [entity], range(21, 31))
            await sender.answered(ids)
        revisions = [(await sender.answer(one)).data["revision"] for one in ids]
        assert revisions == list(range(2, 32))
        found = {row["lane"] for row in await spine.raw("commands")}
        assert found >= {names.mailbox("assets", 0)}
        assert found & {names.mailbox("assets", number) for number in (1, 2, 3)}


async def test_the_command_line_splits_moves_merges_and_shows(
    sharded: Spine, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = AccountKeys(sharded.settings.folder)
    place = Place(sharded.settings, sharded.addresses, sharded.vault, keys)
    async with sharded.running():
        data = {"id": "assets", "shard": 0, "into": [0, 1]}
        parts = await sharding.changed(place, SPLIT, data, wait=True)
        assert {one["shard"] for one in parts["placed"]} == {0, 1}
        data = {"id": "assets", "cells": "_A.*.*", "to": 3}
        moved = await sharding.changed(place, "shard.move.v1", data, wait=True)
        placed = [(one["cells"], one["shard"]) for one in moved["placed"]]
        assert ("_A.*.0", 3) in placed
        with pytest.raises(typer.Exit):
            await sharding.changed(
                place, SPLIT, {"id": "assets", "shard": 2, "into": [0]}, wait=True
            )
        data = {"id": "assets", "shards": [1, 3], "into": 0}
        merged = await sharding.changed(place, MERGE, data, wait=True)
        assert {one["shard"] for one in merged["placed"]} == {0}
        assert dict(merged) == dict(await asking.asked(place, LIST, {"id": "assets"}))
    said = capsys.readouterr().err
    assert "moving: bulk" in said
    assert "shard.empty" in said


async def run(
    servers: TestServers, spine: Spine, *words: str, shards_max: int
) -> subprocess.CompletedProcess[str]:
    """Our command, in a shell with this setting; the workers' heartbeats go on meanwhile."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_")}
    path = urlsplit(spine.addresses.amqp_url).path
    given = {
        "FLEXSPINE_AMQP_URL": urlsplit(servers.amqp_url)._replace(path=path, query="").geturl(),
        "FLEXSPINE_MANAGEMENT_URL": servers.urls.management_url,
        "FLEXSPINE_MONGO_URL": servers.urls.mongo_url,
        "FLEXSPINE_MONGO_DATABASE": spine.settings.database,
        "FLEXSPINE_MASTER_KEY": MASTER.hex(),
        "FLEXSPINE_SHARDS_MAX": str(shards_max),
    }
    return await asyncio.to_thread(
        lambda: subprocess.run(  # noqa: S603 - our own command
            [Path(sys.executable).with_name("flexspine"), *words],
            env=outside | given,
            capture_output=True,
            text=True,
            check=False,
        )
    )


async def bound(servers: TestServers, spine: Spine) -> set[tuple[str, str, str]]:
    """The bindings at the broker: exchange, queue, key."""
    login = (servers.administrator, servers.password)
    async with Management(spine.addresses.management_as(*login)) as management:
        rows = (await management.holdings()).bindings
    return {(row["source"], row["destination"], row["routing_key"]) for row in rows}


def of_topology(looked: subprocess.CompletedProcess[str]) -> str:
    """What `doctor --json` says is wrong with the topology."""
    (said,) = (one for one in json.loads(looked.stdout) if one["check"] == "topology")
    assert said["state"] == "fault"
    return str(said["said"])


@pytest.mark.timeout(180)
async def test_a_shell_without_the_setting_takes_no_directory_away(
    servers: TestServers, sharded: Spine
) -> None:
    """While several shards decide, nothing at the broker is changed."""
    too_small = "expected FLEXSPINE_SHARDS_MAX of 4 at least, since assets are decided in that many"
    async with sharded.running():
        await changed(await sharded.operator(), SPLIT, shard=0, into=list(ALL))
    before = await bound(servers, sharded)
    for words in (("apply",), ("diff", "--repair")):
        refused = await run(servers, sharded, "topology", *words, shards_max=1)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert too_small in refused.stderr
    assert await bound(servers, sharded) == before
    assert BY_DIRECTORY in before
    assert DIRECT not in before
    shown = await run(servers, sharded, "topology", "diff", shards_max=1)
    assert shown.returncode == 3
    assert too_small in shown.stderr
    assert too_small in of_topology(await run(servers, sharded, "doctor", "--json", shards_max=1))


@pytest.mark.timeout(180)
async def test_a_directory_that_divides_nothing_is_taken_away_by_who_wants_that(
    servers: TestServers, sharded: Spine
) -> None:
    """As long as the first shard has all; `doctor` names the setting and advises nothing."""
    said = of_topology(await run(servers, sharded, "doctor", "--json", shards_max=1))
    assert "with another FLEXSPINE_SHARDS_MAX than 1" in said
    assert "makes it so" not in said
    applied = await run(servers, sharded, "topology", "apply", shards_max=1)
    assert (applied.returncode, applied.stdout) == (0, "The broker holds the plan.\n")
    after = await bound(servers, sharded)
    assert DIRECT in after
    assert BY_DIRECTORY not in after
