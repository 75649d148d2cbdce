"""A platform's own client: registers a user and waits for the reply.

python examples/client.py "$(flexspine key operator --url)" operator
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika

TYPE = "user.register.v1"


async def main(url: str, user: str) -> None:
    """Log in, listen, send one command, and print what comes back until its reply is there."""
    command = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": f"urn:flexspine:user:{user}",
        "type": TYPE,
        "time": datetime.now(UTC).isoformat(),
        "data": {"kind": "organisation", "name": f"Platform {uuid4()}", "roles": ["owner"]},
    }
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        # The backbone has made exchange and queues; no platform may declare any.
        commands = await channel.get_exchange("flex.commands", ensure=False)
        replies = await channel.get_queue(f"{user}.replies", ensure=False)
        message = aio_pika.Message(
            json.dumps(command).encode(),
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=user,  # The broker vouches for it: it is the account or nothing.
            reply_to=replies.name,
        )
        # Returns when the broker has it on disk; an exception means: send the same bytes again.
        await commands.publish(message, routing_key=TYPE, mandatory=True, timeout=10)
        async with replies.iterator(timeout=60) as arriving:
            async for reply in arriving:
                envelope = json.loads(reply.body)
                print(json.dumps(envelope, indent=2))
                await reply.ack()  # Only now: what was written down need not come again.
                if envelope.get("correlationid") == command["id"]:
                    return


if not sys.argv[2:]:
    sys.exit("usage: python examples/client.py AMQP_ADDRESS USER")
asyncio.run(main(*sys.argv[1:]))
