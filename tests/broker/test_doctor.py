"""`doctor` on real servers: content with a backbone that runs, clear about one that does not."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.servers import TestServers
from tests.spine import MASTER, Spine, eventually, open_spine
from workers.addresses import Addresses
from workers.cli import doctor_servers as servers_checks
from workers.cli.doctor import Result, checks, examine
from workers.cli.doctor_fault import Fault
from workers.cli.doctor_worker import worker
from workers.cli.keyring import AccountKeys
from workers.cli.place import Place
from workers.settings import Settings
from workers.store.inspection import Hello, Inspection
from workers.store.protocol import Unavailable
from workers.vault import Vault

pytestmark = pytest.mark.connected

FLEXSPINE = Path(sys.executable).with_name("flexspine")
ANOTHER = SecretStr("ff" * 32)


def settings(spine: Spine, **changes: Any) -> Settings:
    """The settings of somebody whose environment names this backbone."""
    given = spine.addresses.urls | {"master_key": SecretStr(MASTER.hex())} | changes
    return spine.settings.model_copy(update=given)


def place(spine: Spine, **changes: Any) -> Place:
    changed = settings(spine, **changes)
    addresses = Addresses(
        str(changed.amqp_url), str(changed.management_url), str(changed.mongo_url)
    )
    return Place(changed, addresses, Vault(changed.master), AccountKeys(changed.folder))


async def diagnosed(spine: Spine, **changes: Any) -> dict[str, Result]:
    results = await examine(checks(settings(spine, **changes)))
    return {result.check: result for result in results}


def states(results: Mapping[str, Result], state: str) -> set[str]:
    return {name for name, result in results.items() if result.state == state}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_running_backbone_is_well(lone: Spine) -> None:
    async with lone.running():

        async def well() -> dict[str, Result]:
            found = await diagnosed(lone)
            # The management API counts consumers some seconds late.
            return {} if states(found, "fault") == {"consumers"} else found

        found = await eventually(well)
    assert states(found, "ok") == set(found)
    assert found["broker"].said.startswith("RabbitMQ ")
    assert found["keys"].said == "fits broker and database"


async def test_without_workers_every_queue_is_named(lone: Spine) -> None:
    with pytest.raises(Fault, match=r"none of dead\.assets, .*mailbox\.assets\.0.*flexspine work"):
        await servers_checks.consumers(place(lone))


async def test_another_master_key_is_not_let_in(lone: Spine) -> None:
    found = await diagnosed(lone, master_key=ANOTHER)
    assert states(found, "fault") == {"broker"}
    assert "FLEXSPINE_MASTER_KEY" in found["broker"].said
    assert states(found, "skipped") >= {"topology", "keys", "consumers"}


async def test_another_master_key_does_not_open_the_database(lone: Spine) -> None:
    async with lone.running():
        pass
    with pytest.raises(Fault, match="the master key with which this database was begun"):
        await servers_checks.keys(place(lone, master_key=ANOTHER))


async def test_drift_is_a_fault_and_what_is_besides_is_none(lone: Spine) -> None:
    await lone.inspector.call("PUT", "queues/{vhost}/mine", durable=True)
    assert await servers_checks.topology(place(lone)) == "as planned"
    await lone.inspector.call("DELETE", "policies/{vhost}/kept")
    with pytest.raises(Fault, match=r"1 differences, the first: policy kept missing"):
        await servers_checks.topology(place(lone))


async def test_an_absent_server_is_one_fault(lone: Spine) -> None:
    port = free_port()
    found = await diagnosed(lone, mongo_url=f"mongodb://127.0.0.1:{port}/")
    assert states(found, "fault") == {"addresses"}
    assert f"expected a server at 127.0.0.1:{port}" in found["addresses"].said
    assert states(found, "skipped") >= {"broker", "database", "clock", "outbox"}


async def test_a_management_api_that_is_none_is_said(lone: Spine, servers: TestServers) -> None:
    """The plugin is not enabled, or the address is that of something else."""
    amqp = servers.urls.amqp_url.replace("amqp:", "http:")
    found = await diagnosed(lone, management_url=amqp)
    assert states(found, "fault") == {"broker"}
    assert "management plugin" in found["broker"].said


async def test_records_that_wait_for_long_are_a_fault(lone: Spine) -> None:
    """The oldest is the first of its lane, whichever lane that is."""
    now, outbox = datetime.now(UTC), lone.database["outbox"]
    await outbox.insert_many([{"_id": f"b/{n:06d}/0/0", "at": now} for n in range(100)])
    assert (await servers_checks.outbox(place(lone))).startswith("100 waiting")
    await outbox.insert_one({"_id": "c/000001/0/0", "at": now - timedelta(seconds=100)})
    await outbox.insert_one({"_id": "d/000001/0/0", "at": now})
    await lone.database.command("profile", 2)
    with pytest.raises(Fault, match=r"102, the oldest for 1\d\d s.*relay\.paused"):
        await servers_checks.outbox(place(lone))
    await lone.database.command("profile", 0)
    looks = lone.database["system.profile"].find(
        {"ns": f"{lone.database.name}.outbox", "op": "query"}
    )
    examined = [look["docsExamined"] async for look in looks]
    assert examined == [1, 1, 1, 0]


async def test_a_consumer_timeout_of_a_policy_is_seen(lone: Spine) -> None:
    """RabbitMQ before 3.12 knows it as an argument of the queue only, and ignores it."""
    assert await servers_checks.consumer_timeout(place(lone)) == "1800 s"
    arguments = {"x-queue-type": "quorum", "x-consumer-timeout": 5000}
    await lone.inspector.call("PUT", "queues/{vhost}/mine", durable=True, arguments=arguments)
    with pytest.raises(Fault, match="got 5 s"):
        await servers_checks.consumer_timeout(place(lone))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "5.0.31"}, r"expected MongoDB 6\.0 or newer, got 5\.0\.31"),
        ({"set_name": None}, "expected a replica set.*--replSet"),
        ({"primary": False}, "expected a primary of rs0"),
        ({"ahead_s": -3.0}, r"a database 3\.0 s behind"),
    ],
)
async def test_a_database_that_will_not_do_is_said(
    lone: Spine, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], words: str
) -> None:
    """Servers that say so are not to be had here: their answer is changed on its way."""
    ask = Inspection.hello

    async def changed(self: Inspection) -> Hello:
        return replace(await ask(self), **change)

    monkeypatch.setattr(Inspection, "hello", changed)
    found = await diagnosed(lone)
    (name,) = states(found, "fault") - {"consumers"}
    assert re.search(words, found[name].said)


async def test_a_database_without_transactions_is_said(
    lone: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: Inspection) -> None:
        raise Unavailable("OperationFailure: Transaction numbers are only allowed on a replica set")

    monkeypatch.setattr(Inspection, "try_transaction", refused)
    with pytest.raises(Fault, match="expected a transaction, got OperationFailure"):
        await servers_checks.transactions(place(lone))


async def test_a_try_leaves_nothing_behind(lone: Spine) -> None:
    assert await servers_checks.transactions(place(lone)) == "work"
    assert "probe" not in await lone.database.list_collection_names()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_both_drivers_tell_the_same(lone: Spine, driver: str) -> None:
    found = await diagnosed(lone, mongo_driver=driver)
    assert {"database", "replica set", "transactions", "clock"} <= states(found, "ok")


async def test_an_old_broker_is_said(lone: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers_checks, "RABBITMQ_MIN", (99, 0))
    with pytest.raises(Fault, match=r"expected RabbitMQ 99\.0 or newer, got \d"):
        await servers_checks.broker(place(lone))


def run(given: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_")}
    return subprocess.run(  # noqa: S603 - our own command
        [FLEXSPINE, "doctor", *words],
        env=outside | given,
        capture_output=True,
        text=True,
        check=False,
    )


def environment(spine: Spine) -> dict[str, str]:
    given = spine.addresses.urls | {
        "master_key": MASTER.hex(),
        "folder": str(spine.settings.folder),
        "mongo_database": spine.settings.mongo_database,
    }
    return {f"FLEXSPINE_{name.upper()}": value for name, value in given.items()}


async def test_the_command_ends_with_2_where_something_is_wrong(
    servers: TestServers, tmp_path: Path
) -> None:
    async with open_spine(servers, "doctor", tmp_path) as spine:
        whole = run(environment(spine), "--json")
    assert whole.returncode == 2
    told = {one["check"]: one["state"] for one in json.loads(whole.stdout)}
    assert {name for name, state in told.items() if state == "fault"} == {"consumers"}


async def test_quick_tells_whether_the_worker_of_this_host_is_alive(lone: Spine) -> None:
    """What a supervisor starts again: a process that has ended, or whose loop does not turn."""
    async with lone.running():
        alive = await asyncio.to_thread(run, environment(lone), "--quick", "--json")
        with pytest.raises(Fault, match=r"a worker of elsewhere in .*`present`, got none"):
            await worker(place(lone), "elsewhere")
    ended = run(environment(lone), "--quick", "--json")
    assert (alive.returncode, ended.returncode) == (0, 2)
    found = {one["check"]: one for one in json.loads(alive.stdout)}
    assert found.keys() == {"settings", "master key", "worker"}
    assert found["worker"]["said"].startswith(f"present: {socket.gethostname()}:{os.getpid()}:")


async def test_who_was_present_and_has_hung_since_is_not_alive(lone: Spine) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    await lone.database["present"].insert_one({"_id": "here:7:ab", "until": past})
    with pytest.raises(Fault, match="got none"):
        await worker(place(lone), "here")
    # A dot of a name is a dot, and the name ends at the colon.
    future = datetime.now(UTC) + timedelta(seconds=60)
    others = [{"_id": f"{name}:7:ab", "until": future} for name in ("hereabouts", "h.re", "there")]
    await lone.database["present"].insert_many(others)
    with pytest.raises(Fault, match="got none"):
        await worker(place(lone), "here")
    assert await worker(place(lone), "h.re") == "present: h.re:7:ab"


@pytest.mark.parametrize("away", ["mongo_url", "amqp_url", "management_url"])
async def test_an_outage_is_no_reason_to_start_a_worker_again(lone: Spine, away: str) -> None:
    """It is not present while database or broker is away; the management API is not asked."""
    scheme = {"mongo_url": "mongodb", "amqp_url": "amqp", "management_url": "http"}[away]
    changed = place(lone, **{away: f"{scheme}://127.0.0.1:{free_port()}/"})
    if away == "management_url":
        future = datetime.now(UTC) + timedelta(seconds=60)
        await lone.database["present"].insert_one({"_id": "here:7:ab", "until": future})
        assert await worker(changed, "here") == "present: here:7:ab"
    else:
        what = {"mongo_url": "database", "amqp_url": "broker"}[away]
        assert (await worker(changed, "here")).startswith(f"unknown, the {what} is away: ")


def test_a_setting_that_is_none_is_the_first_fault() -> None:
    done = run({"FLEXSPINE_FODLER": "x"})
    assert done.returncode == 2
    assert "FLEXSPINE_FODLER" in done.stdout


def test_a_folder_without_servers_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text(MASTER.hex())
    done = run({"FLEXSPINE_FOLDER": str(tmp_path)}, "--json")
    (fault,) = [one for one in json.loads(done.stdout) if one["state"] == "fault"]
    assert fault["check"] == "addresses"
    assert "flexspine up" in fault["said"]
    assert done.returncode == 2
