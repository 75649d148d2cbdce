"""The embedded servers: started, found again, restarted on their data, killed, and refused."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest
from pymongo import MongoClient

from tests.servers import ADMINISTRATOR, PASSWORD, TestServers, absent
from workers.embedded import Running, ServerFailed, ServerMissing, start
from workers.embedded.broker import find_rabbitmq
from workers.embedded.database import Database, find_mongod
from workers.embedded.ports import of_folder

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.connected, pytest.mark.chaos]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def started(folder: Path) -> Iterator[Running]:
    try:
        servers = start(folder, ADMINISTRATOR, PASSWORD)
    except ServerMissing as missing:
        absent(str(missing))
        raise
    yield servers
    servers.stop()


@pytest.fixture
def running(started: Running) -> Running:
    """Give the module's servers, brought back where the test before has stopped them."""
    started.start()
    return started


async def remember(running: Running, body: bytes) -> None:
    """Keep one message and one document, each confirmed by its server."""
    url = running.urls.amqp_as(ADMINISTRATOR, PASSWORD)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(
            "kept", durable=True, arguments={"x-queue-type": "quorum"}
        )
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue.name, mandatory=True)
    with MongoClient[dict[str, Any]](running.urls.mongo_url) as client:
        kept = client.get_database("flexspine").get_collection("kept")
        with client.start_session() as session, session.start_transaction():
            kept.replace_one({"_id": 0}, {"body": body}, upsert=True, session=session)


async def recall(running: Running) -> tuple[bytes, bytes]:
    """Give the message and the document that were kept last."""
    url = running.urls.amqp_as(ADMINISTRATOR, PASSWORD)
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=10)
        assert message is not None
        await message.ack()
    with MongoClient[dict[str, Any]](running.urls.mongo_url) as client:
        document = client.get_database("flexspine").get_collection("kept").find_one()
    assert document is not None
    return message.body, document["body"]


async def test_data_survive_a_stop_and_a_kill(folder: Path, running: Running) -> None:
    await remember(running, b"before the stop")
    before = running.urls
    running.stop()
    assert running.pids == {}

    again = start(folder, ADMINISTRATOR, PASSWORD)
    assert again.urls == before
    assert await recall(again) == (b"before the stop", b"before the stop")

    # The queue is not made anew for this: RabbitMQ 3.10 keeps a new quorum queue's registration
    # in a file that it writes seconds later, so that a kill at once leaves it without a leader.
    await remember(again, b"before the kill")
    running.kill_broker()
    running.kill_database()
    assert set(running.pids) <= {"epmd"}
    running.start()

    assert await recall(running) == (b"before the kill", b"before the kill")


def test_a_second_start_finds_the_servers_that_still_run(folder: Path, running: Running) -> None:
    again = start(folder, ADMINISTRATOR, PASSWORD)

    assert again.pids == running.pids
    assert again.urls == running.urls


def test_servers_outlive_a_killed_parent_and_are_found_again(
    folder: Path, started: Running
) -> None:
    started.stop()
    parent = (
        "import json, os, signal, sys; from pathlib import Path;"
        "from workers.embedded import start;"
        "running = start(Path(sys.argv[1]), *sys.argv[2:]);"
        "print(json.dumps(running.pids), flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", parent, str(folder), ADMINISTRATOR, PASSWORD]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603
    assert ended.returncode == -signal.SIGKILL, ended.stderr

    assert start(folder, ADMINISTRATOR, PASSWORD).pids == json.loads(ended.stdout)


def test_a_stop_ends_servers_that_another_start_left(folder: Path, running: Running) -> None:
    again = start(folder, ADMINISTRATOR, PASSWORD)
    again.stop()

    assert running.pids == {}


def test_a_frozen_server_is_ended_too(running: Running) -> None:
    for name in ("rabbitmq", "mongod"):
        os.kill(running.pids[name], signal.SIGSTOP)

    running.stop()

    assert running.pids == {}


def test_another_password_than_the_one_of_the_data_is_refused(
    folder: Path, running: Running
) -> None:
    with pytest.raises(ServerFailed, match="to know its administrator"):
        start(folder, ADMINISTRATOR, "another")

    assert set(running.pids) == {"rabbitmq", "epmd", "mongod"}


def test_the_fresh_broker_knows_its_administrator_only(running: Running) -> None:
    account = (ADMINISTRATOR, PASSWORD)
    users = httpx.get(f"{running.urls.management_url}/api/users", auth=account, trust_env=False)

    assert [(user["name"], user["tags"]) for user in users.json()] == [
        (ADMINISTRATOR, ["administrator"])
    ]


def test_two_folders_never_meet(running: Running, servers: TestServers) -> None:
    others = servers.embedded()

    assert not set(running.pids.values()) & set(others.pids.values())
    assert running.urls != others.urls


def test_a_remembered_port_in_use_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", of_folder(tmp_path).amqp)) as taken:
        with pytest.raises((ServerFailed, ServerMissing)) as failure:
            start(tmp_path, ADMINISTRATOR, PASSWORD)
        if isinstance(failure.value, ServerMissing):
            absent(str(failure.value))
        assert f"port {taken.getsockname()[1]}" in str(failure.value)
        assert "stop that program" in str(failure.value)
    assert not list(tmp_path.rglob("*.pid"))


def test_ports_are_chosen_once(tmp_path: Path) -> None:
    first = of_folder(tmp_path)

    assert of_folder(tmp_path) == first
    assert len(set(first)) == len(first)


def test_unreadable_ports_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({"amqp": 1}))

    with pytest.raises(ServerFailed, match=r"delete .* to begin anew"):
        of_folder(tmp_path)


def test_an_administrator_that_would_need_quoting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="letters, digits"):
        start(tmp_path, "flex admin", PASSWORD)


@pytest.mark.parametrize("told", ["", "much", "0.1", "-1", "1e3", "inf"])
def test_a_wrong_size_of_the_cache_is_said(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXSPINE_MONGOD_CACHE_GB", told)
    with pytest.raises(ServerFailed, match="expected FLEXSPINE_MONGOD_CACHE_GB to be a number"):
        Database(tmp_path, of_folder(tmp_path)).spawn()


@pytest.mark.parametrize("name", ["FLEXSPINE_MONGOD", "FLEXSPINE_RABBITMQ"])
def test_a_wrong_path_in_a_setting_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere/server")

    with pytest.raises(ServerMissing, match=f"where {name} says"):
        (find_mongod if name == "FLEXSPINE_MONGOD" else find_rabbitmq)()
