"""A platform's own client, as docs/connect.md shows it: the shipped script and the commands."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from tests.spine import MASTER, Spine, eventually, user
from topology import names

pytestmark = pytest.mark.connected

ROOT: Final = Path(__file__).resolve().parents[2]
CLIENT: Final = ROOT / "examples" / "client.py"
REGISTER: Final = ROOT / "examples" / "register.py"


async def said(*words: str, environment: dict[str, str] | None = None) -> str:
    """What a program says that ends well."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def surroundings(spine: Spine, folder: Path) -> dict[str, str]:
    """The environment of somebody whose settings name this backbone."""
    given = spine.addresses.urls | {"master_key": MASTER.hex(), "folder": str(folder)}
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_")}
    return outside | {f"FLEXSPINE_{name.upper()}": value for name, value in given.items()}


async def test_the_shipped_client_gets_its_reply(working: Spine, tmp_path: Path) -> None:
    flexspine = str(Path(sys.executable).with_name("flexspine"))
    environment = surroundings(working, tmp_path)
    url = (await said(flexspine, "key", "operator", "--url", environment=environment)).strip()
    reply = json.loads(await said(sys.executable, str(CLIENT), url, "operator"))
    assert reply["type"] == "user.register.accepted.v1"
    assert reply["data"]["id"].startswith("USR-")


async def test_a_platform_registers_itself_and_is_let_in(working: Spine) -> None:
    url = working.addresses.amqp_as(names.FRONT_DESK, working.vault.password(names.FRONT_DESK))
    printed = await said(sys.executable, str(REGISTER), url, "Desk Visitor Ltd")
    own = printed.splitlines()[-1]
    reply = json.loads(printed.removesuffix(f"{own}\n"))
    assert reply["type"] == "user.register.accepted.v1"
    assert urlsplit(own).username == reply["data"]["id"]
    async with await aio_pika.connect(own) as connection:
        queue = names.replies_queue(reply["data"]["id"])
        assert (await (await connection.channel()).declare_queue(queue, passive=True)).name == queue


async def test_key_prints_what_a_client_needs(working: Spine, tmp_path: Path) -> None:
    flexspine = str(Path(sys.executable).with_name("flexspine"))
    environment = surroundings(working, tmp_path)
    told = await said(flexspine, "key", "urn:flexspine:user:operator", environment=environment)
    found = dict(line.split(maxsplit=1) for line in told.splitlines())
    address = urlsplit(working.addresses.amqp_url)
    assert found["account"] == "operator"
    assert found["key"] == working.vault.password(names.OPERATOR)
    assert found["address"] == f"amqp://{address.netloc.rpartition('@')[2]}{address.path}"


async def test_a_user_chooses_which_of_its_events_it_keeps(working: Spine) -> None:
    """As docs/connect.md says: its own keys only, and with no right to declare anything."""
    operator = await working.operator()
    registered = (await operator.ask("user.register.v1", user("secret"))).data["id"]
    await eventually(lambda: working.has_account(registered))
    url = working.addresses.amqp_as(registered, "secret")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        events = await channel.get_queue(names.events_queue(registered), ensure=False)
        exchange = await channel.get_exchange(names.EVENTS, ensure=False)
        await events.bind(exchange, f"{registered}.asset.#")
        await events.unbind(exchange, f"{registered}.#")
        with pytest.raises(ChannelAccessRefused):
            await events.bind(exchange, "#")
