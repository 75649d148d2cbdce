"""A platform registers itself at the front desk, and waits until its own account is let in.

python examples/register.py "$(flexspine key front-desk --url)" 'My Platform Ltd'
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika

DESK, TYPE, DIRECT = "front-desk", "user.register.v1", "amq.rabbitmq.reply-to"


async def ask(url: str, data: dict[str, object]) -> dict[str, object]:
    """Send one registration, and give what it is answered with."""
    account = urlsplit(url).username or ""  # In a sandbox `sandbox.front-desk`.
    command = {"specversion": "1.0", "id": str(uuid4()), "source": f"urn:flexspine:user:{DESK}"}
    command |= {"type": TYPE, "time": datetime.now(UTC).isoformat(), "data": data}
    answer = asyncio.get_running_loop().create_future()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        # The desk has no queue, since all visitors would share it: the answer comes to this channel
        # and to nobody else. Should it be lost, send the same bytes again.
        replies = await channel.get_queue(DIRECT, ensure=False)
        await replies.consume(lambda message: answer.set_result(message.body), no_ack=True)
        commands = await channel.get_exchange("flex.commands", ensure=False)
        message = aio_pika.Message(json.dumps(command).encode(), user_id=account, reply_to=DIRECT)
        await commands.publish(message, routing_key=TYPE, mandatory=True, timeout=10)
        return dict(json.loads(await asyncio.wait_for(answer, 60)))


async def main(url: str, name: str) -> None:
    """Make a key, register, and print the address under which the platform connects from now on."""
    key, salt = base64.urlsafe_b64encode(os.urandom(24)).decode(), os.urandom(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + key.encode()).digest()).decode()
    data = {"kind": "organisation", "name": name, "roles": ["fsp"], "account_key_hash": hashed}
    reply = await ask(url, data)
    print(json.dumps(reply, indent=2))
    if reply["type"] != "user.register.accepted.v1":
        return
    desk, user = urlsplit(url), str(dict(reply["data"])["id"])
    account = (desk.username or "").replace(DESK, user)
    own = urlunsplit(desk._replace(netloc=f"{account}:{key}@{desk.hostname}:{desk.port}"))
    for _ in range(60):  # The account follows the answer, usually within a second.
        try:
            await (await aio_pika.connect(own)).close()
        except aio_pika.exceptions.ProbableAuthenticationError:
            await asyncio.sleep(0.5)
        else:
            print(own)
            return


if not sys.argv[2:]:
    sys.exit("usage: python examples/register.py AMQP_ADDRESS_OF_FRONT_DESK NAME")
asyncio.run(main(*sys.argv[1:]))
