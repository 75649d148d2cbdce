"""The bare loop: consume, insert, publish a reply and an event, acknowledge; it promises nothing.

No validation, no uniqueness, no inbox, no outbox, no transaction. It is written as the libraries'
manuals have it, with their own publish, and shows what the promises cost or do not cost.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from motor.motor_asyncio import AsyncIOMotorClient

from bench.places import EVENTS, QUEUES, Servers

PREFETCH: Final = 400
BATCH_MAX: Final = 200


async def run(servers: Servers, count: int, begun: Callable[[], None]) -> None:
    """Serve `count` commands; `begun` is told before the first is asked for."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        servers.mongo_url, w="majority", journal=True
    )
    assets = client[servers.database].bare
    await assets.insert_one({})
    async with await aio_pika.connect(servers.amqp_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        exchange = await (await connection.channel(publisher_confirms=True)).get_exchange(EVENTS)
        queue = await channel.get_queue(QUEUES["bare"])
        begun()
        await _serve(queue, assets, exchange, count)
    client.close()


async def _serve(
    queue: AbstractQueue, assets: Any, exchange: aio_pika.abc.AbstractExchange, count: int
) -> None:
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(arrived.put)
    done = 0
    while done < count:
        batch = [await arrived.get()]
        while len(batch) < BATCH_MAX and not arrived.empty():
            batch.append(arrived.get_nowait())
        documents = [json.loads(message.body) for message in batch]
        for document in documents:
            document["_id"] = document["id"]
        await assets.insert_many(documents, ordered=False)
        await asyncio.gather(
            *[
                exchange.publish(aio_pika.Message(m.body, delivery_mode=2), routing_key=key)
                for m in batch
                for key in ("x.accepted", "x.registered")
            ]
        )
        await batch[-1].ack(multiple=True)
        done += len(batch)
